/**
 * An anchor in `CheckpointAnchor`, verified offline from a storage proof:
 *
 * ```
 * slot = keccak256(keccak256(owner ‖ originHash) ‖ 0) + position
 * word = keccak256(size ‖ root ‖ time) without its top bit, which is the parity of the lap
 * ```
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import type { ExecutionHeader } from '../../core/ethereum/header.js'
import { verifySlotProof } from '../../core/ethereum/slotProof.js'
import { InvalidInputError } from '../../errors/common.js'
import {
  bytesToUint,
  fixedFromHex,
  fromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import type { Checkpoint } from '../log/checkpoint.js'
import { isSize } from '../log/merkle.js'
import type { ChainAnchorReceipt } from './receipts.js'

/** Anchors that the contract keeps of each log. */
export const anchorsKept = 96

/** Who is believed about an anchor on a chain. */
export type ChainAnchorTrust = {
  chainId: number
  contract: Hex
  /** The address that sends the log's checkpoints: another one's anchors say nothing. */
  owner: Hex
  /**
   * Whether a block is of the chain, and final: from a node of one's own, several endpoints, or a list
   * of hashes. A proof shows what a block holds, not that the chain has the block.
   */
  isTrusted: (header: ExecutionHeader) => boolean
}

/** What `verifyChainAnchor` answers. */
export type VerifiedChainAnchor =
  | { status: 'verified'; checkpoint: Checkpoint; time: bigint; block: bigint }
  | {
      status: 'invalid'
      reason: 'malformed' | 'chain' | 'contract' | 'owner' | 'proof' | 'anchor' | 'block'
    }

/** Name of a log in the contract, by who sends its checkpoints and its origin. */
export function anchorLogId(log: { owner: Hex; origin: string }): Hex {
  const owner = fixedFromHex(log.owner, 20, 'owner')
  return keccakHex(new Uint8Array(12), owner, sha256(utf8(log.origin)))
}

/** Slot of an anchor in the contract's storage. */
export function anchorSlot(log: { owner: Hex; origin: string; position: number }): Hex {
  const { position } = log
  if (!Number.isInteger(position) || position < 0 || position >= anchorsKept) {
    throw new InvalidInputError({ field: 'position', reason: 'expected 0 to 95' })
  }
  const base = bytesToUint(keccak(fromHex(anchorLogId(log)), new Uint8Array(32)))
  return toHex(uintToBytes((base + BigInt(position)) % (1n << 256n), 32))
}

/** The word of an anchor, without the parity of its lap. */
export function anchorWord(anchor: { size: bigint; root: Hex; time: bigint }): bigint {
  const root = fixedFromHex(anchor.root, 32, 'root')
  const hash = keccak(uintToBytes(anchor.size, 32), root, uintToBytes(anchor.time, 32))
  return bytesToUint(hash) & ((1n << 255n) - 1n)
}

/**
 * Verifies offline that a checkpoint is anchored: a storage proof of its slot, under a block that
 * `trust` says is of the chain. Never throws on a hostile receipt.
 *
 * What is shown is that the owner anchored this root with this size. A root does not commit to a size
 * (RFC 9162), and the contract cannot read the log's signature: hold the pair against a checkpoint that
 * the log signed, as `verifyEvaluationBundle` and the auditor do.
 *
 * @example
 * const verdict = verifyChainAnchor(receipt, {
 *   chainId: 1, contract, owner, isTrusted: ({ hash }) => finalHashes.has(hash),
 * })
 */
export function verifyChainAnchor(
  receipt: ChainAnchorReceipt,
  trust: ChainAnchorTrust,
): VerifiedChainAnchor {
  try {
    if (receipt.chainId !== trust.chainId) return invalid('chain')
    if (!same(receipt.contract, trust.contract)) return invalid('contract')
    if (!same(receipt.owner, trust.owner)) return invalid('owner')
    const { origin, size, root, time, proof } = receipt
    if (typeof origin !== 'string' || !isSize(size) || proof === undefined) {
      return invalid('malformed')
    }
    const word = anchorWord({ size, root, time })
    const slot = anchorSlot(receipt)
    const verdict = verifySlotProof(fromHex(proof), { contract: trust.contract, slot })
    if (verdict.status !== 'valid') return invalid('proof')
    if ((verdict.value & ((1n << 255n) - 1n)) !== word) return invalid('anchor')
    if (trust.isTrusted(verdict.header) !== true) return invalid('block')
    const checkpoint = { origin, size, root: fromHex(root) }
    return { status: 'verified', checkpoint, time, block: verdict.header.number }
  } catch {
    return invalid('malformed')
  }
}

function same(one: Hex, other: Hex): boolean {
  return one.toLowerCase() === other.toLowerCase()
}

function invalid(
  reason: Extract<VerifiedChainAnchor, { status: 'invalid' }>['reason'],
): VerifiedChainAnchor {
  return { status: 'invalid', reason }
}
