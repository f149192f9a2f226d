/**
 * The pipeline: from a task to a response that can be signed.
 */
import type { Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import { encodeEvaluationResult } from '../../core/evaluationResult.js'
import { computeInputsHash, type EvaluationInputs } from '../../core/inputsHash.js'
import type { Evaluation, EvaluationRequest, Evaluator } from '../../core/interfaces/evaluator.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { accelerateKeccak } from '../../internal/longKeccak.js'
import { assertMembers } from '../../internal/options.js'
import { assertEvaluatorParameters, assertRequest, type EvaluatorParameters } from './parameters.js'
import { createPolicyCache } from './policyCache.js'
import { decide, mergeOutputs, type PluginOutput } from './rego.js'
import { checkCommitted, fetchRego } from './steps/artifacts.js'
import { checkEnclave } from './steps/enclave.js'
import { runPlugins, takeAgreed } from './steps/outputs.js'
import { checkParams } from './steps/schemas.js'
import { loadEnvelopes } from './steps/secrets.js'
import { createAcceptedParams, createClock, type Step } from './steps/step.js'
import { createPlanner, createTaskFacts, type DigestedPlan, type TaskFacts } from './taskFacts.js'

/**
 * Creates the local evaluator.
 *
 * Reads the registry once per evaluation; whatever goes wrong is a typed error and never a
 * decision.
 *
 * @throws {InvalidInputError} for an engine with other semantics than the operators', or for
 * attesting without `committed`.
 * @example
 * ```ts
 * import { createEvaluator, type EvaluatorParameters } from '@newton/policy-sdk/eval'
 * import type { EvaluationRequest } from '@newton/policy-sdk'
 *
 * declare const parameters: EvaluatorParameters
 * declare const request: EvaluationRequest
 * const evaluator = createEvaluator(parameters)
 * const { allow, reasons } = await evaluator.evaluate(request, { timeout: 30_000 })
 * ```
 */
export function createEvaluator(parameters: EvaluatorParameters): Evaluator {
  assertMembers('parameters', parameters, ['registry', 'artifacts', 'engine', 'plugins', 'schemas'])
  assertEvaluatorParameters(parameters)
  const { registry, engine, mode = 'attest', assurance = 'local' } = parameters
  accelerateKeccak()
  const policies = createPolicyCache(engine, parameters.memory)
  const accepted = createAcceptedParams(parameters.memory)
  const planner = createPlanner()
  const taskFacts = createTaskFacts()
  const tools = { ...parameters, accepted, simulating: mode === 'simulate' }

  async function evaluate(request: EvaluationRequest, options: IoOptions): Promise<Evaluation> {
    assertRequest(request)
    const { task } = request
    // Refuses a malformed task, too.
    const known = taskFacts(task)
    const { taskId } = known
    const pcr0Commitment = commitmentOf(request)
    const clock = createClock()

    const block = task.referenceBlock
    const snapshot = await registry.snapshot({ client: task.policyClient, block }, options)
    const { plan, artifactDigest } = planner({ task, snapshot, pcr0Commitment })
    const warnings: string[] = []
    const step: Step = { ...tools, plan, options, warnings, block }
    if (plan.enclaveRequired || pcr0Commitment !== ZERO_HASH)
      await checkEnclave(step, pcr0Commitment)
    clock.mark('registry')

    await checkCommitted(step)
    const { load, prepared } = fetchRego(step, policies)
    await Promise.all([checkParams(step), prepared])
    clock.mark('artifacts')

    const envelopes = plan.data.length === 0 ? noEnvelopes() : await loadEnvelopes(step)
    clock.mark('secrets')

    const ran = request.agreedOutputs
      ? { outputs: takeAgreed(plan, request.agreedOutputs), transcript: [] }
      : await runPlugins(step, { request, taskId, envelopes })
    clock.mark('plugins')

    const identity = await parameters.identity?.getIdentity({ task, taskId }, options)
    const merged = ran.outputs.length === 0 ? undefined : mergeOutputs(ran.outputs)
    if (merged !== undefined) warnings.push(...merged.warnings)
    const decision = await policies.again(plan.regoHash, load, (policy) =>
      decide(policy, {
        task,
        ...known,
        blockTimestamp: plan.blockTimestamp,
        paramsText: plan.params.text,
        wasm: merged?.wasm,
        identity,
      }),
    )
    const { allow, reasons } = decision
    warnings.push(...decision.warnings)
    clock.mark('rego')

    const bound = bindResponse({
      request,
      known,
      pcr0Commitment,
      plan,
      artifactDigest,
      allow,
      outputs: ran.outputs,
      envelopes,
    })
    return {
      allow,
      reasons,
      evaluationResult: bound.response.evaluationResult,
      artifactDigest: bound.response.artifactDigest,
      inputsHash: bound.response.inputsHash,
      ...bound,
      digestPreimage: plan.preimage,
      transcript: ran.transcript,
      warnings,
      timings: clock.timings(),
      engine: { id: engine.id, semantics: engine.semantics },
      assurance,
    }
  }

  return {
    evaluate: (request, options) =>
      // Nothing to watch where the caller sets no bounds.
      options?.signal === undefined && options?.timeout === undefined
        ? evaluate(request, {})
        : withDeadline('The evaluation', options, (signal) => evaluate(request, { signal })),
  }
}

const noEnvelopes = (): Map<Hex, Uint8Array> => new Map()

/** The hash where nothing but the chain goes into an evaluation. */
let noInputs: Hex | undefined

function inputsHashOf(inputs: EvaluationInputs): Hex {
  const isEmpty = Object.keys(inputs.outputs).length + Object.keys(inputs.secrets).length === 0
  if (!isEmpty) return computeInputsHash(inputs)
  noInputs ??= computeInputsHash(inputs)
  return noInputs
}

/** The response to sign, with the inputs it binds. */
function bindResponse(
  decided: DigestedPlan & {
    request: EvaluationRequest
    known: TaskFacts
    pcr0Commitment: Hex
    allow: boolean
    outputs: readonly PluginOutput[]
    envelopes: ReadonlyMap<Hex, Uint8Array>
  },
): Pick<Evaluation, 'response' | 'outputs' | 'secrets'> {
  const { request, known, pcr0Commitment, plan, artifactDigest, allow, envelopes } = decided
  const { taskId, intentHash } = known
  const { task } = request
  const outputs = Object.fromEntries(
    decided.outputs.map(({ policyDataTemplateId, output }) => [policyDataTemplateId, output]),
  )
  const secrets = Object.fromEntries(
    [...envelopes].map(([id, envelope]) => [id, keccakHex(envelope)]),
  )
  const response: PolicyTaskResponse = Object.freeze({
    chainId: task.chainId,
    policyRegistry: task.policyRegistry,
    taskId,
    policyClient: task.policyClient,
    intentHash,
    policyInstanceId: plan.policyInstanceId,
    artifactDigest,
    inputsHash: inputsHashOf({ outputs, secrets }),
    pcr0Commitment,
    evaluationResult: encodeEvaluationResult(allow),
    referenceBlock: task.referenceBlock,
    referenceBlockHash: task.referenceBlockHash,
    referenceTimestamp: request.referenceTimestamp,
    expirationBlock: plan.expirationBlock,
  })
  return { response, outputs, secrets }
}

function commitmentOf(request: EvaluationRequest): Hex {
  const named = request.pcr0Commitment ?? ZERO_HASH
  return named === ZERO_HASH ? named : toHex(fixedFromHex(named, 32, 'pcr0Commitment'))
}
