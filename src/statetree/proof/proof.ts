/**
 * Compact proofs: hashes only, placeholders as a bitmap.
 *
 * A proof of absence ends at an empty place, or at the leaf of another key that stands where the
 * key would be. There is one encoding of each proof; anything else is refused.
 */
import type { Hex } from 'viem'
import { BaseError } from '../../errors/base.js'
import { bytesEqual, fixedFromHex, toHex } from '../../internal/bytes.js'
import { InvalidProofError, type ProofFault } from '../errors.js'
import { defaultHasher, type TreeHasher } from '../hash/hasher.js'
import { commonPrefixBits, MAX_DEPTH, PLACEHOLDER_HASH } from '../hash/scheme.js'
import type { Bytes32 } from '../tree/writes.js'

/** A proof that a key has a value, or has none. */
export type TreeProof = {
  /** What it shows: that the key is there, or that it is not. */
  type: 'inclusion' | 'exclusion'
  /** Levels between the root and the leaf or the empty place, 0 to 256. */
  depth: number
  /** Bit i is level i from the leaf, set where the sibling is no placeholder. */
  present: bigint
  /** The siblings that are present, 32 bytes each, from the bottom to the root. */
  siblings: Uint8Array
  /** In an exclusion by another leaf, that leaf. */
  leaf?: { keyHash: Uint8Array; valueHash: Uint8Array } | undefined
}

/** A proof in the form of the Solidity struct `StateTreeVerifier.Proof`. */
export type ProofCalldata = {
  depth: number
  present: bigint
  siblings: readonly Hex[]
  leafKeyHash: Hex
  leafValueHash: Hex
}

/** What a proof is checked against. */
export type ProofClaim = {
  /** A trusted root, such as one committed on chain. */
  root: Bytes32
  keyHash: Bytes32
  /** Hash of the value, or `null` to show that the key is absent. */
  valueHash: Bytes32 | null
  proof: TreeProof
  /** Default: keccak-256. */
  hasher?: TreeHasher | undefined
}

/**
 * Checks a proof. Pure and synchronous; never throws.
 *
 * @returns `true` only when the proof is well formed and shows the claim under `root`.
 * @example
 * ```ts
 * import { createStateTree, memoryStore, verifyProof } from '@newton/policy-sdk/statetree'
 *
 * const tree = await createStateTree({ store: memoryStore() })
 * const keyHash = new Uint8Array(32).fill(1)
 * const valueHash = new Uint8Array(32).fill(2)
 * const { root } = await tree.commit([{ keyHash, valueHash }], { version: 1 })
 * verifyProof({ root, keyHash, valueHash, proof: tree.prove(keyHash) }) // true
 * ```
 */
export function verifyProof(claim: ProofClaim): boolean {
  try {
    return check(claim) === undefined
  } catch {
    return false
  }
}

/**
 * Checks a proof and says what is wrong with it.
 *
 * @throws {InvalidProofError} whose `fault` names the reason.
 */
export function assertProof(claim: ProofClaim): void {
  let found: { fault: ProofFault; reason: string } | undefined
  try {
    found = check(claim)
  } catch (cause) {
    if (cause instanceof BaseError && cause.code === 'TREE_INVALID_PROOF') throw cause
    throw new InvalidProofError(
      { fault: 'MALFORMED', reason: 'it is not a proof, key and root' },
      { cause },
    )
  }
  if (found !== undefined) throw new InvalidProofError(found)
}

type Fault = { fault: ProofFault; reason: string }

function check({
  root,
  keyHash,
  valueHash,
  proof,
  hasher = defaultHasher(),
}: ProofClaim): Fault | undefined {
  const rootBytes = input32(root)
  const key = input32(keyHash)
  const value = valueHash === null ? null : input32(valueHash)
  if (rootBytes === undefined || key === undefined || value === undefined) {
    return { fault: 'MALFORMED', reason: 'root, key hash and value hash have 32 bytes each' }
  }
  const shape = checkShape(proof)
  if (shape !== undefined) return shape
  const { depth, leaf } = proof
  if (value !== null && proof.type !== 'inclusion') {
    return { fault: 'NOT_INCLUSION', reason: 'it shows absence, and a value was claimed' }
  }
  if (value === null && proof.type !== 'exclusion') {
    return { fault: 'NOT_EXCLUSION', reason: 'it shows a value, and absence was claimed' }
  }
  const input = hasher.inputBytes
  if (value !== null) startAtLeaf(hasher, key, value)
  else if (leaf === undefined) input.set(PLACEHOLDER_HASH)
  else {
    const shared = commonPrefixBits(key, leaf.keyHash)
    if (shared === MAX_DEPTH)
      return { fault: 'WRONG_KEY', reason: 'the other leaf is that of the key' }
    if (shared < depth) {
      return {
        fault: 'OTHER_LEAF_NOT_ON_PATH',
        reason: `the other leaf shares ${shared} bits with the key, at depth ${depth}`,
      }
    }
    startAtLeaf(hasher, leaf.keyHash, leaf.valueHash)
  }
  if (!spreadSiblings(proof, hasher)) {
    return { fault: 'MALFORMED', reason: 'a placeholder is sent as a sibling' }
  }
  input.set(key, 32 * (depth + 1))
  hasher.fold(depth)
  const folded = hasher.outputBytes
  for (let i = 0; i < 32; i++) {
    if (folded[i] === rootBytes[i]) continue
    return { fault: 'ROOT_MISMATCH', reason: `it leads to ${toHex(folded.slice(0, 32))}` }
  }
  return undefined
}

// Puts the hash of a leaf where a path begins.
function startAtLeaf(hasher: TreeHasher, keyHash: Uint8Array, valueHash: Uint8Array): void {
  const { input, output, inputBytes } = hasher
  inputBytes.set(keyHash)
  inputBytes.set(valueHash, 32)
  hasher.leaves(1)
  for (let i = 0; i < 8; i++) input[i] = output[i] as number
}

function input32(value: Bytes32): Uint8Array | undefined {
  if (typeof value === 'string') {
    return /^0x[0-9a-f]{64}$/i.test(value) ? fixedFromHex(value, 32, 'value') : undefined
  }
  return value instanceof Uint8Array && value.length === 32 ? value : undefined
}

const malformed = (reason: string): Fault => ({ fault: 'MALFORMED', reason })

function checkShape(proof: TreeProof): Fault | undefined {
  if (typeof proof !== 'object' || proof === null) return malformed('it is no object')
  const { type, depth, present, siblings, leaf } = proof
  if (type !== 'inclusion' && type !== 'exclusion') return malformed('its type is unknown')
  if (!Number.isInteger(depth) || depth < 0) return malformed('its depth is no number of levels')
  if (depth > MAX_DEPTH)
    return { fault: 'TOO_DEEP', reason: `${depth} levels, at most ${MAX_DEPTH}` }
  if (typeof present !== 'bigint' || present < 0n || !endsBefore(present, depth)) {
    return malformed('its bitmap reaches past its depth')
  }
  if (!(siblings instanceof Uint8Array)) return malformed('its siblings are no bytes')
  const count = popCount(present, depth)
  if (siblings.length !== 32 * count)
    return malformed(`${siblings.length} bytes of siblings for ${count} set bits`)
  if (leaf === undefined) return undefined
  if (type === 'inclusion') return malformed('an inclusion names no other leaf')
  if (typeof leaf !== 'object' || leaf === null) return malformed('its leaf is no object')
  if (input32(leaf.keyHash) === undefined || input32(leaf.valueHash) === undefined) {
    return malformed('its leaf has no 32-byte hashes')
  }
  return typeof leaf.keyHash === 'string' || typeof leaf.valueHash === 'string'
    ? malformed('its leaf is not bytes')
    : undefined
}

// Lays out every level's sibling behind the start hash. False where a placeholder was sent.
function spreadSiblings(
  { depth, present, siblings }: TreeProof,
  { input, inputBytes }: TreeHasher,
): boolean {
  for (let from = 0; from < siblings.length; from += 32)
    if (isPlaceholder(siblings, from)) return false
  inputBytes.set(siblings, 32)
  // From the top on they move to their levels, until those that are left lie where they belong.
  let left = siblings.length / 32
  let bits = 0
  for (let level = depth - 1; level >= left; level--) {
    // BigInt shifts are slow: take 32 levels at a time, and none where there are no more.
    if (level === depth - 1 || level % 32 === 31)
      bits = depth <= 32 ? Number(present) : Number((present >> BigInt(level & ~31)) & 0xffffffffn)
    const to = 8 * (level + 1)
    if (((bits >>> (level & 31)) & 1) === 0) {
      for (let i = 0; i < 8; i++) input[to + i] = placeholderWords[i] as number
      continue
    }
    const from = 8 * left--
    for (let i = 0; i < 8; i++) input[to + i] = input[from + i] as number
  }
  return true
}

const placeholderWords = new Uint32Array(PLACEHOLDER_HASH.slice().buffer)

function isPlaceholder(siblings: Uint8Array, from: number): boolean {
  for (let i = 0; i < 32; i++) if (siblings[from + i] !== PLACEHOLDER_HASH[i]) return false
  return true
}

// Arithmetic on BigInts takes about a tenth of the time of a hash each: small ones become numbers.
const exact = 48

function endsBefore(value: bigint, bits: number): boolean {
  return bits <= exact ? Number(value) < 2 ** bits : value >> BigInt(bits) === 0n
}

function popCount(value: bigint, bits: number): number {
  if (bits <= exact) {
    const small = Number(value)
    return popCount32(small >>> 0) + popCount32(Math.floor(small / 2 ** 32))
  }
  let count = 0
  for (let rest = value; rest > 0n; rest >>= 32n) count += popCount32(Number(rest & 0xffffffffn))
  return count
}

function popCount32(value: number): number {
  let count = 0
  for (let bits = value; bits !== 0; bits = (bits & (bits - 1)) >>> 0) count++
  return count
}

/** Converts a proof to the arguments of `StateTreeVerifier`. */
export function toProofCalldata(proof: TreeProof): ProofCalldata {
  const siblings: Hex[] = []
  for (let at = 0; at < proof.siblings.length; at += 32)
    siblings.push(toHex(proof.siblings.subarray(at, at + 32)))
  const zero = new Uint8Array(32)
  return {
    depth: proof.depth,
    present: proof.present,
    siblings,
    leafKeyHash: toHex(proof.leaf?.keyHash ?? zero),
    leafValueHash: toHex(proof.leaf?.valueHash ?? zero),
  }
}

/**
 * Reads a proof from the Solidity form, which does not say whether it shows presence or absence.
 *
 * @param type - What the proof is for: `verifyArtifact` or `verifyAbsent`.
 * @throws {InvalidProofError} for members that are not 32 bytes of hex.
 */
export function fromProofCalldata(calldata: ProofCalldata, type: TreeProof['type']): TreeProof {
  try {
    const siblings = new Uint8Array(calldata.siblings.length * 32)
    calldata.siblings.forEach((sibling, index) => {
      siblings.set(fixedFromHex(sibling, 32, `siblings[${index}]`), index * 32)
    })
    const keyHash = fixedFromHex(calldata.leafKeyHash, 32, 'leafKeyHash')
    const valueHash = fixedFromHex(calldata.leafValueHash, 32, 'leafValueHash')
    const zero = new Uint8Array(32)
    const leaf =
      bytesEqual(keyHash, zero) && bytesEqual(valueHash, zero) ? undefined : { keyHash, valueHash }
    return { type, depth: calldata.depth, present: calldata.present, siblings, leaf }
  } catch (cause) {
    throw new InvalidProofError(
      { fault: 'MALFORMED', reason: 'it is not the Solidity form' },
      { cause },
    )
  }
}
