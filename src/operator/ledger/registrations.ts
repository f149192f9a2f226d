/** Registrations of a chain, recorded in its order: an evaluation names artifacts that came before it. */
import type { Hex } from 'viem'
import { type BlockMark, checkRead, planRead } from '../../core/follow.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { LedgerSink } from '../../core/interfaces/ledgerSink.js'
import { createReadSize } from '../../core/readSize.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { type Registries, registrationRecord, registrationTypes } from './records.js'

/** Keeps how far was read: one JSON text, replaced as a whole. */
export type CursorStore = {
  load(): Promise<string | null>
  save(text: string): Promise<void>
}

/** Parameters of {@link followRegistrations}. */
export type RegistrationsParameters = {
  events: ChainEvents
  sink: LedgerSink
  registries: Registries
  /** @default in memory: what was recorded before is recorded again, as the same events */
  store?: CursorStore | undefined
  startBlock?: bigint | undefined
  /** @default 2 */
  confirmations?: number | undefined
}

/** Registrations that are recorded. */
export type Registrations = {
  /**
   * Records what is new. With `upTo`, also what is not confirmed yet, up to that block: who has
   * signed an answer that names the block has taken it for settled.
   */
  poll(options?: IoOptions & { upTo?: bigint | undefined }): Promise<void>
}

/** Marks that are kept to find the common ancestor after a reorganization. */
const MAX_MARKS = 64

/** Creates the record of all registrations from a block on. Nothing is read before `poll`. */
export function followRegistrations(parameters: RegistrationsParameters): Registrations {
  const { events, sink, registries, store, startBlock = 0n, confirmations = 2 } = parameters
  const size = createReadSize(2_000n)
  let marks: BlockMark[] | undefined
  let turn: Promise<unknown> = Promise.resolve()

  const readOnce = async (
    known: BlockMark[],
    { upTo, ...io }: IoOptions & { upTo?: bigint | undefined },
  ): Promise<BlockMark[] | undefined> => {
    const bounds = upTo === undefined ? { confirmations } : { confirmations: 0, toBlock: upTo }
    const plan = await planRead(
      events,
      { marks: known, startBlock, maxBlocks: size.blocks(), ...bounds },
      io,
    )
    if (plan.status === 'reorganized') {
      const to = plan.kept?.number ?? -1n
      return known.filter(({ number }) => number <= to)
    }
    if (plan.status !== 'read') return undefined
    const { fromBlock, toBlock, anchor, end } = plan
    const range = { fromBlock, toBlock, parentHash: anchor?.hash, blockHash: end.hash }
    const read = () => events.getEvents({ ...range, types: registrationTypes }, io)
    const found = await size.learn(plan, read, io.signal)
    if ((await checkRead(events, { plan, found }, io)) !== undefined) return undefined
    const times = new Map<bigint, number>()
    for (const event of found) {
      const time = times.get(event.blockNumber) ?? (await blockTime(events, event.blockNumber, io))
      times.set(event.blockNumber, time)
      const record = registrationRecord(event, { time, registries })
      if (record !== undefined) await sink.record(record, io)
    }
    return [...known, end].slice(-MAX_MARKS)
  }
  const pollOnce: NonNullable<Registrations['poll']> = async (options = {}) => {
    marks ??= parseMarks(store === undefined ? null : await store.load())
    const { upTo } = options
    if (upTo !== undefined && (marks.at(-1)?.number ?? -1n) >= upTo) return
    for (;;) {
      const next = await readOnce(marks, options)
      if (next === undefined) return
      marks = next
      // What was recorded before a crash is recorded again, as the same events.
      await store?.save(formatMarks(marks))
    }
  }
  return {
    poll: (options) => {
      const mine = turn.then(() => pollOnce(options))
      turn = mine.catch(() => undefined)
      return mine
    },
  }
}

/** Milliseconds of a block. */
export async function blockTime(
  chain: Pick<ChainEvents, 'getBlock'>,
  number: bigint,
  io?: IoOptions,
): Promise<number> {
  const block = await chain.getBlock(number, io)
  if (block === null) {
    throw new InvalidInputError({ field: 'block', reason: `the chain has no block ${number}` })
  }
  return Number(block.timestamp) * 1_000
}

function formatMarks(marks: readonly BlockMark[]): string {
  return JSON.stringify(marks.map(({ number, hash }) => ({ number: number.toString(), hash })))
}

function parseMarks(text: string | null): BlockMark[] {
  if (text === null) return []
  try {
    const marks = JSON.parse(text) as { number: string; hash: Hex }[]
    return marks.map(({ number, hash }) => ({ number: BigInt(number), hash }))
  } catch (cause) {
    throw new InvalidInputError(
      {
        field: 'store',
        reason: 'it holds no state of this record',
        hint: 'Remove it: registrations are then recorded again, as the same events.',
      },
      { cause },
    )
  }
}
