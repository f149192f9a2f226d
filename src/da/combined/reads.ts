/** Reads through several backends: healthy ones first, the next one joining when one is slow. */

import { artifactHashBytes } from '../../core/artifact.js'
import type { DaClient, DaReadOptions, DaStatus } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { BaseError } from '../../errors/base.js'
import { toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { DaIntegrityError, DaNotFoundError, UnsupportedLocatorError } from '../errors.js'
import type { HealthBoard } from '../health.js'
import { hedged } from '../internal/hedge.js'
import { growingProgress } from '../internal/progress.js'
import { marksVerified, readVerified } from '../internal/verifying.js'
import { canRead } from './members.js'

type Members = {
  /** Milliseconds. @default 2_000 */
  hedgeDelay?: number | undefined
  health: HealthBoard
  nameOf: (client: DaClient) => string
}

/** Milliseconds for a question that moves no bytes, where the caller gives no time. */
const HEAD_TIMEOUT = 60_000

/** The reading half of a client over several. */
export function combinedReads(
  clients: readonly DaClient[],
  members: Members,
): Pick<DaClient, 'get' | 'getWithVerification' | 'head'> {
  const read = (
    locator: DaLocator,
    { io, key }: { io: IoOptions; key: string },
    one: (client: DaClient, signal: AbortSignal) => Promise<Uint8Array>,
  ): Promise<Uint8Array> => readHedged(clients, members, { locator, io, key, one })
  const reads: Pick<DaClient, 'get' | 'getWithVerification' | 'head'> = {
    get: (locator, io: DaReadOptions = {}) => {
      const onProgress = growingProgress(io.onProgress)
      const key = io.artifactHash ?? JSON.stringify(locator)
      return read(locator, { io, key }, (client, signal) =>
        client.get(locator, { ...io, onProgress, signal }),
      )
    },
    async getWithVerification(locator, expected, io = {}) {
      const hash = toHex(artifactHashBytes(expected, { field: 'expected', optional: false }))
      const onProgress = growingProgress(io.onProgress)
      return read(locator, { io, key: hash }, (client, signal) =>
        readVerified(client, { locator, hash }, { ...io, onProgress, signal }),
      )
    },
    head: (locator, io = {}) => headOfAny(clients, locator, io),
  }
  marksVerified(reads.getWithVerification)
  return reads
}

async function readHedged(
  clients: readonly DaClient[],
  { hedgeDelay = 2_000, health, nameOf }: Members,
  request: {
    locator: DaLocator
    io: IoOptions
    key: string
    one: (client: DaClient, signal: AbortSignal) => Promise<Uint8Array>
  },
): Promise<Uint8Array> {
  const { locator, io, key, one } = request
  const able = clients.filter((client) => canRead(client, locator))
  if (able.length === 0)
    throw new UnsupportedLocatorError({ source: 'fallback', kind: locator.kind })
  const candidates = health.order(
    able.filter((client) => !health.isBad(nameOf(client), key)),
    nameOf,
  )
  // All known as bad: try them again rather than give up on a memory.
  const tried = candidates.length > 0 ? candidates : able
  const attempt = async (client: DaClient, signal: AbortSignal): Promise<Uint8Array> => {
    try {
      return await one(client, signal)
    } catch (error) {
      if (!signal.aborted) {
        if (error instanceof DaIntegrityError) health.servedWrongCopy(nameOf(client), key)
        else health.failed(nameOf(client))
      }
      throw error
    }
  }
  return withDeadline('fallback da.get', io, async (signal) => {
    const { value, winner } = await hedged(
      tried.map((client) => ({
        source: nameOf(client),
        run: async (inner: AbortSignal) => attempt(client, inner),
      })),
      { delay: hedgeDelay, signal },
    )
    health.succeeded(winner)
    return value
  })
}

/** Asks all at once: the first that has the bytes answers, and one that hangs holds up nobody. */
async function headOfAny(
  clients: readonly DaClient[],
  locator: DaLocator,
  io: DaReadOptions,
): Promise<DaStatus> {
  const asked = clients.filter((client) => client.head !== undefined && canRead(client, locator))
  const { timeout = HEAD_TIMEOUT } = io
  const failures: unknown[] = []
  const controller = new AbortController()
  const ask = async (client: DaClient): Promise<DaStatus> => {
    const status = await withDeadline(
      `${client.kind} da.head`,
      { signal: controller.signal, timeout },
      (signal) => (client.head as NonNullable<DaClient['head']>)(locator, { ...io, signal }),
    ).catch((error: unknown) => {
      failures.push(error)
      throw error
    })
    if (status.status === 'available') return status
    throw new DaNotFoundError({ source: client.kind, what: 'it' })
  }
  return withDeadline('fallback da.head', { signal: io.signal }, async (signal) => {
    const onAbort = (): void => controller.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.any(asked.map(ask))
    } catch {
      signal.throwIfAborted()
      const final = failures.find((error) => error instanceof BaseError && !error.retryable)
      if (final !== undefined) throw final
      return { status: failures.length === 0 ? 'missing' : 'unknown' }
    } finally {
      controller.abort(new DOMException('The question is answered.', 'AbortError'))
    }
  })
}
