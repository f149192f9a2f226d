/** The artifacts that a response is bound to: what the client's slots name at its reference block. */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT, type ArtifactNamespace, namespaces } from '../../core/artifact.js'
import type { RegistrySnapshot } from '../../core/interfaces/registryReader.js'

/** An artifact by its place in the tree. */
export type NamedArtifact = { namespace: ArtifactNamespace; hash: Hex }

/** All artifacts of a client's policy and of its data, those that are absent left out. */
export function artifactsOf({
  policyTemplate,
  data,
}: Pick<RegistrySnapshot, 'policyTemplate' | 'data'>): readonly NamedArtifact[] {
  const all: readonly [ArtifactNamespace, Hex | undefined][] = [
    [namespaces.rego, policyTemplate?.regoHash],
    [namespaces.policyParamsSchema, policyTemplate?.paramsSchemaHash],
    ...data.flatMap(({ template }): [ArtifactNamespace, Hex | undefined][] => [
      [namespaces.wasm, template?.wasmHash],
      [namespaces.policyDataParamsSchema, template?.paramsSchemaHash],
      [namespaces.secretsSchema, template?.secretsSchemaHash],
    ]),
  ]
  return all.flatMap(([namespace, hash]) =>
    hash === undefined || hash === ARTIFACT_ABSENT ? [] : [{ namespace, hash }],
  )
}
