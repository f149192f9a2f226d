/**
 * Who answers at a URL: an operator's statement, signed by the BLS key that the chain knows of it, that it
 * is reached at these URLs and runs this build.
 *
 * ```
 * digest = keccak256(keccak256("NewtonOperatorIdentityV1") ‖ chainId(32) ‖ policyRegistry(32) ‖ operator(32)
 *          ‖ keccak256(urls, joined by a line feed) ‖ pcr0Commitment(32) ‖ issuedAt(32))
 * ```
 * The tag keeps it apart from all else that the key signs. Two identities of one operator contradict
 * nothing, so there is no journal of them.
 */
import type { Address, Hex } from 'viem'
import {
  type BackendOptions,
  type BlsPublicKey,
  decodeG1,
  encodeG1,
  explainSignature,
  type G1Point,
} from '../../core/bn254/index.js'
import { type Json, type JsonObject, parseJson } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, fromHex, fromUtf8, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import type { RpcDomain } from '../rpc/auth.js'
import {
  readAddress,
  readHex,
  readList,
  readMembers,
  readText,
  readUint,
  readWord,
} from '../rpc/fields.js'

/** What an operator states of itself. */
export type OperatorIdentity = RpcDomain & {
  operator: Address
  /** Base URLs at which it is reached, 1 to 8, as `normalizeUrl` writes them. */
  urls: readonly string[]
  /** `keccak256(PCR0)` of the build of its enclave; zero where it has none. */
  pcr0Commitment: Hex
  /** Unix seconds at which it was signed. */
  issuedAt: bigint
}

/** Why an identity is not believed. */
export type IdentityFault =
  /** It has not the form of one. */
  | 'MALFORMED'
  /** Another chain, or another registry. */
  | 'FOREIGN_CHAIN'
  /** Another operator answers there. */
  | 'OTHER_OPERATOR'
  /** The operator does not say that it is reached at this URL. */
  | 'OTHER_URL'
  /** Signed too long ago, or in the future: a clock is wrong, or it is an old one, repeated. */
  | 'NOT_FRESH'
  /** Not signed by the key that the operator table has. */
  | 'SIGNATURE_INVALID'

/** What a check of an identity gives. */
export type IdentityVerdict =
  | { status: 'valid'; identity: OperatorIdentity }
  | { status: 'refused'; fault: IdentityFault }

/** Seconds that an identity is believed for after it was signed. */
export const MAX_IDENTITY_AGE = 600
/** Seconds that the clocks of two machines may differ. */
const CLOCK_SKEW = 60
/** Most bytes of an identity on the wire. */
export const MAX_IDENTITY_BYTES = 8_192
const MAX_URLS = 8
const FORM = 'newton-operator-identity/1'

/** A URL without what makes no difference: a slash at its end, the letters of its host. */
export function normalizeUrl(url: string): string {
  return new URL(url).href.replace(/\/$/, '')
}

/**
 * Computes what an operator signs.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeIdentityDigest(identity: OperatorIdentity): Hex {
  const { chainId, policyRegistry, operator, urls, pcr0Commitment, issuedAt } = identity
  const padded = (address: Address, field: string): Uint8Array => {
    const word = new Uint8Array(32)
    word.set(fixedFromHex(address, 20, field), 12)
    return word
  }
  return keccakHex(
    keccak(utf8('NewtonOperatorIdentityV1')),
    uintToBytes(chainId, 32),
    padded(policyRegistry, 'policyRegistry'),
    padded(operator, 'operator'),
    keccak(utf8(checkUrls(urls).join('\n'))),
    fixedFromHex(pcr0Commitment, 32, 'pcr0Commitment'),
    uintToBytes(issuedAt, 32),
  )
}

/** Writes an identity with its signature, as `GET /identity` gives it. */
export function writeIdentity(identity: OperatorIdentity, signature: G1Point): JsonObject {
  return {
    form: FORM,
    chainId: identity.chainId.toString(),
    policyRegistry: identity.policyRegistry.toLowerCase(),
    operator: identity.operator.toLowerCase(),
    urls: [...checkUrls(identity.urls)],
    pcr0Commitment: identity.pcr0Commitment.toLowerCase(),
    issuedAt: identity.issuedAt.toString(),
    signature: toHex(encodeG1(signature)),
  }
}

/**
 * Checks the bytes of an identity. Never throws.
 *
 * @param expected.publicKey - The operator's, from the table in force.
 * @param expected.url - The base URL it was had from.
 * @param expected.now - Unix seconds.
 * @example
 * ```ts
 * import { verifyOperatorIdentity } from '@newton/policy-sdk/operator'
 *
 * const verdict = verifyOperatorIdentity(bytes, { chainId: 1n, policyRegistry, operator, url, publicKey, now })
 * if (verdict.status === 'valid') verdict.identity.pcr0Commitment
 * ```
 */
export function verifyOperatorIdentity(
  bytes: Uint8Array,
  expected: RpcDomain &
    BackendOptions & { operator: Address; url: string; publicKey: BlsPublicKey; now: number },
): IdentityVerdict {
  const refused = (fault: IdentityFault): IdentityVerdict => ({ status: 'refused', fault })
  try {
    if (bytes.length > MAX_IDENTITY_BYTES) return refused('MALFORMED')
    const { identity, signature } = readIdentity(parseJson(fromUtf8(bytes)))
    const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
    const { chainId, policyRegistry } = expected
    if (identity.chainId !== chainId || !same(identity.policyRegistry, policyRegistry)) {
      return refused('FOREIGN_CHAIN')
    }
    if (!same(identity.operator, expected.operator)) return refused('OTHER_OPERATOR')
    if (!identity.urls.includes(normalizeUrl(expected.url))) return refused('OTHER_URL')
    const age = expected.now - Number(identity.issuedAt)
    if (!(age >= -CLOCK_SKEW && age <= MAX_IDENTITY_AGE)) return refused('NOT_FRESH')
    const digest = computeIdentityDigest(identity)
    const { backend, publicKey } = expected
    const fault = explainSignature({ digest, signature, ...publicKey }, { backend })
    return fault === undefined ? { status: 'valid', identity } : refused('SIGNATURE_INVALID')
  } catch {
    return refused('MALFORMED')
  }
}

function readIdentity(value: Json): { identity: OperatorIdentity; signature: G1Point } {
  const required = [
    ...['form', 'chainId', 'policyRegistry', 'operator', 'urls', 'pcr0Commitment'],
    ...['issuedAt', 'signature'],
  ]
  const fields = readMembers(value, 'identity', { required })
  if (fields['form'] !== FORM) {
    throw new InvalidInputError({ field: 'identity.form', reason: `expected ${FORM}` })
  }
  const urls = readList(fields['urls'], 'identity.urls', MAX_URLS)
  return {
    identity: {
      chainId: readUint(fields['chainId'], 'identity.chainId'),
      policyRegistry: readAddress(fields['policyRegistry'], 'identity.policyRegistry'),
      operator: readAddress(fields['operator'], 'identity.operator'),
      urls: checkUrls(urls.map((url, index) => readText(url, `identity.urls[${index}]`))),
      pcr0Commitment: readWord(fields['pcr0Commitment'], 'identity.pcr0Commitment'),
      issuedAt: readUint(fields['issuedAt'], 'identity.issuedAt'),
    },
    signature: decodeG1(fromHex(readHex(fields['signature'], 'identity.signature', 64))),
  }
}

/** URLs in their one form: what joins them is in none. */
function checkUrls(urls: readonly string[]): readonly string[] {
  if (urls.length === 0 || urls.length > MAX_URLS) {
    throw new InvalidInputError({ field: 'urls', reason: `expected 1 to ${MAX_URLS}` })
  }
  for (const url of urls) {
    if (/^https?:\/\//.test(url) && url.length <= 512 && normalizeUrl(url) === url) continue
    throw new InvalidInputError({
      field: 'urls',
      reason: 'expected http or https, as it is normalized',
    })
  }
  return urls
}
