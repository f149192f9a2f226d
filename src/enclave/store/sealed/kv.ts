/** A store whose content leaves the enclave as sealed records: what changed, and now and then all of it. */
import { InvalidInputError } from '../../../errors/common.js'
import { withDeadline } from '../../../internal/deadline.js'
import { defaultRandomBytes } from '../../nitro/nonces.js'
import { StoreClosedError } from '../errors.js'
import {
  assertBatch,
  assertKey,
  assertPrefix,
  copyBatch,
  type KvBatch,
  type KvStore,
} from '../kv.js'
import { createNameIndex } from '../nameIndex.js'
import type { StateAnchor } from './anchor.js'
import type { BlobStore } from './blobs.js'
import { openHistory, type TakeOver } from './history.js'
import { importSealingKey, type StatePlace } from './record.js'
import { createRecordLog, type EndOptions } from './recordLog.js'

/** Parameters of {@link openSealedKv}. */
export type SealedKvParameters = {
  /** 32 bytes that only the enclave has. */
  key: Uint8Array
  blobs: BlobStore
  anchor: StateAnchor
  /** Starts from where another line ended, such as `receiveHandOver`. Asked only where the anchor stands there. */
  takeOver?: TakeOver | undefined
  /** Milliseconds that one call of `blobs` or `anchor` may take. @default 60000 */
  timeout?: number | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** A sealed store. */
export type SealedKv = KvStore & {
  /**
   * Ends this line for good: its last record is written, the anchor moves there, and every later call is
   * refused with `STORE_STOPPED`.
   *
   * @param options.successor - Who moves the anchor from then on, as the anchor knows its writers.
   * @param options.bequeath - Given all of the content and the place of the last record, makes what the
   * successor reads. Kept beside the record before the anchor moves, so nothing is lost in between.
   */
  endLine(options: EndOptions): Promise<StatePlace>
}

type Queued = {
  batch: KvBatch
  resolve: (happened: boolean) => void
  reject: (cause: unknown) => void
}

/**
 * Opens a sealed store. A commit writes a record beside those that are there, moves the anchor, and only
 * then counts; a record that the anchor may name is never written over and is deleted only when a later
 * whole one is final. Commits that come while one is under way share the next record.
 *
 * Where the anchor's answer is lost, the anchor itself decides: the next call asks it, and sends the same
 * step again where it is needed. A writer that another one overtook stops for good.
 *
 * @throws {StateRollbackError} where only an older state is there.
 * @throws {SealedStateError} where the state is missing, changed, or sealed under another key.
 * @example
 * ```ts
 * import { memoryAnchor, openSealedKv } from '@newton/policy-sdk/enclave'
 * import { fileBlobs } from '@newton/policy-sdk/enclave/node'
 *
 * declare const key: Uint8Array
 * const kv = await openSealedKv({ key, blobs: fileBlobs({ directory: './state' }), anchor: memoryAnchor() })
 * ```
 */
export async function openSealedKv(parameters: SealedKvParameters): Promise<SealedKv> {
  const { timeout = 60_000, randomBytes = defaultRandomBytes } = parameters
  if (!Number.isFinite(timeout) || timeout <= 0) {
    throw new InvalidInputError({ field: 'timeout', reason: 'expected milliseconds above 0' })
  }
  const key = await importSealingKey(parameters.key)
  const source = {
    key,
    blobs: boundedBlobs(parameters.blobs, timeout),
    anchor: boundedAnchor(parameters.anchor, timeout),
    takeOver: parameters.takeOver,
  }
  const history = await openHistory(source)
  const names = createNameIndex()
  for (const name of history.map.keys()) names.add(name)
  const log = createRecordLog(history, { ...source, randomBytes, names })

  let queue: Queued[] = []
  let working: Promise<void> | undefined
  let closed = false
  const assertOpen = (): void => {
    if (closed) throw new StoreClosedError()
    log.assertRunning()
  }
  /** Takes all that waits into one record, again and again until nothing does. */
  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      const group = queue
      queue = []
      try {
        const happened = await log.commit(group.map(({ batch }) => batch))
        for (const [at, { resolve }] of group.entries()) resolve(happened[at] === true)
      } catch (cause) {
        for (const { reject } of group) reject(cause)
      }
    }
    working = undefined
  }
  return {
    rollbackProtected: true,
    get: async (name) => {
      assertOpen()
      assertKey(name)
      return history.map.get(name)?.slice()
    },
    keys: async (prefix) => {
      assertOpen()
      assertPrefix(prefix)
      return names.withPrefix(prefix)
    },
    commit: async (batch) => {
      assertOpen()
      assertBatch(batch)
      const copy = copyBatch(batch)
      const done = new Promise<boolean>((resolve, reject) => {
        queue.push({ batch: copy, resolve, reject })
      })
      working ??= work()
      return done
    },
    endLine: async (options) => {
      assertOpen()
      while (working !== undefined) await working
      const ended = log.end(options)
      // What comes meanwhile waits, and meets a store that has stopped.
      working = ended.then(
        () => work(),
        () => work(),
      )
      return ended
    },
    close: async () => {
      closed = true
      await working
    },
  }
}

function boundedBlobs(blobs: BlobStore, timeout: number): BlobStore {
  return {
    read: (name) => withDeadline('Reading a sealed record', { timeout }, () => blobs.read(name)),
    write: (name, blob) =>
      withDeadline('Writing a sealed record', { timeout }, () => blobs.write(name, blob)),
    names: () => withDeadline('Listing sealed records', { timeout }, () => blobs.names()),
    delete: (name) =>
      withDeadline('Deleting a sealed record', { timeout }, () => blobs.delete(name)),
  }
}

function boundedAnchor(anchor: StateAnchor, timeout: number): StateAnchor {
  const bounded: StateAnchor = {
    latest: () =>
      withDeadline('Reading the anchor', { timeout }, (signal) => anchor.latest({ signal })),
    advance: (step) =>
      withDeadline('Moving the anchor', { timeout }, (signal) => anchor.advance(step, { signal })),
  }
  if (anchor.final === undefined) return bounded
  return {
    ...bounded,
    final: () =>
      withDeadline('Reading the anchor', { timeout }, async (signal) => anchor.final?.({ signal })),
  }
}
