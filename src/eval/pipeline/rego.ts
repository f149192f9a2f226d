/**
 * The Rego step: one `data` document, one outcome, and what counts as a decision.
 */
import type { Hex } from 'viem'
import { canonicalJson, type Json, type JsonObject } from '../../core/canonicalJson.js'
import type { Task } from '../../core/task.js'
import { computeTaskId } from '../../core/task.js'
import { compareBytes, utf8 } from '../../internal/bytes.js'
import { assertList } from '../../internal/options.js'
import { inputJsonOf } from '../intent/parseIntent.js'
import type { PreparedPolicy, RegoOutcome } from '../rego/engine.js'
import type { IdentityData } from '../rego/identity.js'
import { PolicyEvaluationError } from './errors.js'

/** A plugin's output with the template it came from. */
export type PluginOutput = { policyDataTemplateId: Hex; output: Json }

/** What a policy decided. */
export type Decision = { allow: boolean; reasons: string[]; warnings: string[] }

/**
 * Merges outputs into `data.wasm`: shallow, in order, the last one wins, as operators do.
 *
 * @returns The document, and a warning for each key that more than one output sets.
 */
export function mergeOutputs(outputs: readonly PluginOutput[]): {
  wasm: JsonObject
  warnings: string[]
} {
  assertList('outputs', outputs)
  const wasm: Record<string, Json> = Object.create(null)
  const setBy = new Map<string, Hex>()
  const warnings: string[] = []
  for (const { policyDataTemplateId, output } of outputs) {
    for (const [key, value] of Object.entries(output as JsonObject)) {
      const before = setBy.get(key)
      if (before !== undefined) {
        warnings.push(`data.wasm.${key} of ${before} is overwritten by ${policyDataTemplateId}`)
      }
      setBy.set(key, policyDataTemplateId)
      wasm[key] = value
    }
  }
  return { wasm, warnings }
}

/** Runs a prepared policy on a task. Throws `PolicyEvaluationError` where there is no decision. */
export function decide(
  policy: PreparedPolicy,
  parameters: {
    task: Task
    taskId?: Hex | undefined
    /** The policy's `input`, where the caller has it. */
    inputJson?: string | undefined
    blockTimestamp: bigint
    paramsText: string
    /** Left out where a policy has no plugins. */
    wasm?: JsonObject | undefined
    identity?: IdentityData | undefined
  },
): Decision {
  const { task, blockTimestamp, paramsText, wasm, identity } = parameters
  // Refuses a malformed task, where the caller has not.
  const seed = parameters.taskId ?? computeTaskId(task)
  const outcome = policy.evaluate(
    {
      inputJson: parameters.inputJson ?? inputJsonOf(task.intent),
      dataJson: `{"params":${paramsText},"wasm":${wasm ? canonicalJson(wasm) : '{}'}}`,
    },
    { blockTimestamp, seed, identity },
  )
  return toDecision(outcome)
}

/** Only a defined `true` allows; undefined and every other defined value deny; the rest throws. */
export function toDecision(outcome: RegoOutcome): Decision {
  switch (outcome.kind) {
    case 'defined': {
      const { reasonsError, value } = outcome
      // Of an engine that says both, the two have to say the same.
      const allow = outcome.allow === true && value === true
      const warnings =
        reasonsError === undefined ? [] : [`The reasons are missing: ${reasonsError}`]
      return { allow, reasons: sortReasons(outcome.reasons), warnings }
    }
    case 'undefined':
      return { allow: false, reasons: sortReasons(outcome.reasons ?? []), warnings: [] }
    case 'unsupported':
      throw new PolicyEvaluationError({
        engineCode: 'UNSUPPORTED',
        message: `the engine does not support ${outcome.what}`,
      })
    case 'error': {
      const { code, message, location } = outcome
      const at =
        location === undefined ? undefined : `line ${location.line}, column ${location.column}`
      throw new PolicyEvaluationError({ engineCode: code, message, at })
    }
    default:
      // An engine that answers outside its interface has not decided.
      throw new PolicyEvaluationError({
        engineCode: 'UNKNOWN',
        message: 'the engine gave no outcome',
      })
  }
}

/** By their UTF-8 bytes, which is the order of the engine's own sets. */
function sortReasons(reasons: readonly string[]): string[] {
  if (reasons.length < 2) return [...reasons]
  // Without surrogates the order of code units is that of the bytes.
  if (!reasons.some((reason) => /[\ud800-\udfff]/.test(reason))) return [...reasons].sort()
  return [...reasons].sort((a, b) => compareBytes(utf8(a), utf8(b)))
}
