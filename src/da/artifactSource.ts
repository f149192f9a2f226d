/**
 * Artifacts by hash, from whatever locators and stores there are: each copy is checked, a wrong
 * one is reported and remembered against its source, and the next source is tried.
 */
import type { Hex } from 'viem'
import { artifactHashBytes } from '../core/artifact.js'
import type { ArtifactRequest, ArtifactSource } from '../core/interfaces/artifactSource.js'
import type { DaClient, DaOptions } from '../core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../core/locator.js'
import { MAX_LOCATORS_TRIED } from '../core/locatorOrder.js'
import { copyBytes, toHex } from '../internal/bytes.js'
import { withDeadline } from '../internal/deadline.js'
import { assertList, assertOptions } from '../internal/options.js'
import { createSingleFlight } from '../internal/singleFlight.js'
import { canRead, nameClients } from './combined/members.js'
import {
  ArtifactUnavailableError,
  type DaAttempt,
  DaBodyLengthError,
  DaIntegrityError,
  DaInvalidCertError,
  DaNotFoundError,
  DaProtocolError,
} from './errors.js'
import { createHealthBoard, type HealthBoard } from './health.js'
import { assertDaClients } from './internal/clients.js'
import { hedged } from './internal/hedge.js'
import { marksVerified, readVerified } from './internal/verifying.js'

/** What happened while an artifact was resolved. */
export type ArtifactEvent =
  /** A source served something that is not the artifact, or that cannot be: it is remembered. */
  | { type: 'artifact.wrongCopy'; hash: Hex; source: string; locator: DaLocator; error: unknown }
  | {
      type: 'artifact.attemptFailed'
      hash: Hex
      source: string
      locator: DaLocator
      error: unknown
    }
  | {
      type: 'artifact.fetched'
      hash: Hex
      source: string
      byteLength: number
      attempts: readonly DaAttempt[]
      durationMs: number
    }
  | { type: 'artifact.unavailable'; hash: Hex; attempts: readonly DaAttempt[]; durationMs: number }

/** Options of {@link createArtifactSource}. */
export type ArtifactSourceOptions = {
  /** Backends in order of preference; by custom EigenDA, archive, bootnode, peer. */
  clients: readonly DaClient[]
  /**
   * Locators known for an artifact, in the order they are tried, after those of the request: that
   * of `orderLocators`, as a commit pipeline's `locators` gives it.
   */
  locatorsOf?:
    | ((request: ArtifactRequest, options: DaOptions) => Promise<readonly DaLocator[]>)
    | undefined
  /** Milliseconds for one try. @default 150_000 */
  attemptTimeout?: number | undefined
  /** Milliseconds after which the next try joins one under way. @default 500 */
  hedgeDelay?: number | undefined
  /** Shared memory of who failed. A new one by default. */
  health?: HealthBoard | undefined
  onEvent?: ((event: ArtifactEvent) => void) | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
}

/**
 * Creates an {@link ArtifactSource} over backends.
 *
 * Concurrent calls for one artifact share one fetch. Two locators are tried, then every
 * keccak-addressed backend by the hash alone, then the other locators in order, 16 in all; the next
 * one joins when one fails or is slow. Nothing is cached here: put a `createLayeredArtifactCache` in
 * front.
 *
 * @throws {ArtifactUnavailableError} from its calls, with every try, when no source had the bytes.
 * @example
 * ```ts
 * import { createArtifactSource, memoryDa } from '@newton/policy-sdk/da'
 *
 * const da = memoryDa()
 * const { artifactHash, locator } = await da.put(new TextEncoder().encode('package example\n'))
 * const source = createArtifactSource({ clients: [da] })
 * await source.getArtifact({ hash: artifactHash, namespace: 4, locators: [locator] })
 * ```
 */
export function createArtifactSource(options: ArtifactSourceOptions): ArtifactSource {
  assertOptions(options, {
    clients: 'list',
    locatorsOf: 'function',
    attemptTimeout: 'milliseconds',
    hedgeDelay: 'milliseconds',
    health: 'object',
    onEvent: 'function',
    now: 'function',
  })
  assertDaClients('clients', options.clients)
  const resolver = createResolver(options)
  const flights = createSingleFlight<Uint8Array>('getArtifact')
  const source: ArtifactSource = {
    async getArtifact(request, io = {}) {
      const own = normalized(request)
      let started = false
      const start = (signal: AbortSignal): Promise<Uint8Array> => {
        started = true
        return resolver.fetch(own, { signal, onProgress: io.onProgress })
      }
      let bytes: Uint8Array
      try {
        bytes = await flights.run(own.hash, io, start)
      } catch (error) {
        // Another caller's hints led nowhere; this caller's may still lead somewhere.
        if (started || !(error instanceof ArtifactUnavailableError) || !request.locators?.length)
          throw error
        const hints = request.locators.map(locatorKey).join(' ')
        bytes = await flights.run(`${own.hash} ${hints}`, io, start)
      }
      // Callers that shared a fetch must not see each other's changes.
      return copyBytes(bytes)
    },
    async hasArtifact(request, io = {}) {
      const own = normalized(request)
      if (await resolver.isAvailable(own, io)) return true
      return source.getArtifact(request, io).then(
        () => true,
        (error: unknown) => {
          if (error instanceof ArtifactUnavailableError) return false
          throw error
        },
      )
    },
  }
  marksVerified(source.getArtifact)
  return source
}

function normalized(request: ArtifactRequest): ArtifactRequest {
  return {
    ...request,
    hash: toHex(artifactHashBytes(request.hash, { field: 'hash', optional: false })),
  }
}

type Resolver = {
  fetch(request: ArtifactRequest, io: DaOptions & { signal: AbortSignal }): Promise<Uint8Array>
  /** Whether a backend says that it has the bytes. */
  isAvailable(request: ArtifactRequest, io: DaOptions): Promise<boolean>
}

/** Milliseconds for the look-up of announced locators: what the caller named itself can be tried without. */
const LOCATORS_TIME = 5_000

function createResolver(options: ArtifactSourceOptions): Resolver {
  const { clients, locatorsOf, attemptTimeout = 150_000, now = Date.now } = options
  const { hedgeDelay = 500 } = options
  const health = options.health ?? createHealthBoard({ now })
  const nameOf = nameClients(clients)
  const emit = (event: ArtifactEvent): void => {
    try {
      options.onEvent?.(event)
    } catch {
      // A broken hook must not decide whether an artifact can be had.
    }
  }

  /** What is announced, within a time of its own: a list of locators, or a failure. */
  async function lookUp(
    locatorsOf: NonNullable<ArtifactSourceOptions['locatorsOf']>,
    request: ArtifactRequest,
    io: DaOptions,
  ): Promise<readonly DaLocator[]> {
    const timeout = Math.min(LOCATORS_TIME, attemptTimeout, io.timeout ?? LOCATORS_TIME)
    const found: unknown = await withDeadline(
      'locators',
      { signal: io.signal, timeout },
      async (signal) => locatorsOf(request, { ...io, signal, timeout }),
    )
    assertList('locators', found)
    return found.filter((one) => typeof one === 'object' && one !== null) as DaLocator[]
  }

  async function planOf(
    request: ArtifactRequest,
    io: DaOptions,
    attempts: DaAttempt[],
  ): Promise<Try[]> {
    let known: readonly DaLocator[] = []
    try {
      if (locatorsOf !== undefined) known = await lookUp(locatorsOf, request, io)
    } catch (error) {
      io.signal?.throwIfAborted()
      attempts.push({ source: 'locators', error })
    }
    return planTries({ clients, locators: [...(request.locators ?? []), ...known], nameOf })
  }

  async function attempt(
    { client, source, locator, key }: Try,
    { hash, io, attempts }: { hash: Hex; io: DaOptions; attempts: DaAttempt[] },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    try {
      const budget = { timeout: attemptTimeout, onProgress: io.onProgress }
      return await withDeadline(
        `${source} getWithVerification`,
        { signal, timeout: attemptTimeout },
        // Adapters are not believed either: one of a user's own may have forgotten to check.
        (inner) => readVerified(client, { locator, hash }, { ...budget, signal: inner }),
      )
    } catch (error) {
      // Stopped because another was faster, or because nobody waits: not the source's failure.
      if (signal.aborted) throw error
      attempts.push({ source, error })
      if (isWrongCopy(error)) {
        health.servedWrongCopy(source, `${hash} ${key}`)
        emit({ type: 'artifact.wrongCopy', hash, source, locator, error })
      } else {
        health.failed(source)
        emit({ type: 'artifact.attemptFailed', hash, source, locator, error })
      }
      throw error
    }
  }

  return {
    async fetch(request, io) {
      const startedAt = now()
      const { hash } = request
      const attempts: DaAttempt[] = []
      const plan = await planOf(request, io, attempts)
      const trusted = plan.filter(({ source, key }) => !health.isBad(source, `${hash} ${key}`))
      const own = { signal: io.signal, onProgress: growing(io.onProgress) }
      // All remembered as bad: the memory may be older than a repair, so they get another chance.
      const tries = (trusted.length > 0 ? trusted : plan).map((one) => ({
        source: one.source,
        run: (signal: AbortSignal) => attempt(one, { hash, io: own, attempts }, signal),
      }))
      try {
        if (tries.length === 0) throw new ArtifactUnavailableError({ artifactHash: hash, attempts })
        const { value, winner } = await hedged(tries, { delay: hedgeDelay, signal: io.signal })
        health.succeeded(winner)
        const durationMs = now() - startedAt
        const byteLength = value.length
        emit({ type: 'artifact.fetched', hash, source: winner, byteLength, attempts, durationMs })
        return value
      } catch {
        io.signal.throwIfAborted()
        emit({ type: 'artifact.unavailable', hash, attempts, durationMs: now() - startedAt })
        throw new ArtifactUnavailableError({ artifactHash: hash, attempts })
      }
    },
    async isAvailable(request, io) {
      const { hash } = request
      const ask = async ({ client, locator }: Try): Promise<boolean> => {
        const options = { timeout: Math.min(attemptTimeout, io.timeout ?? attemptTimeout) }
        const status = await withDeadline('head', { ...options, signal: io.signal }, (signal) =>
          Promise.resolve(client.head?.(locator, { ...options, signal, artifactHash: hash })),
        )
        if (status?.status === 'available') return true
        throw new DaNotFoundError({ source: nameOf(client), what: hash })
      }
      // All at once, and the first that has it answers: one that hangs holds up nobody.
      const answers = (await planOf(request, io, [])).filter(({ client }) => client.head).map(ask)
      try {
        return await Promise.any(answers)
      } catch {
        io.signal?.throwIfAborted()
        return false
      }
    },
  }
}

// Several sources may report at once; the caller sees one count that only grows.
function growing(onProgress: DaOptions['onProgress']): DaOptions['onProgress'] {
  if (onProgress === undefined) return undefined
  let most = -1
  return (progress) => {
    if (progress.loaded <= most) return
    most = progress.loaded
    onProgress(progress)
  }
}

type Try = { client: DaClient; source: string; locator: DaLocator; key: string }

function planTries({
  clients,
  locators,
  nameOf,
}: {
  clients: readonly DaClient[]
  locators: readonly DaLocator[]
  nameOf: (client: DaClient) => string
}): Try[] {
  const tries: Try[] = []
  const seen = new Set<string>()
  const add = (locator: DaLocator): void => {
    for (const client of clients) {
      if (!canRead(client, locator, locator.kind !== 'unknown')) continue
      const key = locatorKey(locator)
      if (key === undefined || seen.has(`${nameOf(client)} ${key}`)) continue
      seen.add(`${nameOf(client)} ${key}`)
      tries.push({ client, source: nameOf(client), locator, key })
    }
  }
  const announced = locators.slice(0, MAX_LOCATORS_TRIED)
  for (const locator of announced.slice(0, 2)) add(locator)
  // Keccak-addressed backends need no announcement: the hash is the key. They are the caller's own,
  // so they come before what the many have announced.
  add({ kind: 'eigenDaArchive' })
  add({ kind: 'keccakStore', name: '' })
  for (const locator of announced.slice(2)) add(locator)
  return tries
}

// A malformed locator is a hint that leads nowhere, not an error of the caller.
function locatorKey(locator: DaLocator): string | undefined {
  try {
    return encodeLocator(locator)
  } catch {
    return undefined
  }
}

/** Whether a failure says that the source lied or is damaged, and not merely that it is away. */
export function isWrongCopy(error: unknown): boolean {
  return (
    error instanceof DaIntegrityError ||
    error instanceof DaProtocolError ||
    error instanceof DaInvalidCertError ||
    error instanceof DaBodyLengthError
  )
}
