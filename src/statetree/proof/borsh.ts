/** The crate's borsh forms: node keys, nodes, stale index entries and proofs. Little-endian. */
import { concat } from '../../internal/bytes.js'
import { MalformedEncodingError } from '../errors.js'
import type { TreeNode } from '../tree/nodes/node.js'
import type { NodeKey } from '../tree/nodes/nodeKey.js'
import type { TypedProof, TypedSibling } from './typedProof.js'

/** `NodeKey`: version u64, nibbles u64, path as a byte vector. */
export function encodeBorshNodeKey({ version, nibbles, path }: NodeKey): Uint8Array {
  return concat(u64(version), u64(nibbles), u32(path.length), path)
}

/** `StaleNodeIndex`: the version since which a node is stale, and its key. */
export function encodeBorshStale(staleSince: number, key: NodeKey): Uint8Array {
  return concat(u64(staleSince), encodeBorshNodeKey(key))
}

/** `Node`. */
export function encodeBorshNode(node: TreeNode): Uint8Array {
  if (node.type === 'null') return Uint8Array.of(0)
  if (node.type === 'leaf') return concat(Uint8Array.of(2), node.keyHash, node.valueHash)
  const parts: Uint8Array[] = [Uint8Array.of(1)]
  for (let nibble = 0; nibble < 16; nibble++) {
    const child = node.children.find((candidate) => candidate.nibble === nibble)
    if (child === undefined) {
      parts.push(Uint8Array.of(0))
      continue
    }
    parts.push(Uint8Array.of(1), child.hash, u64(child.version))
    if (child.leaf !== undefined) parts.push(Uint8Array.of(0))
    else parts.push(Uint8Array.of(1), u64(child.leafCount))
  }
  parts.push(u64(node.children.length), u64(node.leafCount))
  return concat(...parts)
}

/** `SparseMerkleProof`. */
export function encodeBorshProof({ leaf, siblings }: TypedProof): Uint8Array {
  const head =
    leaf === undefined ? [Uint8Array.of(0)] : [Uint8Array.of(1), leaf.keyHash, leaf.valueHash]
  return concat(...head, u32(siblings.length), ...siblings.map(encodeSibling))
}

/** `SparseMerkleRangeProof`: the right siblings of the last key. */
export function encodeBorshRangeProof(rightSiblings: readonly TypedSibling[]): Uint8Array {
  return concat(u32(rightSiblings.length), ...rightSiblings.map(encodeSibling))
}

/** `UpdateMerkleProof`: one proof an operation. */
export function encodeBorshUpdateProof(proofs: readonly TypedProof[]): Uint8Array {
  return concat(u32(proofs.length), ...proofs.map(encodeBorshProof))
}

/**
 * Reads a borsh `SparseMerkleProof`.
 *
 * @throws {MalformedEncodingError} for unknown tags, missing bytes, bytes after the end, or more
 * than 256 siblings.
 */
export function decodeBorshProof(bytes: Uint8Array): TypedProof {
  const reader = createReader(bytes, 'proof')
  const proof = readProof(reader)
  reader.end()
  return proof
}

/** Reads a borsh `SparseMerkleRangeProof`. Refuses what {@link decodeBorshProof} refuses. */
export function decodeBorshRangeProof(bytes: Uint8Array): TypedSibling[] {
  const reader = createReader(bytes, 'rangeProof')
  const siblings = readSiblings(reader)
  reader.end()
  return siblings
}

/** Reads a borsh `UpdateMerkleProof`. Refuses what {@link decodeBorshProof} refuses. */
export function decodeBorshUpdateProof(bytes: Uint8Array): TypedProof[] {
  const reader = createReader(bytes, 'updateProof')
  const count = reader.u32()
  const proofs: TypedProof[] = []
  for (let i = 0; i < count; i++) proofs.push(readProof(reader))
  reader.end()
  return proofs
}

function readProof(reader: Reader): TypedProof {
  const tag = reader.byte()
  if (tag > 1) reader.fail(`option tag ${tag}`)
  const leaf = tag === 0 ? undefined : { keyHash: reader.take(32), valueHash: reader.take(32) }
  return { leaf, siblings: readSiblings(reader) }
}

function readSiblings(reader: Reader): TypedSibling[] {
  const count = reader.u32()
  if (count > 256) reader.fail(`${count} siblings, at most 256`)
  const siblings: TypedSibling[] = []
  for (let i = 0; i < count; i++) {
    const tag = reader.byte()
    if (tag === 0) siblings.push({ type: 'null' })
    else if (tag === 1)
      siblings.push({ type: 'internal', left: reader.take(32), right: reader.take(32) })
    else if (tag === 2)
      siblings.push({ type: 'leaf', keyHash: reader.take(32), valueHash: reader.take(32) })
    else reader.fail(`sibling tag ${tag}`)
  }
  return siblings
}

type Reader = {
  byte(): number
  u32(): number
  take(length: number): Uint8Array
  end(): void
  fail(reason: string): never
}

function createReader(bytes: Uint8Array, field: string): Reader {
  let at = 0
  const fail = (reason: string): never => {
    throw new MalformedEncodingError({ field, reason })
  }
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length)
      return fail(`it ends at byte ${bytes.length}, in the middle of a value`)
    at += length
    return bytes.slice(at - length, at)
  }
  return {
    take,
    fail,
    byte: () => take(1)[0] as number,
    u32: () => new DataView(take(4).buffer).getUint32(0, true),
    end: () => {
      if (at !== bytes.length) fail(`${bytes.length - at} bytes after its end`)
    },
  }
}

function encodeSibling(sibling: TypedSibling): Uint8Array {
  if (sibling.type === 'null') return Uint8Array.of(0)
  if (sibling.type === 'internal') return concat(Uint8Array.of(1), sibling.left, sibling.right)
  return concat(Uint8Array.of(2), sibling.keyHash, sibling.valueHash)
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value, true)
  return out
}

function u64(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true)
  return out
}
