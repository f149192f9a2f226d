/**
 * The artifact digest: binds every byte of an evaluation into what operators sign.
 *
 * ```
 * artifactDigest = H(chainId(32) ‖ policyInstanceId ‖ policyTemplateId ‖ regoHash
 *   ‖ policyParamsSchemaHash ‖ paramsHash ‖ referenceBlock(32) ‖ expirationBlock(32)
 *   ‖ for each ref, in order: policyDataInstanceId ‖ policyDataTemplateId ‖ wasmHash
 *       ‖ policyDataParamsSchemaHash ‖ secretsSchemaHash ‖ dataParamsHash
 *   ‖ pcr0Commitment (only where an enclave is named))
 * ```
 * All parts are 32-byte words: 8 + 6n words, one more with an enclave, so the length alone tells
 * the number of data instances and whether the last word is there.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import {
  bytesEqual,
  bytesToUint,
  concat,
  fixedFromHex,
  toHex,
  uintToBytes,
} from '../internal/bytes.js'
import { keccakHex } from '../internal/keccak.js'
import { artifactHashBytes, ZERO_HASH } from './artifact.js'
import { assertExpireAfter, MAX_REFS } from './ids.js'

/** One data instance's part of the digest. */
export type DigestData = {
  policyDataInstanceId: Hex
  policyDataTemplateId: Hex
  wasmHash: Hex
  policyDataParamsSchemaHash: Hex
  secretsSchemaHash: Hex
  dataParamsHash: Hex
}

/** The preimage of the digest. Travels with a response so that a mismatch can be named. */
export type DigestPreimage = {
  chainId: bigint
  policyInstanceId: Hex
  policyTemplateId: Hex
  regoHash: Hex
  policyParamsSchemaHash: Hex
  paramsHash: Hex
  referenceBlock: bigint
  expirationBlock: bigint
  /** In the order of the template's refs. */
  data: readonly DigestData[]
  /** `keccak256(PCR0)`; left out or zero where no enclave is named. */
  pcr0Commitment?: Hex | undefined
}

/**
 * Computes the artifact digest.
 *
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { computeArtifactDigest, type DigestPreimage } from '@newton/policy-sdk'
 *
 * declare const preimage: DigestPreimage
 * computeArtifactDigest(preimage)
 * ```
 */
export function computeArtifactDigest(preimage: DigestPreimage): Hex {
  return keccakHex(encodeDigestPreimage(preimage))
}

/** Encodes the bytes that {@link computeArtifactDigest} hashes. */
export function encodeDigestPreimage(preimage: DigestPreimage): Uint8Array {
  const { data, pcr0Commitment } = preimage
  if (!Array.isArray(data))
    throw new InvalidInputError({ field: 'data', reason: 'expected an array' })
  if (data.length > MAX_REFS) {
    throw new InvalidInputError({ field: 'data', reason: `at most ${MAX_REFS} data instances` })
  }
  const words = [
    uintToBytes(preimage.chainId, 32, 'chainId'),
    fixedFromHex(preimage.policyInstanceId, 32, 'policyInstanceId'),
    fixedFromHex(preimage.policyTemplateId, 32, 'policyTemplateId'),
    artifactHashBytes(preimage.regoHash, { field: 'regoHash', optional: false }),
    artifactHashBytes(preimage.policyParamsSchemaHash, {
      field: 'policyParamsSchemaHash',
      optional: true,
    }),
    fixedFromHex(preimage.paramsHash, 32, 'paramsHash'),
    uintToBytes(preimage.referenceBlock, 32, 'referenceBlock'),
    uintToBytes(preimage.expirationBlock, 32, 'expirationBlock'),
  ]
  for (const [index, entry] of data.entries()) {
    const path = (member: string): string => `data[${index}].${member}`
    words.push(
      fixedFromHex(entry.policyDataInstanceId, 32, path('policyDataInstanceId')),
      fixedFromHex(entry.policyDataTemplateId, 32, path('policyDataTemplateId')),
      artifactHashBytes(entry.wasmHash, { field: path('wasmHash'), optional: false }),
      artifactHashBytes(entry.policyDataParamsSchemaHash, {
        field: path('policyDataParamsSchemaHash'),
        optional: true,
      }),
      artifactHashBytes(entry.secretsSchemaHash, {
        field: path('secretsSchemaHash'),
        optional: true,
      }),
      fixedFromHex(entry.dataParamsHash, 32, path('dataParamsHash')),
    )
  }
  if (pcr0Commitment !== undefined && pcr0Commitment !== ZERO_HASH) {
    words.push(fixedFromHex(pcr0Commitment, 32, 'pcr0Commitment'))
  }
  return concat(...words)
}

/**
 * Computes the first block at which a result is no longer valid:
 * `referenceBlock + min(expireAfter)` over the policy instance and every data instance.
 *
 * @throws {InvalidInputError} for no instance or an `expireAfter` out of range.
 */
export function computeExpirationBlock(parameters: {
  referenceBlock: bigint
  expireAfter: readonly bigint[]
}): bigint {
  const { referenceBlock, expireAfter } = parameters
  let least: bigint | undefined
  for (const blocks of expireAfter) {
    assertExpireAfter(blocks)
    if (least === undefined || blocks < least) least = blocks
  }
  if (least === undefined) {
    throw new InvalidInputError({
      field: 'expireAfter',
      reason: 'expected that of the policy instance at least',
    })
  }
  return referenceBlock + least
}

/**
 * Decodes what {@link encodeDigestPreimage} writes: a number of words that is 8 + 6n, or one more
 * with an enclave.
 *
 * @throws {InvalidInputError} where the bytes are no preimage.
 */
export function decodeDigestPreimage(bytes: Uint8Array): DigestPreimage {
  const count = bytes.length / 32 - 8
  const refs = Math.floor(count / 6)
  if (!Number.isInteger(count) || count < 0 || count % 6 > 1 || refs > MAX_REFS) {
    const reason = `${bytes.length} bytes are no preimage of a digest`
    throw new InvalidInputError({ field: 'preimage', reason })
  }
  const word = (index: number): Uint8Array => bytes.subarray(index * 32, index * 32 + 32)
  const hash = (index: number): Hex => toHex(word(index))
  const preimage: DigestPreimage = {
    chainId: bytesToUint(word(0)),
    policyInstanceId: hash(1),
    policyTemplateId: hash(2),
    regoHash: hash(3),
    policyParamsSchemaHash: hash(4),
    paramsHash: hash(5),
    referenceBlock: bytesToUint(word(6)),
    expirationBlock: bytesToUint(word(7)),
    data: [...Array(refs).keys()].map((ref) => ({
      policyDataInstanceId: hash(8 + 6 * ref),
      policyDataTemplateId: hash(9 + 6 * ref),
      wasmHash: hash(10 + 6 * ref),
      policyDataParamsSchemaHash: hash(11 + 6 * ref),
      secretsSchemaHash: hash(12 + 6 * ref),
      dataParamsHash: hash(13 + 6 * ref),
    })),
    ...(count % 6 === 1 ? { pcr0Commitment: hash(8 + 6 * refs) } : {}),
  }
  // What does not encode to the same bytes again, such as a zero last word, is no preimage.
  if (!bytesEqual(encodeDigestPreimage(preimage), bytes)) {
    throw new InvalidInputError({ field: 'preimage', reason: 'not the canonical encoding' })
  }
  return preimage
}
