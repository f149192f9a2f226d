/**
 * PCRs from real inputs, so that one changed byte of the image changes PCR0.
 */
import { sha384 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { concat, fixedFromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { SIMULATOR_SOURCE } from './source.generated.js'

/** Part of every measurement: an enclave of another version of the simulator is another enclave. */
export const SIMULATOR_VERSION = 'newton-simulator/1'

/** One file of the image: the policy, a plugin, the evaluator. */
export type ImagePart = { name: string; bytes: Uint8Array }

/** The measurements of an image. */
export type SimulatorMeasurements = {
  /** PCR0, PCR1 and PCR2 as hex, what a verifier's policy names. */
  pcrs: { 0: Hex; 1: Hex; 2: Hex }
  /** `keccak256(PCR0)`, what the chain calls the measurement. */
  pcr0Commitment: Hex
}

/** `PCR' = SHA-384(PCR ‖ data)`. */
export function extendPcr(pcr: Uint8Array, data: Uint8Array): Uint8Array {
  return sha384(concat(pcr, data))
}

/**
 * Measures an image: PCR0 over the simulator and every part, PCR1 over the simulator, PCR2 over the parts.
 *
 * The simulator is its version and the hash of its own sources, fixed when the package is made, so that
 * bundled and compiled copies of one release measure the same.
 *
 * @param parameters.version - @default SIMULATOR_VERSION
 * @param parameters.source - SHA-384 over the simulator's sources. @default this release's
 * @throws {InvalidInputError} for an image without parts or with a name twice.
 */
export function measureImage(parameters: {
  image: readonly ImagePart[]
  version?: string | undefined
  source?: Hex | undefined
}): SimulatorMeasurements {
  const { image, version = SIMULATOR_VERSION, source = SIMULATOR_SOURCE } = parameters
  if (!Array.isArray(image) || image.length === 0) {
    throw new InvalidInputError({ field: 'image', reason: 'expected one part at least' })
  }
  const names = new Set(image.map((part) => part.name))
  if (names.size !== image.length)
    throw new InvalidInputError({ field: 'image', reason: 'a name occurs twice' })
  const zero = new Uint8Array(48)
  const parts = [...image].sort((a, b) => (a.name < b.name ? -1 : 1)).map(measurePart)
  const runtime = sha384(concat(utf8(version), fixedFromHex(source, 48, 'source')))
  const pcr1 = extendPcr(zero, runtime)
  const pcr2 = parts.reduce(extendPcr, zero)
  const pcr0 = parts.reduce(extendPcr, extendPcr(zero, runtime))
  return {
    pcrs: { 0: toHex(pcr0), 1: toHex(pcr1), 2: toHex(pcr2) },
    pcr0Commitment: keccakHex(pcr0),
  }
}

function measurePart({ name, bytes }: ImagePart): Uint8Array {
  const label = utf8(name)
  return sha384(concat(uintToBytes(label.length, 4), label, uintToBytes(bytes.length, 8), bytes))
}
