import { InvalidInputError, TimeoutError } from '../errors/common.js'

/** Milliseconds of the longest timer: a longer one fires at once. */
export const MAX_TIMER = 2_147_483_647

/** What every function that does I/O accepts. */
export type IoOptions = {
  /** Cancels the call. Its `reason` is what the call rejects with. */
  signal?: AbortSignal | undefined
  /** Milliseconds after which the call fails with `TimeoutError`. */
  timeout?: number | undefined
}

/**
 * Runs `work` under a signal that fires on the caller's abort or after `timeout`.
 *
 * The promise settles when the signal fires even if `work` ignores it. The timer is always cleared.
 *
 * @throws {InvalidInputError} for a `timeout` that no timer can wait, before any work: `NaN` and
 * `Infinity` would be one millisecond. What is below zero is over at once.
 */
export async function withDeadline<value>(
  operation: string,
  options: IoOptions,
  work: (signal: AbortSignal) => Promise<value>,
): Promise<value> {
  const { signal, timeout } = options
  if (timeout !== undefined) assertTimeout(timeout)
  signal?.throwIfAborted()
  const controller = new AbortController()
  const onAbort = (): void => controller.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer =
    timeout === undefined
      ? undefined
      : setTimeout(() => controller.abort(new TimeoutError({ operation, timeout })), timeout)
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason), {
      once: true,
    })
  })
  try {
    // As a promise also where it aborts and throws at once: nobody else would wait for `aborted`.
    return await Promise.race([(async () => work(controller.signal))(), aborted])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

function assertTimeout(timeout: number): void {
  if (typeof timeout === 'number' && timeout <= MAX_TIMER) return
  const reason = `expected milliseconds up to ${MAX_TIMER}`
  throw new InvalidInputError({ field: 'timeout', reason })
}
