/**
 * The state tree beside the JavaScript trees people use, and beside pure hashing.
 *
 * `npm run bench:tree` prints a table; `--json` prints one object. Each cell runs in a process of
 * its own and reports the best of several runs, in processor time; LMDB, which waits for the disk, in
 * time on the clock. `--quick` leaves out a million keys, `--full` gives
 * the slow peers 100,000 keys too.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMerkleProof, createMPT, verifyMerkleProof } from '@ethereumjs/mpt'
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import { SparseMerkleTree } from '@zk-kit/sparse-merkle-tree'
import { createKeccak } from 'hash-wasm'
import { open } from 'lmdb'
import { MerkleTree } from 'merkletreejs'
import { hashInternal, hashLeaf, keccakHasher } from '../src/statetree/hash/hasher.js'
import { PLACEHOLDER_HASH } from '../src/statetree/hash/scheme.js'
import {
  commitParameters,
  createStateTree,
  memoryStore,
  openCommitPipeline,
  verifyProof,
} from '../src/statetree/index.js'
import { lmdbStore } from '../src/statetree/node/index.js'
import { packNames } from '../src/statetree/node/staleNames.js'
import type { StoreCommit } from '../src/statetree/store/store.js'
import { author, createFakeChain, registerPolicy } from '../test/statetree/fakeChain.js'
import type { Row } from './report.js'

type Cell = Partial<
  Record<
    | 'bulk'
    | 'update'
    | 'prove'
    | 'verify'
    | 'bytes'
    | 'perKey'
    | 'disk'
    | 'durable'
    | 'raw'
    | 'rawLists'
    | 'hashed'
    | 'written'
    | 'prepare',
    number
  >
>
type Pair = { keyHash: Uint8Array; valueHash: Uint8Array }

const hasher = keccakHasher()
/** Milliseconds of processor time: what else runs on the machine does not count. */
const now = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function pairs(count: number, offset = 0): Pair[] {
  const seed = new Uint8Array(8)
  const view = new DataView(seed.buffer)
  return [...Array(count).keys()].map((i) => {
    view.setUint32(0, i + offset)
    const keyHash = hasher.hash(seed)
    return { keyHash, valueHash: hasher.hash(keyHash) }
  })
}

async function best(runs: number, work: () => unknown): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    globalThis.gc?.()
    const start = now()
    await work()
    fastest = Math.min(fastest, now() - start)
  }
  return fastest
}

const runsFor = (size: number): number => (size >= 1_000_000 ? 2 : 5)
/** Resident bytes: WebAssembly memories are in no other number that Node gives. */
const memory = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().rss
}
/** Bytes a key, where there are enough keys for the difference to mean something. */
const each = (bytes: number, size: number): { perKey?: number } =>
  size >= 100_000 ? { perKey: bytes / size } : {}

async function ours(size: number): Promise<Cell> {
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
async function bound(
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

async function hashWasmBound(size: number): Promise<Cell> {
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
async function pureHashing(size: number): Promise<Cell> {
  const hashes = Math.ceil(size * (1 + 1 / Math.LN2))
  const batches = Math.ceil(hashes / hasher.capacity)
  const time = await best(runsFor(size), () => {
    for (let i = 0; i < batches; i++) hasher.internals(hasher.capacity)
  })
  return { bulk: (size / time) * 1_000 }
}

async function ethereumjs(size: number): Promise<Cell> {
  const data = pairs(size)
  let trie = await createMPT({ useKeyHashing: true })
  const before = memory()
  const start = now()
  for (const { keyHash, valueHash } of data) await trie.put(keyHash, valueHash)
  const bulk = now() - start
  const perKey = memory() - before
  const picked = data.slice(0, 500)
  const proveStart = now()
  const proofs = []
  for (const { keyHash } of picked) proofs.push(await createMerkleProof(trie, keyHash))
  const prove = now() - proveStart
  const root = trie.root()
  const verifyStart = now()
  for (const [i, { keyHash }] of picked.entries()) {
    trie = await createMPT({ useKeyHashing: true, root })
    await verifyMerkleProof(keyHash, proofs[i] as Uint8Array[], { useKeyHashing: true, root })
  }
  const verify = now() - verifyStart
  const bytes =
    proofs.reduce((sum, proof) => sum + proof.reduce((n, node) => n + node.length, 0), 0) /
    proofs.length
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / 500) * 1_000,
    verify: (verify / 500) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

async function zkKit(size: number): Promise<Cell> {
  const data = pairs(size)
  const hash = (nodes: (string | bigint)[]): string => hex(hasher.hash(Buffer.from(nodes.join(''))))
  const tree = new SparseMerkleTree(hash)
  const before = memory()
  const start = now()
  for (const { keyHash, valueHash } of data) tree.add(hex(keyHash), hex(valueHash))
  const bulk = now() - start
  const perKey = memory() - before
  const picked = data.slice(0, 1_000)
  const prove = await best(3, () => picked.map(({ keyHash }) => tree.createProof(hex(keyHash))))
  const proofs = picked.map(({ keyHash }) => tree.createProof(hex(keyHash)))
  const verify = await best(3, () => {
    for (const proof of proofs)
      if (!tree.verifyProof(proof)) throw new TypeError('a proof was refused')
  })
  const count = picked.length
  const bytes = proofs.reduce((sum, { siblings }) => sum + siblings.length * 32, 0) / count
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

async function merkletreejs(size: number): Promise<Cell> {
  const leaves = pairs(size).map(({ valueHash }) => Buffer.from(valueHash))
  const keccak = (bytes: Buffer): Buffer => Buffer.from(hasher.hash(bytes))
  const before = memory()
  const start = now()
  const tree = new MerkleTree(leaves, keccak, { sortPairs: true })
  const root = tree.getRoot()
  const bulk = now() - start
  const perKey = memory() - before
  const picked = leaves.slice(0, 1_000)
  const prove = await best(3, () => picked.map((leaf, i) => tree.getProof(leaf, i)))
  const proofs = picked.map((leaf, i) => tree.getProof(leaf, i))
  const verify = await best(3, () => {
    picked.forEach((leaf, i) => {
      if (!tree.verify(proofs[i] as never, leaf, root)) throw new TypeError('a proof was refused')
    })
  })
  const count = picked.length
  const bytes = (proofs[0] as unknown[]).length * 32
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

async function openzeppelin(size: number): Promise<Cell> {
  const leaves = pairs(size).map(({ valueHash }) => `0x${hex(valueHash)}`)
  const before = memory()
  const start = now()
  const tree = SimpleMerkleTree.of(leaves)
  const bulk = now() - start
  const perKey = memory() - before
  const picked = leaves.slice(0, 300)
  const prove = await best(3, () => picked.map((_, i) => tree.getProof(i)))
  const proofs = picked.map((_, i) => tree.getProof(i))
  const verify = await best(3, () => {
    picked.forEach((leaf, i) => {
      if (!SimpleMerkleTree.verify(tree.root, leaf, proofs[i] as string[]))
        throw new TypeError('a proof was refused')
    })
  })
  const count = picked.length
  const bytes = (proofs[0] as string[]).length * 32
  return {
    bulk: (size / bulk) * 1_000,
    prove: (prove / count) * 1_000,
    verify: (verify / count) * 1_000,
    bytes,
    ...each(perKey, size),
  }
}

async function durable(size: number): Promise<Cell> {
  const path = mkdtempSync(join(tmpdir(), 'bench-tree-'))
  try {
    const store = await lmdbStore({ path })
    const tree = createStateTree({ store, hasher })
    const data = pairs(size)
    const start = performance.now()
    await tree.commit(data, { version: 1 })
    const bulk = performance.now() - start
    const updates: number[] = []
    for (let version = 2; version < 12; version++) {
      const extra = pairs(1_000, version * 10_000_000)
      const at = performance.now()
      await tree.commit(extra, { version })
      updates.push(performance.now() - at)
    }
    updates.sort((a, b) => a - b)
    const disk = store.diskBytes() / size
    await store.close()
    const reopened = await lmdbStore({ path })
    const picked = data.slice(0, 1_000)
    // Each time with nothing loaded; the first ones warm the code up, as in the other cells.
    let prove = Number.POSITIVE_INFINITY
    for (let run = 0; run < 7; run++) {
      const cold = createStateTree({ store: reopened, hasher })
      const at = performance.now()
      for (const { keyHash } of picked) cold.prove(keyHash)
      prove = Math.min(prove, performance.now() - at)
    }
    await reopened.close()
    return {
      bulk: (size / bulk) * 1_000,
      update: updates[5] as number,
      prove: (prove / picked.length) * 1_000,
      disk,
    }
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

const middle = (values: number[]): number =>
  values.sort((a, b) => a - b)[values.length >> 1] as number

/**
 * Commits of 1,500 keys to a tree of `size`, about 5,000 nodes and names of nodes each, and in turn with
 * each the same into a plain LMDB with as much in it, flushed as the tree's, and the same commit to a tree
 * in memory: what it takes to apply and to hash.
 */
async function besideRawLmdb(size: number): Promise<Cell> {
  const path = mkdtempSync(join(tmpdir(), 'bench-tree-'))
  try {
    const store = await lmdbStore({ path: join(path, 'tree') })
    let last: StoreCommit | undefined
    const written: number[] = []
    const watched = {
      ...store,
      commit: async (commit: StoreCommit) => {
        last = commit
        const at = performance.now()
        await store.commit(commit)
        written.push(performance.now() - at)
      },
    }
    const root = open({ path: join(path, 'raw.mdb'), noSubdir: true, overlappingSync: false })
    const plain = root.openDB<Uint8Array, Uint8Array>({
      ...{ name: 'records', keyEncoding: 'binary', encoding: 'binary' },
    })
    const listed = root.openDB<Uint8Array, Uint8Array>({
      ...{ name: 'lists', keyEncoding: 'binary', encoding: 'binary' },
    })
    type Records = (readonly [key: Uint8Array, value: Uint8Array])[]
    const timed = (table: typeof plain, records: Records): number => {
      const at = performance.now()
      root.transactionSync(() => {
        for (const [key, value] of records) void table.put(key, value)
      })
      return performance.now() - at
    }
    const before = (key: Uint8Array): Uint8Array => Buffer.concat([new Uint8Array(8), key])
    /** A record for each name, and lists of names as the store writes them. */
    const write = ({ nodes, stale, version }: StoreCommit): [each: number, lists: number] => {
      const names = [...stale].map((key): Records[number] => [before(key), new Uint8Array(0)])
      const lists = packNames(stale).map((list, i): Records[number] => [
        before(Uint8Array.of(version, i)),
        list,
      ])
      return [timed(plain, [...nodes, ...names]), timed(listed, [...nodes, ...lists])]
    }
    const tree = createStateTree({ store: watched, hasher })
    const inMemory = createStateTree({ store: memoryStore(), hasher })
    await tree.commit(pairs(size), { version: 1 })
    await inMemory.commit(pairs(size), { version: 1 })
    write(last as StoreCommit)
    const ours: number[] = []
    const raw: number[] = []
    const rawLists: number[] = []
    const hashed: number[] = []
    for (let version = 2; version < 42; version++) {
      const extra = pairs(1_500, version * 10_000_000)
      let at = performance.now()
      await tree.commit(extra, { version })
      ours.push(performance.now() - at)
      const [each, lists] = write(last as StoreCommit)
      raw.push(each)
      rawLists.push(lists)
      at = performance.now()
      await inMemory.commit(extra, { version })
      hashed.push(performance.now() - at)
    }
    await store.close()
    await root.close()
    // The first ones warm the code up, as in the other cells.
    const warm = (times: number[]): number => middle(times.slice(-20))
    return {
      ...{ durable: warm(ours), raw: warm(raw), rawLists: warm(rawLists) },
      ...{ hashed: warm(hashed), written: warm(written) },
    }
  } finally {
    rmSync(path, { recursive: true, force: true })
  }
}

/** A window in which `size` artifacts were registered, each by another author. */
async function preparing(size: number): Promise<Cell> {
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

const cells: Record<string, (size: number) => Promise<Cell>> = {
  ours,
  'hash-only recursion, hash-wasm': hashWasmBound,
  'hash-only recursion, our hasher': (size) =>
    bound(
      size,
      (k, v) => hashLeaf(hasher, k, v),
      (l, r) => hashInternal(hasher, l, r),
    ),
  'pure hashing, batched': pureHashing,
  '@ethereumjs/mpt': ethereumjs,
  '@zk-kit/sparse-merkle-tree': zkKit,
  'merkletreejs (static)': merkletreejs,
  '@openzeppelin/merkle-tree (static)': openzeppelin,
  'lmdb, fsynced': durable,
}
/** Cells with a size of their own. */
const single: Record<string, [size: number, cell: (size: number) => Promise<Cell>]> = {
  'beside raw LMDB': [100_000, besideRawLmdb],
  'queue of 2,000': [2_000, preparing],
  'queue of 4,000': [4_000, preparing],
}

function measure(name: string, size: number): Cell | undefined {
  const script = fileURLToPath(import.meta.url)
  const child = spawnSync(
    process.execPath,
    [
      '--expose-gc',
      '--max-old-space-size=6000',
      '--import',
      'tsx',
      script,
      '--cell',
      name,
      String(size),
    ],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 20,
    },
  )
  if (child.status !== 0) {
    process.stderr.write(`${name} at ${size}: ${child.stderr.slice(-500)}\n`)
    return undefined
  }
  return JSON.parse(child.stdout) as Cell
}

/** Rows that are of one size. */
function singleRows(): Row[] {
  const [beside, half, whole] = Object.entries(single).map(([name, [size]]) => measure(name, size))
  const rows: Row[] = []
  if (beside !== undefined) {
    const { durable: whole, raw, rawLists, hashed, written } = beside as Required<typeof beside>
    const shared = { unit: 'ms', better: 'lower' } as const
    rows.push({
      ...{ name: 'lmdb: durable commit of 5,000 nodes to 100,000 keys', ours: whole, ...shared },
      peers: {
        'LMDB alone, a record each': raw,
        'LMDB alone, names in lists': rawLists,
        'the same commit in memory': hashed,
      },
      target: 1.5 * raw,
    })
    rows.push({
      ...{ name: 'lmdb: of it the step that writes and flushes', ours: written, ...shared },
      peers: { 'LMDB alone, a record each': raw, 'LMDB alone, names in lists': rawLists },
      target: 1.5 * raw,
    })
  }
  for (const [count, cell] of [
    ['2,000', half],
    ['4,000', whole],
  ] as const) {
    if (cell?.prepare === undefined) continue
    const row: Row = {
      ...{ name: `prepare a window of ${count} registrations`, ours: cell.prepare, peers: {} },
      ...{ unit: 'ms', better: 'lower' },
    }
    rows.push(count === '4,000' ? { ...row, target: 200 } : row)
  }
  return rows
}

/** Gas of the on-chain verifier, from the checked-in snapshot. */
function gasRows(): Row[] {
  const file = fileURLToPath(
    new URL('../contracts/snapshots/StateTreeVerifier.json', import.meta.url),
  )
  if (!existsSync(file)) return []
  const snapshot = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  return Object.entries(snapshot).map(([name, gas]) => ({
    name: `gas: ${name}`,
    ours: Number(gas),
    unit: 'gas',
    better: 'lower',
    peers: {},
  }))
}

function main(args: readonly string[]): void {
  const quick = args.includes('--quick')
  const full = args.includes('--full')
  const sizes = quick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]
  const slow = new Set(['@ethereumjs/mpt'])
  const rows: Row[] = []
  const labels = {
    bulk: 'bulk load',
    update: '1,000 keys more, one version',
    prove: 'prove',
    verify: 'verify',
    bytes: 'proof size',
    perKey: 'memory',
    disk: 'disk after the updates',
  } as const
  const units: Record<keyof typeof labels, string> = {
    bulk: 'keys/s',
    update: 'ms',
    prove: 'µs',
    verify: 'µs',
    bytes: 'B',
    perKey: 'B/key',
    disk: 'B/key',
  }
  /** In the row's unit. */
  const targetOf = (metric: keyof typeof units, size: number): number | undefined =>
    (
      ({ update: 40, prove: 20, verify: size === 1_000_000 ? 8 : 15, perKey: 600 }) as Partial<
        Record<keyof typeof units, number>
      >
    )[metric]
  const durableTargetOf = (metric: keyof typeof units, size: number): number | undefined =>
    metric === 'prove' ? 40 : metric === 'update' && size === 1_000_000 ? 35 : undefined
  for (const size of sizes) {
    const found = new Map<string, Cell>()
    for (const name of Object.keys(cells)) {
      if (name !== 'ours' && name !== 'lmdb, fsynced' && size > 100_000 && !name.includes('hash'))
        continue
      if (slow.has(name) && size > 10_000 && !full) continue
      if (!args.includes('--json'))
        process.stderr.write(`${name}, ${size.toLocaleString('en')} keys…\n`)
      const cell = measure(name, size)
      if (cell !== undefined) found.set(name, cell)
    }
    const own = found.get('ours')
    const disk = found.get('lmdb, fsynced')
    for (const metric of Object.keys(units) as (keyof typeof units)[]) {
      const peers: Record<string, number> = {}
      for (const [name, cell] of found) {
        if (name !== 'ours' && name !== 'lmdb, fsynced' && cell[metric] !== undefined)
          peers[name] = cell[metric]
      }
      const reference = found.get('hash-only recursion, hash-wasm')?.bulk
      const fixed = found.get('merkletreejs (static)')?.bulk
      const bulk = size === 100_000 && fixed !== undefined ? fixed : 0.7 * (reference ?? 0)
      const target = metric === 'bulk' ? bulk : targetOf(metric, size)
      const better = metric === 'bulk' ? 'higher' : 'lower'
      const row = (
        name: string,
        value: number | undefined,
        rest: Pick<Row, 'peers' | 'target'>,
      ): void => {
        if (value !== undefined)
          rows.push({ name, ours: value, unit: units[metric], better, ...rest })
      }
      const label = `${labels[metric]}, ${size.toLocaleString('en')} keys`
      row(label, own?.[metric], { peers, target })
      row(`lmdb: ${label}`, disk?.[metric], { peers: {}, target: durableTargetOf(metric, size) })
    }
  }
  rows.push(...singleRows(), ...gasRows())
  if (args.includes('--json')) console.log(JSON.stringify({ area: 'tree', rows }))
  else print(rows)
}

function print(rows: readonly Row[]): void {
  const format = (value: number): string =>
    value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
  for (const { name, ours: value, unit, better, peers, target } of rows) {
    const met =
      target === undefined
        ? ''
        : (better === 'higher' ? value >= target : value <= target)
          ? '  target met'
          : '  TARGET MISSED'
    const goal = target === undefined ? '' : ` (target ${format(target)})`
    console.log(`${name.padEnd(52)} ${format(value).padStart(12)} ${unit}${goal}${met}`)
    for (const [peer, theirs] of Object.entries(peers)) {
      const ratio = better === 'higher' ? value / theirs : theirs / value
      console.log(
        `${''.padEnd(4)}${peer.padEnd(48)} ${format(theirs).padStart(12)} ${unit}  ours is ${ratio.toFixed(2)}x`,
      )
    }
  }
}

const args = process.argv.slice(2)
if (args[0] === '--cell') {
  const name = args[1] as string
  const cell = (cells[name] ?? single[name]?.[1]) as (size: number) => Promise<Cell>
  console.log(JSON.stringify(await cell(Number(args[2]))))
} else {
  main(args)
}
