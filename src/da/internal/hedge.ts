import { BaseError } from '../../errors/base.js'
import { type DaAttempt, DaUnavailableError } from '../errors.js'

/** One candidate of {@link hedged}. */
export type Candidate<value> = { source: string; run: (signal: AbortSignal) => Promise<value> }

/**
 * Starts candidates in order: the next one when the last failed, or when `delay` ms went by
 * without an answer. The first success wins and cancels the rest.
 *
 * @throws the only failure, or a {@link DaUnavailableError} whose causes are all of them.
 */
export async function hedged<value>(
  candidates: readonly Candidate<value>[],
  { delay, signal }: { delay: number; signal: AbortSignal },
): Promise<{ value: value; winner: string }> {
  const attempts: DaAttempt[] = []
  const controllers: AbortController[] = []
  let started = 0
  let settled = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      for (const controller of controllers)
        controller.abort(new DOMException('Another source won.', 'AbortError'))
    }
    const onAbort = (): void => {
      clearTimeout(timer)
      for (const controller of controllers) controller.abort(signal.reason)
      reject(signal.reason)
    }
    const startNext = (): void => {
      clearTimeout(timer)
      const candidate = candidates[started]
      if (!candidate || signal.aborted) return
      started += 1
      const controller = new AbortController()
      controllers.push(controller)
      if (started < candidates.length) timer = setTimeout(startNext, delay)
      candidate.run(controller.signal).then(
        (value) => {
          finish()
          resolve({ value, winner: candidate.source })
        },
        (error: unknown) => {
          if (signal.aborted) return
          settled += 1
          attempts.push({ source: candidate.source, error })
          if (settled === candidates.length) {
            finish()
            reject(attempts.length === 1 ? error : joined(attempts))
          } else startNext()
        },
      )
    }
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    else startNext()
  })
}

function joined(attempts: readonly DaAttempt[]): unknown {
  return new DaUnavailableError(
    { source: 'all sources', reason: `${attempts.length} of them failed` },
    {
      cause: new AggregateError(attempts.map(({ error }) => error)),
      retryable: attempts.some(({ error }) => error instanceof BaseError && error.retryable),
      metaMessages: attempts.map(
        ({ source, error }) =>
          `- ${source}: ${error instanceof BaseError ? error.shortMessage : String(error)}`,
      ),
    },
  )
}
