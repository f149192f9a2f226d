/** Work that is done over and over while a process runs, and ends between two rounds. */
import { InvalidInputError } from '../../errors/common.js'
import { pause } from '../../internal/pause.js'

/** A loop that runs. */
export type Loop = {
  /** Milliseconds since a round last came to its end, since the start where none has. */
  age(): number
  /** Starts a round now, where one is waited for. */
  wake(): void
  /** Ends after the round that runs, which is told by its signal. */
  close(): Promise<void>
}

/**
 * Repeats `work` until it is closed. A round that fails is told and followed by the next one: nothing
 * that one item does ends the loop.
 *
 * @param parameters.interval - Milliseconds between two rounds.
 * @param parameters.work - `again` where the next round follows at once.
 */
export function startLoop(parameters: {
  interval: number
  work: (signal: AbortSignal) => Promise<'again' | undefined>
  onError: (error: unknown) => void
  now: () => number
}): Loop {
  const { interval, work, onError, now } = parameters
  if (!Number.isFinite(interval) || interval <= 0) {
    throw new InvalidInputError({ field: 'interval', reason: 'expected a positive number' })
  }
  const closing = new AbortController()
  let waiting = new AbortController()
  let last = now()
  const rounds = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      let again = false
      try {
        again = (await work(closing.signal)) === 'again'
        last = now()
      } catch (error) {
        if (!closing.signal.aborted) onError(error)
      }
      if (again || closing.signal.aborted) continue
      waiting = new AbortController()
      await pause(interval, waiting.signal)
    }
  }
  const running = rounds()
  return {
    age: () => now() - last,
    wake: () => waiting.abort(),
    close: async () => {
      closing.abort()
      waiting.abort()
      await running
    },
  }
}
