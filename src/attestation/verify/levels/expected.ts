/**
 * Level `registry`: what an honest response must say, rebuilt from chain state at the reference
 * block and from nothing else.
 */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, ZERO_HASH } from '../../../core/artifact.js'
import {
  computeArtifactDigest,
  computeExpirationBlock,
  type DigestData,
  type DigestPreimage,
} from '../../../core/digest.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../../core/ids.js'
import type {
  InstanceRow,
  PolicyDataSnapshot,
  PolicyTemplateRow,
  RegistryReader,
  RegistrySnapshot,
} from '../../../core/interfaces/registryReader.js'
import type { PolicyTaskResponse } from '../../../core/response.js'
import { fromHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { InconclusiveError } from '../errors.js'
import type { ExpectedAttestation } from '../evidence.js'
import { obtain } from '../reader.js'

/** Chain state of one response, and what follows from it. */
export type ExpectedState = {
  snapshot: RegistrySnapshot
  expected: ExpectedAttestation
  /** `null` where the policy slot is empty. */
  policy: { instance: InstanceRow; template: PolicyTemplateRow } | null
}

/**
 * Reads the snapshot of a response's client and reference block and rebuilds the digest.
 *
 * Rows are content-addressed, so each is checked against its id: a node that answers with a wrong
 * row makes the verification inconclusive, never slashable.
 *
 * @throws {InconclusiveError} for a read that fails or answers that contradict one another.
 */
export async function readExpected(
  parameters: { registry: RegistryReader; response: PolicyTaskResponse },
  options: IoOptions,
): Promise<ExpectedState> {
  const { registry, response } = parameters
  const { referenceBlock: block } = response
  // Decoded addresses come checksummed; readers that keep maps are asked in one case only.
  const client = response.policyClient.toLowerCase() as Address
  const what = {
    reason: 'RPC_FAILED',
    detail: 'reading the registries',
    signal: options.signal,
  } as const
  const snapshot = await obtain(what, () => registry.snapshot({ client, block }, options))
  if (snapshot.block.hash.toLowerCase() !== response.referenceBlockHash.toLowerCase()) {
    throw inconsistent('the snapshot is of another block')
  }
  const policy = policyRows(snapshot)
  const enclaveRequired =
    snapshot.enclaveRequired ||
    snapshot.data.some(({ template }) => {
      return template !== null && template.secretsSchemaHash !== ARTIFACT_ABSENT
    })
  const base = { policyInstanceId: snapshot.policyInstanceId, enclaveRequired }
  const absent = { ...base, artifactDigest: null, expirationBlock: null, preimage: null }
  if (policy === null) return { snapshot, policy, expected: absent }
  const data = dataRows(snapshot, policy.template)
  // An empty data slot leaves no honest digest: whatever was signed is a mismatch.
  if (data === null) return { snapshot, policy, expected: absent }
  const expirationBlock = computeExpirationBlock({
    referenceBlock: block,
    expireAfter: [policy.instance, ...data.map((entry) => entry.instance)].map(
      (row) => row.expireAfter,
    ),
  })
  const preimage: DigestPreimage = {
    chainId: snapshot.chainId,
    policyInstanceId: snapshot.policyInstanceId as Hex,
    policyTemplateId: policy.instance.templateId,
    regoHash: policy.template.regoHash,
    policyParamsSchemaHash: policy.template.paramsSchemaHash,
    paramsHash: policy.instance.paramsHash,
    referenceBlock: block,
    expirationBlock,
    data: data.map((entry) => entry.digest),
    pcr0Commitment: response.pcr0Commitment === ZERO_HASH ? undefined : response.pcr0Commitment,
  }
  const artifactDigest = computeArtifactDigest(preimage)
  return { snapshot, policy, expected: { ...base, artifactDigest, expirationBlock, preimage } }
}

function policyRows(snapshot: RegistrySnapshot): ExpectedState['policy'] {
  const { policyInstanceId: id, policyInstance: instance, policyTemplate: template } = snapshot
  if (id === null) return null
  if (instance === null || template === null) {
    throw inconsistent(`the slot names ${id}, whose rows are not there`)
  }
  const { chainId, client } = snapshot
  checkInstance(instance, { id, client, existed: snapshot.block.number })
  const { templateId, paramsHash } = instance
  const recomputed = idOrNull(() =>
    computePolicyInstanceId({ chainId, client, templateId, paramsHash }),
  )
  if (recomputed !== id.toLowerCase()) throw inconsistent(`the row of ${id} has another id`)
  if (idOrNull(() => computePolicyTemplateId(template)) !== templateId.toLowerCase()) {
    throw inconsistent(`the row of template ${templateId} has another id`)
  }
  if (template.registeredAt > snapshot.block.number) {
    throw inconsistent(`template ${templateId} is younger than the slot that needs it`)
  }
  return { instance, template }
}

function dataRows(
  snapshot: RegistrySnapshot,
  template: PolicyTemplateRow,
): { instance: InstanceRow; digest: DigestData }[] | null {
  const refs = template.policyDataTemplateRefs
  if (snapshot.data.length !== refs.length) throw inconsistent('data templates are missing')
  const rows = refs.map((ref, index) => {
    return dataRow(snapshot, { ref, entry: snapshot.data[index] as PolicyDataSnapshot })
  })
  return rows.some((row) => row === null) ? null : (rows as Exclude<(typeof rows)[number], null>[])
}

function dataRow(
  snapshot: RegistrySnapshot,
  { ref, entry }: { ref: Hex; entry: PolicyDataSnapshot },
): { instance: InstanceRow; digest: DigestData } | null {
  const { templateId, template, instanceId: id, instance } = entry
  if (templateId.toLowerCase() !== ref.toLowerCase() || template === null) {
    throw inconsistent(`the data template ${ref} is not there`)
  }
  if (idOrNull(() => computePolicyDataTemplateId(template)) !== ref.toLowerCase()) {
    throw inconsistent(`the row of data template ${ref} has another id`)
  }
  if (id === null) return null
  if (instance === null) throw inconsistent(`the slot names ${id}, whose row is not there`)
  const { chainId, client } = snapshot
  checkInstance(instance, { id, client, existed: snapshot.block.number })
  const key = { chainId, client, templateId: instance.templateId, paramsHash: instance.paramsHash }
  if (
    instance.templateId.toLowerCase() !== ref.toLowerCase() ||
    idOrNull(() => computePolicyDataInstanceId(key)) !== id.toLowerCase()
  ) {
    throw inconsistent(`the row of ${id} has another id`)
  }
  const digest: DigestData = {
    policyDataInstanceId: id,
    policyDataTemplateId: ref,
    wasmHash: template.wasmHash,
    policyDataParamsSchemaHash: template.paramsSchemaHash,
    secretsSchemaHash: template.secretsSchemaHash,
    dataParamsHash: instance.paramsHash,
  }
  return { instance, digest }
}

function checkInstance(
  row: InstanceRow,
  { id, client, existed }: { id: Hex; client: string; existed: bigint },
): void {
  const { expireAfter, params, paramsHash } = row
  const recomputed = idOrNull(() => computeParamsHash({ expireAfter, params: fromHex(params) }))
  if (
    recomputed !== paramsHash.toLowerCase() ||
    row.client.toLowerCase() !== client.toLowerCase()
  ) {
    throw inconsistent(`the row of ${id} does not hash to it`)
  }
  if (row.deployedAt > existed) throw inconsistent(`${id} is younger than the slot that names it`)
}

function idOrNull(compute: () => Hex): Hex | null {
  try {
    return compute()
  } catch {
    return null
  }
}

function inconsistent(detail: string): InconclusiveError {
  return new InconclusiveError({ reason: 'REGISTRY_INCONSISTENT', detail })
}
