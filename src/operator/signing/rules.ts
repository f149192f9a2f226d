/** What a journal keeps apart: names of statements, and what their heights are measured in. */
import type { Address, Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import { type BlsPublicKey, encodeG1 } from '../../core/bn254/index.js'
import { fixedFromHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import type { JournalHeights, JournalKind } from './record.js'

/** What a kind's height is measured in. */
export function axisOf(kind: JournalKind): keyof JournalHeights {
  return kind === 'commit' ? 'timestamp' : 'block'
}

/** The name of a statement in the index. */
export function nameOf(kind: JournalKind, key: Hex): string {
  return `${kind} ${key}`
}

/** Raises a segment's highest heights. */
export function raise(
  highest: { block: bigint; timestamp: bigint },
  { kind, height }: { kind: JournalKind; height: bigint },
): void {
  const axis = axisOf(kind)
  if (height > highest[axis]) highest[axis] = height
}

/** The hash before the first frame. */
export const FIRST_PREVIOUS: Hex = ZERO_HASH

/**
 * Whose journal it is: `H(H("NewtonSigningJournalV1") ‖ chainId(32) ‖ registry(32) ‖ pkG1)`.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeJournalDomain(parameters: {
  chainId: bigint
  policyRegistry: Address
  publicKey: BlsPublicKey
}): Hex {
  const { chainId, policyRegistry, publicKey } = parameters
  return keccakHex(
    keccak(utf8('NewtonSigningJournalV1')),
    uintToBytes(chainId, 32, 'chainId'),
    new Uint8Array(12),
    fixedFromHex(policyRegistry, 20, 'policyRegistry'),
    encodeG1(publicKey.pubkey),
  )
}

/**
 * What an operator lacks while tasks of now lie at or below its journal's floor; `undefined` where it lacks
 * nothing. Whoever restarts operators one after another waits for it, so that the others carry the quorum.
 *
 * @param parameters.head - The newest block.
 * @param parameters.referenceDelay - Blocks that tasks are behind it.
 */
export function floorLack(parameters: {
  floor: { block: bigint } | undefined
  head: bigint
  referenceDelay: bigint
}): string | undefined {
  const { floor, head, referenceDelay } = parameters
  if (floor === undefined || head - referenceDelay > floor.block) return undefined
  const left = floor.block + referenceDelay + 1n - head
  return `its journal has no witness: tasks are signed again in ${left} blocks`
}
