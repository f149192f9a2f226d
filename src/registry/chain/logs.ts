/** Logs of contracts over ranges of blocks, whatever the node's limits. */
import { type Address, type Hex, isHex } from 'viem'
import { type ReadClient, request } from './client.js'
import { RpcError, RpcInconsistentError } from './errors.js'

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

/** What logs to read. */
export type LogQuery = {
  addresses: readonly Address[]
  /** Any of these as first topic. */
  topics: readonly Hex[]
  fromBlock: bigint
  toBlock: bigint
  /** Most blocks of one request. @default 10000 */
  maxRange?: bigint | undefined
}

/**
 * Reads all matching logs of a range, in chain order.
 *
 * Ranges that the node refuses as too large are halved until it answers.
 *
 * @throws {RpcError} when the node does not answer, or refuses a single block.
 * @throws {RpcInconsistentError} when a log is not of the range, of the addresses or of one chain.
 */
export async function readLogs(client: ReadClient, query: LogQuery): Promise<ChainLog[]> {
  const { fromBlock, toBlock, maxRange = 10_000n } = query
  const logs: ChainLog[] = []
  if (query.addresses.length === 0 || query.topics.length === 0) return logs
  let from = fromBlock
  let span = maxRange > 0n ? maxRange : 1n
  while (from <= toBlock) {
    const to = from + span - 1n < toBlock ? from + span - 1n : toBlock
    try {
      logs.push(...(await readRange(client, { ...query, fromBlock: from, toBlock: to })))
      from = to + 1n
      // Grow back slowly: one crowded stretch must not make the whole scan crawl.
      if (span < maxRange) span = span * 2n < maxRange ? span * 2n : maxRange
    } catch (error) {
      if (to === from || !isRangeRefusal(error)) throw error
      span = (to - from + 1n) / 2n
    }
  }
  checkOrder(logs)
  return logs
}

async function readRange(client: ReadClient, query: LogQuery): Promise<ChainLog[]> {
  const { addresses, topics, fromBlock, toBlock } = query
  const raw = await request(`logs of blocks ${fromBlock} to ${toBlock}`, () =>
    client.request({
      method: 'eth_getLogs',
      params: [
        {
          address: [...addresses],
          topics: [[...topics]],
          fromBlock: hex(fromBlock),
          toBlock: hex(toBlock),
        },
      ],
    }),
  )
  if (!Array.isArray(raw)) throw new RpcInconsistentError('logs are not a list')
  const wanted = new Set(addresses.map((address) => address.toLowerCase()))
  return (raw as unknown[])
    .map((entry) => checkLog(entry, { query, wanted }))
    .sort(
      (a, b) =>
        Number(a.blockNumber - b.blockNumber) ||
        a.transactionIndex - b.transactionIndex ||
        a.logIndex - b.logIndex,
    )
}

function checkLog(
  entry: unknown,
  { query, wanted }: { query: LogQuery; wanted: ReadonlySet<string> },
): ChainLog {
  const raw = entry as Record<string, unknown>
  const topics = raw['topics']
  const fields = [
    'address',
    'data',
    'blockHash',
    'transactionHash',
    'blockNumber',
    'logIndex',
    'transactionIndex',
  ]
  if (
    !Array.isArray(topics) ||
    !topics.every((topic) => isHex(topic)) ||
    !fields.every((field) => isHex(raw[field]))
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
  if (!wanted.has(log.address.toLowerCase())) {
    throw new RpcInconsistentError(`a log of ${log.address} came unasked`)
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

const rangeWords =
  /range|limit|too many|too large|exceed|more than|maximum|max(imum)? (block|results)|response size|query returned|10,?000|timed? ?out/i

// Nodes say it in many ways; codes are -32005, -32602, -32600 or an HTTP 400 or 413.
function isRangeRefusal(error: unknown): boolean {
  if (!(error instanceof RpcError)) return false
  let current: unknown = error.cause
  for (let depth = 0; depth < 16 && current !== undefined && current !== null; depth++) {
    const { code, status, message, details } = current as {
      code?: unknown
      status?: unknown
      message?: unknown
      details?: unknown
    }
    if (code === -32005 || status === 413) return true
    if (rangeWords.test(`${String(details ?? '')} ${String(message ?? '')}`)) return true
    current = (current as { cause?: unknown }).cause
  }
  return false
}

function hex(value: bigint): Hex {
  return `0x${value.toString(16)}`
}
