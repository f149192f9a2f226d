import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test, vi } from 'vitest'
import { bytesEqual } from '../../src/internal/bytes.js'
import { keccakHasher } from '../../src/statetree/hash/hasher.js'
import { bitAt, PLACEHOLDER_HASH } from '../../src/statetree/hash/scheme.js'
import {
  decodeBorshProof,
  decodeBorshRangeProof,
  decodeBorshUpdateProof,
  encodeBorshProof,
  encodeBorshRangeProof,
  encodeBorshUpdateProof,
} from '../../src/statetree/proof/borsh.js'
import {
  assertMultiProof,
  proveMany,
  verifyMultiProof,
} from '../../src/statetree/proof/multiproof.js'
import { tags } from '../../src/statetree/proof/partial.js'
import { assertProof, type TreeProof, verifyProof } from '../../src/statetree/proof/proof.js'
import {
  assertRangeProof,
  proveRange,
  verifyRangeProof,
} from '../../src/statetree/proof/rangeProof.js'
import { type TypedProof, verifyTypedProof } from '../../src/statetree/proof/typedProof.js'
import { assertUpdate, proveUpdate, verifyUpdate } from '../../src/statetree/proof/updateProof.js'
import { createStateTree, type StateTree } from '../../src/statetree/stateTree.js'
import { memoryStore } from '../../src/statetree/store/memoryStore.js'
import { mapStore } from './mapStore.js'
import { applyOps, type Model, modelRoot, randomKey, randomOps, seeded } from './model.js'

const hasher = keccakHasher()
vi.setConfig({ testTimeout: 300_000 })

async function randomTree(
  seed: number,
): Promise<{ tree: StateTree; model: Model; next: (n: number) => number }> {
  const next = seeded(seed)
  const store = seed % 2 === 0 ? mapStore() : memoryStore()
  let tree = createStateTree({ store, hasher })
  const ops = randomOps(next, [], next(40))
  const model = applyOps(new Map(), ops)
  await tree.commit(ops, { version: 0 })
  if (seed % 4 === 0) tree = createStateTree({ store, hasher })
  return { tree, model, next }
}

const claimedValue = (model: Model, keyHash: Uint8Array): Uint8Array | null => {
  const value = model.get(bytesToHex(keyHash))
  return value === undefined ? null : hexToBytes(value)
}

async function bigTree(): Promise<{ tree: StateTree; model: Model }> {
  const tree = createStateTree({ store: memoryStore(), hasher })
  const keys = [...Array(12).keys()].map((i) => hasher.hash(Uint8Array.of(i)))
  await tree.commit(
    keys.map((keyHash) => ({ keyHash, valueHash: keyHash })),
    { version: 0 },
  )
  return { tree, model: new Map(keys.map((key) => [bytesToHex(key), bytesToHex(key)])) }
}

function sampleKeys(model: Model, next: (n: number) => number, count: number): Uint8Array[] {
  const known = [...model.keys()]
  const keys = new Map<string, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const key =
      known.length > 0 && next(2) === 0
        ? hexToBytes(known[next(known.length)] as string)
        : randomKey(next)
    keys.set(bytesToHex(key), key)
  }
  return [...keys.values()]
}

describe('multiproofs', () => {
  test('random sets of keys, and every single change refused', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { tree, model, next } = await randomTree(seed)
      const keys = sampleKeys(model, next, 1 + next(12))
      const root = tree.root()
      const proof = proveMany(tree, keys)
      const claims = keys.map((keyHash) => ({ keyHash, valueHash: claimedValue(model, keyHash) }))
      expect(verifyMultiProof({ root, claims, proof, hasher }), `seed ${seed}`).toBe(true)
      // A claim turned around.
      claims.forEach((claim, i) => {
        const valueHash = claim.valueHash === null ? new Uint8Array(32).fill(9) : null
        const wrong = claims.map((other, j) => (i === j ? { ...claim, valueHash } : other))
        expect(verifyMultiProof({ root, claims: wrong, proof, hasher })).toBe(false)
      })
      if (seed > 6) continue
      for (let i = 0; i < proof.hashes.length; i += 1 + next(60)) {
        const hashes = proof.hashes.slice()
        hashes[i] = (hashes[i] as number) ^ (1 << next(8))
        expect(verifyMultiProof({ root, claims, proof: { ...proof, hashes }, hasher })).toBe(false)
      }
      for (let i = 0; i < proof.tags.length; i++) {
        for (let tag = 0; tag < 6; tag++) {
          if (tag === proof.tags[i]) continue
          const changed = proof.tags.slice()
          changed[i] = tag
          expect(
            verifyMultiProof({ root, claims, proof: { ...proof, tags: changed }, hasher }),
          ).toBe(false)
        }
      }
      for (const change of [
        { tags: Uint8Array.from([...proof.tags, tags.empty]) },
        { hashes: Uint8Array.from([...proof.hashes, ...PLACEHOLDER_HASH]) },
        { tags: proof.tags.slice(0, -1) },
        { hashes: Uint8Array.from([...proof.hashes, 1]) },
      ]) {
        expect(verifyMultiProof({ root, claims, proof: { ...proof, ...change }, hasher })).toBe(
          false,
        )
      }
      // A claim nobody proved, and a proved one that is not claimed.
      const extra = { keyHash: new Uint8Array(32).fill(0xee), valueHash: new Uint8Array(32) }
      expect(verifyMultiProof({ root, claims: [...claims, extra], proof, hasher })).toBe(false)
    }
  })

  test('is smaller than the proofs it replaces', async () => {
    const tree = createStateTree({ store: memoryStore(), hasher })
    const writes = [...Array(2_000)].map((_, i) => ({
      keyHash: hasher.hash(Uint8Array.of(i & 255, i >> 8)),
      valueHash: hasher.hash(Uint8Array.of(i & 255)),
    }))
    await tree.commit(writes, { version: 0 })
    const keys = writes.slice(0, 100).map(({ keyHash }) => keyHash)
    const single = keys.reduce((sum, key) => sum + tree.prove(key).siblings.length, 0)
    const { hashes } = proveMany(tree, keys)
    expect(hashes.length).toBeLessThan(single / 2)
  })

  test('error: repeated and no keys', async () => {
    const { tree } = await randomTree(3)
    const key = new Uint8Array(32)
    expect(() => proveMany(tree, [key, key])).toThrow('named twice')
    expect(() => proveMany(tree, [])).toThrow('at least one key')
    const claims = [
      { keyHash: key, valueHash: null },
      { keyHash: key, valueHash: null },
    ]
    expect(() =>
      assertMultiProof({ root: tree.root(), claims, proof: proveMany(tree, [key]) }),
    ).toThrow('named twice')
  })
})

describe('range proofs', () => {
  const full = { from: new Uint8Array(32), to: new Uint8Array(32).fill(0xff) }

  test('random ranges, and every hidden, added or changed leaf refused', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { tree, model, next } = await randomTree(seed + 5_000)
      const root = tree.root()
      const bounds = [...sampleKeys(model, next, 8), full.from, full.to].sort((a, b) =>
        bytesToHex(a) < bytesToHex(b) ? -1 : 1,
      )
      const at = next(bounds.length - 1)
      const range =
        next(6) === 0 ? full : { from: bounds[at] as Uint8Array, to: bounds[at + 1] as Uint8Array }
      const { entries, proof } = proveRange(tree, range)
      const within = [...model]
        .filter(([key]) => key >= bytesToHex(range.from) && key <= bytesToHex(range.to))
        .sort()
      expect(
        entries.map(({ keyHash, valueHash }) => [bytesToHex(keyHash), bytesToHex(valueHash)]),
      ).toEqual(within)
      expect(verifyRangeProof({ root, range, entries, proof, hasher }), `seed ${seed}`).toBe(true)
      entries.forEach((entry, i) => {
        const without = entries.filter((_, j) => j !== i)
        expect(verifyRangeProof({ root, range, entries: without, proof, hasher })).toBe(false)
        const changed = entries.map((e, j) =>
          j === i ? { ...entry, valueHash: new Uint8Array(32) } : e,
        )
        expect(verifyRangeProof({ root, range, entries: changed, proof, hasher })).toBe(false)
        expect(verifyRangeProof({ root, range, entries: [...entries, entry], proof, hasher })).toBe(
          false,
        )
      })
      const added = { keyHash: range.from, valueHash: new Uint8Array(32).fill(1) }
      if (!entries.some((e) => bytesEqual(e.keyHash, range.from))) {
        expect(verifyRangeProof({ root, range, entries: [added, ...entries], proof, hasher })).toBe(
          false,
        )
      }
      for (let i = 0; i < proof.tags.length; i++) {
        const changed = proof.tags.slice()
        changed[i] = ((proof.tags[i] as number) + 1 + next(4)) % 5
        expect(
          verifyRangeProof({ root, range, entries, proof: { ...proof, tags: changed }, hasher }),
        ).toBe(false)
      }
      for (let i = 0; i < proof.hashes.length; i += 1 + next(90)) {
        const hashes = proof.hashes.slice()
        hashes[i] = (hashes[i] as number) ^ 0x10
        expect(
          verifyRangeProof({ root, range, entries, proof: { ...proof, hashes }, hasher }),
        ).toBe(false)
      }
    }
  })

  test('error: wrong bounds and order', async () => {
    const { tree } = await bigTree()
    const range = { from: full.to, to: full.from }
    expect(() => proveRange(tree, range)).toThrow('ends before it starts')
    const { entries, proof } = proveRange(tree, full)
    const reversed = [...entries].reverse()
    expect(() =>
      assertRangeProof({ root: tree.root(), range: full, entries: reversed, proof }),
    ).toThrow('do not ascend')
    expect(verifyRangeProof(null as never)).toBe(false)
  })

  test('the right siblings of the crate fold to the root', () => {
    // Its range proofs say what lies to the right of a prefix of the leaves.
    const { trees } = vectors('proofs_keccak256')
    let checked = 0
    for (const { range } of trees) {
      for (const { proof } of range) {
        const siblings = decodeBorshRangeProof(hexToBytes(proof.borsh))
        expect(siblings.length).toBe(proof.rightSiblings.length)
        expect(bytesToHex(encodeBorshRangeProof(siblings))).toBe(proof.borsh)
        checked++
      }
    }
    expect(checked).toBeGreaterThan(20)
  })

  test('right siblings of a key are the crate’s range proof', async () => {
    for (const { n, range } of vectors('proofs_keccak256').trees) {
      const tree = createStateTree({ store: memoryStore(), hasher })
      const text = new TextEncoder()
      const writes = [...Array(n).keys()].map((i) => ({
        keyHash: hasher.hash(text.encode(`key${i}`)),
        value: text.encode(`value${i}`),
      }))
      await tree.commit(writes, { version: 0 })
      for (const { keyHash, proof } of range) {
        const key = hexToBytes(keyHash)
        const typed = tree.proveTyped(key)
        const right = typed.siblings.filter(
          (_, i) => bitAt(key, typed.siblings.length - 1 - i) === 0,
        )
        expect(bytesToHex(encodeBorshRangeProof(right))).toBe(proof.borsh)
      }
    }
  })
})

describe('update proofs', () => {
  test('vectors', async () => {
    let departures = 0
    for (const { versions } of vectors('versions_keccak256').scenarios) {
      const tree = createStateTree({ store: memoryStore(), hasher })
      for (const { version, ops, updateProof, root } of versions) {
        const writes = ops.map((op: { keyHash: string; value: string | null }) => ({
          keyHash: hexToBytes(op.keyHash),
          valueHash: op.value === null ? null : hasher.hash(hexToBytes(op.value)),
        }))
        const { proof, oldRoot, newRoot } = proveUpdate(tree, writes)
        expect(newRoot).toBe(`0x${root}`)
        expect(verifyUpdate({ oldRoot, newRoot, writes, proof, hasher })).toBe(true)
        const theirs = decodeBorshUpdateProof(hexToBytes(updateProof.borsh))
        expect(bytesToHex(encodeBorshUpdateProof(theirs))).toBe(updateProof.borsh)
        // The crate proves the delete of an absent key with nothing at all, which would as well
        // "prove" the delete of one that is there. Every other proof is the same.
        const empty = theirs.filter((one, i) => {
          const shown = proof[i] as TypedProof
          const nothing = one.leaf === undefined && one.siblings.length === 0
          return nothing && (shown.leaf !== undefined || shown.siblings.length > 0)
        })
        if (empty.length === 0) {
          expect(bytesToHex(encodeBorshUpdateProof(proof))).toBe(updateProof.borsh)
        } else {
          departures++
          expect(verifyUpdate({ oldRoot, newRoot, writes, proof: theirs, hasher })).toBe(false)
        }
        await tree.commit(writes, { version })
      }
    }
    expect(departures).toBeGreaterThan(0)
  })

  test('random histories, and every changed write, root or sibling refused', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { tree, model, next } = await randomTree(seed + 9_000)
      const writes = randomOps(next, [...model.keys()], 1 + next(8))
      const before = tree.root()
      const { proof, oldRoot, newRoot } = proveUpdate(tree, writes)
      expect(oldRoot).toBe(before)
      expect(tree.root()).toBe(before)
      expect(newRoot).toBe(modelRoot(applyOps(model, writes), hasher.hash))
      const claim = { oldRoot, newRoot, writes, proof, hasher }
      expect(verifyUpdate(claim), `seed ${seed}`).toBe(true)
      expect(verifyUpdate({ ...claim, oldRoot: new Uint8Array(32) })).toBe(false)
      expect(verifyUpdate({ ...claim, newRoot: new Uint8Array(32) })).toBe(false)
      expect(verifyUpdate({ ...claim, proof: proof.slice(1) })).toBe(false)
      proof.forEach((one, i) => {
        const swap = (changed: typeof one): boolean =>
          verifyUpdate({ ...claim, proof: proof.map((p, j) => (i === j ? changed : p)) })
        if (one.siblings.length > 0) {
          expect(swap({ ...one, siblings: one.siblings.slice(1) })).toBe(false)
          expect(swap({ ...one, siblings: [...one.siblings, { type: 'null' }] })).toBe(false)
        }
        if (one.leaf !== undefined) expect(swap({ ...one, leaf: undefined })).toBe(false)
      })
      expect((await tree.commit(writes, { version: 1 })).root).toBe(newRoot)
    }
  })
})

describe('hostile proofs', () => {
  const hostile: unknown[] = [
    null,
    undefined,
    1,
    'x',
    [],
    {},
    { type: 'inclusion' },
    Number.NaN,
    Symbol('s'),
    () => 1,
  ]

  test('no verifier throws', () => {
    for (const value of hostile) {
      const proof = value as never
      const key = new Uint8Array(32)
      expect(verifyProof(value as never)).toBe(false)
      expect(verifyProof({ root: key, keyHash: key, valueHash: key, proof })).toBe(false)
      expect(verifyProof({ root: proof, keyHash: proof, valueHash: proof, proof })).toBe(false)
      expect(verifyTypedProof({ root: key, keyHash: key, valueHash: null, proof })).toBe(false)
      expect(verifyMultiProof({ root: key, claims: proof, proof })).toBe(false)
      expect(
        verifyMultiProof({ root: key, claims: [{ keyHash: key, valueHash: null }], proof }),
      ).toBe(false)
      expect(
        verifyRangeProof({ root: key, range: { from: key, to: key }, entries: [], proof }),
      ).toBe(false)
      expect(
        verifyUpdate({
          oldRoot: key,
          newRoot: key,
          writes: [{ keyHash: key, valueHash: null }],
          proof,
        }),
      ).toBe(false)
      expect(() => assertProof({ root: key, keyHash: key, valueHash: key, proof })).toThrow(
        'refused',
      )
      expect(() =>
        assertUpdate({
          oldRoot: key,
          newRoot: key,
          writes: [{ keyHash: key, valueHash: null }],
          proof,
        }),
      ).toThrow('refused')
    }
  })

  test('every member of a compact proof, wrong', async () => {
    const { tree, model } = await bigTree()
    const root = tree.root()
    for (const keyHash of [...model.keys()]
      .map((key): Uint8Array => hexToBytes(key))
      .concat([new Uint8Array(32).fill(0x77)])) {
      const valueHash = claimedValue(model, keyHash)
      const proof = tree.prove(keyHash)
      const good = { root, keyHash, valueHash, proof, hasher }
      expect(verifyProof(good)).toBe(true)
      const bad = (change: Partial<TreeProof>): void => {
        expect(verifyProof({ ...good, proof: { ...proof, ...change } as TreeProof })).toBe(false)
      }
      bad({ depth: 257 })
      bad({ depth: -1 })
      bad({ depth: 1.5 })
      bad({ depth: proof.depth + 1 })
      bad({ present: -1n })
      bad({ present: proof.present ^ 1n })
      bad({ present: proof.present | (1n << BigInt(proof.depth)) })
      bad({ present: 1 as never })
      bad({ siblings: proof.siblings.slice(1) })
      bad({ siblings: Uint8Array.from([...proof.siblings, ...new Uint8Array(32)]) })
      bad({ type: proof.type === 'inclusion' ? 'exclusion' : 'inclusion' })
      bad({ type: 'other' as never })
      bad({ leaf: { keyHash, valueHash: new Uint8Array(32) } })
      for (let i = 0; i < proof.siblings.length; i += 31) {
        const siblings = proof.siblings.slice()
        siblings[i] = (siblings[i] as number) ^ 1
        bad({ siblings })
      }
      expect(
        verifyProof({ ...good, valueHash: valueHash === null ? new Uint8Array(32) : null }),
      ).toBe(false)
      expect(verifyProof({ ...good, keyHash: new Uint8Array(31) })).toBe(false)
      expect(verifyProof({ ...good, root: '0x12' })).toBe(false)
    }
  })

  test('borsh: unknown tags, cut and trailing bytes', async () => {
    const { trees } = vectors('proofs_keccak256')
    for (const { proof } of trees[5].inclusion) {
      const bytes = hexToBytes(proof.borsh)
      expect(bytesToHex(encodeBorshProof(decodeBorshProof(bytes)))).toBe(proof.borsh)
      for (let length = 0; length < bytes.length; length += 11) {
        expect(() => decodeBorshProof(bytes.slice(0, length))).toThrow('malformed')
      }
      expect(() => decodeBorshProof(Uint8Array.from([...bytes, 0]))).toThrow('after its end')
      expect(() => decodeBorshProof(Uint8Array.from([2, ...bytes.slice(1)]))).toThrow(
        'option tag 2',
      )
      const tagged = bytes.slice()
      tagged[69] = 7
      expect(() => decodeBorshProof(tagged)).toThrow('sibling tag 7')
      const many = bytes.slice()
      many[66] = 2
      expect(() => decodeBorshProof(many)).toThrow('at most 256')
    }
  })
})

function vectors(name: string) {
  return JSON.parse(readFileSync(new URL(`../vectors/jmt/${name}.json`, import.meta.url), 'utf8'))
}
