/** Proofs in Ethereum's Merkle Patricia tries. */
import { bytesEqual } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { isRlpList, type RlpList, type RlpValue, readRlp } from './rlp.js'

/** Why a proof is refused. */
export const trieFaults = ['MALFORMED', 'HASH', 'INCOMPLETE', 'TRAILING', 'LIMIT'] as const
/**
 * `MALFORMED`: no node of a trie. `HASH`: not the node that its parent, or the root, names. `INCOMPLETE`: a
 * node is missing. `TRAILING`: more nodes than the path has. `LIMIT`: larger than any real proof.
 */
export type TrieFault = (typeof trieFaults)[number]

/** What a proof shows: the value at the key, or that there is none. */
export type TrieVerdict =
  | { status: 'valid'; value: Uint8Array | null }
  | { status: 'reject'; code: TrieFault }

const maxNodes = 128
const maxBytes = 8_388_608
/** The empty trie is one node, the empty string. */
const emptyNode = Uint8Array.of(0x80)
const emptyRoot = keccak(emptyNode)

/**
 * Verifies a proof of presence or absence. Never throws.
 *
 * @param parameters.root - Root hash, 32 bytes.
 * @param parameters.key - Key in the trie, hashed already where the trie's keys are.
 * @param parameters.nodes - Encoded nodes from the root on, as `eth_getProof` gives them.
 */
export function verifyTrieProof(parameters: {
  root: Uint8Array
  key: Uint8Array
  nodes: readonly Uint8Array[]
}): TrieVerdict {
  const { root, key, nodes } = parameters
  if (!isProof(parameters)) return reject('MALFORMED')
  const size = nodes.reduce((sum, node) => sum + node.length, 0)
  if (nodes.length > maxNodes || size > maxBytes || key.length > 64) return reject('LIMIT')
  // An empty trie: some nodes of Ethereum prove it by nothing, others by its one empty node.
  const isEmpty =
    nodes.length === 0 || (nodes.length === 1 && bytesEqual(nodes[0] as Uint8Array, emptyNode))
  if (isEmpty) {
    return bytesEqual(root, emptyRoot) ? { status: 'valid', value: null } : reject('INCOMPLETE')
  }
  const path = nibblesOf(key)
  let at = 0
  let used = 0
  let next: RlpValue = root
  for (;;) {
    const node = resolve(next, () => nodes[used++])
    if (typeof node === 'string') return reject(node)
    const step = stepThrough(node, path.slice(at))
    if (step === undefined) return reject('MALFORMED')
    if ('value' in step) {
      return used === nodes.length ? { status: 'valid', value: step.value } : reject('TRAILING')
    }
    at += step.taken
    next = step.next
  }
}

function isProof({ root, key, nodes }: Parameters<typeof verifyTrieProof>[0]): boolean {
  return (
    root instanceof Uint8Array &&
    root.length === 32 &&
    key instanceof Uint8Array &&
    Array.isArray(nodes) &&
    nodes.every((node: unknown) => node instanceof Uint8Array)
  )
}

/** The node that a reference names: by hash, from the proof, or written out in its parent. */
function resolve(reference: RlpValue, take: () => Uint8Array | undefined): RlpList | TrieFault {
  if (isRlpList(reference)) return reference.encoded.length < 32 ? reference : 'MALFORMED'
  if (reference.length !== 32) return 'MALFORMED'
  const bytes = take()
  if (bytes === undefined) return 'INCOMPLETE'
  if (!bytesEqual(keccak(bytes), reference)) return 'HASH'
  const node = readRlp(bytes)
  return isRlpList(node) ? node : 'MALFORMED'
}

type Step = { value: Uint8Array | null } | { taken: number; next: RlpValue }

function stepThrough({ items }: RlpList, rest: readonly number[]): Step | undefined {
  if (items.length === 17) return stepBranch(items, rest)
  const [encoded, target] = items
  if (items.length !== 2 || !(encoded instanceof Uint8Array) || target === undefined)
    return undefined
  const prefix = readPrefix(encoded)
  if (prefix === undefined) return undefined
  const { isLeaf, nibbles } = prefix
  const matches = nibbles.every((nibble, index) => rest[index] === nibble)
  if (isLeaf) {
    if (!(target instanceof Uint8Array) || target.length === 0) return undefined
    return { value: matches && nibbles.length === rest.length ? target : null }
  }
  if (nibbles.length === 0) return undefined
  return matches ? { taken: nibbles.length, next: target } : { value: null }
}

function stepBranch(items: readonly RlpValue[], rest: readonly number[]): Step | undefined {
  const [first] = rest
  const target = items[first ?? 16]
  if (target === undefined) return undefined
  const isEmpty = target instanceof Uint8Array && target.length === 0
  if (isEmpty) return { value: null }
  if (first !== undefined) return { taken: 1, next: target }
  return target instanceof Uint8Array ? { value: target } : undefined
}

/** The compact form of a path: leaf or extension, odd or even, the padding zero. */
function readPrefix(
  encoded: Uint8Array,
): { isLeaf: boolean; nibbles: readonly number[] } | undefined {
  const all = nibblesOf(encoded)
  const [flags, padding] = all
  if (flags === undefined || flags > 3) return undefined
  const isOdd = (flags & 1) === 1
  if (!isOdd && padding !== 0) return undefined
  return { isLeaf: flags >= 2, nibbles: all.slice(isOdd ? 1 : 2) }
}

function nibblesOf(bytes: Uint8Array): number[] {
  return [...bytes].flatMap((byte) => [byte >> 4, byte & 15])
}

function reject(code: TrieFault): TrieVerdict {
  return { status: 'reject', code }
}
