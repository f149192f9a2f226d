/** The one contract of an enclave: named in its image, made by its own deployment, or a host's word. */
import type { Codec } from '../store/codec.js'
import { bytesCodec } from '../store/codec.js'
import { defineKey, type StoreTransaction } from '../store/typedStore.js'
import { AppContractError } from './errors.js'

const utf8Codec: Codec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder().decode(bytes),
}
const boundKey = defineKey('@contract', utf8Codec)
/** The deployment's transaction: the same one whenever it is asked for. */
const deploymentKey = defineKey('@deployment', bytesCodec)

/** How an enclave comes to its contract. */
export type ContractRule =
  /** Named in the image. */
  | { address: string }
  /** The one that `app.deploy` makes. */
  | 'deployed'
  /** Whatever the host binds it to. Until then, events of any. */
  | 'trust-host'

/**
 * Checks that a call is for the enclave's contract.
 *
 * @throws {AppContractError} for another contract, and before there is one.
 */
export async function assertContract(
  tx: StoreTransaction,
  contract: string,
  rule: ContractRule,
): Promise<void> {
  const bound = typeof rule === 'object' ? rule.address : await tx.get(boundKey)
  if (bound === undefined && rule === 'trust-host') return
  if (bound !== contract) throw new AppContractError({ contract, bound })
}

/**
 * Binds the enclave to the host's choice, where its word counts; elsewhere only confirms it.
 *
 * @throws {AppContractError} for any other contract than the enclave's own.
 */
export async function bindContract(
  tx: StoreTransaction,
  contract: string,
  rule: ContractRule,
): Promise<void> {
  await assertContract(tx, contract, rule)
  if (rule === 'trust-host') tx.set(boundKey, contract)
}

/** The deployment that was made before, or the new one, which binds the enclave to its contract. */
export async function deployOnce(
  tx: StoreTransaction,
  make: () => Promise<{ transaction: Uint8Array; contract: string }>,
): Promise<{ transaction: Uint8Array; contract: string }> {
  const bound = await tx.get(boundKey)
  const before = await tx.get(deploymentKey)
  if (before !== undefined && bound !== undefined) return { transaction: before, contract: bound }
  const made = await make()
  // Looked at before it is written: a second contract never replaces the first.
  if (bound !== undefined) throw new AppContractError({ contract: made.contract, bound })
  tx.set(boundKey, made.contract)
  tx.set(deploymentKey, made.transaction)
  return made
}
