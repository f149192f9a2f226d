/**
 * The artifacts of a plan: whether they are committed, and their bytes.
 */
import type { Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  type ArtifactNamespace,
  computeArtifactHash,
  namespaces,
} from '../../../core/artifact.js'
import { ArtifactHashMismatchError, ArtifactNotCommittedError } from '../errors.js'
import type { EvaluationPlan } from '../plan.js'
import type { PolicyCache } from '../policyCache.js'
import type { Step } from './step.js'

/** An artifact, and what to call it in an error. */
export type ArtifactName = { hash: Hex; namespace: ArtifactNamespace; kind: string }

/** Every artifact of a plan that is not absent. */
function artifactsOf(plan: EvaluationPlan): ArtifactName[] {
  const names: ArtifactName[] = [
    { hash: plan.regoHash, namespace: namespaces.rego, kind: 'Rego source' },
    {
      hash: plan.paramsSchemaHash,
      namespace: namespaces.policyParamsSchema,
      kind: 'policy params schema',
    },
    ...plan.data.flatMap(({ template }) => [
      { hash: template.wasmHash, namespace: namespaces.wasm, kind: 'plugin' },
      {
        hash: template.paramsSchemaHash,
        namespace: namespaces.policyDataParamsSchema,
        kind: 'data params schema',
      },
      {
        hash: template.secretsSchemaHash,
        namespace: namespaces.secretsSchema,
        kind: 'secrets schema',
      },
    ]),
  ]
  return names
    .map((name) => ({ ...name, hash: name.hash.toLowerCase() as Hex }))
    .filter(({ hash }) => hash !== ARTIFACT_ABSENT)
}

/**
 * Refuses artifacts that are not under the committed root; a simulation warns. What there is to wait
 * for, if anything.
 */
export function checkCommitted({
  committed,
  plan,
  block,
  options,
  simulating,
  warnings,
}: Step): Promise<unknown> | undefined {
  if (!committed) {
    warnings.push('Artifacts were not checked against the committed root.')
    return undefined
  }
  return Promise.all(
    artifactsOf(plan).map(async ({ hash, namespace, kind }) => {
      if ((await committed.isCommittedAt({ namespace, hash, block }, options)) === true) return
      if (!simulating) throw new ArtifactNotCommittedError({ hash, namespace, block })
      warnings.push(`The ${kind} ${hash} is not under the committed root yet.`)
    }),
  )
}

/** Bytes of a small artifact, hashed again: what is digested is what was read. */
export async function fetchArtifact(
  { artifacts, options }: Step,
  { hash, namespace, kind }: ArtifactName,
): Promise<Uint8Array> {
  const bytes = await artifacts.getArtifact({ hash, namespace }, options)
  const actual = computeArtifactHash(bytes)
  if (actual !== hash.toLowerCase())
    throw new ArtifactHashMismatchError({ expected: hash, actual, kind })
  return bytes
}

/** How to load a policy, again should the cache drop it meanwhile; it is prepared when that is known. */
export function fetchRego(
  step: Step,
  policies: PolicyCache,
): { load: () => Promise<Uint8Array>; prepared: Promise<unknown> } {
  const { regoHash } = step.plan
  // Evaluations share this load, so the signal of one of them must not end it for the others.
  const load = (): Promise<Uint8Array> =>
    fetchArtifact(
      { ...step, options: {} },
      { hash: regoHash, namespace: namespaces.rego, kind: 'Rego source' },
    )
  return { load, prepared: policies.with(regoHash, load, () => undefined) }
}
