/** Verified bytes from the highest tier that has them: disk, then the network, hedged. */
import type { Hex } from 'viem'
import { artifactHashBytes } from '../../core/artifact.js'
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaOptions } from '../../core/interfaces/daClient.js'
import { BaseError } from '../../errors/base.js'
import { toHex } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { createSingleFlight } from '../../internal/singleFlight.js'
import { ArtifactUnavailableError, type DaAttempt, DaIntegrityError } from '../errors.js'
import { hedged } from '../internal/hedge.js'
import { hashed, isVerified } from '../internal/verifying.js'
import type { DiskTier } from './diskTier.js'
import type { EmitCacheEvent } from './events.js'

type NetworkTier = { tier: 'L3' | 'L4'; source: ArtifactSource }

/** Parts of {@link createByteTiers}. */
export type ByteTiersOptions = {
  disk: DiskTier
  da: ArtifactSource | undefined
  peers: ArtifactSource | undefined
  /** Milliseconds after which L4 joins an L3 that has not answered. */
  hedgeDelay: number
  emit: EmitCacheEvent
}

/** The tiers of bytes. */
export type ByteTiers = {
  /** The verified bytes, shared: a caller that hands them out copies them. */
  get(request: ArtifactRequest, io: DaOptions): Promise<Uint8Array>
  has(request: ArtifactRequest, io: DaOptions): Promise<boolean>
}

/** Creates the tiers. Concurrent misses of one artifact share one fetch. */
export function createByteTiers(options: ByteTiersOptions): ByteTiers {
  const { disk, emit } = options
  const flights = createSingleFlight<Uint8Array>('getArtifact')
  const networks: NetworkTier[] = []
  if (options.da) networks.push({ tier: 'L3', source: options.da })
  if (options.peers) networks.push({ tier: 'L4', source: options.peers })

  async function ask(
    { tier, source }: NetworkTier,
    { request, io, attempts }: { request: ArtifactRequest; io: DaOptions; attempts: DaAttempt[] },
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    try {
      const bytes = await source.getArtifact(request, { ...io, signal })
      const expected = request.hash
      return isVerified(source.getArtifact) ? bytes : hashed(bytes, { source: tier, expected })
    } catch (error) {
      // Stopped because the other tier was faster.
      if (signal.aborted) throw error
      emit({ type: 'cache.lookup', tier, result: 'miss', form: 'bytes' })
      if (error instanceof DaIntegrityError) {
        emit({ type: 'cache.wrongCopy', tier, source: tier, hash: request.hash, error })
      }
      if (error instanceof ArtifactUnavailableError) attempts.push(...error.attempts)
      else attempts.push({ source: tier, error })
      throw error
    }
  }

  async function fromNetwork(
    request: ArtifactRequest,
    io: DaOptions & { signal: AbortSignal },
  ): Promise<Uint8Array> {
    const attempts: DaAttempt[] = []
    const candidates = networks.map((network) => ({
      source: network.tier,
      run: (signal: AbortSignal) => ask(network, { request, io, attempts }, signal),
    }))
    try {
      if (candidates.length === 0)
        throw new ArtifactUnavailableError({ artifactHash: request.hash, attempts })
      const { value, winner } = await hedged(candidates, {
        delay: options.hedgeDelay,
        signal: io.signal,
      })
      emit({ type: 'cache.lookup', tier: winner as 'L3' | 'L4', result: 'hit', form: 'bytes' })
      return value
    } catch {
      io.signal.throwIfAborted()
      throw new ArtifactUnavailableError({ artifactHash: request.hash, attempts })
    }
  }

  return {
    async get(request, io) {
      const { hash } = request
      let started = false
      const work = async (signal: AbortSignal): Promise<Uint8Array> => {
        started = true
        const inner = { signal, onProgress: io.onProgress }
        const local = await disk.read(hash, inner)
        if (local) return local
        const bytes = await fromNetwork(request, inner)
        await disk.write(hash, bytes, inner)
        return bytes
      }
      try {
        return await flights.run(hash, io, work)
      } catch (error) {
        // The fetch that was joined had other hints than this caller.
        if (started || !(error instanceof ArtifactUnavailableError) || !request.locators?.length)
          throw error
        return await flights.run(`${hash} ${JSON.stringify(request.locators)}`, io, work)
      }
    },
    async has(request, io) {
      if (await disk.has(request.hash, io)) return true
      // Both at once, and the first that has it answers: one that hangs holds up nobody.
      const answers = networks.map(async ({ source }) => {
        const has = await (source.hasArtifact?.(request, io) ?? reachable(source, request, io))
        if (!has) throw new ArtifactUnavailableError({ artifactHash: request.hash, attempts: [] })
        return true
      })
      try {
        return await withDeadline('hasArtifact', io, () => Promise.any(answers))
      } catch (error) {
        if (!(error instanceof AggregateError)) throw error
        const unexpected = error.errors.find((one) => !(one instanceof BaseError))
        if (unexpected !== undefined) throw unexpected
        return false
      }
    },
  }
}

/** The request with its hash in the one spelling that keys have. */
export function normalized(request: ArtifactRequest): ArtifactRequest & { hash: Hex } {
  return {
    ...request,
    hash: toHex(artifactHashBytes(request.hash, { field: 'hash', optional: false })),
  }
}

async function reachable(
  source: ArtifactSource,
  request: ArtifactRequest,
  io: DaOptions,
): Promise<boolean> {
  try {
    await source.getArtifact(request, io)
    return true
  } catch (error) {
    io.signal?.throwIfAborted()
    if (error instanceof BaseError) return false
    throw error
  }
}
