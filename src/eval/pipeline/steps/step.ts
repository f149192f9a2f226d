/**
 * What the steps of one evaluation share.
 */
import type { IoOptions } from '../../../internal/deadline.js'
import { createProcessMemory, type ProcessMemory } from '../../../internal/processMemory.js'
import type { EvaluatorParameters } from '../parameters.js'
import type { EvaluationPlan } from '../plan.js'

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

/** Remembers in a memory, by default one of 512 of them and 4 MiB. */
export function createAcceptedParams(
  memory: ProcessMemory = createProcessMemory({ maxBytes: 4_194_304, maxEntries: 512 }),
): AcceptedParams {
  const form = 'accepted params'
  return {
    has: (key) => memory.peek({ form, key }) !== undefined,
    add: (key) => void memory.set({ form, key }, { value: true, weight: 2 * key.length }),
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
