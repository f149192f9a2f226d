/** Events on their way: taken in one step, written in batches, answered when they are kept. */
import { InvalidInputError } from '../../errors/common.js'
import { assertChoice } from '../../internal/options.js'
import { LedgerBusyError, LedgerChainError, LedgerStoppedError } from '../errors.js'
import { encodeEvent, genesisHash, type LedgerEvent } from '../events/event.js'
import { maxEntrySize } from '../log/tiles.js'
import { markOf } from './catchUp.js'
import { collectGarbage, commitBatch, type Engine, finishBatch } from './engine.js'
import { type LedgerLookup, type PendingView, settledRows } from './lookup.js'
import { type Cut, recordCut } from './meta.js'
import type { AckLevel, AppendedEvent, LedgerHead, PlacedEvent } from './types.js'

/** An event that is taken and not yet in the logs. */
export type Waiting = {
  placed: PlacedEvent
  entry: Uint8Array
  durable: Settle
  published: Settle
}

type Settle = {
  promise: Promise<AppendedEvent>
  resolve(value: AppendedEvent): void
  reject(error: unknown): void
}

/** What a writer is in the middle of. */
export type State = {
  readonly engine: Engine
  readonly lookup: LedgerLookup
  tail: LedgerHead | undefined
  /** Events before this one can be read. */
  written: bigint
  /** Where the next event of each domain goes. */
  readonly indices: Map<string, bigint>
  newest: LedgerHead | undefined
  queue: Waiting[]
  /** The batch that is being written. */
  inFlight: Waiting[]
  readonly waiting: Map<string, Waiting>
  readonly view: PendingView
  cut: Cut | undefined
  cutDue: boolean
  lastCut: number
  timer: ReturnType<typeof setTimeout> | undefined
  running: Promise<void> | undefined
  stopped: LedgerStoppedError | undefined
  closed: boolean
  readonly options: {
    maxBatch: number
    maxWaiting: number
    cutInterval: number
    now: () => number
    onStop: ((error: LedgerStoppedError) => void) | undefined
  }
}

/** Checks and takes events, in one step: nothing can come between the check and the place. */
export async function enqueue(
  state: State,
  events: readonly LedgerEvent[],
  ack: AckLevel = 'published',
): Promise<AppendedEvent[]> {
  assertChoice('ack', ack, ['durable', 'published'])
  if (state.stopped !== undefined) throw state.stopped
  if (state.closed) throw new LedgerStoppedError({ reason: 'it was closed' })
  if (state.queue.length + events.length > state.options.maxWaiting) {
    throw new LedgerBusyError({ waiting: state.queue.length })
  }
  const items = place(state, events)
  for (const item of items) {
    const { placed } = item
    state.queue.push(item)
    state.waiting.set(placed.event.event_id, item)
    state.view.add(placed.event, placed.seq)
    state.indices.set(placed.domain, placed.index + 1n)
    state.tail = headOf(placed)
  }
  // Started here and looked at there: a failure rejects what waits.
  void drain(state)
  return Promise.all(items.map((item) => item[ack].promise))
}

function place(state: State, events: readonly LedgerEvent[]): Waiting[] {
  let seq = state.tail === undefined ? 0n : state.tail.seq + 1n
  let previous = state.tail?.current_hash ?? genesisHash
  const indices = new Map(state.indices)
  return events.map((event) => {
    if (event.previous_hash !== previous) {
      throw new LedgerChainError({ expected: previous, given: event.previous_hash })
    }
    const { domain } = event.payload.ets
    const index = indices.get(domain)
    const entry = encodeEvent(event)
    if (index === undefined) throw new InvalidInputError({ field: 'domain', reason: 'unknown' })
    if (entry.length > maxEntrySize) {
      throw new InvalidInputError({ field: 'event', reason: `above ${maxEntrySize} bytes` })
    }
    indices.set(domain, index + 1n)
    previous = event.current_hash
    const placed: PlacedEvent = { seq, domain, index, event }
    seq += 1n
    return { placed, entry, durable: settle(), published: settle() }
  })
}

function settle(): Settle {
  let resolve: Settle['resolve'] = () => undefined
  let reject: Settle['reject'] = () => undefined
  const promise = new Promise<AppendedEvent>((done, fail) => {
    resolve = done
    reject = fail
  })
  // Whoever asked for the other level hears of a failure there.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}

const headOf = ({ seq, event }: PlacedEvent): LedgerHead => ({
  seq,
  current_hash: event.current_hash,
  event_id: event.event_id,
  timestamp: event.timestamp,
})

/** Runs until nothing waits. One run at a time. */
export function drain(state: State): Promise<void> {
  state.running ??= run(state).finally(() => {
    state.running = undefined
    // What came after the loop had looked and before this.
    if (hasWork(state)) void drain(state)
  })
  return state.running
}

const hasWork = (state: State): boolean =>
  state.stopped === undefined && (state.queue.length > 0 || state.cutDue)

/** Waits until nothing waits and nothing runs: also what a run has begun and not ended. */
export async function settleAll(state: State): Promise<void> {
  await drain(state)
  while (state.running !== undefined || hasWork(state)) await drain(state)
}

async function run(state: State): Promise<void> {
  // The events of one turn of the caller come in one batch.
  await Promise.resolve()
  try {
    while (state.queue.length > 0 || state.cutDue) {
      await collectGarbage(state.engine)
      if (state.queue.length > 0) await runBatch(state)
      if (state.cutDue || isCutTime(state)) await runCut(state)
    }
    await collectGarbage(state.engine)
    scheduleCut(state)
  } catch (error) {
    stop(state, error)
  }
}

async function runBatch(state: State): Promise<void> {
  const batch = state.queue.splice(0, state.options.maxBatch)
  state.inFlight = batch
  const last = (batch.at(-1) as Waiting).placed
  const added = new Map<string, Uint8Array[]>()
  for (const { placed, entry } of batch) {
    const entries = added.get(placed.domain)
    if (entries === undefined) added.set(placed.domain, [entry])
    else entries.push(entry)
  }
  const next = { head: last.event.current_hash, seq: last.seq + 1n }
  const growths = await commitBatch(state.engine, added, next)
  for (const { placed, durable } of batch) durable.resolve(placeOf(placed))
  await finishBatch(state.engine, growths)
  settleBatch(state, batch)
}

/** A batch is in the logs: look-ups know it, and whoever waits for its checkpoint is answered. */
function settleBatch(state: State, batch: readonly Waiting[]): void {
  const last = (batch.at(-1) as Waiting).placed
  const rows = settledRows(
    batch.map(({ placed }) => placed),
    state.lookup,
  )
  state.lookup.apply(rows, markOf(state.engine))
  state.view.settle(last.seq + 1n)
  state.written = last.seq + 1n
  state.newest = headOf(last)
  state.inFlight = []
  for (const { placed, published } of batch) {
    state.waiting.delete(placed.event.event_id)
    const checkpoint = state.engine.logs.get(placed.domain)?.published?.note
    published.resolve({ ...placeOf(placed), checkpoint })
  }
}

const placeOf = ({ seq, domain, index }: PlacedEvent): AppendedEvent => ({ seq, domain, index })

const isCutTime = ({ lastCut, options }: State): boolean =>
  Math.abs(options.now() - lastCut) >= options.cutInterval

async function runCut(state: State): Promise<void> {
  state.cutDue = false
  if (state.newest === undefined) return
  state.cut = await recordCut(state.engine, state.newest)
  state.lastCut = state.options.now()
}

/** The last events of a burst get their cut when its time has come, and not with the next burst. */
function scheduleCut(state: State): void {
  const isCovered = state.newest === undefined || state.cut?.head === state.newest.current_hash
  if (isCovered || state.closed || state.timer !== undefined) return
  state.timer = setTimeout(() => {
    state.timer = undefined
    if (state.stopped !== undefined || state.closed) return
    state.cutDue = true
    void drain(state)
  }, state.options.cutInterval)
  ;(state.timer as { unref?: () => void }).unref?.()
}

function stop(state: State, cause: unknown): void {
  const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)
  const error = new LedgerStoppedError({ reason }, { cause })
  state.stopped = error
  clearTimeout(state.timer)
  for (const { durable, published } of [...state.inFlight, ...state.queue]) {
    durable.reject(error)
    published.reject(error)
  }
  state.queue = []
  state.inFlight = []
  state.options.onStop?.(error)
}
