/** Logs of one contract from a place on, for as long as they are wanted, by the rule of all followers. */
import type { Address, Hex } from 'viem'
import { type BlockMark, checkRead, type FollowedChain, planRead } from '../../core/follow.js'
import { createReadSize } from '../../core/readSize.js'
import { InvalidInputError } from '../../errors/common.js'
import { pause } from '../../internal/pause.js'
import { type ReadClient, withClient } from '../chain/client.js'
import { RpcInconsistentError } from '../chain/errors.js'
import { type ChainLog, readLogs } from '../chain/logs/logs.js'
import { readBlock } from '../chain/read.js'
import { type Finality, finalBlock } from '../events/events.js'

/** A place after a log. */
export type LogCursor = { blockNumber: bigint; blockHash: Hex; logIndex: number }

/** Blocks that are read again where nothing is known of the branch that replaced them. */
const REREAD = 128n
/** Marks kept to notice reorganizations. */
const MARKS = 128
/** Most blocks of one look. */
const MAX_BLOCKS = 2_000n

/** Parameters of {@link followLogs}. */
export type FollowLogsParameters = {
  client: ReadClient
  address: Address
  topics: readonly Hex[]
  finality: Finality
  startBlock: bigint
  from: LogCursor | undefined
  pollingInterval: number
  /** Done at each look, before blocks are read. */
  onLook?: ((signal: AbortSignal) => Promise<void>) | undefined
  signal: AbortSignal
}

/**
 * Follows logs at finality, each at least once, in chain order. After a reorganization those of the new
 * branch come; an answer that does not fit the chain is an error, and nothing of it is given on.
 */
export async function* followLogs(parameters: FollowLogsParameters): AsyncGenerator<ChainLog> {
  const { client, finality, from, pollingInterval, signal, onLook } = parameters
  let marks: BlockMark[] = []
  let startBlock = parameters.startBlock
  const size = createReadSize(MAX_BLOCKS)
  const bind = <value>(work: (bound: ReadClient) => Promise<value>): Promise<value> =>
    withClient('Following a contract', { client, options: { signal } }, work)
  const chain: FollowedChain = {
    getBlock: (number) => bind((bound) => readBlock(bound, number)),
    getLatestBlock: () => bind((bound) => finalBlock(bound, finality)),
  }
  const back = (number: bigint): void => {
    const first = number > REREAD ? number - REREAD : 0n
    startBlock = first > parameters.startBlock ? first : parameters.startBlock
    marks = []
  }
  if (from !== undefined) {
    while (!signal.aborted) {
      const block = await chain.getBlock(from.blockNumber)
      if (block?.hash.toLowerCase() === from.blockHash.toLowerCase()) startBlock = from.blockNumber
      else if (block !== null) back(from.blockNumber)
      // A block that is not there is a node behind.
      if (block !== null) break
      await pause(pollingInterval, signal)
    }
  }
  while (!signal.aborted) {
    await onLook?.(signal)
    const plan = await planRead(chain, {
      ...{ marks, startBlock, confirmations: 0, maxBlocks: size.blocks() },
    })
    if (plan.status === 'reorganized') {
      const { kept } = plan
      if (kept === null) back((marks[0] as BlockMark).number)
      else marks = marks.filter(({ number }) => number <= kept.number)
      continue
    }
    if (plan.status !== 'read') {
      await pause(pollingInterval, signal)
      continue
    }
    yield* await size.learn(plan, () => readPlanned(parameters, { plan, chain, bind }), signal)
    marks = [...marks, plan.end].slice(-MARKS)
  }
}

async function readPlanned(
  { address, topics, from }: FollowLogsParameters,
  {
    plan,
    chain,
    bind,
  }: {
    plan: Extract<Awaited<ReturnType<typeof planRead>>, { status: 'read' }>
    chain: FollowedChain
    bind: <value>(work: (bound: ReadClient) => Promise<value>) => Promise<value>
  },
): Promise<ChainLog[]> {
  const { fromBlock, toBlock, anchor, end } = plan
  const found = await bind((bound) =>
    readLogs(bound, {
      ...{ addresses: [address], topics, fromBlock, toBlock },
      ...{ parentHash: anchor?.hash, blockHash: end.hash },
    }),
  )
  const reason = await checkRead(chain, { plan, found })
  if (reason !== undefined) throw new RpcInconsistentError(reason)
  return from === undefined ? found : found.filter((log) => !isBefore(log, from))
}

/** Whether a log of the very block of a cursor was given before. */
function isBefore({ blockNumber, blockHash, logIndex }: ChainLog, cursor: LogCursor): boolean {
  return (
    blockNumber === cursor.blockNumber &&
    blockHash.toLowerCase() === cursor.blockHash.toLowerCase() &&
    logIndex <= cursor.logIndex
  )
}

/** A cursor as text. */
export function writeCursor({ blockNumber, blockHash, logIndex }: LogCursor): string {
  return `${blockNumber}:${blockHash}:${logIndex}`
}

/** @throws {InvalidInputError} for a text that is no cursor. */
export function readCursor(text: string): LogCursor {
  const match = /^([0-9]{1,20}):(0x[0-9a-fA-F]{64}):([0-9]{1,10})$/.exec(text)
  if (match === null) {
    throw new InvalidInputError({
      field: 'from',
      reason: 'it is no cursor of this client',
      hint: 'Give the host a store of its own for each chain and contract.',
    })
  }
  const [, number, hash, index] = match
  return {
    blockNumber: BigInt(number as string),
    blockHash: hash as Hex,
    logIndex: Number(index),
  }
}
