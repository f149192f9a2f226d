/**
 * The time that each call of a keeper to a part of its caller's has, whether the part heeds it or not:
 * one that hangs holds up its own artifact, and no other.
 */
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { hashed, isVerified } from '../internal/verifying.js'

/** Milliseconds for each kind of call, where the caller of the keeper gives no less. */
export const longest = {
  entries: 300_000,
  journal: 60_000,
  blockTime: 30_000,
  proof: 60_000,
  artifact: 600_000,
  announcement: 300_000,
} as const

/** Calls a part within its time. */
export function within<value>(
  part: keyof typeof longest,
  { signal, timeout }: IoOptions,
  work: (io: { signal: AbortSignal; timeout: number }) => Promise<value>,
): Promise<value> {
  const own = Math.min(timeout ?? longest[part], longest[part])
  return withDeadline(`retention: ${part}`, { signal, timeout: own }, async (inner) =>
    work({ signal: inner, timeout: own }),
  )
}

/** The artifact, hashed whatever the source is. */
export function fetchArtifact(
  source: ArtifactSource,
  request: ArtifactRequest,
  io: IoOptions,
): Promise<Uint8Array> {
  return within('artifact', io, async (inner) => {
    const bytes = await source.getArtifact(request, inner)
    const given = { source: 'source', expected: request.hash }
    return isVerified(source.getArtifact) ? bytes : hashed(bytes, given)
  })
}
