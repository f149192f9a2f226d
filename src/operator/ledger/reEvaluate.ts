/** Runs logged evaluations again, for an auditor: the decision that the policy gives, against the logged one. */
import type { Hex } from 'viem'
import { evaluateResult } from '../../core/evaluationResult.js'
import { computeInputsHash } from '../../core/inputsHash.js'
import type { Evaluation, PluginTranscript } from '../../core/interfaces/evaluator.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { computeTaskId, type Task } from '../../core/task.js'
import type { ReplayDifference, Replayer } from '../../eval/index.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import type { LedgerEvent, ReEvaluation } from '../../ledger/index.js'
import { statedFields } from './records.js'

/** A task with what its evaluation was made from. Nothing of it is believed. */
export type LoggedInputs = {
  task: Task
  response: PolicyTaskResponse
  inputs: Pick<Evaluation, 'outputs' | 'secrets'>
  /** Left out where nobody kept them: then they are not compared. */
  reasons?: readonly string[] | undefined
  /** Transcripts of plugins; without one a plugin's output is taken as given. */
  transcript?: readonly PluginTranscript[] | undefined
}

/** A logged evaluation that is not what its policy gives: evidence for a challenger. */
export type FalseEvaluation = {
  event: LedgerEvent
  task: Task
  response: PolicyTaskResponse
  inputs: LoggedInputs['inputs']
  differences: readonly ReplayDifference[]
}

/** What names an evaluation in the ledger. */
export type NamedEvaluation = { taskId: Hex; policyClient: Hex; messageHash: Hex }

/** Parameters of {@link createReEvaluator}. */
export type ReEvaluatorParameters = {
  /** `createReplayer` of `/eval`: rows of the chain, artifacts by hash, the operators' engine. */
  replayer: Replayer
  /**
   * Task and inputs of a logged evaluation, such as from a gateway; `undefined` where they are gone. What
   * it throws counts as gone.
   */
  inputs: (
    evaluation: NamedEvaluation,
    options: { signal: AbortSignal },
  ) => Promise<LoggedInputs | undefined>
  /** Takes what is false, before the auditor reports it; told again by the next replay. */
  onFalse?:
    | ((found: FalseEvaluation, options: { signal: AbortSignal }) => Promise<void>)
    | undefined
}

/**
 * Creates `reEvaluate` of `createAuditor` of `/ledger`. What `inputs` gives is held against the hashes
 * of the event first: other inputs than those that were signed show nothing, and count as `unknown`.
 *
 * @example
 * ```ts
 * import { createReEvaluator, type ReEvaluatorParameters } from '@newton/policy-sdk/operator'
 *
 * declare const parameters: ReEvaluatorParameters
 * const reEvaluate = createReEvaluator(parameters) // createAuditor({ …, reEvaluate })
 * ```
 */
export function createReEvaluator(
  parameters: ReEvaluatorParameters,
): (event: LedgerEvent, signal: AbortSignal) => Promise<ReEvaluation> {
  assertMembers('parameters', parameters, ['replayer', 'inputs'])
  assertOptions(
    parameters,
    { replayer: 'object', inputs: 'function', onFalse: 'function' },
    { field: 'parameters' },
  )
  const { replayer, onFalse } = parameters
  return async (event, signal) => {
    const fields = event.payload as unknown as Record<string, string>
    const { taskId, policyClient, messageHash } = fields as Record<string, Hex>
    const named = { taskId, policyClient, messageHash } as NamedEvaluation
    const given = await parameters.inputs(named, { signal }).catch(() => undefined)
    signal.throwIfAborted()
    if (given === undefined || !isOf(given, named)) return { status: 'unknown' }
    const differences = await compare(replayer, { fields, given, signal })
    if (differences === undefined) return { status: 'unknown' }
    if (differences.length === 0) return { status: 'same' }
    const { task, response, inputs } = given
    const [first] = differences
    const detail = `${first?.field} is ${first?.claimed}, and comes out as ${first?.found}`
    try {
      await onFalse?.({ event, task, response, inputs, differences }, { signal })
    } catch (error) {
      signal.throwIfAborted()
      return { status: 'differs', detail: `${detail}; not handed on: ${messageOf(error)}` }
    }
    return { status: 'differs', detail }
  }
}

/** Whether task, response and inputs are those whose hashes were logged and signed. */
function isOf({ task, response, inputs }: LoggedInputs, named: NamedEvaluation): boolean {
  try {
    return (
      computeTaskId(task) === named.taskId &&
      computeMessageHash(response) === named.messageHash &&
      computeInputsHash(inputs) === response.inputsHash.toLowerCase()
    )
  } catch {
    return false
  }
}

/** What came out differently; `undefined` where it could not be run again. */
async function compare(
  replayer: Replayer,
  {
    fields,
    given,
    signal,
  }: { fields: Record<string, string>; given: LoggedInputs; signal: AbortSignal },
): Promise<readonly ReplayDifference[] | undefined> {
  const { task, response, inputs, reasons, transcript = [] } = given
  // The event may say something else than the response whose hash it names.
  const stated = Object.entries(statedFields(response)).flatMap(([field, found]) => {
    const claimed = String(fields[field])
    return claimed === found ? [] : [{ field, claimed, found: String(found) }]
  })
  if (stated.length > 0) return stated
  const evaluation = {
    ...{ allow: evaluateResult(response.evaluationResult), reasons: reasons ?? [], response },
    ...{ outputs: inputs.outputs, secrets: inputs.secrets, transcript },
  }
  const outcome = await replayer.replay({ task, evaluation }, { signal })
  if (outcome.status === 'inconclusive') return undefined
  if (outcome.status === 'match') return []
  return outcome.differences.filter(({ field }) => field !== 'reasons' || reasons !== undefined)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
