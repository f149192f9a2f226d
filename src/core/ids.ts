/**
 * Ids of templates and instances, computed offline.
 *
 * ```
 * policyTemplateId     = H(regoHash ‖ paramsSchemaHash ‖ refsHash)
 * policyDataTemplateId = H(0x01 ‖ wasmHash ‖ paramsSchemaHash ‖ secretsSchemaHash)
 * paramsHash           = H(abi.encode(uint64 expireAfter, bytes params))
 * policyInstanceId     = H(chainId(32) ‖ client(20) ‖ policyTemplateId ‖ paramsHash)
 * policyDataInstanceId = H(0x01 ‖ chainId(32) ‖ client(20) ‖ policyDataTemplateId ‖ paramsHash)
 * ```
 * H is keccak-256. The leading byte keeps a data id from ever equalling a policy id.
 */
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { compareBytes, concat, fixedFromHex, toHex, uintToBytes } from '../internal/bytes.js'
import { keccak, keccakHex } from '../internal/keccak.js'
import { artifactHashBytes, ZERO_HASH } from './artifact.js'

/** Most data templates that one policy template may name. */
export const MAX_REFS = 32
/** Most bytes of params of one instance. */
export const MAX_PARAMS_BYTES = 8_192
/** Largest `expireAfter`, in blocks. */
export const MAX_EXPIRE_AFTER = 2n ** 32n - 1n

const dataTag = Uint8Array.of(0x01)

/** The artifacts of a policy template, by hash. */
export type PolicyTemplate = {
  regoHash: Hex
  /** `ARTIFACT_ABSENT` where the policy takes no params. */
  paramsSchemaHash: Hex
  /** Ids of the data templates the policy needs, strictly ascending. */
  policyDataTemplateRefs: readonly Hex[]
}

/** The artifacts of a policy-data template, by hash. */
export type PolicyDataTemplate = {
  wasmHash: Hex
  /** `ARTIFACT_ABSENT` where the plugin takes no params. */
  paramsSchemaHash: Hex
  /** `ARTIFACT_ABSENT` where the plugin takes no secrets. */
  secretsSchemaHash: Hex
}

/**
 * Sorts refs as unsigned integers and refuses duplicates and more than 32.
 *
 * The builder's convenience; every id function and the contract refuse refs that are not sorted.
 *
 * @throws {InvalidInputError} naming `refs` or the offending `refs[i]`.
 */
export function sortRefs(refs: readonly Hex[]): Hex[] {
  const sorted = refs
    .map((ref, index) => fixedFromHex(ref, 32, `refs[${index}]`))
    .sort(compareBytes)
    .map(toHex)
  assertRefs(sorted, 'refs')
  return sorted
}

/**
 * Computes the id of a policy template. The same on every chain.
 *
 * @throws {InvalidInputError} for a zero or absent Rego hash, a zero schema hash, or refs that are
 * not strictly ascending.
 * @example
 * ```ts
 * import { ARTIFACT_ABSENT, computeArtifactHash, computePolicyTemplateId } from '@newton/policy-sdk'
 *
 * const rego = new TextEncoder().encode('package example\ndefault allow := false\n')
 * computePolicyTemplateId({
 *   regoHash: computeArtifactHash(rego),
 *   paramsSchemaHash: ARTIFACT_ABSENT,
 *   policyDataTemplateRefs: [],
 * })
 * ```
 */
export function computePolicyTemplateId(template: PolicyTemplate): Hex {
  const refs = assertRefs(template.policyDataTemplateRefs, 'policyDataTemplateRefs')
  return keccakHex(
    artifactHashBytes(template.regoHash, { field: 'regoHash', optional: false }),
    artifactHashBytes(template.paramsSchemaHash, { field: 'paramsSchemaHash', optional: true }),
    keccak(concat(...refs)),
  )
}

/**
 * Computes the id of a policy-data template. The same on every chain.
 *
 * @throws {InvalidInputError} for a zero or absent WASM hash, or a zero schema hash.
 */
export function computePolicyDataTemplateId(template: PolicyDataTemplate): Hex {
  return keccakHex(
    dataTag,
    artifactHashBytes(template.wasmHash, { field: 'wasmHash', optional: false }),
    artifactHashBytes(template.paramsSchemaHash, { field: 'paramsSchemaHash', optional: true }),
    artifactHashBytes(template.secretsSchemaHash, { field: 'secretsSchemaHash', optional: true }),
  )
}

/**
 * Computes the hash of an instance's params: `keccak256(abi.encode(uint64, bytes))`.
 *
 * @param parameters.expireAfter - Blocks a result stays valid, 1 to 2^32 - 1.
 * @param parameters.params - Canonical JSON bytes, or none. At most 8,192 bytes.
 * @throws {InvalidInputError} naming `expireAfter` or `params`.
 */
export function computeParamsHash(parameters: {
  expireAfter: bigint | number
  params: Uint8Array
}): Hex {
  const { expireAfter, params } = parameters
  assertExpireAfter(expireAfter)
  if (!(params instanceof Uint8Array)) {
    throw new InvalidInputError({ field: 'params', reason: 'expected a Uint8Array' })
  }
  if (params.length > MAX_PARAMS_BYTES) {
    throw new InvalidInputError({
      field: 'params',
      reason: `at most ${MAX_PARAMS_BYTES} bytes are stored on chain, got ${params.length}`,
    })
  }
  const padding = new Uint8Array((32 - (params.length % 32)) % 32)
  return keccakHex(
    uintToBytes(expireAfter, 32, 'expireAfter'),
    uintToBytes(64, 32),
    uintToBytes(params.length, 32),
    params,
    padding,
  )
}

/** What the id of an instance is made of. */
export type InstanceKey = {
  chainId: bigint | number
  client: Address
  templateId: Hex
  paramsHash: Hex
}

/**
 * Computes the id of a policy instance on one chain.
 *
 * @throws {InvalidInputError} naming the offending member.
 */
export function computePolicyInstanceId(key: InstanceKey): Hex {
  return keccakHex(...instanceParts(key))
}

/**
 * Computes the id of a policy-data instance on one chain.
 *
 * @throws {InvalidInputError} naming the offending member.
 */
export function computePolicyDataInstanceId(key: InstanceKey): Hex {
  return keccakHex(dataTag, ...instanceParts(key))
}

/**
 * Checks `expireAfter`: 1 to 2^32 - 1 blocks.
 *
 * @throws {InvalidInputError} naming `expireAfter`.
 */
export function assertExpireAfter(expireAfter: bigint | number): void {
  if (typeof expireAfter !== 'bigint' && !Number.isSafeInteger(expireAfter)) {
    throw new InvalidInputError({
      field: 'expireAfter',
      reason: 'expected an integer number of blocks',
    })
  }
  if (expireAfter <= 0 || BigInt(expireAfter) > MAX_EXPIRE_AFTER) {
    throw new InvalidInputError({
      field: 'expireAfter',
      reason: `expected 1 to ${MAX_EXPIRE_AFTER} blocks, got ${expireAfter}`,
    })
  }
}

function instanceParts({ chainId, client, templateId, paramsHash }: InstanceKey): Uint8Array[] {
  return [
    uintToBytes(chainId, 32, 'chainId'),
    nonZero(fixedFromHex(client, 20, 'client'), 'client'),
    nonZero(fixedFromHex(templateId, 32, 'templateId'), 'templateId'),
    nonZero(fixedFromHex(paramsHash, 32, 'paramsHash'), 'paramsHash'),
  ]
}

function assertRefs(refs: readonly Hex[], name: string): Uint8Array[] {
  if (!Array.isArray(refs)) {
    throw new InvalidInputError({ field: name, reason: 'expected an array of template ids' })
  }
  if (refs.length > MAX_REFS) {
    throw new InvalidInputError({
      field: name,
      reason: `at most ${MAX_REFS} data templates, got ${refs.length}`,
    })
  }
  const bytes = refs.map((ref, index) => {
    const field = `${name}[${index}]`
    return nonZero(fixedFromHex(ref, 32, field), field)
  })
  for (let i = 1; i < bytes.length; i++) {
    const order = compareBytes(bytes[i - 1] as Uint8Array, bytes[i] as Uint8Array)
    if (order >= 0) {
      throw new InvalidInputError({
        field: `${name}[${i}]`,
        reason: order === 0 ? 'a data template is named twice' : 'refs are not ascending',
        hint: 'Sort them with sortRefs().',
      })
    }
  }
  return bytes
}

function nonZero(bytes: Uint8Array, field: string): Uint8Array {
  if (toHex(bytes) === ZERO_HASH.slice(0, 2 + bytes.length * 2)) {
    throw new InvalidInputError({ field, reason: 'zero is never valid here' })
  }
  return bytes
}
