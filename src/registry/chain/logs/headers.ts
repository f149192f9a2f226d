/**
 * Headers of blocks, and what they prove about logs: a header's bloom filter holds address and topics
 * of every log of its block, so a filter without them proves that there is none
 * (Ethereum Yellow Paper, section 4.3.1).
 */
import { type Hex, isHex } from 'viem'
import { getBlock as viemGetBlock } from 'viem/actions'
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import { fromHex } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import { checkedBlock, isHash } from '../blocks.js'
import { type ReadClient, request } from '../client.js'
import { BlockNotFoundError, RpcInconsistentError } from '../errors.js'

/** What of a block's header is needed to follow a chain and to judge its logs. */
export type BlockHeader = BlockReference & {
  parentHash: Hex
  /** 256 bytes, `null` where the node gave none that can be used. */
  bloom: Uint8Array | null
}

/** Most headers asked for at once. */
const MAX_HEADERS = 16n

/** Reads one header. @throws {BlockNotFoundError} where this node does not have it. */
export async function readHeader(
  client: ReadClient,
  at: bigint | 'latest',
  newest: bigint = typeof at === 'bigint' ? at : 0n,
): Promise<BlockHeader> {
  const block = await request(
    typeof at === 'bigint' ? `block ${at}` : `the ${at} block`,
    async () => {
      try {
        return await viemGetBlock(
          client,
          typeof at === 'bigint' ? { blockNumber: at } : { blockTag: at },
        )
      } catch (error) {
        if ((error as { name?: string }).name === 'BlockNotFoundError') return null
        throw error
      }
    },
  )
  if (block === null) {
    // A node that is behind: the one that told the newest block was another one.
    throw new BlockNotFoundError({ block: typeof at === 'bigint' ? at : newest, latest: newest })
  }
  const what = typeof at === 'bigint' ? `block ${at}` : `the ${at} block`
  const checked = checkedBlock(block, what)
  const { parentHash, logsBloom, transactions } = block
  if (typeof at === 'bigint' && checked.number !== at) {
    throw new RpcInconsistentError(`block ${checked.number} came for block ${at}`)
  }
  if (!isHash(parentHash)) throw new RpcInconsistentError(`${what} has no parent`)
  return { ...checked, parentHash, bloom: readBloom(logsBloom, transactions?.length) }
}

/**
 * Reads the headers of a range, each the parent of the next.
 *
 * @throws {BlockNotFoundError} where the node is behind.
 * @throws {RpcInconsistentError} where the blocks are not of one chain.
 */
export async function readHeaders(
  client: ReadClient,
  parameters: { fromBlock: bigint; toBlock: bigint; newest: BlockHeader },
): Promise<BlockHeader[]> {
  const { fromBlock, toBlock, newest } = parameters
  const headers: BlockHeader[] = []
  for (let from = fromBlock; from <= toBlock; from += MAX_HEADERS) {
    const last = from + MAX_HEADERS - 1n < toBlock ? from + MAX_HEADERS - 1n : toBlock
    const numbers = Array.from({ length: Number(last - from) + 1 }, (_, i) => from + BigInt(i))
    const read = numbers.map((number) =>
      number === newest.number ? newest : readHeader(client, number, newest.number),
    )
    headers.push(...(await Promise.all(read)))
  }
  for (let i = 1; i < headers.length; i++) {
    const [parent, child] = [headers[i - 1] as BlockHeader, headers[i] as BlockHeader]
    if (child.parentHash.toLowerCase() !== parent.hash.toLowerCase()) {
      throw new RpcInconsistentError(`block ${child.number} is not on top of the block before it`)
    }
  }
  return headers
}

/**
 * A test of headers: may a block hold a log of one of these addresses with one of these topics?
 * False is a proof; true is none.
 */
export function bloomTest(query: {
  addresses: readonly Hex[]
  topics: readonly Hex[]
}): (header: BlockHeader) => boolean {
  const addresses = query.addresses.map(bitsOf)
  const topics = query.topics.map(bitsOf)
  return ({ bloom }) => {
    if (bloom === null) return true
    const holds = (bits: readonly number[]): boolean =>
      bits.every((bit) => ((bloom[255 - (bit >> 3)] as number) & (1 << (bit & 7))) !== 0)
    return addresses.some(holds) && topics.some(holds)
  }
}

// Some chains leave the filter empty whatever their blocks hold: an empty filter over transactions
// proves nothing.
function readBloom(bloom: unknown, transactions: number | undefined): Uint8Array | null {
  if (!isHex(bloom) || bloom.length !== 514) return null
  const bytes = fromHex(bloom, 'logsBloom')
  return transactions === 0 || bytes.some((byte) => byte !== 0) ? bytes : null
}

function bitsOf(value: Hex): number[] {
  const hash = keccak(fromHex(value, 'topic'))
  return [0, 2, 4].map((at) => (((hash[at] as number) << 8) | (hash[at + 1] as number)) & 2047)
}
