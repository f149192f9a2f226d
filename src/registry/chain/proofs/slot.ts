/** Proofs of storage slots, read from a node and verified before they are given on. */
import { type Address, type Hex, isHex, numberToHex, toRlp } from 'viem'
import { verifySlotProof } from '../../../core/ethereum/slotProof.js'
import { fromHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { type ReadClient, request, withClient } from '../client.js'
import { BlockNotFoundError, RpcInconsistentError } from '../errors.js'
import { encodeHeader } from './rawHeader.js'

/** A slot's value, its block, and the bytes that prove it. */
export type SlotProof = {
  value: bigint
  block: { number: bigint; hash: Hex; timestamp: bigint }
  /** For `verifySlotProof`, and for `storageSequence` inside an enclave. */
  proof: Uint8Array
}

/**
 * Reads a storage slot with its proof (EIP-1186).
 *
 * Reads `eth_getBlockByNumber` and `eth_getProof`, the second at the first one's number. What the node
 * answers is verified against that block's hash; that the block is of the chain is the node's word.
 *
 * @param parameters.block - @default 'finalized'
 * @throws {RpcInconsistentError} where header or proof do not fit the block's hash, or another block came.
 * @throws {BlockNotFoundError} where the node does not have the block.
 * @example
 * ```ts
 * import { getSlotProof } from '@newton/policy-sdk/registry'
 * import { createPublicClient, http } from 'viem'
 *
 * const client = createPublicClient({ transport: http('http://127.0.0.1:8545') })
 * const contract = `0x${'11'.repeat(20)}` as const
 * const slot = `0x${'00'.repeat(32)}` as const
 * const { value, proof } = await getSlotProof(client, { contract, slot })
 * ```
 */
export async function getSlotProof(
  client: ReadClient,
  parameters: { contract: Address; slot: Hex; block?: bigint | 'latest' | 'safe' | 'finalized' },
  options: IoOptions = {},
): Promise<SlotProof> {
  const { contract, slot, block = 'finalized' } = parameters
  return withClient('Reading a slot with its proof', { client, options }, async (bound) => {
    const tag = typeof block === 'bigint' ? numberToHex(block) : block
    const raw = await ask(bound, 'eth_getBlockByNumber', [tag, false])
    if (raw === null) {
      throw new BlockNotFoundError({ block: typeof block === 'bigint' ? block : 0n, latest: 0n })
    }
    const header = encodeHeader(raw as Record<string, unknown>)
    const number = (raw as { number: Hex }).number
    const answer = await ask(bound, 'eth_getProof', [contract, [slot], number])
    const proof = fromHex(toRlp([header, ...proofNodes(answer)]))
    const verdict = verifySlotProof(proof, { contract, slot })
    if (verdict.status !== 'valid') {
      throw new RpcInconsistentError(`its proof of a slot does not hold (${verdict.code})`)
    }
    if (typeof block === 'bigint' && verdict.header.number !== block) {
      throw new RpcInconsistentError(`block ${verdict.header.number} came for block ${block}`)
    }
    const { hash, timestamp } = verdict.header
    return {
      value: verdict.value,
      proof,
      block: { number: verdict.header.number, hash, timestamp },
    }
  })
}

function ask(client: ReadClient, method: string, params: unknown[]): Promise<unknown> {
  return request(method, () => client.request({ method, params } as never))
}

function proofNodes(answer: unknown): [Hex[], Hex[]] {
  const { accountProof, storageProof } = (answer ?? {}) as {
    accountProof?: unknown
    storageProof?: { proof?: unknown }[]
  }
  const nodes = storageProof?.[0]?.proof
  if (!isHexList(accountProof) || !isHexList(nodes)) {
    throw new RpcInconsistentError('a proof has no nodes')
  }
  return [accountProof, nodes]
}

function isHexList(value: unknown): value is Hex[] {
  return Array.isArray(value) && value.every((node) => isHex(node) && node.length % 2 === 0)
}
