/** A chain of logs in memory, and nodes that hold it, lag behind it, or answer for it in turns. */
import { type Hex, keccak256, toHex } from 'viem'
import { fromHex } from '../../src/internal/bytes.js'
import { FakeRpcError, type RpcHandler } from './fakeNode.js'

export type BareLog = { address: Hex; topics: readonly Hex[]; data: Hex }

type Block = {
  number: number
  hash: Hex
  parentHash: Hex
  logs: readonly BareLog[]
  bloom: Hex
}

export type LogChain = ReturnType<typeof createLogChain>

/** What one node does wrong. */
export type NodeFaults = {
  /** Blocks it is behind. */
  lag?: number
  /** Whether the node rather answers with an empty filter, as some chains do. */
  noBloom?: boolean
}

export function createLogChain({ length = 1 } = {}) {
  let salt = 0
  const blocks: Block[] = []
  const mine = (logs: readonly BareLog[] = []): Block => {
    const number = blocks.length
    const parentHash = blocks.at(-1)?.hash ?? toHex(0, { size: 32 })
    const hash = keccak256(toHex(`${number} ${parentHash} ${salt} ${logs.length}`))
    const block = { number, hash, parentHash, logs, bloom: bloomOf(logs) }
    blocks.push(block)
    return block
  }
  for (let i = 0; i < length; i++) mine()
  return {
    blocks,
    mine,
    height: (): number => blocks.length - 1,
    /** Takes the newest blocks away; what is mined next has other hashes. */
    reorganize: (depth: number): void => {
      salt += 1
      blocks.length = Math.max(1, blocks.length - depth)
    },
    /** A node that answers requests from these blocks. */
    node:
      ({ lag = 0, noBloom = false }: NodeFaults = {}): RpcHandler =>
      ({ method, params }) => {
        const held = blocks.slice(0, Math.max(1, blocks.length - lag))
        if (method === 'eth_chainId') return '0x7a69'
        if (method === 'eth_getBlockByNumber') return blockOf(held, params[0] as string, noBloom)
        if (method === 'eth_getLogs') return logsOf(held, params[0] as LogFilter)
        throw new FakeRpcError(-32601, `no ${method}`)
      },
  }
}

type LogFilter = {
  address: Hex[]
  topics: (Hex | Hex[] | null)[]
  fromBlock?: Hex
  toBlock?: Hex
  blockHash?: Hex
}

function blockOf(held: readonly Block[], tag: string, noBloom: boolean): object | null {
  const block = tag === 'latest' ? held.at(-1) : held[Number(tag)]
  if (block === undefined) return null
  const { number, hash, parentHash, logs, bloom } = block
  return {
    ...{ number: toHex(number), hash, parentHash, timestamp: toHex(1_750_000_000 + number * 12) },
    ...{ gasLimit: '0x1', gasUsed: '0x0', size: '0x1', uncles: [], difficulty: '0x0' },
    transactions: logs.map((_, index) => toHex(index + 1, { size: 32 })),
    logsBloom: noBloom ? `0x${'00'.repeat(256)}` : bloom,
  }
}

// Like every node: blocks that it does not hold are no error in a range, and are one by their hash.
function logsOf(held: readonly Block[], filter: LogFilter): object[] {
  const { blockHash } = filter
  let wanted: readonly Block[]
  if (blockHash === undefined) {
    wanted = held.slice(Number(filter.fromBlock), Number(filter.toBlock) + 1)
  } else {
    wanted = held.filter(({ hash }) => hash === blockHash)
    if (wanted.length === 0) throw new FakeRpcError(-32000, 'unknown block')
  }
  return wanted.flatMap(({ number, hash, logs }) =>
    logs.flatMap((log, index) =>
      matches(log, filter)
        ? [
            {
              ...log,
              blockNumber: toHex(number),
              blockHash: hash,
              transactionIndex: toHex(index),
              logIndex: toHex(index),
              transactionHash: toHex(number * 1_000 + index, { size: 32 }),
              removed: false,
            },
          ]
        : [],
    ),
  )
}

function matches(log: BareLog, { address, topics }: LogFilter): boolean {
  return (
    address.some((one) => one.toLowerCase() === log.address.toLowerCase()) &&
    topics.every(
      (topic, index) => topic === null || [topic].flat().includes(log.topics[index] as Hex),
    )
  )
}

function bloomOf(logs: readonly BareLog[]): Hex {
  const bloom = new Uint8Array(256)
  for (const { address, topics } of logs) {
    for (const value of [address, ...topics]) {
      const hash = fromHex(keccak256(value))
      for (const at of [0, 2, 4]) {
        const bit = (((hash[at] as number) << 8) | (hash[at + 1] as number)) % 2048
        const byte = 255 - Math.floor(bit / 8)
        bloom[byte] = (bloom[byte] as number) | (1 << (bit % 8))
      }
    }
  }
  return toHex(bloom)
}
