/**
 * What the steps of one evaluation share.
 */
import type { Hex } from 'viem'
import type { IoOptions } from '../../../internal/deadline.js'
import {
  createProcessMemory,
  type MemorySlot,
  type ProcessMemory,
} from '../../../internal/processMemory.js'
import { createFacts } from '../facts.js'
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
export type AcceptedParams = {
  has(schemaHash: Hex, valueJson: string): boolean
  add(schemaHash: Hex, valueJson: string): void
}

/** Remembers in a memory, by default one of 512 of them and 4 MiB. */
export function createAcceptedParams(
  memory: ProcessMemory = createProcessMemory({ maxBytes: 4_194_304, maxEntries: 512 }),
): AcceptedParams {
  const form = 'accepted params'
  const slots = createFacts<MemorySlot>(16)
  const slotOf = (hash: Hex, valueJson: string): MemorySlot =>
    slots.of([hash, valueJson], () => ({ form, key: `${hash.toLowerCase()} ${valueJson}` }))
  return {
    has: (hash, valueJson) => memory.peek(slotOf(hash, valueJson)) !== undefined,
    add(hash, valueJson) {
      const slot = slotOf(hash, valueJson)
      memory.set(slot, { value: true, weight: 2 * slot.key.length })
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
