/** Storage of a block that is named by its hash: every value comes with a proof that was verified. */
import { type Address, type Hex, isHex, numberToHex } from 'viem'
import { readExecutionHeader } from '../../../core/ethereum/header.js'
import { verifyAccountProof, verifyStorageProof } from '../../../core/ethereum/proofs.js'
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import { fromHex } from '../../../internal/bytes.js'
import { type ReadClient, request } from '../client.js'
import { RpcInconsistentError } from '../errors.js'
import { encodeHeader } from './rawHeader.js'

/** A block, with what its header proves of the state after it. */
export type PinnedBlock = { block: BlockReference; stateRoot: Hex }

/**
 * Reads the header of a block and hashes it.
 *
 * @throws {RpcInconsistentError} where the node has no such block, or its fields do not hash to it.
 */
export async function pinBlock(client: ReadClient, blockHash: Hex): Promise<PinnedBlock> {
  const raw = await ask(client, 'eth_getBlockByHash', [blockHash, false])
  if (typeof raw !== 'object' || raw === null) {
    throw new RpcInconsistentError(`it has no block ${blockHash}`)
  }
  const header = readExecutionHeader(fromHex(encodeHeader(raw as Record<string, unknown>)))
  if (header === undefined || header.hash !== blockHash.toLowerCase()) {
    throw new RpcInconsistentError(`another block came for ${blockHash}`)
  }
  const { number, hash, timestamp, stateRoot } = header
  return { block: { number, hash, timestamp }, stateRoot }
}

/**
 * Reads slots of a contract in the state after a pinned block (EIP-1186).
 *
 * @returns The values, in the order of the slots. Nothing is zero unless a proof shows that it is.
 * @throws {RpcInconsistentError} where a proof does not hold, or is not there.
 */
export async function readProvenSlots(
  client: ReadClient,
  { pinned, contract, slots }: { pinned: PinnedBlock; contract: Address; slots: readonly Hex[] },
): Promise<bigint[]> {
  const { block, stateRoot } = pinned
  const answer = (await ask(client, 'eth_getProof', [
    contract,
    slots,
    numberToHex(block.number),
  ])) as { accountProof?: unknown; storageProof?: unknown } | null
  if (answer === null) throw new RpcInconsistentError('it gives no proofs')
  const proven = verifyAccountProof({
    ...{ stateRoot, address: contract },
    nodes: nodesOf(answer.accountProof),
  })
  if (proven.status === 'reject') {
    throw new RpcInconsistentError(`its proof of ${contract} does not hold (${proven.code})`)
  }
  if (proven.account === null) throw new RpcInconsistentError(`there is no contract ${contract}`)
  const { storageRoot } = proven.account
  const proofs = Array.isArray(answer.storageProof) ? answer.storageProof : []
  return slots.map((slot, index) => {
    const nodes = nodesOf((proofs[index] as { proof?: unknown } | undefined)?.proof)
    const stored = verifyStorageProof({ storageRoot, slot, nodes })
    if (stored.status === 'valid') return stored.value
    throw new RpcInconsistentError(`its proof of a slot does not hold (${stored.code})`)
  })
}

function ask(client: ReadClient, method: string, params: unknown[]): Promise<unknown> {
  return request(method, () => client.request({ method, params } as never))
}

function nodesOf(value: unknown): Hex[] {
  if (Array.isArray(value) && value.every((node) => isHex(node) && node.length % 2 === 0)) {
    return value as Hex[]
  }
  throw new RpcInconsistentError('a proof has no nodes')
}
