/** Logs of contracts over ranges of blocks, whatever the node's limits. */
import { type Address, type Hex, isHex } from 'viem'
import type { ReadAnchors } from '../../../core/interfaces/chainEvents.js'
import { classifyLogRefusal } from '../../../core/logRefusals.js'
import { YOUNG_BLOCKS } from '../../../core/readSize.js'
import { mapBounded } from '../../../internal/mapBounded.js'
import { isHash } from '../blocks.js'
import { type ReadClient, request } from '../client.js'
import { BlockNotFoundError, RpcInconsistentError, RpcRateLimitError } from '../errors.js'
import { type BlockHeader, bloomTest, readHeader, readHeaders } from './headers.js'

/** A mined log, checked. */
export type ChainLog = {
  address: Address
  topics: readonly Hex[]
  data: Hex
  blockNumber: bigint
  blockHash: Hex
  transactionIndex: number
  logIndex: number
  transactionHash: Hex
}

/** Requests that must succeed at a size before a size that was refused is tried again. */
const GROW_AFTER = 8

/** Most requests for logs of single blocks at once. */
const MAX_REQUESTS = 8

/** What logs to read. */
export type LogQuery = {
  addresses: readonly Address[]
  /** Any of these as first topic. */
  topics: readonly Hex[]
  /** What the topics after the first must be. */
  indexed?: readonly Hex[] | undefined
  fromBlock: bigint
  toBlock: bigint
  /** Most blocks of one request. @default 10000 */
  maxRange?: bigint | undefined
  /**
   * Blocks below the newest whose logs are proven complete; older ones are believed in ranges.
   * @default 256
   */
  proofDepth?: bigint | undefined
} & ReadAnchors

/**
 * Reads all matching logs of a range, in chain order.
 *
 * A node that is behind answers with fewer logs and no error, so an empty answer proves nothing. Of
 * young blocks the headers are read, each the parent of the next: a block whose bloom filter holds
 * no such log has none, and the logs of the others are asked for by the block's hash, which a node
 * without that block refuses. Older blocks are read in ranges, halved where a node says that they
 * are too large.
 *
 * @throws {BlockNotFoundError} when the node has not reached `toBlock`.
 * @throws {RpcError} when the node does not answer, or refuses a single block.
 * @throws {RpcRateLimitError} when the node asks to slow down.
 * @throws {RpcInconsistentError} when a log is not of the range, of the addresses or of one chain.
 */
export async function readLogs(client: ReadClient, query: LogQuery): Promise<ChainLog[]> {
  const { fromBlock, toBlock, addresses, topics, proofDepth = YOUNG_BLOCKS } = query
  if (addresses.length === 0 || topics.length === 0 || fromBlock > toBlock) return []
  const newest = await readHeader(client, 'latest')
  if (toBlock > newest.number) {
    throw new BlockNotFoundError({ block: toBlock, latest: newest.number })
  }
  const firstYoung = newest.number - proofDepth + 1n
  const logs: ChainLog[] = []
  if (fromBlock < firstYoung) {
    const last = toBlock < firstYoung ? toBlock : firstYoung - 1n
    logs.push(...(await readOld(client, { ...query, toBlock: last })))
  }
  if (toBlock >= firstYoung) {
    const first = fromBlock > firstYoung ? fromBlock : firstYoung
    // The parent that is known is of the first block asked for.
    const parentHash = first === fromBlock ? query.parentHash : undefined
    logs.push(...(await readYoung(client, { ...query, fromBlock: first, parentHash }, newest)))
  }
  checkOrder(logs)
  return logs
}

/** Reads final blocks in ranges, whatever the node's limits on them. */
async function readOld(client: ReadClient, query: LogQuery): Promise<ChainLog[]> {
  const { fromBlock, toBlock, maxRange = 10_000n } = query
  const logs: ChainLog[] = []
  const most = maxRange > 0n ? maxRange : 1n
  let from = fromBlock
  let span = most
  let refused: bigint | undefined
  let inARow = 0
  while (from <= toBlock) {
    const to = from + span - 1n < toBlock ? from + span - 1n : toBlock
    try {
      logs.push(...(await readRange(client, { ...query, fromBlock: from, toBlock: to })))
      from = to + 1n
      // Grow back slowly: one crowded stretch must not make the whole scan crawl, and a limit on
      // blocks must not be run against at every other request.
      const larger = span * 2n < most ? span * 2n : most
      if (refused === undefined || larger < refused || ++inARow >= GROW_AFTER) {
        span = larger
        inARow = 0
      }
    } catch (error) {
      const refusal = classifyLogRefusal(error, { fromBlock: from, toBlock: to })
      if (refusal.kind === 'rate') throw new RpcRateLimitError({ cause: error })
      if (to === from || refusal.kind === 'other') throw error
      refused = to - from + 1n
      inARow = 0
      span = refusal.blocks ?? refused / 2n
    }
  }
  return logs
}

/** Reads young blocks one by one, as far as their headers do not prove that nothing is there. */
async function readYoung(
  client: ReadClient,
  query: LogQuery,
  newest: BlockHeader,
): Promise<ChainLog[]> {
  const { fromBlock, toBlock } = query
  const headers = await readHeaders(client, { fromBlock, toBlock, newest })
  const [first, last] = [headers[0] as BlockHeader, headers.at(-1) as BlockHeader]
  if (query.blockHash !== undefined && !same(last.hash, query.blockHash)) {
    throw new RpcInconsistentError(`block ${toBlock} has two hashes`)
  }
  if (query.parentHash !== undefined && !same(first.parentHash, query.parentHash)) {
    throw new RpcInconsistentError(`block ${fromBlock} is not on top of the block before it`)
  }
  const mayHold = bloomTest(query)
  const found = await mapBounded(headers.filter(mayHold), MAX_REQUESTS, (header) =>
    readBlockLogs(client, query, header),
  )
  return found.flat()
}

async function readBlockLogs(
  client: ReadClient,
  query: LogQuery,
  { number, hash }: BlockHeader,
): Promise<ChainLog[]> {
  const operation = `logs of block ${number}`
  const range = { fromBlock: number, toBlock: number }
  try {
    const logs = await ask(
      client,
      { ...query, ...range },
      { operation, blocks: { blockHash: hash } },
    )
    if (logs.some(({ blockHash }) => !same(blockHash, hash))) {
      throw new RpcInconsistentError(`logs of another block came for block ${hash}`)
    }
    return logs
  } catch (error) {
    if (classifyLogRefusal(error, range).kind === 'rate') {
      throw new RpcRateLimitError({ cause: error })
    }
    throw error
  }
}

function readRange(client: ReadClient, query: LogQuery): Promise<ChainLog[]> {
  const { fromBlock, toBlock } = query
  return ask(client, query, {
    operation: `logs of blocks ${fromBlock} to ${toBlock}`,
    blocks: { fromBlock: hex(fromBlock), toBlock: hex(toBlock) },
  })
}

async function ask(
  client: ReadClient,
  query: LogQuery,
  {
    operation,
    blocks,
  }: { operation: string; blocks: { blockHash: Hex } | { fromBlock: Hex; toBlock: Hex } },
): Promise<ChainLog[]> {
  const { addresses, topics, indexed = [] } = query
  const raw = await request(operation, () =>
    client.request({
      method: 'eth_getLogs',
      params: [{ address: [...addresses], topics: [[...topics], ...indexed], ...blocks }],
    }),
  )
  if (!Array.isArray(raw)) throw new RpcInconsistentError('logs are not a list')
  const wanted = {
    addresses: new Set(addresses.map((address) => address.toLowerCase())),
    topics: new Set(topics.map((topic) => topic.toLowerCase())),
  }
  return (raw as unknown[])
    .map((entry) => checkLog(entry, { query, wanted }))
    .sort(
      (a, b) =>
        Number(a.blockNumber - b.blockNumber) ||
        a.transactionIndex - b.transactionIndex ||
        a.logIndex - b.logIndex,
    )
}

type Wanted = { addresses: ReadonlySet<string>; topics: ReadonlySet<string> }

function checkLog(
  entry: unknown,
  { query, wanted }: { query: LogQuery; wanted: Wanted },
): ChainLog {
  const raw = Object(entry) as Record<string, unknown>
  const topics = raw['topics']
  const numbers = ['blockNumber', 'logIndex', 'transactionIndex']
  if (
    !Array.isArray(topics) ||
    !topics.every(isHash) ||
    !isHex(raw['address']) ||
    raw['address'].length !== 42 ||
    !isHex(raw['data']) ||
    !isHash(raw['blockHash']) ||
    !isHash(raw['transactionHash']) ||
    !numbers.every((field) => isNumber(raw[field]))
  ) {
    throw new RpcInconsistentError('a log is malformed')
  }
  const log: ChainLog = {
    address: raw['address'] as Address,
    topics: topics as Hex[],
    data: raw['data'] as Hex,
    blockNumber: BigInt(raw['blockNumber'] as string),
    blockHash: raw['blockHash'] as Hex,
    transactionIndex: Number(raw['transactionIndex']),
    logIndex: Number(raw['logIndex']),
    transactionHash: raw['transactionHash'] as Hex,
  }
  if (raw['removed'] === true) throw new RpcInconsistentError('a log of a removed block came')
  if (log.blockNumber < query.fromBlock || log.blockNumber > query.toBlock) {
    throw new RpcInconsistentError(`a log of block ${log.blockNumber} came unasked`)
  }
  if (!wanted.addresses.has(log.address.toLowerCase())) {
    throw new RpcInconsistentError(`a log of ${log.address} came unasked`)
  }
  const [first = '0x', ...rest] = log.topics
  const fits = (query.indexed ?? []).every(
    (topic, index) => rest[index]?.toLowerCase() === topic.toLowerCase(),
  )
  if (!wanted.topics.has(first.toLowerCase()) || !fits) {
    throw new RpcInconsistentError(`a log with topic ${first} came unasked`)
  }
  return log
}

// Within one read, a block has one hash and logs have one order.
function checkOrder(logs: readonly ChainLog[]): void {
  for (let i = 1; i < logs.length; i++) {
    const previous = logs[i - 1] as ChainLog
    const current = logs[i] as ChainLog
    if (previous.blockNumber !== current.blockNumber) continue
    if (previous.blockHash !== current.blockHash) {
      throw new RpcInconsistentError(`block ${current.blockNumber} has two hashes`)
    }
    if (previous.logIndex >= current.logIndex) {
      throw new RpcInconsistentError(`block ${current.blockNumber} has a log index twice`)
    }
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === 'string' && /^0x[0-9a-f]{1,13}$/i.test(value)
}

function same(a: Hex, b: Hex): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function hex(value: bigint): Hex {
  return `0x${value.toString(16)}`
}
