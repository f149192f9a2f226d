/** Work of each contract in its own line: handled in order, submitted in order, and never in silence. */
import { pause } from '../../internal/pause.js'
import type { HostStep } from './journal.js'

/** One piece of work: there may be more, there is none, or it failed and comes again. */
export type LineStep = (
  step: HostStep,
  contract: string,
  attempt: number,
) => Promise<'more' | 'rest' | 'failed'>

/** The lines of a host. */
export type Lines = {
  /** Starts a line, or lets it look again before it rests. */
  start(step: HostStep, contract: string): void
  /** Resolves when every line rests. */
  rest(): Promise<void>
}

/**
 * Creates the lines.
 *
 * @param options.work - Does one piece.
 * @param options.onFault - Told of what `work` throws, which comes again like any failure.
 * @param options.retryDelay - Milliseconds until a piece is tried again, by failures in a row.
 */
export function createLines(options: {
  signal: AbortSignal
  work: LineStep
  onFault: (step: HostStep, contract: string, failure: { cause: unknown; attempt: number }) => void
  retryDelay: (attempt: number) => number
}): Lines {
  const { signal, work, onFault, retryDelay } = options
  const busy = new Map<string, Promise<void>>()
  const again = new Set<string>()

  const run = async (step: HostStep, contract: string): Promise<void> => {
    for (let attempt = 1; !signal.aborted; ) {
      let outcome: Awaited<ReturnType<LineStep>>
      try {
        outcome = await work(step, contract, attempt)
      } catch (cause) {
        outcome = 'failed'
        if (!signal.aborted) onFault(step, contract, { cause, attempt })
      }
      if (outcome === 'rest') return
      if (outcome === 'failed') await pause(retryDelay(attempt++), signal)
      else {
        attempt = 1
        // An answer is submitted while the next event is being handled.
        if (step === 'handle') start('submit', contract)
      }
    }
  }
  const start = (step: HostStep, contract: string): void => {
    const key = `${step}/${contract}`
    if (busy.has(key)) {
      again.add(key)
      return
    }
    const line = run(step, contract).finally(() => {
      busy.delete(key)
      if (again.delete(key) && !signal.aborted) start(step, contract)
    })
    busy.set(key, line)
  }
  return {
    start,
    rest: async () => {
      while (busy.size > 0) await Promise.all(busy.values())
    },
  }
}
