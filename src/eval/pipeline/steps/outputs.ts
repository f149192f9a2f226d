/**
 * Outputs of a plan's plugins: run here, or agreed on by others.
 */
import type { Hex } from 'viem'
import { namespaces } from '../../../core/artifact.js'
import type { Json, JsonObject } from '../../../core/canonicalJson.js'
import type { EvaluationRequest, PluginTranscript } from '../../../core/interfaces/evaluator.js'
import { InvalidInputError } from '../../../errors/common.js'
import { buildPluginInput } from '../../intent/wasmArgs.js'
import type { EvaluationPlan, PlannedData } from '../plan.js'
import type { PluginOutput } from '../rego.js'
import { openSecrets } from './secrets.js'
import type { Step } from './step.js'

/** Runs all plugins at once, in the order of the plan. */
export async function runPlugins(
  step: Step,
  run: { request: EvaluationRequest; taskId: Hex; envelopes: Map<Hex, Uint8Array> },
): Promise<{ outputs: PluginOutput[]; transcript: PluginTranscript[] }> {
  if (step.plan.data.length === 0) return { outputs: [], transcript: [] }
  // One failure stops the others: there is no decision any more.
  const controller = new AbortController()
  const signal = step.options.signal
    ? AbortSignal.any([step.options.signal, controller.signal])
    : controller.signal
  const inner: Step = { ...step, options: { signal } }
  try {
    const runs = await Promise.all(step.plan.data.map((entry) => runPlugin(inner, entry, run)))
    return {
      outputs: runs.map(({ output }, index) => ({
        policyDataTemplateId: step.plan.data[index]?.templateId as Hex,
        output,
      })),
      transcript: runs.map(({ transcript }) => transcript),
    }
  } catch (error) {
    controller.abort(error)
    throw error
  }
}

async function runPlugin(
  step: Step,
  entry: PlannedData,
  run: { request: EvaluationRequest; taskId: Hex; envelopes: Map<Hex, Uint8Array> },
): Promise<{ output: JsonObject; transcript: PluginTranscript }> {
  const { artifacts, plugins, options, plan } = step
  const { template, params, templateId, instanceId } = entry
  const wasmHash = template.wasmHash.toLowerCase() as Hex
  const input = buildPluginInput({ wasmArgs: run.request.task.wasmArgs, params: params.value })
  const secrets = await openSecrets(step, entry, run)
  try {
    return await plugins.run(
      {
        wasmHash,
        // Bytes are hashed by the runtime on every miss.
        getBytes: (io) => artifacts.getArtifact({ hash: wasmHash, namespace: namespaces.wasm }, io),
        policyDataTemplateId: templateId,
        policyDataInstanceId: instanceId,
        taskId: run.taskId,
        blockTimestamp: plan.blockTimestamp,
        input,
        secrets,
      },
      options,
    )
  } finally {
    secrets?.fill(0)
  }
}

/** Takes the outputs others agreed on: exactly one of each plugin of the plan. */
export function takeAgreed(
  plan: EvaluationPlan,
  agreed: Readonly<Record<Hex, Json>>,
): PluginOutput[] {
  const given = new Map(Object.entries(agreed).map(([id, output]) => [id.toLowerCase(), output]))
  const outputs = plan.data.map(({ templateId }) => {
    const output = given.get(templateId)
    if (output === undefined)
      throw new InvalidInputError({ field: 'agreedOutputs', reason: `no output of ${templateId}` })
    if (typeof output !== 'object' || output === null || Array.isArray(output)) {
      throw new InvalidInputError({
        field: `agreedOutputs.${templateId}`,
        reason: 'a plugin output is a JSON object',
      })
    }
    return { policyDataTemplateId: templateId, output }
  })
  if (given.size !== outputs.length) {
    throw new InvalidInputError({
      field: 'agreedOutputs',
      reason: 'it has outputs the policy does not name',
    })
  }
  return outputs
}
