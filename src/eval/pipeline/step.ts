/**
 * What the steps of one evaluation share.
 */
import type { IoOptions } from '../../internal/deadline.js'
import type { EvaluatorParameters } from './parameters.js'
import type { EvaluationPlan } from './plan.js'

/** One evaluation under way: its plan, and how its steps are to treat what they find. */
export type Step = EvaluatorParameters & {
  accepted: AcceptedParams
  simulating: boolean
  plan: EvaluationPlan
  options: IoOptions
  warnings: string[]
  block: bigint
}

/** Params a schema has accepted. An instance's params never change, so neither does the verdict. */
export type AcceptedParams = { has(key: string): boolean; add(key: string): void }

/** Remembers the last 512: at most 4 MiB, as params have at most 8 KiB. */
export function createAcceptedParams(): AcceptedParams {
  const keys = new Set<string>()
  return {
    has(key) {
      if (!keys.delete(key)) return false
      keys.add(key)
      return true
    },
    add(key) {
      keys.add(key)
      const [oldest] = keys
      if (keys.size > 512 && oldest !== undefined) keys.delete(oldest)
    },
  }
}

/** Milliseconds of each step, by its name. */
export function createClock(): {
  mark: (name: string) => void
  timings: () => Record<string, number>
} {
  const started = performance.now()
  let last = started
  const steps: Record<string, number> = {}
  return {
    mark(name) {
      const now = performance.now()
      steps[name] = now - last
      last = now
    },
    timings: () => ({ ...steps, total: performance.now() - started }),
  }
}
