/**
 * Artifacts, their names and their places in the state tree.
 *
 * An artifact is immutable bytes; its name is `keccak256(bytes)`. A leaf key of the state tree is
 * `namespace(1) ‖ artifactHash(32)`, its key hash `keccak256` of that.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { concat, fixedFromHex, toHex } from '../internal/bytes.js'

/** Namespaces of the state tree. 0x01 to 0x03 belong to the private-data layer. */
export const namespaces = {
  identity: 0x01,
  confidential: 0x02,
  secrets: 0x03,
  rego: 0x04,
  policyParamsSchema: 0x05,
  wasm: 0x06,
  policyDataParamsSchema: 0x07,
  secretsSchema: 0x08,
} as const

/** A namespace number of the state tree, 1 to 8. */
export type Namespace = (typeof namespaces)[keyof typeof namespaces]

/** A namespace that holds public artifacts, 4 to 8. */
export type ArtifactNamespace = 4 | 5 | 6 | 7 | 8

/**
 * Stands for an optional schema that is not there:
 * `keccak256("NEWTON_POLICY_ARTIFACT_ABSENT_V1")`. No artifact may hash to it.
 */
export const ARTIFACT_ABSENT: Hex =
  '0x385ae9fc2190731ea0b29b2ad75e99f8f0807e267007eac2363c400f7ac7902f'

/** Thirty-two zero bytes: never a valid artifact hash, root or id. */
export const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/**
 * Computes the name of an artifact: keccak-256 of its bytes exactly as published.
 *
 * @param bytes - One byte or more.
 * @throws {InvalidInputError} when `bytes` is empty or not a `Uint8Array`.
 * @example
 * ```ts
 * import { computeArtifactHash } from '@newton/policy-sdk'
 *
 * computeArtifactHash(new TextEncoder().encode('package example\n'))
 * ```
 */
export function computeArtifactHash(bytes: Uint8Array): Hex {
  if (!(bytes instanceof Uint8Array)) {
    throw new InvalidInputError({
      field: 'bytes',
      reason: 'expected a Uint8Array',
      hint: 'Of a text: new TextEncoder().encode(text).',
    })
  }
  if (bytes.length === 0) {
    throw new InvalidInputError({
      field: 'bytes',
      reason: 'an artifact has at least one byte',
      hint: 'Leave an optional schema out instead of publishing an empty one.',
    })
  }
  return toHex(keccak_256(bytes))
}

/**
 * Checks that `hash` can name an artifact and returns its bytes.
 *
 * @throws {InvalidInputError} for a wrong length, zero, or a required artifact marked absent.
 */
export function artifactHashBytes(
  hash: Hex,
  {
    field,
    optional,
  }: {
    field: string
    /** Whether {@link ARTIFACT_ABSENT} is allowed. */
    optional: boolean
  },
): Uint8Array {
  const bytes = fixedFromHex(hash, 32, field)
  const normalized = hash.toLowerCase()
  if (normalized === ZERO_HASH) {
    throw new InvalidInputError({
      field,
      reason: 'zero is not an artifact hash',
      hint: optional ? 'Use ARTIFACT_ABSENT where there is no schema.' : undefined,
    })
  }
  if (!optional && normalized === ARTIFACT_ABSENT) {
    throw new InvalidInputError({ field, reason: 'this artifact is required and cannot be absent' })
  }
  return bytes
}

/** Whether `namespace` holds public artifacts (4 to 8). */
export function isArtifactNamespace(namespace: number): namespace is ArtifactNamespace {
  return Number.isInteger(namespace) && namespace >= 4 && namespace <= 8
}

/**
 * Computes the leaf key of an entry: `namespace(1) ‖ name(32)`, 33 bytes.
 *
 * @param namespace - 1 to 8; 9 to 255 are refused.
 * @param name - The artifact hash, or for 0x03 in our own networks the policy-data instance id.
 * @throws {InvalidInputError} naming `namespace` or `name`.
 */
export function computeLeafKey(namespace: number, name: Hex): Uint8Array {
  if (!Number.isInteger(namespace) || namespace < 1 || namespace > 8) {
    throw new InvalidInputError({ field: 'namespace', reason: `expected 1 to 8, got ${namespace}` })
  }
  return concat(Uint8Array.of(namespace), fixedFromHex(name, 32, 'name'))
}

/**
 * Computes the key hash of an entry in the state tree: keccak-256 of its leaf key.
 *
 * @example
 * ```ts
 * import { computeKeyHash, namespaces } from '@newton/policy-sdk'
 *
 * computeKeyHash(namespaces.rego, `0x${'11'.repeat(32)}`)
 * ```
 */
export function computeKeyHash(namespace: number, name: Hex): Hex {
  return toHex(keccak_256(computeLeafKey(namespace, name)))
}
