/**
 * Level `digest`: compares every signed field with what the chain says, and names the difference.
 *
 * Names beyond the fields of the response need the digest's preimage. One that does not hash to
 * the signed digest is not the signers' and is left aside.
 */
import type { Hex } from 'viem'
import { ZERO_HASH } from '../../../core/artifact.js'
import {
  computeArtifactDigest,
  type DigestData,
  type DigestPreimage,
} from '../../../core/digest.js'
import type { InstanceRow, RegistryReader } from '../../../core/interfaces/registryReader.js'
import type { PolicyTaskResponse } from '../../../core/response.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { MismatchReason } from '../evidence.js'
import { obtain } from '../reader.js'
import type { ExpectedState } from './expected.js'

/** A difference between what was signed and what the chain says. */
export type Mismatch = { reason: MismatchReason; detail: string }

type Context = {
  registry: RegistryReader
  response: PolicyTaskResponse
  state: ExpectedState
  preimage: DigestPreimage | undefined
}

const same = (a: string | null | undefined, b: string | null | undefined): boolean =>
  a?.toLowerCase() === b?.toLowerCase()

/**
 * Level `registry`: the named instance is the client's slot, and every slot it needs is filled.
 *
 * @throws {InconclusiveError} when a row cannot be read.
 */
export async function findRegistryMismatch(
  context: Context,
  options: IoOptions,
): Promise<Mismatch | undefined> {
  const { registry, response, state } = context
  const slot = state.expected.policyInstanceId
  if (slot === null || !same(slot, response.policyInstanceId)) {
    const id = response.policyInstanceId
    const row = await readRow(() => registry.getPolicyInstance(id, options), options)
    if (isYounger(row, response)) {
      return { reason: 'NOT_YET_DEPLOYED', detail: `${id} was deployed at block ${row.deployedAt}` }
    }
    const detail = `the client's slot was ${slot ?? 'empty'}, signed is ${id}`
    return { reason: 'WRONG_INSTANCE', detail }
  }
  if (state.expected.artifactDigest !== null) return undefined
  const empty = state.snapshot.data.find((entry) => entry.instanceId === null)
  const named = await nameDifference(context, options)
  const detail = `the client's slot of data template ${empty?.templateId} was empty`
  return named ?? { reason: 'DIGEST_MISMATCH', detail }
}

/**
 * Level `digest`: digest, expiration and the enclave rule.
 *
 * @throws {InconclusiveError} when a row or the whitelist cannot be read.
 */
export async function findDigestMismatch(
  context: Context,
  options: IoOptions,
): Promise<Mismatch | undefined> {
  const { response, state } = context
  const { artifactDigest, expirationBlock } = state.expected
  const named = same(artifactDigest, response.artifactDigest)
    ? undefined
    : await nameDifference(context, options)
  if (named !== undefined) return named
  if (response.expirationBlock !== expirationBlock) {
    const detail = `computed is ${expirationBlock}, signed is ${response.expirationBlock}`
    return { reason: 'WRONG_EXPIRATION', detail }
  }
  const tee = await findEnclaveMismatch(context, options)
  if (tee !== undefined) return tee
  if (same(artifactDigest, response.artifactDigest)) return undefined
  const detail = `computed is ${artifactDigest}, signed is ${response.artifactDigest}`
  return { reason: 'DIGEST_MISMATCH', detail }
}

async function findEnclaveMismatch(
  { registry, response, state }: Context,
  options: IoOptions,
): Promise<Mismatch | undefined> {
  const { pcr0Commitment, referenceBlock: block } = response
  if (same(pcr0Commitment, ZERO_HASH)) {
    if (!state.expected.enclaveRequired) return undefined
    return { reason: 'INVALID_TEE_ATTESTATION', detail: 'an enclave is required and none is named' }
  }
  const whitelisted = await readRow(
    () => registry.isEnclaveWhitelistedAt({ pcr0Commitment, block }, options),
    options,
  )
  if (whitelisted === true) return undefined
  const detail = `${pcr0Commitment} was not whitelisted at block ${block}`
  return { reason: 'INVALID_TEE_ATTESTATION', detail }
}

/** Names the first difference between a signed preimage and the chain; `undefined` without one. */
async function nameDifference(context: Context, options: IoOptions): Promise<Mismatch | undefined> {
  const { response, state } = context
  const preimage = signedPreimage(context)
  if (preimage === undefined || state.policy === null) return undefined
  const { instance, template } = state.policy
  if (!same(preimage.policyInstanceId, response.policyInstanceId)) {
    return differs(
      'WRONG_INSTANCE',
      'policy instance',
      preimage.policyInstanceId,
      response.policyInstanceId,
    )
  }
  if (!same(preimage.policyTemplateId, instance.templateId)) {
    const id = preimage.policyTemplateId
    const row = await readRow(() => context.registry.getPolicyTemplate(id, options), options)
    if (row !== null && row.registeredAt > response.referenceBlock) {
      return {
        reason: 'NOT_YET_DEPLOYED',
        detail: `${id} was registered at block ${row.registeredAt}`,
      }
    }
    return differs('WRONG_TEMPLATE', 'policy template', id, instance.templateId)
  }
  if (!same(preimage.paramsHash, instance.paramsHash)) {
    return differs('WRONG_PARAMS', 'params hash', preimage.paramsHash, instance.paramsHash)
  }
  const data = await nameDataDifference({ context, preimage }, options)
  if (data !== undefined) return data
  if (!same(preimage.regoHash, template.regoHash)) {
    return differs('WRONG_REGO', 'Rego hash', preimage.regoHash, template.regoHash)
  }
  if (!same(preimage.policyParamsSchemaHash, template.paramsSchemaHash)) {
    return differs(
      'WRONG_DATA_ARTIFACT',
      'params schema',
      preimage.policyParamsSchemaHash,
      template.paramsSchemaHash,
    )
  }
  const artifact = nameArtifactDifference(preimage, state)
  if (artifact !== undefined) return artifact
  const { expirationBlock } = state.expected
  if (expirationBlock !== null && preimage.expirationBlock !== expirationBlock) {
    const detail = `computed is ${expirationBlock}, in the digest ${preimage.expirationBlock}`
    return { reason: 'WRONG_EXPIRATION', detail }
  }
  return undefined
}

async function nameDataDifference(
  { context, preimage }: { context: Context; preimage: DigestPreimage },
  options: IoOptions,
): Promise<Mismatch | undefined> {
  const { registry, response, state } = context
  const refs = state.snapshot.data
  const isNamed = (id: Hex): boolean => refs.some((ref) => same(ref.templateId, id))
  for (const [index, entry] of preimage.data.entries()) {
    const { policyDataInstanceId: id, policyDataTemplateId: templateId } = entry
    if (!isNamed(templateId)) {
      const detail = `data[${index}] is of template ${templateId}, which the policy does not name`
      return { reason: 'KIND_MISMATCH', detail }
    }
    const slot = refs[index]
    if (same(slot?.instanceId, id) && same(slot?.templateId, templateId)) continue
    const row = await readRow(() => registry.getPolicyDataInstance(id, options), options)
    if (row !== null && !isNamed(row.templateId)) {
      const detail = `${id} is an instance of ${row.templateId}, which the policy does not name`
      return { reason: 'KIND_MISMATCH', detail }
    }
    if (isYounger(row, response)) {
      return { reason: 'NOT_YET_DEPLOYED', detail: `${id} was deployed at block ${row.deployedAt}` }
    }
    const detail = `data[${index}]: the client's slot was ${slot?.instanceId ?? 'empty'}, signed is ${id}`
    return { reason: 'WRONG_DATA_INSTANCE', detail }
  }
  if (preimage.data.length === refs.length) return undefined
  const detail = `the policy needs ${refs.length} data instances, signed are ${preimage.data.length}`
  return { reason: 'WRONG_DATA_INSTANCE', detail }
}

function nameArtifactDifference(
  preimage: DigestPreimage,
  state: ExpectedState,
): Mismatch | undefined {
  const members = ['wasmHash', 'policyDataParamsSchemaHash', 'secretsSchemaHash'] as const
  for (const [index, expected] of (state.expected.preimage?.data ?? []).entries()) {
    const signed = preimage.data[index] as DigestData
    for (const member of members) {
      if (!same(signed[member], expected[member])) {
        return differs(
          'WRONG_DATA_ARTIFACT',
          `data[${index}].${member}`,
          signed[member],
          expected[member],
        )
      }
    }
    if (!same(signed.dataParamsHash, expected.dataParamsHash)) {
      const { dataParamsHash } = signed
      return differs(
        'WRONG_PARAMS',
        `data[${index}] params hash`,
        dataParamsHash,
        expected.dataParamsHash,
      )
    }
  }
  return undefined
}

/** The preimage, if it is the signers': it must hash to what they signed. */
function signedPreimage({ preimage, response }: Context): DigestPreimage | undefined {
  if (preimage === undefined) return undefined
  try {
    return same(computeArtifactDigest(preimage), response.artifactDigest) ? preimage : undefined
  } catch {
    return undefined
  }
}

function differs(reason: MismatchReason, what: string, signed: string, expected: string): Mismatch {
  return { reason, detail: `the ${what} on chain is ${expected}, signed is ${signed}` }
}

function isYounger(row: InstanceRow | null, response: PolicyTaskResponse): row is InstanceRow {
  return row !== null && row.deployedAt > response.referenceBlock
}

function readRow<row>(read: () => Promise<row>, { signal }: IoOptions): Promise<row> {
  return obtain({ reason: 'RPC_FAILED', detail: 'reading the registries', signal }, read)
}
