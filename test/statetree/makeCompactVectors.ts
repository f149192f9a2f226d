/**
 * Writes test/vectors/jmt-compact/proofs.json: the crate's proofs in the compact form, and
 * malformed ones, each with the verdict that TypeScript and Solidity have to give.
 *
 * Run: `npx tsx test/statetree/makeCompactVectors.ts`. The valid proofs are converted from
 * test/vectors/jmt/proofs_keccak256.json by their own hashes; the tree of this package is not used.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

type Sibling = { type: string; hash: string }
type Leaf = { keyHash: string; valueHash: string } | null
type Entry = {
  keyHash: string
  value?: string
  kind?: string
  proof: { leaf: Leaf; siblings: Sibling[] }
}
type Compact = {
  depth: number
  present: string
  siblings: string[]
  leafKeyHash: string
  leafValueHash: string
}
export type CompactCase = {
  name: string
  root: string
  keyHash: string
  /** Zero for a claim of absence. */
  valueHash: string
  claim: 'inclusion' | 'exclusion'
  proof: Compact
  valid: boolean
}

const zero = `0x${'00'.repeat(32)}`
const placeholder = `0x${bytesToHex(utf8ToBytes('SPARSE_MERKLE_PLACEHOLDER_HASH__'))}`
const hex = (bytes: string): string => `0x${bytes}`

function compact(entry: Entry): Compact {
  let present = 0n
  const siblings: string[] = []
  entry.proof.siblings.forEach((sibling, level) => {
    if (sibling.type === 'null') return
    present |= 1n << BigInt(level)
    siblings.push(hex(sibling.hash))
  })
  const other = entry.value === undefined ? entry.proof.leaf : null
  return {
    depth: entry.proof.siblings.length,
    present: `0x${present.toString(16)}`,
    siblings,
    leafKeyHash: other === null ? zero : hex(other.keyHash),
    leafValueHash: other === null ? zero : hex(other.valueHash),
  }
}

const flip = (word: string): string => {
  const bytes = hexToBytes(word.slice(2))
  bytes[31] = (bytes[31] as number) ^ 1
  return `0x${bytesToHex(bytes)}`
}

function malformed(base: CompactCase): CompactCase[] {
  const { proof } = base
  const make = (
    name: string,
    change: Partial<Compact>,
    rest: Partial<CompactCase> = {},
  ): CompactCase => ({
    ...base,
    ...rest,
    name: `${base.name}: ${name}`,
    proof: { ...proof, ...change },
    valid: false,
  })
  const bits = BigInt(proof.present)
  const cases = [
    make('another root', {}, { root: flip(base.root) }),
    make('one level more', { depth: proof.depth + 1 }),
    make('257 levels', { depth: 257 }),
    make('a bit past the depth', {
      present: `0x${(bits | (1n << BigInt(Math.min(proof.depth, 255)))).toString(16)}`,
    }),
    make('a sibling too many', { siblings: [...proof.siblings, hex('11'.repeat(32))] }),
    make('a placeholder too many', { siblings: [...proof.siblings, placeholder] }),
  ]
  if (base.claim === 'inclusion') {
    cases.push(
      make('another value', {}, { valueHash: flip(base.valueHash) }),
      make('another key', {}, { keyHash: flip(base.keyHash) }),
      make('names a leaf', { leafKeyHash: base.keyHash, leafValueHash: base.valueHash }),
      make('claimed as absence', {}, { claim: 'exclusion', valueHash: zero }),
      make(
        'its own leaf as another leaf',
        { leafKeyHash: base.keyHash, leafValueHash: base.valueHash },
        { claim: 'exclusion', valueHash: zero },
      ),
    )
  } else {
    cases.push(
      make('claimed as presence', {}, { claim: 'inclusion', valueHash: hex('22'.repeat(32)) }),
    )
    if (proof.leafKeyHash !== zero) {
      cases.push(
        make('another value of the leaf', { leafValueHash: flip(proof.leafValueHash) }),
        make('without the leaf', { leafKeyHash: zero, leafValueHash: zero }),
        make('the leaf is that of the key', {}, { keyHash: proof.leafKeyHash }),
        make(
          'the leaf as presence of its key',
          {},
          { claim: 'inclusion', keyHash: proof.leafKeyHash, valueHash: proof.leafValueHash },
        ),
      )
      if (proof.depth > 0) {
        const key = hexToBytes(base.keyHash.slice(2))
        key[0] = (key[0] as number) ^ 0x80
        cases.push(make('the leaf is not on the path', {}, { keyHash: `0x${bytesToHex(key)}` }))
      }
    } else {
      cases.push(
        make('with a leaf', {
          leafKeyHash: flip(base.keyHash),
          leafValueHash: hex('33'.repeat(32)),
        }),
      )
    }
  }
  proof.siblings.forEach((_, i) => {
    cases.push(
      make(`sibling ${i} changed`, {
        siblings: proof.siblings.map((s, j) => (i === j ? flip(s) : s)),
      }),
      make(`sibling ${i} missing`, { siblings: proof.siblings.filter((_s, j) => i !== j) }),
    )
  })
  if (proof.siblings.length > 1 && proof.siblings[0] !== proof.siblings[1]) {
    const [first, second, ...rest] = proof.siblings as [string, string, ...string[]]
    cases.push(make('two siblings swapped', { siblings: [second, first, ...rest] }))
  }
  for (let level = 0; level < proof.depth; level++) {
    if ((bits >> BigInt(level)) & 1n) continue
    // The same hashes, encoded with an explicit placeholder: a second form of one proof.
    const before = [...bits.toString(2)]
      .reverse()
      .slice(0, level)
      .filter((bit) => bit === '1').length
    const siblings = [
      ...proof.siblings.slice(0, before),
      placeholder,
      ...proof.siblings.slice(before),
    ]
    cases.push(
      make(`placeholder sent at level ${level}`, {
        siblings,
        present: `0x${(bits | (1n << BigInt(level))).toString(16)}`,
      }),
    )
    break
  }
  return cases
}

/** A tree of real artifact leaves, so that verifyArtifact and verifyAbsent can be called. */
function artifactCases(): object[] {
  const cat = (...parts: Uint8Array[]): Uint8Array => concatBytes(...parts)
  const leafSeparator = utf8ToBytes('JMT::LeafNode')
  const innerSeparator = utf8ToBytes('JMT::IntrnalNode')
  type Item = { namespace: number; artifactHash: Uint8Array; key: Uint8Array }
  const item = (namespace: number, name: string): Item => {
    const artifactHash = keccak_256(utf8ToBytes(name))
    return { namespace, artifactHash, key: keccak_256(cat(Uint8Array.of(namespace), artifactHash)) }
  }
  const items = Array.from({ length: 40 }, (_, i) => item(4 + (i % 5), `artifact ${i}`))
  const bit = (key: Uint8Array, depth: number): number =>
    ((key[depth >> 3] as number) >> (7 - (depth & 7))) & 1
  const leafHash = ({ key, artifactHash }: Item): Uint8Array =>
    keccak_256(cat(leafSeparator, key, artifactHash))
  const root = (set: Item[], depth: number): Uint8Array =>
    set.length === 0
      ? hexToBytes(placeholder.slice(2))
      : set.length === 1
        ? leafHash(set[0] as Item)
        : keccak_256(
            cat(
              innerSeparator,
              root(
                set.filter((i) => bit(i.key, depth) === 0),
                depth + 1,
              ),
              root(
                set.filter((i) => bit(i.key, depth) === 1),
                depth + 1,
              ),
            ),
          )
  const prove = (target: Item): { proof: Compact; present: boolean } => {
    const levels: Uint8Array[] = []
    let set = items
    while (set.length > 1) {
      const depth = levels.length
      const side = bit(target.key, depth)
      levels.push(
        root(
          set.filter((i) => bit(i.key, depth) !== side),
          depth + 1,
        ),
      )
      set = set.filter((i) => bit(i.key, depth) === side)
    }
    levels.reverse()
    let present = 0n
    const siblings: string[] = []
    levels.forEach((sibling, level) => {
      if (hex(bytesToHex(sibling)) === placeholder) return
      present |= 1n << BigInt(level)
      siblings.push(hex(bytesToHex(sibling)))
    })
    const end = set[0]
    const own = end !== undefined && bytesToHex(end.key) === bytesToHex(target.key)
    const other = end === undefined || own ? undefined : end
    return {
      present: own,
      proof: {
        depth: levels.length,
        present: `0x${present.toString(16)}`,
        siblings,
        leafKeyHash: other ? hex(bytesToHex(other.key)) : zero,
        leafValueHash: other ? hex(bytesToHex(other.artifactHash)) : zero,
      },
    }
  }
  const treeRoot = hex(bytesToHex(root(items, 0)))
  return [...items, ...Array.from({ length: 20 }, (_, i) => item(4 + (i % 5), `absent ${i}`))].map(
    (target) => {
      const { proof, present } = prove(target)
      return {
        root: treeRoot,
        namespace: target.namespace,
        artifactHash: hex(bytesToHex(target.artifactHash)),
        keyHash: hex(bytesToHex(target.key)),
        claim: present ? 'inclusion' : 'exclusion',
        proof,
        valid: true,
      }
    },
  )
}

const input = new URL('../vectors/jmt/proofs_keccak256.json', import.meta.url)
const { trees } = JSON.parse(readFileSync(input, 'utf8')) as {
  trees: { n: number; root: string; inclusion: Entry[]; exclusion: Entry[] }[]
}
const cases: CompactCase[] = []
for (const { n, root, inclusion, exclusion } of trees) {
  const base = [...inclusion, ...exclusion].map(
    (entry, i): CompactCase => ({
      name: `${n} keys, ${entry.value === undefined ? entry.kind : 'inclusion'} ${i}`,
      root: hex(root),
      keyHash: hex(entry.keyHash),
      valueHash:
        entry.value === undefined
          ? zero
          : hex((entry.proof.leaf as { valueHash: string }).valueHash),
      claim: entry.value === undefined ? 'exclusion' : 'inclusion',
      proof: compact(entry),
      valid: true,
    }),
  )
  cases.push(...base)
  // One malformed set for each kind of proof in each tree.
  const kinds = new Map(base.map((entry) => [entry.name.replace(/ \d+$/, ''), entry]))
  for (const entry of kinds.values()) cases.push(...malformed(entry))
}
const output = new URL('../vectors/jmt-compact/', import.meta.url)
writeFileSync(
  fileURLToPath(new URL('proofs.json', output)),
  `${JSON.stringify({ description: 'compact proofs: raw key and value hashes', hasher: 'keccak256', cases }, null, 1)}\n`,
)
writeFileSync(
  fileURLToPath(new URL('artifacts.json', output)),
  `${JSON.stringify({ description: 'compact proofs of artifacts in namespaces 4 to 8, from the recursion', hasher: 'keccak256', cases: artifactCases() }, null, 1)}\n`,
)
