/**
 * Entries of an operator table and their proofs.
 *
 * ```
 * leaf_i = keccak256(0x75 ‖ abi.encode(BN254OperatorInfo { pubkey, weights }))
 * root   = keccak Merkle root of the leaves, padded with zero words to a power of two
 * ```
 * Layout and padding are EigenLayer's (`LeafCalculatorMixin`, `Merkle.merkleizeKeccak`).
 *
 * A table stays in force for days, and the same operators are silent in one certificate after another:
 * nodes that were proved under a root are remembered, and not hashed again. A proof counts only with the
 * very siblings that were proved, so that the verdict on each is the one that hashing all of it gives.
 */
import type { Hex } from 'viem'
import { concat, fromHex, toHex, uintToBytes } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import { type G1Point, g1Words } from '../curve/points.js'

/** One operator's key and stake weights, as the tree holds them. */
export type OperatorInfo = {
  readonly pubkey: G1Point
  /** One weight for each strategy. */
  readonly weights: readonly bigint[]
}

/** First byte of a leaf's preimage. */
export const OPERATOR_INFO_LEAF_SALT = 0x75

/**
 * Computes the leaf of one operator.
 *
 * @throws {InvalidInputError} when a coordinate or weight is no uint256.
 */
export function computeOperatorInfoLeaf(info: OperatorInfo): Hex {
  return toHex(operatorInfoLeaf(info))
}

/** {@link computeOperatorInfoLeaf} as bytes. */
export function operatorInfoLeaf({ pubkey, weights }: OperatorInfo): Uint8Array {
  return keccak(
    Uint8Array.of(OPERATOR_INFO_LEAF_SALT),
    // abi.encode of a dynamic tuple: offset of the tuple, two words of the key, offset and length
    // of the weights, then the weights.
    uintToBytes(32, 32),
    g1Words(pubkey),
    uintToBytes(96, 32),
    uintToBytes(weights.length, 32),
    concat(...weights.map((weight, index) => uintToBytes(weight, 32, `weights[${index}]`))),
  )
}

/** Levels of the tree over `count` leaves. */
export function treeDepth(count: number): number {
  let depth = 0
  for (let width = 1; width < count; width *= 2) depth++
  return depth
}

/** An entry that should be proved. */
export type ProvedEntry = { info: OperatorInfo; operatorIndex: number; proof: Hex }

/**
 * Verifies that `info` is the entry at `operatorIndex` under `root`. Never throws.
 *
 * Stricter than the contract in one way that no honest proof notices: the number of siblings must
 * be the tree's depth for `numOperators`.
 */
export function verifyOperatorProof(
  parameters: ProvedEntry & { root: Hex; numOperators: bigint },
): boolean {
  return operatorProofs(parameters).verify(parameters)
}

/** {@link verifyOperatorProof} for many entries of one table. */
export function operatorProofs(table: { root: Hex; numOperators: bigint }): {
  verify(entry: ProvedEntry): boolean
} {
  let known: KnownTable | undefined
  return {
    verify(entry) {
      try {
        if (table.numOperators > BigInt(2 ** 32)) return false
        known ??= knownTable(table)
        return check(entry, { table, known })
      } catch {
        return false
      }
    },
  }
}

/** What was proved under one root. */
type KnownTable = {
  readonly depth: number
  readonly entries: Map<number, OperatorInfo>
  /**
   * By level and index, in lower-case hex without prefix. Where a node is here, so are its sibling and
   * those of all nodes above it.
   */
  readonly nodes: readonly Map<number, string>[]
}

/** Entries that are remembered, of all tables: some megabytes. */
const REMEMBERED = 16_384
/** Tables of which any is. */
const TABLES = 256
const tables = new Map<string, KnownTable>()

function check(
  { info, operatorIndex, proof }: ProvedEntry,
  { table, known }: { table: { root: Hex; numOperators: bigint }; known: KnownTable },
): boolean {
  const { root, numOperators } = table
  const { depth, nodes } = known
  if (!Number.isInteger(operatorIndex) || operatorIndex < 0) return false
  if (BigInt(operatorIndex) >= numOperators) return false
  if (/^0x0*$/.test(root)) return false
  if (isKnownEntry(known.entries.get(operatorIndex), info)) {
    if (hasKnownSiblings(known, { proof, level: 0, index: operatorIndex })) return true
  }
  const siblings = fromHex(proof, 'proof')
  if (siblings.length !== 32 * depth) return false
  const text = toHex(siblings)
  let node = operatorInfoLeaf(info)
  let index = operatorIndex
  const path: { level: number; index: number; node: string; sibling: string }[] = []
  for (let level = 0; ; level++) {
    const name = toHex(node).slice(2)
    const isKnown = nodes[level]?.get(index) === name
    if (isKnown && hasKnownSiblings(known, { proof: text, level, index })) break
    if (level === depth) {
      if (`0x${name}` !== root.toLowerCase()) return false
      break
    }
    const sibling = siblings.subarray(level * 32, level * 32 + 32)
    path.push({ level, index, node: name, sibling: text.slice(2 + level * 64, 66 + level * 64) })
    node = index % 2 === 0 ? keccak(node, sibling) : keccak(sibling, node)
    index = Math.floor(index / 2)
  }
  remember(known, { info, operatorIndex, path })
  return true
}

/** Whether the siblings of a node that was proved are those that it was proved with, from `level` up. */
function hasKnownSiblings(
  { depth, nodes }: KnownTable,
  at: { proof: string; level: number; index: number },
): boolean {
  const { proof, level, index } = at
  if (typeof proof !== 'string' || proof.length !== 2 + depth * 64) return false
  if (level === 0 && !proof.startsWith('0x')) return false
  let place = index
  for (let above = level; above < depth; above++) {
    const sibling = nodes[above]?.get(place % 2 === 0 ? place + 1 : place - 1)
    if (sibling === undefined || !proof.startsWith(sibling, 2 + above * 64)) return false
    place = Math.floor(place / 2)
  }
  return true
}

function isKnownEntry(known: OperatorInfo | undefined, info: OperatorInfo): boolean {
  return (
    known !== undefined &&
    known.pubkey.X === info.pubkey.X &&
    known.pubkey.Y === info.pubkey.Y &&
    Array.isArray(info.weights) &&
    known.weights.length === info.weights.length &&
    known.weights.every((weight, strategy) => weight === info.weights[strategy])
  )
}

function remember(
  { entries, nodes }: KnownTable,
  proved: {
    info: OperatorInfo
    operatorIndex: number
    path: readonly { level: number; index: number; node: string; sibling: string }[]
  },
): void {
  if (entries.size >= REMEMBERED) return
  const { pubkey, weights } = proved.info
  entries.set(proved.operatorIndex, {
    pubkey: { X: pubkey.X, Y: pubkey.Y },
    weights: [...weights],
  })
  for (const { level, index, node, sibling } of proved.path) {
    nodes[level]?.set(index, node)
    nodes[level]?.set(index % 2 === 0 ? index + 1 : index - 1, sibling)
  }
}

/** What is known of a table; the least recently used ones are forgotten. */
function knownTable({ root, numOperators }: { root: Hex; numOperators: bigint }): KnownTable {
  const name = `${root.toLowerCase()} ${numOperators}`
  const depth = treeDepth(Number(numOperators))
  const known = tables.get(name) ?? {
    depth,
    entries: new Map<number, OperatorInfo>(),
    nodes: Array.from({ length: depth }, () => new Map<number, string>()),
  }
  tables.delete(name)
  tables.set(name, known)
  let entries = 0
  for (const table of tables.values()) entries += table.entries.size
  for (const [oldest, { entries: own }] of tables) {
    if (entries <= REMEMBERED && tables.size <= TABLES) break
    if (oldest === name) break
    tables.delete(oldest)
    entries -= own.size
  }
  return known
}
