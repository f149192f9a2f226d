import { BaseError } from '../../errors/base.js'
import { sleep } from '../../internal/pause.js'
import { DaRateLimitedError } from '../errors.js'

/** How a call is repeated. */
export type RetryOptions = {
  /** Tries in all. */
  tries: number
  /** Milliseconds before the second try; doubles, up to `maxDelay`, with full jitter. */
  baseDelay: number
  maxDelay: number
  /** @default error.retryable */
  shouldRetry?: ((error: unknown) => boolean) | undefined
  random: () => number
  signal: AbortSignal
}

/** Runs `work` until it succeeds, fails for good, or the tries are used up. */
export async function withRetry<value>(
  work: () => Promise<value>,
  options: RetryOptions,
): Promise<value> {
  const { tries, baseDelay, maxDelay, random, signal } = options
  const shouldRetry =
    options.shouldRetry ?? ((error): boolean => error instanceof BaseError && error.retryable)
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt >= tries || signal.aborted || !shouldRetry(error)) throw error
      const asked = error instanceof DaRateLimitedError ? (error.retryAfter ?? 0) : 0
      await sleep(
        Math.max(asked, random() * Math.min(maxDelay, baseDelay * 2 ** (attempt - 1))),
        signal,
      )
    }
  }
}
