/** The artifacts that a response is bound to: what the client's slots name at its reference block. */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT, type ArtifactNamespace, namespaces } from '../../core/artifact.js'
import type { RegistrySnapshot } from '../../core/interfaces/registryReader.js'

/** An artifact by its place in the tree. */
export type NamedArtifact = { namespace: ArtifactNamespace; hash: Hex }

type PolicyHashes = Pick<
  NonNullable<RegistrySnapshot['policyTemplate']>,
  'regoHash' | 'paramsSchemaHash'
>
type DataHashes = Pick<
  NonNullable<RegistrySnapshot['data'][number]['template']>,
  'wasmHash' | 'paramsSchemaHash' | 'secretsSchemaHash'
>

/** All artifacts of a client's policy and of its data, those that are absent left out. */
export function artifactsOf({
  policyTemplate,
  data,
}: Pick<RegistrySnapshot, 'policyTemplate' | 'data'>): readonly NamedArtifact[] {
  return [
    ...(policyTemplate === null ? [] : artifactsOfPolicy(policyTemplate)),
    ...data.flatMap(({ template }) => (template === null ? [] : artifactsOfData(template))),
  ]
}

/** The artifacts that a policy template names. */
export function artifactsOfPolicy(template: PolicyHashes): readonly NamedArtifact[] {
  return present([
    [namespaces.rego, template.regoHash],
    [namespaces.policyParamsSchema, template.paramsSchemaHash],
  ])
}

/** The artifacts that a policy-data template names. */
export function artifactsOfData(template: DataHashes): readonly NamedArtifact[] {
  return present([
    [namespaces.wasm, template.wasmHash],
    [namespaces.policyDataParamsSchema, template.paramsSchemaHash],
    [namespaces.secretsSchema, template.secretsSchemaHash],
  ])
}

function present(all: readonly [ArtifactNamespace, Hex][]): readonly NamedArtifact[] {
  return all.flatMap(([namespace, hash]) => (hash === ARTIFACT_ABSENT ? [] : [{ namespace, hash }]))
}
