/** The one writer of a ledger: a queue of events, taken in batches by the engine. */
import type { TileStore } from '../../core/interfaces/tileStore.js'
import { InvalidInputError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertCount, assertKnown } from '../../internal/options.js'
import type { LedgerStoppedError } from '../errors.js'
import { eventDomains, type LedgerEvent } from '../events/event.js'
import type { LedgerView } from '../events/view.js'
import { type NoteSigner, noteSigner } from '../log/keys.js'
import { catchUp, newestEvent } from './catchUp.js'
import { type LedgerLookup, memoryLookup, pendingView } from './lookup.js'
import { type Cut, recordCut } from './meta.js'
import { enqueue, type State, settleAll } from './queue.js'
import { readEvents } from './readSince.js'
import { recover } from './recover.js'
import {
  type AppendedEvent,
  type LedgerHead,
  type LedgerWriter,
  metaLog,
  type PlacedEvent,
} from './types.js'

/** What {@link openWriter} takes. */
export type OpenWriterParameters = {
  /** Name of the ledger: its logs have the origins `<ledger>/<name>`. */
  ledger: string
  store: TileStore
  /** 32 bytes. The one key of all checkpoints, used for no event. */
  checkpointSeed: Uint8Array
  /** Look-ups. @default memoryLookup() */
  lookup?: LedgerLookup | undefined
  /** Keeps partial tiles that nobody needs any more. @default false */
  keepPartials?: boolean | undefined
  /** Most events of one batch. @default 512 */
  maxBatch?: number | undefined
  /** Most events that wait. @default 20_000 */
  maxWaiting?: number | undefined
  /** Milliseconds between records in the meta log. @default 1_000 */
  cutInterval?: number | undefined
  /** Unix milliseconds. @default Date.now */
  now?: (() => number) | undefined
  /** Told once when the instance ends by a failure. */
  onStop?: ((error: LedgerStoppedError) => void) | undefined
}

/** The three verbs, and what the parts around them need. */
export type OpenWriter = LedgerWriter & {
  readonly ledger: string
  /** The signers of the checkpoints, by log. */
  readonly signers: ReadonlyMap<string, NoteSigner>
  readonly store: TileStore
  /** The newest event that was accepted, durable or not. What comes next follows it. */
  tail(): LedgerHead | undefined
  /** Rows of all accepted events. */
  readonly view: LedgerView
  /** An event that waits, and its promise. */
  waiting(eventId: string): { event: LedgerEvent; appended: Promise<AppendedEvent> } | undefined
  /** An event that is in the logs. */
  find(eventId: string): Promise<PlacedEvent | undefined>
  /** The newest cut that is recorded, once there is an event. */
  cut(): Cut | undefined
  /** Waits until all is published and the newest cut is recorded. */
  flush(): Promise<void>
  /** Why the instance ended; `undefined` while it runs. */
  stopped(): LedgerStoppedError | undefined
  /** Finishes what waits, records the cut, and lets go of the look-ups. */
  close(): Promise<void>
}

const known = [
  'ledger',
  'store',
  'checkpointSeed',
  'lookup',
  'keepPartials',
  'maxBatch',
  'maxWaiting',
  'cutInterval',
  'now',
  'onStop',
] as const

/** Logs of every ledger. */
export const ledgerLogs: readonly string[] = [...eventDomains, metaLog]

/** The signers of a ledger's checkpoints: one key, and the origin of each log as its name. */
export function checkpointSigners(
  ledger: string,
  seed: Uint8Array,
): ReadonlyMap<string, NoteSigner> {
  return new Map(ledgerLogs.map((name) => [name, noteSigner({ name: `${ledger}/${name}`, seed })]))
}

/**
 * Opens a ledger for writing: finishes what a crash left, and takes it over from whoever wrote before.
 * That one process writes is up to the caller (`openLedger` of `/ledger/node` holds a lock); a second
 * one is refused at its next batch.
 *
 * @throws {LedgerStateError} where the files contradict each other.
 * @example
 * ```ts
 * import { memoryTiles, openWriter } from '@newton/policy-sdk/ledger'
 *
 * const writer = await openWriter({
 *   ledger: 'ledger.example/eval',
 *   store: memoryTiles(),
 *   checkpointSeed: crypto.getRandomValues(new Uint8Array(32)),
 * })
 * await writer.close()
 * ```
 */
export async function openWriter(parameters: OpenWriterParameters): Promise<OpenWriter> {
  assertKnown('parameters', parameters, known)
  const { ledger, store, checkpointSeed, keepPartials = false } = parameters
  const { lookup = memoryLookup(), maxBatch = 512, maxWaiting = 20_000 } = parameters
  const { cutInterval = 1_000, now = Date.now, onStop } = parameters
  assertCount('maxBatch', maxBatch, { most: 4_096 })
  assertCount('maxWaiting', maxWaiting)
  assertCount('cutInterval', cutInterval, { least: 0 })
  const signers = checkpointSigners(ledger, checkpointSeed)
  const engine = await recover({ store, signers, keepPartials })
  const { signal } = new AbortController()
  await catchUp(engine, lookup, signal)
  const newest = await newestEvent(engine, lookup)
  const state: State = {
    engine,
    lookup,
    tail: newest,
    written: newest === undefined ? 0n : newest.seq + 1n,
    indices: new Map([...engine.head.sizes].map(([name, { size }]) => [name, size])),
    newest,
    queue: [],
    inFlight: [],
    waiting: new Map(),
    view: pendingView(lookup),
    cut: newest === undefined ? undefined : await recordCut(engine, newest),
    cutDue: false,
    lastCut: now(),
    timer: undefined,
    running: undefined,
    stopped: undefined,
    closed: false,
    options: { maxBatch, maxWaiting, cutInterval, now, onStop },
  }
  return writerOf(state, { ledger, signers })
}

function writerOf(
  state: State,
  { ledger, signers }: { ledger: string; signers: ReadonlyMap<string, NoteSigner> },
): OpenWriter {
  const { engine, lookup } = state
  return {
    ledger,
    signers,
    store: engine.store,
    view: state.view,
    append: (events, options = {}) =>
      withDeadline('Appending to the ledger', options, () => enqueue(state, events, options.ack)),
    readSince: (cursor, options = {}) =>
      withDeadline('Reading the ledger', options, (signal) =>
        readEvents(
          { store: engine.store, lookup, written: state.written, indices: sizesOf(state) },
          { cursor, limit: options.limit ?? 1_000, signal },
        ),
      ),
    checkpoint: async (name = metaLog) => {
      const log = engine.logs.get(name)
      if (log === undefined) {
        throw new InvalidInputError({ field: 'name', reason: `expected ${ledgerLogs.join(', ')}` })
      }
      return log.published?.note
    },
    tail: () => state.tail,
    waiting: (eventId) => {
      const item = state.waiting.get(eventId)
      return item && { event: item.placed.event, appended: item.published.promise }
    },
    find: async (eventId) => {
      const seq = lookup.get(`id/${eventId}`)
      if (typeof seq !== 'string') return undefined
      const { signal } = new AbortController()
      const { events } = await readEvents(
        { store: engine.store, lookup, written: state.written, indices: sizesOf(state) },
        { cursor: seq, limit: 1, signal },
      )
      return events[0]
    },
    cut: () => state.cut,
    flush: async () => {
      state.cutDue = state.newest !== undefined || state.queue.length > 0
      await settleAll(state)
      if (state.stopped !== undefined) throw state.stopped
    },
    stopped: () => state.stopped,
    close: async () => {
      state.closed = true
      clearTimeout(state.timer)
      state.cutDue = true
      if (state.stopped === undefined) await settleAll(state)
      await lookup.close()
    },
  }
}

function sizesOf({ engine }: State): ReadonlyMap<string, bigint> {
  return new Map([...engine.logs].map(([name, { edge }]) => [name, edge.size]))
}
