/**
 * Sealed secrets of a plan's plugins: found, opened, and checked.
 */
import type { Hex } from 'viem'
import { namespaces } from '../../../core/artifact.js'
import { canonicalJson, parseJsonBytes } from '../../../core/canonicalJson.js'
import type { EvaluationRequest } from '../../../core/interfaces/evaluator.js'
import { SecretsMissingError, SecretsUnavailableError } from '../errors.js'
import type { EvaluatorSecrets } from '../parameters.js'
import type { PlannedData } from '../plan.js'
import { checkSchema } from './schemas.js'
import type { Step } from './step.js'

/** Sealed envelopes by data instance, for those that take secrets. */
export async function loadEnvelopes({
  plan,
  secrets,
  options,
  block,
}: Step): Promise<Map<Hex, Uint8Array>> {
  const found = new Map<Hex, Uint8Array>()
  for (const { instanceId, needsSecrets } of plan.data) {
    if (!needsSecrets) continue
    if (!secrets) throw new SecretsUnavailableError('this evaluator has no way to open them')
    const envelope = await secrets.envelopes.getEnvelope(
      { policyDataInstanceId: instanceId, block },
      options,
    )
    if (envelope === null)
      throw new SecretsMissingError({ policyDataInstanceId: instanceId, block })
    found.set(instanceId, envelope)
  }
  return found
}

/** Plaintext for one plugin's run, which zeroes it; `undefined` where the plugin takes none. */
export async function openSecrets(
  step: Step,
  entry: PlannedData,
  { request, envelopes }: { request: EvaluationRequest; envelopes: Map<Hex, Uint8Array> },
): Promise<Uint8Array | undefined> {
  const envelope = envelopes.get(entry.instanceId)
  if (!envelope) return undefined
  const { chainId, policyClient } = request.task
  const opened = await (step.secrets as EvaluatorSecrets).opener.openSecrets(
    { envelope, chainId, client: policyClient, policyDataInstanceId: entry.instanceId },
    step.options,
  )
  let valueJson: string
  try {
    valueJson = canonicalJson(parseJsonBytes(opened))
  } catch {
    // The cause would quote the secret.
    throw new SecretsUnavailableError('they are not JSON')
  }
  await checkSchema(step, {
    name: {
      hash: entry.template.secretsSchemaHash,
      namespace: namespaces.secretsSchema,
      kind: 'secrets schema',
    },
    valueJson,
    subject: 'secrets',
    secret: true,
  })
  // An exact copy: the run zeroes it, and the opener may have given a view of something larger.
  return Uint8Array.from(opened)
}
