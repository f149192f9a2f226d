/** Level `artifacts`: every artifact of a response can be had, and hashes to its name. */
import type { Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  type ArtifactNamespace,
  computeArtifactHash,
  namespaces,
} from '../../../core/artifact.js'
import type { DigestPreimage } from '../../../core/digest.js'
import type { ArtifactSource } from '../../../core/interfaces/artifactSource.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { InconclusiveError } from '../errors.js'
import { obtain } from '../reader.js'

/** Bytes by lower-case hash. */
export type FetchedArtifacts = ReadonlyMap<string, Uint8Array>

/** The artifacts a digest names, those that are absent left out. */
export function namedArtifacts(
  preimage: DigestPreimage,
): readonly { hash: Hex; namespace: ArtifactNamespace }[] {
  const all = [
    { hash: preimage.regoHash, namespace: namespaces.rego },
    { hash: preimage.policyParamsSchemaHash, namespace: namespaces.policyParamsSchema },
    ...preimage.data.flatMap((entry) => [
      { hash: entry.wasmHash, namespace: namespaces.wasm },
      { hash: entry.policyDataParamsSchemaHash, namespace: namespaces.policyDataParamsSchema },
      { hash: entry.secretsSchemaHash, namespace: namespaces.secretsSchema },
    ]),
  ]
  return all.filter(({ hash }) => hash.toLowerCase() !== ARTIFACT_ABSENT)
}

/**
 * Fetches all artifacts at once and hashes them, whatever the source says it checked.
 *
 * @throws {InconclusiveError} `ARTIFACT_UNAVAILABLE`, for wrong bytes too: bytes that a source made
 * up say nothing about operators.
 */
export async function fetchArtifacts(
  parameters: { source: ArtifactSource | undefined; preimage: DigestPreimage },
  options: IoOptions,
): Promise<FetchedArtifacts> {
  const { source, preimage } = parameters
  if (source === undefined) {
    throw new InconclusiveError({
      reason: 'ARTIFACT_UNAVAILABLE',
      detail: 'no artifact source is set',
    })
  }
  const { signal } = options
  const entries = await Promise.all(
    namedArtifacts(preimage).map(async (request): Promise<[string, Uint8Array]> => {
      const detail = `artifact ${request.hash} (namespace ${request.namespace})`
      const what = { reason: 'ARTIFACT_UNAVAILABLE', detail, signal } as const
      const bytes = await obtain(what, () => source.getArtifact(request, options))
      const hash = request.hash.toLowerCase()
      if (
        !(bytes instanceof Uint8Array) ||
        bytes.length === 0 ||
        computeArtifactHash(bytes) !== hash
      ) {
        throw new InconclusiveError({
          reason: 'ARTIFACT_UNAVAILABLE',
          detail: `${detail} came with other bytes`,
        })
      }
      return [hash, bytes]
    }),
  )
  return new Map(entries)
}
