/** Proofs of storage slots, read from a node and verified before they are given on. */
import { type Address, type Hex, isHex, numberToHex, toRlp } from 'viem'
import { verifySlotProof } from '../../core/ethereum/slotProof.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { type ReadClient, request, withClient } from './client.js'
import { BlockNotFoundError, RpcInconsistentError } from './errors.js'

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

/** Fields of a header in their order, with those that forks have added since. */
const words = [
  'parentHash',
  'sha3Uncles',
  'miner',
  'stateRoot',
  'transactionsRoot',
  'receiptsRoot',
  'logsBloom',
] as const
const quantities = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp'] as const
const tail = ['extraData', 'mixHash', 'nonce'] as const
const added = [
  'baseFeePerGas',
  'withdrawalsRoot',
  'blobGasUsed',
  'excessBlobGas',
  'parentBeaconBlockRoot',
  'requestsHash',
] as const

/** Builds the header's bytes anew; they are right where their hash is the block's. */
function encodeHeader(block: Record<string, unknown>): Hex {
  const fields = [
    ...words.map((name) => bytesField(block[name])),
    ...quantities.map((name) => quantityField(block[name])),
    ...tail.map((name) => bytesField(block[name])),
    ...added
      .filter((name) => block[name] !== undefined && block[name] !== null)
      .map((name) =>
        /Root$|Hash$/.test(name) ? bytesField(block[name]) : quantityField(block[name]),
      ),
  ]
  const encoded = toRlp(fields)
  const hash = block['hash']
  if (typeof hash !== 'string' || keccakHex(fromHex(encoded)) !== hash.toLowerCase()) {
    throw new RpcInconsistentError('the fields of a block do not hash to its hash')
  }
  return encoded
}

function bytesField(value: unknown): Hex {
  if (isHex(value) && value.length % 2 === 0) return value
  throw new RpcInconsistentError('a field of a block is missing')
}

function quantityField(value: unknown): Hex {
  if (!isHex(value)) throw new RpcInconsistentError('a field of a block is missing')
  const digits = value.slice(2).replace(/^0+/, '')
  return digits === '' ? '0x' : toHex(fromHex(`0x${digits.length % 2 === 0 ? '' : '0'}${digits}`))
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
