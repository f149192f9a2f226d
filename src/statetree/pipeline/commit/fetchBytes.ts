/**
 * Bytes of waiting artifacts, from here or from their source, under one budget of time.
 *
 * Anybody can register an artifact whose bytes never come. So nothing waits for one artifact alone:
 * many are fetched at once, each has its own limit, and all together have another.
 */
import type { DaLocator } from '../../../core/locator.js'
import { InvalidInputError, TimeoutError } from '../../../errors/common.js'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import { defaultHasher } from '../../hash/hasher.js'
import { assertNamed } from '../../store/byteNames.js'
import type { ArtifactRef } from '../delta.js'
import type { CommitPipeline } from '../pipeline.js'
import { refKey } from '../queue/queue.js'

/** How long, and how many at a time. */
export type FetchLimits = {
  /** Milliseconds for one artifact. At most a quarter of `budget`. Default 10,000. */
  fetchTimeout?: number | undefined
  /** Milliseconds for all of them together. Default 60,000. */
  fetchBudget?: number | undefined
  /** Artifacts fetched at the same time. Default 16. */
  fetchConcurrency?: number | undefined
}

/**
 * What became of an artifact. `unavailable`: it was tried for its whole time, or refused.
 * `untried`: it was not wanted, or the budget ended before its own time did.
 */
export type Fetched<kept> =
  | { status: 'here'; kept: kept }
  | { status: 'unavailable' }
  | { status: 'untried' }

/** What to fetch. */
export type FetchRequest<kept> = {
  /** In the order of trying. */
  refs: readonly ArtifactRef[]
  locators: (ref: ArtifactRef, io: IoOptions) => Promise<readonly DaLocator[]>
  /** Asked before each one is tried. Default: all are wanted. */
  wanted?: ((ref: ArtifactRef) => boolean) | undefined
  /** Takes verified bytes, and says what to remember of them. */
  keep: (ref: ArtifactRef, bytes: Uint8Array) => kept | Promise<kept>
}

/**
 * Fetches artifacts in parallel and within a budget. Bytes are checked against their hash, whatever
 * the source says of them; damaged ones that lie here are fetched anew and mended.
 *
 * @returns What became of each, by {@link refKey}. Rejects only for the caller's signal and for what
 * `keep` throws.
 */
export async function fetchWaiting<kept>(
  pipeline: CommitPipeline,
  request: FetchRequest<kept>,
  options: FetchLimits & Pick<IoOptions, 'signal'>,
): Promise<Map<string, Fetched<kept>>> {
  const { budget, timeout, concurrency } = checkedLimits(options)
  const found = new Map<string, Fetched<kept>>()
  const waiting = request.refs[Symbol.iterator]()
  let failed = false
  const worker = async (stop: AbortSignal): Promise<void> => {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      const ref = next.value
      if (stop.aborted || failed) return
      if (request.wanted?.(ref) === false) continue
      const result = await fetchOne(pipeline, { ref, request, timeout }, stop).catch((cause) => {
        failed = true
        throw cause
      })
      // What comes after the end changes nothing: somebody goes on with what there was.
      if (stop.aborted) return
      found.set(refKey(ref), result)
    }
  }
  try {
    await withDeadline(
      'Fetching waiting artifacts',
      { signal: options.signal, timeout: budget },
      async (stop) => {
        const stops = Array.from({ length: concurrency }, () => new AbortController())
        // One listener for all of them: runtimes warn of a signal with many.
        stop.addEventListener('abort', () => {
          for (const own of stops) own.abort(stop.reason)
        })
        await Promise.all(stops.map(({ signal }) => worker(signal)))
      },
    )
  } catch (cause) {
    options.signal?.throwIfAborted()
    if (!(cause instanceof TimeoutError)) throw cause
  }
  return found
}

async function fetchOne<kept>(
  pipeline: CommitPipeline,
  at: { ref: ArtifactRef; request: FetchRequest<kept>; timeout: number },
  stop: AbortSignal,
): Promise<Fetched<kept>> {
  const { ref, request, timeout } = at
  const { artifacts, tree } = pipeline
  const local = await readLocal(pipeline, ref)
  if (local.status === 'whole') {
    return { status: 'here', kept: await request.keep(ref, local.bytes) }
  }
  if (artifacts === undefined) return { status: 'unavailable' }
  let bytes: Uint8Array
  try {
    const io = { signal: stop, timeout }
    bytes = await withDeadline(`Fetching artifact ${ref.hash}`, io, async (signal) => {
      const locators = await request.locators(ref, { signal })
      return artifacts.getArtifact({ ...ref, locators }, { signal })
    })
    assertNamed(ref.hash, bytes, defaultHasher().hash)
  } catch (cause) {
    // Not an error of the commit: the next proposer may have the bytes.
    if (!stop.aborted) pipeline.emit({ type: 'statetree.omitted', ref, cause })
    return { status: 'unavailable' }
  }
  if (local.status === 'damaged') {
    const { cause } = local
    const mended = await tree.store.bytes.put(ref.hash, bytes).then(
      () => true,
      () => false,
    )
    pipeline.emit({ type: 'statetree.damaged', hash: ref.hash, mended, cause })
  }
  return { status: 'here', kept: await request.keep(ref, bytes) }
}

type Local =
  | { status: 'whole'; bytes: Uint8Array }
  | { status: 'absent' }
  | { status: 'damaged'; cause: unknown }

// Bytes that are here and cannot be read are as good as none: they may be had elsewhere.
async function readLocal(pipeline: CommitPipeline, ref: ArtifactRef): Promise<Local> {
  try {
    const bytes = await pipeline.tree.store.bytes.get(ref.hash)
    return bytes === undefined ? { status: 'absent' } : { status: 'whole', bytes }
  } catch (cause) {
    return { status: 'damaged', cause }
  }
}

function checkedLimits(options: FetchLimits): {
  budget: number
  timeout: number
  concurrency: number
} {
  const { fetchTimeout = 10_000, fetchBudget = 60_000, fetchConcurrency = 16 } = options
  for (const [field, value] of Object.entries({ fetchTimeout, fetchBudget })) {
    if (Number.isFinite(value) && value > 0) continue
    throw new InvalidInputError({ field, reason: 'expected a positive number of milliseconds' })
  }
  if (!Number.isInteger(fetchConcurrency) || fetchConcurrency < 1) {
    throw new InvalidInputError({ field: 'fetchConcurrency', reason: 'expected an integer from 1' })
  }
  // Were one artifact given all the time there is, one could take it all in every window.
  const timeout = Math.min(fetchTimeout, fetchBudget / 4)
  return { budget: fetchBudget, timeout, concurrency: fetchConcurrency }
}
