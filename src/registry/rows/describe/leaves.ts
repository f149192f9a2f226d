/** The ends of a description: artifacts, sealed secrets, and where plugins come from. */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, type ArtifactNamespace } from '../../../core/artifact.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { DescribeContext, DescribeNode } from './node.js'

/** From which source a plugin was rebuilt, and by whom. */
export async function provenanceNode(
  context: DescribeContext,
  wasmHash: Hex,
): Promise<DescribeNode[]> {
  const { checks, options } = context
  if (checks.provenance === undefined) return []
  const verdict = await attempt(options, () => checks.provenance?.getProvenance(wasmHash, options))
  const node = { kind: 'provenance' as const, id: wasmHash, label: 'source', children: [] }
  if (verdict === undefined) {
    return [{ ...node, status: 'unavailable', detail: 'who rebuilt it could not be found out' }]
  }
  const { status, reason, sourceUri, sourceSha256, agreeing, image } = verdict
  // A verdict about another plugin, or one with a word that is not known, is no good news.
  if (status === 'verified' && verdict.wasmHash === wasmHash.toLowerCase()) {
    const source = sourceUri ?? (sourceSha256 === undefined ? 'its source' : sourceSha256)
    const detail = `rebuilt from ${source} by ${agreeing.join(', ')}, environment ${image}`
    return [{ ...node, status: 'ok', detail }]
  }
  const isDenied = status === 'disputed' || status === 'mismatched'
  return [
    {
      ...node,
      status: isDenied ? 'disputed' : 'missing',
      detail: `${isDenied ? status : 'unverified'}${reason === undefined ? '' : `: ${reason}`}`,
      next: `newton-policy provenance verify ${wasmHash}`,
    },
  ]
}

/** Whether sealed secrets of a data instance are committed. */
export async function secretsNode(
  context: DescribeContext,
  secret: { client: Address; policyDataInstanceId: Hex },
): Promise<DescribeNode> {
  const { checks, options } = context
  const upload = `newton-policy policy-data instance set-secrets --instance ${secret.policyDataInstanceId} --secrets <file.json>`
  const known = await attempt(options, () => checks.secrets?.getSecretsStatus(secret, options))
  const status = known === 'present' ? 'ok' : known === 'missing' ? 'missing' : 'unavailable'
  return {
    kind: 'secrets',
    id: secret.policyDataInstanceId,
    label: 'sealed secrets',
    status,
    detail: { ok: 'committed', missing: 'none are committed', unavailable: 'not known' }[status],
    next: status === 'ok' ? undefined : upload,
    children: [],
  }
}

/** Whether the bytes of an artifact can be had and are committed. An absent schema is nothing to show. */
export async function artifactNode(
  context: DescribeContext,
  artifact: { hash: Hex; namespace: ArtifactNamespace; label: string },
): Promise<DescribeNode[]> {
  const { hash, namespace, label } = artifact
  if (hash.toLowerCase() === ARTIFACT_ABSENT) return []
  const { checks, options, block } = context
  const source = checks.artifacts
  const available = await attempt(options, async () => {
    if (source === undefined) return undefined
    if (source.hasArtifact !== undefined) return source.hasArtifact({ hash, namespace }, options)
    await source.getArtifact({ hash, namespace }, options)
    return true
  })
  const committed = await attempt(options, () =>
    checks.committed?.isCommittedAt({ namespace, hash, block }, options),
  )
  const node = { kind: 'artifact' as const, id: hash, label, children: [] }
  if (available === undefined && committed === undefined) {
    const asked = source !== undefined || checks.committed !== undefined
    const detail = asked ? 'the source did not answer' : 'not looked for: no source was given'
    return [{ ...node, status: 'unavailable', detail }]
  }
  if (available === false) {
    const next = `newton-policy artifact publish <file> # its hash is ${hash}`
    return [{ ...node, status: 'missing', detail: 'its bytes cannot be had', next }]
  }
  if (committed === false) {
    const next = 'newton-policy state commits # wait for the next window'
    return [{ ...node, status: 'pending', detail: 'not in the state tree yet', next }]
  }
  const where = committed === true ? 'in the state tree' : 'state tree not asked'
  const bytes = available === true ? 'its bytes are there' : 'its bytes were not looked for'
  return [{ ...node, status: 'ok', detail: `${bytes}, ${where}` }]
}

// A source that fails has not said that something is missing.
async function attempt<value>(
  options: IoOptions,
  work: () => Promise<value> | undefined,
): Promise<value | undefined> {
  try {
    return await work()
  } catch {
    options.signal?.throwIfAborted()
    return undefined
  }
}
