/**
 * Several backends as one: read through them in order, the next one joining when the first is
 * slow; write to the first that takes it.
 */

import type { DaClient, DaOptions, DaReceipt } from '../../core/interfaces/daClient.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { copyBytes } from '../../internal/bytes.js'
import { assertMilliseconds, assertOptions } from '../../internal/options.js'
import { type DaAttempt, ReplicationError } from '../errors.js'
import { createHealthBoard, type HealthBoard } from '../health.js'
import { artifactHashOf } from '../internal/artifactHash.js'
import { isOpenWrite, paidIn } from '../internal/paid.js'
import { growingProgress } from '../internal/progress.js'
import {
  canRead,
  mayBePaid,
  nameClients,
  putWithin,
  requireClients,
  weakestRetention,
} from './members.js'
import { combinedReads } from './reads.js'

/** Options of {@link fallback}. */
export type FallbackOptions = {
  /** Milliseconds after which the next backend joins a read under way. @default 2_000 */
  hedgeDelay?: number | undefined
  /**
   * Milliseconds each backend has for a write. Default: an equal share of what is left of the
   * call's `timeout`, and all of it for one that may be paid; without `timeout`, the backend's own.
   */
  putTimeout?: number | undefined
  /** Shared memory of who failed. A new one by default. */
  health?: HealthBoard | undefined
  /**
   * Whether a write whose outcome is unknown goes on to the next backend. The first may have been
   * paid. @default false
   */
  continueAfterUnknownOutcome?: boolean | undefined
  /** Milliseconds, monotonic. @default performance.now */
  clock?: (() => number) | undefined
}

/**
 * Combines backends: reads in order and hedged, healthy ones first; writes to the first that
 * accepts.
 *
 * A backend that serves wrong bytes is skipped for that artifact afterwards. A write is never
 * repeated where it may have been paid; a free backend that does not answer has only its share of
 * the time.
 *
 * @throws {InvalidInputError} for an empty list or a time that is no number.
 * @example
 * ```ts
 * import { fallback, memoryDa } from '@newton/policy-sdk/da'
 *
 * const da = fallback([memoryDa({ name: 'near' }), memoryDa({ name: 'far' })])
 * ```
 */
export function fallback(clients: readonly DaClient[], options: FallbackOptions = {}): DaClient {
  requireClients(clients)
  assertOptions(options, {
    hedgeDelay: 'milliseconds',
    putTimeout: 'milliseconds',
    health: 'object',
    continueAfterUnknownOutcome: 'flag',
    clock: 'function',
  })
  const health = options.health ?? createHealthBoard()
  const nameOf = nameClients(clients)
  return {
    kind: 'fallback',
    retention: weakestRetention(clients),
    paid: clients.some(mayBePaid),
    supports: (locator) => clients.some((client) => canRead(client, locator)),
    ...combinedReads(clients, { ...options, health, nameOf }),
    put: (bytes, io = {}) =>
      // Each backend ends within the time that is left: a timer of the call's own would end it an
      // instant before one that was paid says so.
      putToFirst(
        bytes,
        { ...io, signal: io.signal ?? new AbortController().signal },
        { clients, options, health, nameOf },
      ),
  }
}

type Writers = {
  clients: readonly DaClient[]
  options: FallbackOptions
  health: HealthBoard
  nameOf: (client: DaClient) => string
}

async function putToFirst(
  bytes: Uint8Array,
  io: DaOptions & { signal: AbortSignal },
  { clients, options, health, nameOf }: Writers,
): Promise<DaReceipt> {
  io.signal.throwIfAborted()
  const { putTimeout, continueAfterUnknownOutcome = false } = options
  // A later backend gets the bytes of the call, whatever the caller does with the array meanwhile.
  const own = bytes instanceof Uint8Array ? copyBytes(bytes) : bytes
  const hash = artifactHashOf(own)
  const onProgress = growingProgress(io.onProgress)
  const clock = options.clock ?? (() => performance.now())
  if (io.timeout !== undefined) assertMilliseconds('timeout', io.timeout)
  const end = io.timeout === undefined ? undefined : clock() + io.timeout
  const attempts: DaAttempt[] = []
  const ordered = health.order(clients, nameOf)
  for (const [index, client] of ordered.entries()) {
    const source = nameOf(client)
    const left = end === undefined ? undefined : Math.max(0, end - clock())
    // One that may be paid ends the call when it does not answer, so it has all the time there is.
    const sharers = mayBePaid(client) && !continueAfterUnknownOutcome ? 1 : ordered.length - index
    const timeout = putTimeout ?? (left === undefined ? undefined : left / sharers)
    try {
      const receipt = await putWithin(
        client,
        { bytes: own, hash, source, timeout },
        { ...io, onProgress },
      )
      health.succeeded(source)
      return receipt
    } catch (error) {
      if (io.signal.aborted) throw paidIn(error) === undefined ? io.signal.reason : error
      if (error instanceof InvalidInputError) throw error
      health.failed(source)
      attempts.push({ source, error })
      const isOpen = isOpenWrite(error) || (error instanceof TimeoutError && mayBePaid(client))
      if (isOpen && !continueAfterUnknownOutcome) throw error
      // What began now would have no time.
      if (end !== undefined && clock() >= end) break
    }
  }
  const isLate = end !== undefined && attempts.every(({ error }) => error instanceof TimeoutError)
  if (isLate && clock() >= end)
    throw new TimeoutError({ operation: 'fallback da.put', timeout: io.timeout as number })
  throw new ReplicationError({ required: 1, receipts: [], attempts })
}
