import type { Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import { longKeccakHex } from '../../internal/longKeccak.js'

/**
 * Name of an artifact, as `computeArtifactHash` gives it, fast for megabytes.
 *
 * @throws {InvalidInputError} when `bytes` is empty or not a `Uint8Array`.
 */
export function artifactHashOf(bytes: Uint8Array): Hex {
  return bytes instanceof Uint8Array && bytes.length > 0
    ? longKeccakHex(bytes)
    : computeArtifactHash(bytes)
}
