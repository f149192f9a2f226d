/**
 * Runs evaluations again, from what is on chain and what travels with a response.
 */
import type { Hex } from 'viem'
import {
  type ArtifactNamespace,
  computeArtifactHash,
  namespaces,
  ZERO_HASH,
} from '../../core/artifact.js'
import { canonicalJson, type Json, type JsonObject } from '../../core/canonicalJson.js'
import { computeArtifactDigest } from '../../core/digest.js'
import { encodeEvaluationResult } from '../../core/evaluationResult.js'
import { computeInputsHash } from '../../core/inputsHash.js'
import { computeIntentHash } from '../../core/intent.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { Evaluation, ResultReplayer } from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { isPolicySdkError } from '../../errors/base.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertMembers, assertObject } from '../../internal/options.js'
import type { ProcessMemory } from '../../internal/processMemory.js'
import { buildPluginInput } from '../intent/wasmArgs.js'
import type { PluginRuntime } from '../plugins/runtime/runtime.js'
import type { RegoEngine } from '../rego/engine.js'
import { ArtifactHashMismatchError } from './errors.js'
import { type EvaluationPlan, planEvaluation } from './plan.js'
import { assertReplayable } from './pluginReplay.js'
import { createPolicyCache } from './policyCache.js'
import { decide, mergeOutputs } from './rego.js'

/** What a replay compares and needs of an evaluation. */
export type ReplayableEvaluation = Pick<
  Evaluation,
  'allow' | 'reasons' | 'response' | 'outputs' | 'secrets' | 'transcript'
>

/** One thing that came out differently. */
export type ReplayDifference = { field: string; claimed: string; found: string }

/** Outcome of a replay. `match` only when everything that can be re-run came out the same. */
export type ReplayOutcome =
  | {
      status: 'match'
      /** Data templates whose plugin was run again from its transcript. */
      plugins: readonly Hex[]
      /** Data templates whose output had to be taken as given: the run had secrets, or agreed outputs. */
      notReplayed: readonly Hex[]
    }
  | { status: 'mismatch'; differences: readonly ReplayDifference[] }
  | { status: 'inconclusive'; code: string; reason: string }

/** Options of {@link createReplayer}. */
export type ReplayerParameters = {
  registry: Pick<RegistryReader, 'snapshot'>
  artifacts: ArtifactSource
  engine: RegoEngine
  plugins: Pick<PluginRuntime, 'run'>
  /** Memory shared with other parts of the process. One of its own by default. */
  memory?: ProcessMemory | undefined
}

/** See {@link createReplayer}. */
export type Replayer = {
  /** Never throws for what the evaluation holds; whatever cannot be had is `inconclusive`. */
  replay(
    parameters: { task: Task; evaluation: ReplayableEvaluation },
    options?: IoOptions,
  ): Promise<ReplayOutcome>
}

/**
 * Creates a replayer: registry rows, artifacts and transcripts in, the same bytes out, or not.
 *
 * @example
 * ```ts
 * import { createReplayer, type ReplayerParameters } from '@newton/policy-sdk/eval'
 * import type { Evaluation, Task } from '@newton/policy-sdk'
 *
 * declare const parameters: ReplayerParameters
 * declare const task: Task
 * declare const evaluation: Evaluation
 * const outcome = await createReplayer(parameters).replay({ task, evaluation })
 * if (outcome.status === 'mismatch') outcome.differences
 * ```
 */
export function createReplayer(parameters: ReplayerParameters): Replayer {
  assertMembers('parameters', parameters, ['registry', 'artifacts', 'engine', 'plugins'])
  const { registry, artifacts, engine, plugins, memory } = parameters
  const policies = createPolicyCache(engine, memory)

  async function replay(
    task: Task,
    evaluation: ReplayableEvaluation,
    options: IoOptions,
  ): Promise<ReplayOutcome> {
    const { response } = evaluation
    const snapshot = await registry.snapshot(
      { client: task.policyClient, block: task.referenceBlock },
      options,
    )
    const plan = planEvaluation({
      task,
      snapshot,
      pcr0Commitment: response.pcr0Commitment ?? ZERO_HASH,
    })
    const differences: ReplayDifference[] = []
    const compare = (field: string, claimed: unknown, found: unknown): void => {
      const [a, b] = [text(claimed), text(found)]
      if (a !== b) differences.push({ field, claimed: a, found: b })
    }

    const claimedOutputs = byLowerCase(evaluation.outputs)
    const replayed = await replayPlugins(
      { artifacts, plugins },
      { task, plan, evaluation, options },
    )
    for (const [id, output] of replayed) compare(`outputs.${id}`, claimedOutputs.get(id), output)
    const outputs = plan.data.map(({ templateId }) => {
      const output = replayed.get(templateId) ?? claimedOutputs.get(templateId)
      return { policyDataTemplateId: templateId, output: output ?? null }
    })
    const missing = outputs.find(
      ({ output }) => typeof output !== 'object' || output === null || Array.isArray(output),
    )
    if (missing)
      return inconclusive('INPUTS_MISSING', `there is no output of ${missing.policyDataTemplateId}`)

    const rego = (): Promise<Uint8Array> =>
      fetchVerified(artifacts, plan.regoHash, namespaces.rego, options)
    const { wasm } = mergeOutputs(outputs)
    const decision = await policies.with(plan.regoHash, rego, (policy) =>
      decide(policy, {
        task,
        blockTimestamp: plan.blockTimestamp,
        paramsText: plan.params.text,
        wasm,
      }),
    )
    compare('allow', evaluation.allow, decision.allow)
    compare('reasons', evaluation.reasons, decision.reasons)
    const expected = expectedResponse({
      task,
      plan,
      outputs,
      secrets: evaluation.secrets,
      allow: decision.allow,
    })
    for (const [field, found] of Object.entries(expected)) {
      const claimed = response[field as keyof typeof expected]
      compare(
        `response.${field}`,
        typeof claimed === 'string' ? claimed.toLowerCase() : claimed,
        found,
      )
    }
    if (differences.length > 0) return { status: 'mismatch', differences }
    const done = [...replayed.keys()]
    const notReplayed = plan.data
      .map(({ templateId }) => templateId)
      .filter((id) => !replayed.has(id))
    return { status: 'match', plugins: done, notReplayed }
  }

  return {
    async replay({ task, evaluation }, options = {}) {
      try {
        return await withDeadline('The replay', options, (signal) =>
          replay(task, evaluation, { signal }),
        )
      } catch (error) {
        if (options.signal?.aborted) throw error
        const code = isPolicySdkError(error) ? error.code : 'UNKNOWN'
        return inconclusive(code, error instanceof Error ? error.message : String(error))
      }
    },
  }
}

/** Fields of the response that follow from the chain and the inputs, hex in lower case. */
function expectedResponse(decided: {
  task: Task
  plan: EvaluationPlan
  outputs: readonly { policyDataTemplateId: Hex; output: Json }[]
  secrets: ReplayableEvaluation['secrets']
  allow: boolean
}) {
  const { task, plan, outputs, secrets, allow } = decided
  return {
    chainId: task.chainId,
    policyRegistry: task.policyRegistry.toLowerCase(),
    taskId: computeTaskId(task),
    policyClient: task.policyClient.toLowerCase(),
    intentHash: computeIntentHash(task.intent),
    policyInstanceId: plan.policyInstanceId,
    artifactDigest: computeArtifactDigest(plan.preimage),
    inputsHash: computeInputsHash({
      outputs: Object.fromEntries(
        outputs.map(({ policyDataTemplateId, output }) => [policyDataTemplateId, output]),
      ),
      secrets,
    }),
    evaluationResult: encodeEvaluationResult(allow),
    referenceBlock: task.referenceBlock,
    referenceBlockHash: task.referenceBlockHash.toLowerCase(),
    expirationBlock: plan.expirationBlock,
  }
}

/** Runs plugins again on their transcripts; those without a usable one are left out. */
async function replayPlugins(
  { artifacts, plugins }: Pick<ReplayerParameters, 'artifacts' | 'plugins'>,
  run: {
    task: Task
    plan: EvaluationPlan
    evaluation: ReplayableEvaluation
    options: IoOptions
  },
): Promise<Map<Hex, JsonObject>> {
  const { task, plan, evaluation, options } = run
  const outputs = new Map<Hex, JsonObject>()
  for (const entry of plan.data) {
    const transcript = evaluation.transcript.find(
      ({ policyDataTemplateId }) => policyDataTemplateId.toLowerCase() === entry.templateId,
    )
    if (!transcript || transcript.transcriptHash !== undefined || entry.needsSecrets) continue
    const wasmHash = entry.template.wasmHash.toLowerCase() as Hex
    const input = buildPluginInput({ wasmArgs: task.wasmArgs, params: entry.params.value })
    assertReplayable(transcript, input)
    const { output } = await plugins.run(
      {
        wasmHash,
        getBytes: (io) => artifacts.getArtifact({ hash: wasmHash, namespace: namespaces.wasm }, io),
        policyDataTemplateId: entry.templateId,
        policyDataInstanceId: entry.instanceId,
        taskId: computeTaskId(task),
        blockTimestamp: plan.blockTimestamp,
        input,
        replay: transcript.exchanges,
      },
      options,
    )
    outputs.set(entry.templateId, output)
  }
  return outputs
}

/**
 * Creates what a verifier of level `result` runs: the policy alone, on attested outputs.
 *
 * @throws From `replayResult`, where the run ends in no decision.
 */
export function createResultReplayer(
  parameters: Pick<ReplayerParameters, 'engine' | 'memory'>,
): ResultReplayer {
  assertObject('parameters', parameters)
  const { engine, memory } = parameters
  assertObject('engine', engine)
  const policies = createPolicyCache(engine, memory)
  return {
    replayResult: ({ rego, task, blockTimestamp, params, outputs }, options = {}) =>
      withDeadline('The replay', options, async () => {
        const { wasm } = mergeOutputs(outputs)
        return policies.with(
          computeArtifactHash(rego),
          async () => rego,
          (policy) => {
            const { allow, reasons } = decide(policy, {
              task,
              blockTimestamp,
              paramsText: canonicalJson(params),
              wasm,
            })
            return { allow, reasons }
          },
        )
      }),
  }
}

async function fetchVerified(
  artifacts: ArtifactSource,
  hash: Hex,
  namespace: ArtifactNamespace,
  options: IoOptions,
): Promise<Uint8Array> {
  const bytes = await artifacts.getArtifact({ hash, namespace }, options)
  const actual = computeArtifactHash(bytes)
  if (actual !== hash)
    throw new ArtifactHashMismatchError({ expected: hash, actual, kind: 'artifact' })
  return bytes
}

function inconclusive(code: string, reason: string): ReplayOutcome {
  return { status: 'inconclusive', code, reason }
}

function byLowerCase(outputs: Readonly<Record<Hex, Json>>): Map<Hex, Json> {
  return new Map(Object.entries(outputs).map(([id, output]) => [id.toLowerCase() as Hex, output]))
}

function text(value: unknown): string {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'string') return value
  return value === undefined ? '(none)' : canonicalJson(value as Json)
}
