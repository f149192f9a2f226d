/**
 * The time that each call of a keeper to a part of its caller's has, whether the part heeds it or not:
 * one that hangs holds up its own artifact, and no other.
 */
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { TimeoutError } from '../../errors/common.js'
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

/** Ends by time in a row after which a part is not waited for any more in this run. */
const MOST_LATE = 3
/**
 * Milliseconds for each call of a part after that, where what is asked decides how long it takes: some
 * artifacts that nobody has must not keep the others from being asked for. The rest is not called at all.
 */
const hurried: Partial<Record<string, number>> = { proof: 5_000, artifact: 20_000 }

/** Calls a part with the milliseconds that are left to it, `undefined` for all of its own. */
export type Patience = <value>(
  part: string,
  work: (most: number | undefined) => Promise<value>,
) => Promise<value>

/** One plan, or one carrying out of a plan: what its calls have, and what they know of each other. */
export type Round = IoOptions & { patience: Patience }

/** Opens a round. A part that ended by time three times in a row holds up nothing more of it. */
export function openRound({ signal, timeout }: IoOptions): Round {
  const late = new Map<string, { count: number; error: unknown }>()
  return {
    signal,
    timeout,
    async patience(part, work) {
      const before = late.get(part)
      const isSpent = before !== undefined && before.count >= MOST_LATE
      const most = isSpent ? hurried[part] : undefined
      if (isSpent && most === undefined) throw before.error
      try {
        const value = await work(most)
        late.delete(part)
        return value
      } catch (error) {
        const count = (late.get(part)?.count ?? 0) + 1
        if (isLate(error)) late.set(part, { count, error })
        else late.delete(part)
        throw error
      }
    },
  }
}

/** Whether a call ended because its time was over, whatever it was told as. */
export function isLate(error: unknown): boolean {
  if (error instanceof TimeoutError) return true
  return error instanceof Error && error.cause instanceof TimeoutError
}

/** Calls a part within its time. */
export function within<value>(
  part: keyof typeof longest,
  { signal, timeout, patience }: Round,
  work: (io: { signal: AbortSignal; timeout: number }) => Promise<value>,
): Promise<value> {
  return patience(part, (most = longest[part]) => {
    const own = Math.min(timeout ?? most, most)
    return withDeadline(`retention: ${part}`, { signal, timeout: own }, async (inner) =>
      work({ signal: inner, timeout: own }),
    )
  })
}

/** The artifact, hashed whatever the source is. */
export function fetchArtifact(
  source: ArtifactSource,
  request: ArtifactRequest,
  io: Round,
): Promise<Uint8Array> {
  return within('artifact', io, async (inner) => {
    const bytes = await source.getArtifact(request, inner)
    const given = { source: 'source', expected: request.hash }
    return isVerified(source.getArtifact) ? bytes : hashed(bytes, given)
  })
}
