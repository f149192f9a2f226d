/**
 * Several backends as one: read through them in order, the next one joining when the first is
 * slow; write to the first that takes it.
 */
import type {
  DaClient,
  DaOptions,
  DaReadOptions,
  DaReceipt,
  DaRetention,
} from '../core/interfaces/daClient.js'
import type { DaLocator } from '../core/locator.js'
import { BaseError } from '../errors/base.js'
import { InvalidInputError, TimeoutError } from '../errors/common.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import {
  type DaAttempt,
  DaIntegrityError,
  DaOutcomeUnknownError,
  ReplicationError,
  UnsupportedLocatorError,
} from './errors.js'
import { createHealthBoard, type HealthBoard } from './health.js'
import { hedged } from './internal/hedge.js'

/** Options of {@link fallback}. */
export type FallbackOptions = {
  /** Milliseconds after which the next backend joins a read under way. @default 2_000 */
  hedgeDelay?: number | undefined
  /** Shared memory of who failed. A new one by default. */
  health?: HealthBoard | undefined
  /**
   * Whether a write whose outcome is unknown goes on to the next backend. The first may have been
   * paid. @default false
   */
  continueAfterUnknownOutcome?: boolean | undefined
}

/**
 * Combines backends: reads in order and hedged, healthy ones first; writes to the first that
 * accepts.
 *
 * A backend that serves wrong bytes is skipped for that artifact afterwards. A write is never
 * repeated where it may have been paid.
 *
 * @example
 * ```ts
 * import { fallback, memoryDa } from '@newton/policy-sdk/da'
 *
 * const da = fallback([memoryDa({ name: 'near' }), memoryDa({ name: 'far' })])
 * ```
 */
export function fallback(clients: readonly DaClient[], options: FallbackOptions = {}): DaClient {
  requireClients(clients)
  const health = options.health ?? createHealthBoard()
  const nameOf = nameClients(clients)
  return {
    kind: 'fallback',
    retention: weakestRetention(clients),
    supports: (locator) => clients.some((client) => client.supports?.(locator) ?? true),
    ...combinedReads(clients, { ...options, health, nameOf }),
    put: (bytes, io = {}) =>
      withDeadline('fallback da.put', io, async (signal) => {
        const attempts: DaAttempt[] = []
        for (const client of health.order(clients, nameOf)) {
          const source = nameOf(client)
          try {
            const receipt = await client.put(bytes, { ...io, signal })
            health.succeeded(source)
            return receipt
          } catch (error) {
            signal.throwIfAborted()
            if (error instanceof InvalidInputError) throw error
            health.failed(source)
            attempts.push({ source, error })
            const unknown = error instanceof DaOutcomeUnknownError || error instanceof TimeoutError
            if (unknown && !options.continueAfterUnknownOutcome) throw error
          }
        }
        throw new ReplicationError({ required: 1, receipts: [], attempts })
      }),
  }
}

/** A receipt of {@link replicated}: all copies, and the backends that failed. */
export type ReplicatedReceipt = DaReceipt & {
  readonly receipts: readonly DaReceipt[]
  readonly failures: readonly DaAttempt[]
}

/** Options of {@link replicated}. */
export type ReplicatedOptions = Omit<FallbackOptions, 'continueAfterUnknownOutcome'> & {
  /** Copies that must be written. @default all of them */
  quorum?: number | undefined
  /** Whether one of the copies must be in a permanent store. @default false */
  requirePermanent?: boolean | undefined
}

/** A {@link replicated} client. */
export type ReplicatedClient = Omit<DaClient, 'put'> & {
  put(bytes: Uint8Array, options?: DaOptions): Promise<ReplicatedReceipt>
}

/**
 * Writes to all backends at once and succeeds when `quorum` of them did, saying which. The
 * receipt's own locator is that of the first backend in order that succeeded.
 *
 * @throws {ReplicationError} from `put` when fewer succeeded; it carries the receipts there are.
 * @example
 * ```ts
 * import { memoryDa, replicated } from '@newton/policy-sdk/da'
 *
 * const da = replicated([memoryDa({ name: 'a' }), memoryDa({ name: 'b' })], { quorum: 1 })
 * const { receipts, failures } = await da.put(new TextEncoder().encode('{}'))
 * ```
 */
export function replicated(
  clients: readonly DaClient[],
  options: ReplicatedOptions = {},
): ReplicatedClient {
  requireClients(clients)
  const { quorum = clients.length, requirePermanent = false } = options
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > clients.length) {
    throw new InvalidInputError({
      field: 'quorum',
      reason: `expected 1 to ${clients.length}, got ${quorum}`,
    })
  }
  const health = options.health ?? createHealthBoard()
  const nameOf = nameClients(clients)
  return {
    kind: 'replicated',
    retention: strongestRetention(clients),
    supports: (locator) => clients.some((client) => client.supports?.(locator) ?? true),
    ...combinedReads(clients, { ...options, health, nameOf }),
    async put(bytes, io = {}) {
      const outcomes = await Promise.allSettled(clients.map((client) => client.put(bytes, io)))
      io.signal?.throwIfAborted()
      const receipts: DaReceipt[] = []
      const failures: DaAttempt[] = []
      let permanent = false
      outcomes.forEach((outcome, index) => {
        const client = clients[index] as DaClient
        if (outcome.status === 'fulfilled') {
          receipts.push(outcome.value)
          permanent ||= client.retention.kind === 'permanent'
          health.succeeded(nameOf(client))
        } else {
          if (outcome.reason instanceof InvalidInputError) throw outcome.reason
          failures.push({ source: nameOf(client), error: outcome.reason })
          health.failed(nameOf(client))
        }
      })
      const [first] = receipts
      if (!first || receipts.length < quorum) {
        throw new ReplicationError({ required: quorum, receipts, attempts: failures })
      }
      if (requirePermanent && !permanent) {
        throw new ReplicationError(
          { required: quorum, receipts, attempts: failures },
          { metaMessages: ['No permanent store took a copy, and one is required.'] },
        )
      }
      return { ...first, receipts, failures }
    },
  }
}

type Combined = {
  hedgeDelay?: number | undefined
  health: HealthBoard
  nameOf: (client: DaClient) => string
}

function combinedReads(
  clients: readonly DaClient[],
  { hedgeDelay = 2_000, health, nameOf }: Combined,
): Pick<DaClient, 'get' | 'getWithVerification' | 'head'> {
  async function read(
    locator: DaLocator,
    io: IoOptions,
    key: string,
    one: (client: DaClient, signal: AbortSignal) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const able = clients.filter((client) => client.supports?.(locator) ?? true)
    if (able.length === 0)
      throw new UnsupportedLocatorError({ source: 'fallback', kind: locator.kind })
    const candidates = health.order(
      able.filter((client) => !health.isBad(nameOf(client), key)),
      nameOf,
    )
    // All known as bad: try them again rather than give up on a memory.
    const tried = candidates.length > 0 ? candidates : able
    return withDeadline('fallback da.get', io, async (signal) => {
      const { value, winner } = await hedged(
        tried.map((client) => ({
          source: nameOf(client),
          run: async (inner: AbortSignal) => {
            try {
              return await one(client, inner)
            } catch (error) {
              if (!inner.aborted) {
                if (error instanceof DaIntegrityError) health.servedWrongCopy(nameOf(client), key)
                else health.failed(nameOf(client))
              }
              throw error
            }
          },
        })),
        { delay: hedgeDelay, signal },
      )
      health.succeeded(winner)
      return value
    })
  }
  return {
    get: (locator, io: DaReadOptions = {}) =>
      read(locator, io, io.artifactHash ?? JSON.stringify(locator), (client, signal) =>
        client.get(locator, { ...io, signal }),
      ),
    getWithVerification: (locator, expected, io = {}) =>
      read(locator, io, expected, (client, signal) =>
        client.getWithVerification(locator, expected, { ...io, signal }),
      ),
    async head(locator, io = {}) {
      let last: unknown
      for (const client of clients) {
        if (!client.head || !(client.supports?.(locator) ?? true)) continue
        try {
          const status = await client.head(locator, io)
          if (status.status === 'available') return status
        } catch (error) {
          io.signal?.throwIfAborted()
          last = error
        }
      }
      if (last instanceof BaseError && !last.retryable) throw last
      return { status: last === undefined ? 'missing' : 'unknown' }
    },
  }
}

function requireClients(clients: readonly DaClient[]): void {
  if (!Array.isArray(clients) || clients.length === 0) {
    throw new InvalidInputError({ field: 'clients', reason: 'expected at least one backend' })
  }
}

/** Names that tell two backends of one kind apart. */
export function nameClients(clients: readonly DaClient[]): (client: DaClient) => string {
  const names = new Map<DaClient, string>()
  clients.forEach((client, index) => {
    const sameKind = clients.filter(({ kind }) => kind === client.kind).length
    names.set(client, sameKind > 1 ? `${client.kind}#${index}` : client.kind)
  })
  return (client) => names.get(client) ?? client.kind
}

function weakestRetention(clients: readonly DaClient[]): DaRetention {
  return clients
    .map(({ retention }) => retention)
    .reduce((a, b) => (secondsOf(a) <= secondsOf(b) ? a : b))
}

function strongestRetention(clients: readonly DaClient[]): DaRetention {
  return clients
    .map(({ retention }) => retention)
    .reduce((a, b) => (secondsOf(a) >= secondsOf(b) ? a : b))
}

function secondsOf(retention: DaRetention): number {
  return retention.kind === 'permanent' ? Number.POSITIVE_INFINITY : retention.seconds
}
