/** What the host reads for a request, since the enclave has no network of its own. */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { EvaluationRequest } from '../../core/interfaces/evaluator.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import type { CommittedArtifacts, EnvelopeSource } from '../../core/interfaces/secretsOpener.js'
import type { EnclaveRequest } from './messages/request.js'
import { snapshotArtifacts } from './messages/snapshot.js'
import type { TunnelHost } from './tunnel.js'

/** What the host gives into the enclave, where the evaluator inside has no access of its own. */
export type HostInputs = {
  registry?: RegistryReader | undefined
  artifacts?: ArtifactSource | undefined
  envelopes?: EnvelopeSource | undefined
  committed?: CommittedArtifacts | undefined
  /** Connections for plugins; the host sees names and ports only. */
  tunnel?: TunnelHost | undefined
}

/** What a host gives in for one request: rows, envelopes and commits, as they were at its block. */
export async function hostInputs(
  { task, pcr0Commitment }: EvaluationRequest,
  host: HostInputs,
  signal: AbortSignal,
): Promise<Omit<EnclaveRequest, 'request' | 'nonce'>> {
  const { registry } = host
  if (registry === undefined) return {}
  const block = task.referenceBlock
  const snapshot = await registry.snapshot({ client: task.policyClient, block }, { signal })
  const named = pcr0Commitment !== undefined && BigInt(pcr0Commitment) !== 0n
  const [whitelisted, envelopes, committed] = await Promise.all([
    named ? registry.isEnclaveWhitelistedAt({ pcr0Commitment, block }, { signal }) : undefined,
    findEnvelopes(snapshot, host.envelopes, signal),
    findCommitted(snapshot, host.committed, signal),
  ])
  return { snapshot, whitelisted, envelopes, committed }
}

async function findEnvelopes(
  { data, block }: RegistrySnapshot,
  source: EnvelopeSource | undefined,
  signal: AbortSignal,
): Promise<ReadonlyMap<Hex, Uint8Array> | undefined> {
  if (source === undefined) return undefined
  const found = new Map<Hex, Uint8Array>()
  for (const { instanceId: policyDataInstanceId, template } of data) {
    if (policyDataInstanceId === null || template?.secretsSchemaHash === ARTIFACT_ABSENT) continue
    const envelope = await source.getEnvelope(
      { policyDataInstanceId, block: block.number },
      { signal },
    )
    if (envelope !== null) found.set(policyDataInstanceId.toLowerCase() as Hex, envelope)
  }
  return found
}

async function findCommitted(
  snapshot: RegistrySnapshot,
  artifacts: CommittedArtifacts | undefined,
  signal: AbortSignal,
): Promise<readonly Hex[] | undefined> {
  if (artifacts === undefined) return undefined
  const block = snapshot.block.number
  const answers = await Promise.all(
    snapshotArtifacts(snapshot)
      .filter(({ hash }) => hash !== ARTIFACT_ABSENT)
      .map(async ({ hash, namespace }) =>
        (await artifacts.isCommittedAt({ namespace, hash, block }, { signal })) === true
          ? [hash]
          : [],
      ),
  )
  return answers.flat()
}
