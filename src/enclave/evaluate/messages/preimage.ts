/** The digest's preimage as JSON, integers as decimal text. */
import type { Hex } from 'viem'
import type { Json, JsonObject } from '../../../core/canonicalJson.js'
import type { DigestData, DigestPreimage } from '../../../core/digest.js'
import { EnclaveResultError } from '../errors.js'

const dataMembers = [
  'policyDataInstanceId',
  'policyDataTemplateId',
  'wasmHash',
  'policyDataParamsSchemaHash',
  'secretsSchemaHash',
  'dataParamsHash',
] as const

/** Turns a preimage into JSON. */
export function preimageToJson(preimage: DigestPreimage): JsonObject {
  const { chainId, referenceBlock, expirationBlock, data, pcr0Commitment, ...hashes } = preimage
  return {
    ...hashes,
    chainId: chainId.toString(),
    referenceBlock: referenceBlock.toString(),
    expirationBlock: expirationBlock.toString(),
    data: data.map((entry) =>
      Object.fromEntries(dataMembers.map((member) => [member, entry[member]])),
    ),
    ...(pcr0Commitment === undefined ? {} : { pcr0Commitment }),
  }
}

/** Reads a preimage. Throws `EnclaveResultError` naming the member. */
export function preimageFromJson(value: Json | undefined): DigestPreimage {
  const top = object(value)
  const { data } = top
  if (!Array.isArray(data) || data.length > 32) throw bad('data')
  return {
    chainId: integer(top, 'chainId'),
    policyInstanceId: hash(top, 'policyInstanceId'),
    policyTemplateId: hash(top, 'policyTemplateId'),
    regoHash: hash(top, 'regoHash'),
    policyParamsSchemaHash: hash(top, 'policyParamsSchemaHash'),
    paramsHash: hash(top, 'paramsHash'),
    referenceBlock: integer(top, 'referenceBlock'),
    expirationBlock: integer(top, 'expirationBlock'),
    data: data.map((item: Json) => {
      const entry = object(item)
      return Object.fromEntries(
        dataMembers.map((member) => [member, hash(entry, member)]),
      ) as DigestData
    }),
    ...(top['pcr0Commitment'] === undefined ? {} : { pcr0Commitment: hash(top, 'pcr0Commitment') }),
  }
}

function object(value: Json | undefined): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as JsonObject
  throw bad('digestPreimage')
}

function hash(value: JsonObject, member: string): Hex {
  const text = value[member]
  if (typeof text === 'string' && /^0x[0-9a-f]{64}$/i.test(text)) return text.toLowerCase() as Hex
  throw bad(member)
}

function integer(value: JsonObject, member: string): bigint {
  const text = value[member]
  if (typeof text === 'string' && /^(?:0|[1-9][0-9]{0,77})$/.test(text)) return BigInt(text)
  throw bad(member)
}

function bad(member: string): EnclaveResultError {
  return new EnclaveResultError({
    field: `digestPreimage.${member}`,
    reason: 'missing or of another type',
  })
}
