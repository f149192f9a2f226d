/** A Merkle Patricia trie built whole, for the one proof that is wanted of it. */
import { toRlp } from 'viem'
import { keccak } from '../../internal/keccak.js'

type Entry = { path: readonly number[]; value: Uint8Array }
type Plain = Uint8Array | Plain[]

/**
 * Builds a trie and the proof of one of its keys.
 *
 * @param entries - Distinct keys, none the beginning of another, with values that are not empty.
 * @returns The root, and the nodes from it on as `verifyTrieProof` takes them.
 */
export function proveInTrie(
  entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  key: Uint8Array,
): { root: Uint8Array; nodes: Uint8Array[] } {
  const nodes: Uint8Array[] = []
  const all = entries.map(([path, value]) => ({ path: nibblesOf(path), value }))
  const root = encode(buildNode(all, { depth: 0, wanted: nibblesOf(key), nodes }))
  // Collected from the leaf up; the root is named by its hash however short it is.
  return { root: keccak(root), nodes: entries.length === 0 ? [] : [...nodes, root].reverse() }
}

type Walk = { depth: number; wanted: readonly number[] | undefined; nodes: Uint8Array[] }

function buildNode(entries: readonly Entry[], walk: Walk): Plain {
  const { depth, wanted } = walk
  const [first] = entries
  if (first === undefined) return new Uint8Array(0)
  if (entries.length === 1) return [compact(first.path.slice(depth), true), first.value]
  const shared = sharedLength(entries, depth)
  if (shared > 0) {
    const part = first.path.slice(depth, depth + shared)
    const follows = part.every((nibble, at) => wanted?.[depth + at] === nibble)
    const next = { ...walk, depth: depth + shared, wanted: follows ? wanted : undefined }
    return [compact(part, false), reference(buildNode(entries, next), next)]
  }
  const children = Array.from({ length: 16 }, (_, nibble): Plain => {
    const below = entries.filter(({ path }) => path[depth] === nibble)
    if (below.length === 0) return new Uint8Array(0)
    const next = {
      ...{ depth: depth + 1, nodes: walk.nodes },
      wanted: wanted?.[depth] === nibble ? wanted : undefined,
    }
    return reference(buildNode(below, next), next)
  })
  return [...children, new Uint8Array(0)]
}

/** A node in its parent: written out where it is short, else its hash. */
function reference(node: Plain, { wanted, nodes }: Walk): Plain {
  const encoded = encode(node)
  if (encoded.length < 32) return node
  if (wanted !== undefined) nodes.push(encoded)
  return keccak(encoded)
}

function sharedLength(entries: readonly Entry[], depth: number): number {
  const [first] = entries
  let length = 0
  for (;;) {
    const nibble = first?.path[depth + length]
    const isShared = entries.every(({ path }) => path[depth + length] === nibble)
    if (nibble === undefined || !isShared) return length
    length++
  }
}

function compact(nibbles: readonly number[], isLeaf: boolean): Uint8Array {
  const odd = nibbles.length % 2
  const all = [(isLeaf ? 2 : 0) + odd, ...(odd === 1 ? [] : [0]), ...nibbles]
  return Uint8Array.from({ length: all.length / 2 }, (_, i) => {
    return ((all[2 * i] as number) << 4) | (all[2 * i + 1] as number)
  })
}

function nibblesOf(bytes: Uint8Array): number[] {
  return [...bytes].flatMap((byte) => [byte >> 4, byte & 15])
}

function encode(node: Plain): Uint8Array {
  return toRlp(node as never, 'bytes')
}
