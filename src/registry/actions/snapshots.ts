/** Snapshots by which the signers of a commit registry put its root right after a disaster. */
import { type Address, encodeAbiParameters, type Hex, keccak256, stringToHex } from 'viem'
import * as StateCommitRegistry from '../../core/abi/stateCommitRegistryAbi.js'
import { assertStateCommit, type StateCommit, stateCommitAbi } from '../../core/stateCommit.js'
import { assertList } from '../../internal/options.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import { functionOf } from '../chain/slices.js'
import { checkSnapshot, type SnapshotSignature } from '../preflight/snapshots.js'
import { addressOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A snapshot, in the form of a commit, and as many signatures as the registry asks for. */
export type InjectSealedSnapshotInput = {
  snapshot: StateCommit
  signatures: readonly SnapshotSignature[]
}

/** What a snapshot that was injected emits. */
export type SnapshotAnchoredEvent = { sequenceNo: bigint; root: Hex; timestamp: bigint }

const inject: WriteTriple<InjectSealedSnapshotInput, SnapshotAnchoredEvent, undefined> =
  defineWrite<InjectSealedSnapshotInput, SnapshotAnchoredEvent, undefined>({
    name: 'injectSealedSnapshot',
    prepare: (client, parameters) => ({
      address: registryOf(client, parameters),
      ...functionOf(StateCommitRegistry.injectSealedSnapshot),
      args: encode(parameters),
    }),
    preflight: (client, parameters) => {
      const registry = registryOf(client, parameters)
      const { snapshot, signatures } = parameters
      return checkSnapshot(client, { registry, snapshot, signatures, encoded: encode(parameters) })
    },
    emits: StateCommitRegistry.SnapshotAnchored,
    event: (args) => args as SnapshotAnchoredEvent,
    result: () => undefined,
  })

/**
 * Injects a snapshot that the registry's signers agreed on, as the next commit. Open to all: the
 * signatures are the permission. Signers may be contracts (EIP-1271); their order does not matter here.
 *
 * @throws {PreflightError} naming `InvalidSealedSnapshot`, `SequenceGap`, `TimestampRegression` and so on.
 * @example
 * ```ts
 * const digest = computeSnapshotDigest({ chainId, registry, snapshot })
 * const signature = await account.sign({ hash: digest })
 * await injectSealedSnapshotSync(client, {
 *   snapshot,
 *   signatures: [{ signer: account.address, signature }],
 * })
 * ```
 */
export const injectSealedSnapshot: WriteAction<InjectSealedSnapshotInput> = inject.send
/** Like {@link injectSealedSnapshot}, and waits for the receipt and its event. */
export const injectSealedSnapshotSync: SyncAction<
  InjectSealedSnapshotInput,
  SnapshotAnchoredEvent
> = inject.sync
/** Simulates {@link injectSealedSnapshot}. */
export const simulateInjectSealedSnapshot: SimulateAction<InjectSealedSnapshotInput, undefined> =
  inject.simulate
/** Checks and transaction of {@link injectSealedSnapshot}, nothing signed. */
export const dryRunInjectSealedSnapshot: DryRunAction<InjectSealedSnapshotInput> = inject.dryRun

/**
 * Computes what signers of a snapshot sign: `keccak256(abi.encode(keccak256("NewtonSealedSnapshotV1"),
 * chainId, registry, keccak256(abi.encode(snapshot))))`, raw.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeSnapshotDigest(parameters: {
  chainId: number
  registry: Address
  snapshot: StateCommit
}): Hex {
  const { chainId, registry, snapshot } = parameters
  const types = [
    { type: 'bytes32' },
    { type: 'uint256' },
    { type: 'address' },
    { type: 'bytes32' },
  ] as const
  const hash = keccak256(encodeSnapshot(snapshot))
  return keccak256(
    encodeAbiParameters(types, [
      SNAPSHOT_TAG,
      BigInt(chainId),
      addressOf(registry, 'registry'),
      hash,
    ]),
  )
}

const SNAPSHOT_TAG: Hex = /* @__PURE__ */ keccak256(
  /* @__PURE__ */ stringToHex('NewtonSealedSnapshotV1'),
)

function registryOf(client: WriteClient, { addresses }: WriteOptions): Address {
  return resolveAddress('stateCommitRegistry', { addresses, chainId: client.chain.id })
}

function encodeSnapshot(snapshot: StateCommit): Hex {
  assertStateCommit(snapshot)
  return encodeAbiParameters([stateCommitAbi], [snapshot])
}

/** Signers ascending by address, as the contract wants them. */
function encode({ snapshot, signatures }: InjectSealedSnapshotInput): readonly [Hex, Hex] {
  assertList('signatures', signatures)
  const list = signatures
    .map(({ signer, signature }) => ({ signer: addressOf(signer, 'signatures.signer'), signature }))
    .sort((a, b) => (BigInt(a.signer) < BigInt(b.signer) ? -1 : 1))
  const signed = encodeAbiParameters(
    [{ type: 'address[]' }, { type: 'bytes[]' }],
    [list.map(({ signer }) => signer), list.map(({ signature }) => signature)],
  )
  return [encodeSnapshot(snapshot), signed]
}
