/** The tree in memory, its queue of registrations, and the hashes alone. */
import { createKeccak } from 'hash-wasm'
import { hashInternal, hashLeaf } from '../../src/statetree/hash/hasher.js'
import { PLACEHOLDER_HASH } from '../../src/statetree/hash/scheme.js'
import {
  commitParameters,
  createStateTree,
  memoryStore,
  openCommitPipeline,
  verifyProof,
} from '../../src/statetree/index.js'
import { author, createFakeChain, registerPolicy } from '../../test/statetree/fakeChain.js'
import { best, type Cell, each, hasher, memory, now, type Pair, pairs, runsFor } from './cell.js'

export async function ours(size: number): Promise<Cell> {
  let data: Pair[] = pairs(size)
  const before = memory()
  const tree = createStateTree({ store: memoryStore(), hasher })
  const { root } = await tree.commit(data, { version: 1 })
  const perKey = memory() - before
  const bulk = await best(runsFor(size), () =>
    createStateTree({ store: memoryStore(), hasher }).commit(data, { version: 1 }),
  )
  // The first commits warm the update paths up.
  const updates: number[] = []
  for (let version = 2; version < 14; version++) {
    const extra = pairs(1_000, version * 10_000_000)
    const start = now()
    await tree.commit(extra, { version })
    updates.push(now() - start)
  }
  const count = Math.min(size, 2_000)
  const picked = [...Array(count).keys()].map((i) => data[(i * 7_919) % size] as Pair)
  // A million pairs of arrays are the benchmark's own: without them, only the tree is measured.
  data = []
  const prove = await best(7, () =>
    picked.map(({ keyHash }) => tree.prove(keyHash, { version: 1 })),
  )
  const proofs = picked.map(({ keyHash }) => tree.prove(keyHash, { version: 1 }))
  const rootBytes = Uint8Array.from(Buffer.from(root.slice(2), 'hex'))
  const verify = await best(7, () => {
    picked.forEach(({ keyHash, valueHash }, i) => {
      const valid = verifyProof({
        root: rootBytes,
        keyHash,
        valueHash,
        proof: proofs[i] as never,
        hasher,
      })
      if (!valid) throw new TypeError('a proof was refused')
    })
  })
  updates.sort((a, b) => a - b)
  return {
    bulk: (size / bulk) * 1_000,
    update: updates[Math.floor(updates.length / 2)] as number,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes: proofs.reduce((sum, { siblings }) => sum + siblings.length + 34, 0) / count,
    ...each(perKey, size),
  }
}

/** The definition of the root, one hash a call: nothing is stored, nothing can be updated. */
export async function bound(
  size: number,
  leaf: (k: Uint8Array, v: Uint8Array) => Uint8Array,
  inner: typeof leaf,
): Promise<Cell> {
  const data = pairs(size)
  const root = (set: readonly Pair[], depth: number): Uint8Array => {
    if (set.length === 0) return PLACEHOLDER_HASH
    if (set.length === 1) return leaf(set[0]!.keyHash, set[0]!.valueHash)
    const left: Pair[] = []
    const right: Pair[] = []
    for (const pair of set) {
      if ((((pair.keyHash[depth >> 3] as number) >> (7 - (depth & 7))) & 1) === 0) left.push(pair)
      else right.push(pair)
    }
    return inner(root(left, depth + 1), root(right, depth + 1))
  }
  return { bulk: (size / (await best(runsFor(size), () => root(data, 0)))) * 1_000 }
}

export async function hashWasmBound(size: number): Promise<Cell> {
  const keccak = await createKeccak(256)
  const preimage = (prefix: string): ((a: Uint8Array, b: Uint8Array) => Uint8Array) => {
    const bytes = new Uint8Array(prefix.length + 64)
    bytes.set(new TextEncoder().encode(prefix))
    return (a, b) => {
      bytes.set(a, prefix.length)
      bytes.set(b, prefix.length + 32)
      keccak.init()
      keccak.update(bytes)
      return keccak.digest('binary')
    }
  }
  return bound(size, preimage('JMT::LeafNode'), preimage('JMT::IntrnalNode'))
}

/** Time of the hashes alone, batched: 1 leaf and 1 / ln 2 inner nodes a key. */
export async function pureHashing(size: number): Promise<Cell> {
  const hashes = Math.ceil(size * (1 + 1 / Math.LN2))
  const batches = Math.ceil(hashes / hasher.capacity)
  const time = await best(runsFor(size), () => {
    for (let i = 0; i < batches; i++) hasher.internals(hasher.capacity)
  })
  return { bulk: (size / time) * 1_000 }
}

/** A window in which `size` artifacts were registered, each by another author. */
export async function preparing(size: number): Promise<Cell> {
  const chain = createFakeChain()
  for (let i = 0; i < size; i++) registerPolicy(chain, Buffer.from(`a${i}`), { by: author(i) })
  chain.mine(30)
  const parameters = commitParameters({ chainId: 31_337n, finalityDelay: 24n })
  const took: number[] = []
  for (let run = 0; run < 3; run++) {
    const tree = createStateTree({ store: memoryStore() })
    const pipeline = await openCommitPipeline({ tree, events: chain.view(), parameters })
    const at = now()
    const { state } = await pipeline.prepare(1_440n)
    took.push(now() - at)
    if (state.queue.length !== size) throw new TypeError('entries are missing')
  }
  return { prepare: Math.min(...took) }
}

/** {@link bound} with the hasher of the tree. */
export const ownBound = (size: number): Promise<Cell> =>
  bound(
    size,
    (k, v) => hashLeaf(hasher, k, v),
    (l, r) => hashInternal(hasher, l, r),
  )
