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
import { toHex } from '../internal/bytes.js'
import {
  ArtifactUnavailableError,
  type DaAttempt,
  DaBodyLengthError,
  DaIntegrityError,
  DaInvalidCertError,
  DaProtocolError,
} from './errors.js'
import { nameClients } from './fallback.js'
import { createHealthBoard, type HealthBoard } from './health.js'
import { createSingleFlight } from './internal/singleFlight.js'
import { isVerified, marksVerified } from './internal/verifying.js'
import { assertArtifact } from './verifier.js'

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
  /** Shared memory of who failed. A new one by default. */
  health?: HealthBoard | undefined
  onEvent?: ((event: ArtifactEvent) => void) | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
}

/**
 * Creates an {@link ArtifactSource} over backends.
 *
 * Concurrent calls for one artifact share one fetch. Locators are tried in order, 16 at most,
 * then every keccak-addressed backend by the hash alone. Nothing is cached here: put a
 * `createLayeredArtifactCache` in front.
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
  const { clients, locatorsOf, attemptTimeout = 150_000, onEvent, now = Date.now } = options
  const health = options.health ?? createHealthBoard({ now })
  const nameOf = nameClients(clients)
  const flights = createSingleFlight<Uint8Array>('getArtifact')
  const emit = (event: ArtifactEvent): void => {
    try {
      onEvent?.(event)
    } catch {
      // A broken hook must not decide whether an artifact can be had.
    }
  }

  async function planOf(
    request: ArtifactRequest,
    io: DaOptions,
    attempts: DaAttempt[],
  ): Promise<Try[]> {
    let known: readonly DaLocator[] = []
    try {
      known = locatorsOf ? await locatorsOf(request, io) : []
    } catch (error) {
      io.signal?.throwIfAborted()
      attempts.push({ source: 'locators', error })
    }
    return planTries({ clients, locators: [...(request.locators ?? []), ...known], nameOf })
  }

  async function fetchArtifact(
    request: ArtifactRequest,
    io: DaOptions & { signal: AbortSignal },
  ): Promise<Uint8Array> {
    const startedAt = now()
    const { hash } = request
    const attempts: DaAttempt[] = []
    const plan = await planOf(request, io, attempts)
    const trusted = plan.filter(({ source, key }) => !health.isBad(source, `${hash} ${key}`))
    // All remembered as bad: the memory may be older than a repair, so they get another chance.
    for (const { client, source, locator, key } of trusted.length > 0 ? trusted : plan) {
      try {
        const bytes = await client.getWithVerification(locator, hash, {
          ...io,
          timeout: attemptTimeout,
        })
        // Adapters are not believed either: one of a user's own may have forgotten to check.
        if (!isVerified(client.getWithVerification)) assertArtifact(bytes, locator, hash)
        health.succeeded(source)
        emit({
          type: 'artifact.fetched',
          hash,
          source,
          byteLength: bytes.length,
          attempts,
          durationMs: now() - startedAt,
        })
        return bytes
      } catch (error) {
        io.signal.throwIfAborted()
        attempts.push({ source, error })
        if (isWrongCopy(error)) {
          health.servedWrongCopy(source, `${hash} ${key}`)
          emit({ type: 'artifact.wrongCopy', hash, source, locator, error })
        } else {
          health.failed(source)
          emit({ type: 'artifact.attemptFailed', hash, source, locator, error })
        }
      }
    }
    emit({ type: 'artifact.unavailable', hash, attempts, durationMs: now() - startedAt })
    throw new ArtifactUnavailableError({ artifactHash: hash, attempts })
  }

  const source: ArtifactSource = {
    async getArtifact(request, io = {}) {
      const hash = toHex(artifactHashBytes(request.hash, { field: 'hash', optional: false }))
      const own = { ...request, hash }
      let started = false
      const start = (signal: AbortSignal): Promise<Uint8Array> => {
        started = true
        return fetchArtifact(own, { signal, onProgress: io.onProgress })
      }
      let bytes: Uint8Array
      try {
        bytes = await flights.run(hash, io, start)
      } catch (error) {
        // Another caller's hints led nowhere; this caller's may still lead somewhere.
        if (started || !(error instanceof ArtifactUnavailableError) || !request.locators?.length)
          throw error
        bytes = await flights.run(
          `${hash} ${request.locators.map(locatorKey).join(' ')}`,
          io,
          start,
        )
      }
      // Callers that shared a fetch must not see each other's changes.
      return bytes.slice()
    },
    async hasArtifact(request, io = {}) {
      const hash = toHex(artifactHashBytes(request.hash, { field: 'hash', optional: false }))
      for (const { client, locator } of await planOf({ ...request, hash }, io, [])) {
        if (!client.head) continue
        try {
          const { status } = await client.head(locator, { ...io, artifactHash: hash })
          if (status === 'available') return true
        } catch {
          io.signal?.throwIfAborted()
        }
      }
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
      if (!(client.supports?.(locator) ?? locator.kind !== 'unknown')) continue
      const key = locatorKey(locator)
      if (key === undefined || seen.has(`${nameOf(client)} ${key}`)) continue
      seen.add(`${nameOf(client)} ${key}`)
      tries.push({ client, source: nameOf(client), locator, key })
    }
  }
  for (const locator of locators.slice(0, MAX_LOCATORS_TRIED)) add(locator)
  // Keccak-addressed backends need no announcement: the hash is the key.
  add({ kind: 'eigenDaArchive' })
  add({ kind: 'keccakStore', name: '' })
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
