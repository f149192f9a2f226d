/** Records of an arena: what is held while they are given back, and that no failure keeps or frees others. */
import { expect, test } from 'vitest'
import { mapStore } from '../../../test/statetree/mapStore.js'
import { modelRoot, seeded } from '../../../test/statetree/model.js'
import { toHex } from '../../internal/bytes.js'
import { CorruptNodeError, VersionNotRetainedError } from '../errors.js'
import { proveUpdate } from '../proof/updateProof.js'
import { createStateTree } from '../stateTree.js'
import { previewRoot } from '../tree/preview.js'
import type { TreeWrite } from '../tree/writes.js'
import { memoryStore } from './memoryStore.js'
import type { StoreCommit } from './store.js'

const next = seeded(41)
const some = (): Uint8Array => new Uint8Array(32).map(() => next(256))
const keys = [...Array(200)].map(some)
const puts = (count = keys.length): { keyHash: Uint8Array; valueHash: Uint8Array }[] =>
  keys.slice(0, count).map((keyHash) => ({ keyHash, valueHash: some() }))
const hex = (bytes: Uint8Array): string => toHex(bytes).slice(2)
const rootOf = (writes: ReturnType<typeof puts>): string =>
  modelRoot(new Map(writes.map(({ keyHash, valueHash }) => [hex(keyHash), hex(valueHash)])))

test('an iterator that was not begun reads its own version, or says that it is pruned', async () => {
  for (const store of [memoryStore(), mapStore()]) {
    const tree = createStateTree({ store })
    await tree.commit(puts(), { version: 1 })
    const expected = [...tree.entries()]
    const [kept, pruned] = [tree.entries(), tree.entries()]
    for (let version = 2; version < 6; version++) await tree.commit(puts(), { version })
    expect([...kept]).toEqual(expected)
    await tree.prune({ oldest: 5 })
    await tree.commit(puts(), { version: 6 })
    expect(() => [...pruned]).toThrow(VersionNotRetainedError)
  }
})

test('an iterator whose version is pruned under it says so, where nodes are not loaded yet', async () => {
  const store = mapStore()
  await createStateTree({ store }).commit(puts(), { version: 1 })
  const tree = createStateTree({ store })
  const entries = tree.entries()
  entries.next()
  await createStateTree({ store }).commit(puts(), { version: 2 })
  await tree.prune({ oldest: 2 })
  expect(() => [...entries]).toThrow(VersionNotRetainedError)
})

test('a commit that comes too late leaves what another tree wrote under its version', async () => {
  const store = mapStore()
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const slow = { ...store, commit: (made: StoreCommit) => gate.then(() => store.commit(made)) }
  const [first, second] = [createStateTree({ store }), createStateTree({ store: slow })]
  await first.commit(puts(), { version: 1 })
  second.root()
  const late = second.commit(puts(), { version: 2 })
  const won = puts()
  await new Promise((resolve) => setTimeout(resolve, 1))
  await first.commit(won, { version: 2 })
  const expected = [...first.entries()]
  // Loaded beside the records of the commit under way, and of the same version.
  expect([...second.entries()]).toEqual(expected)
  open()
  await expect(late).rejects.toMatchObject({ code: 'TREE_VERSION' })
  expect(previewRoot(second, puts())).not.toBe(second.root())
  expect([...second.entries()]).toEqual(expected)
  const after = puts()
  expect((await second.commit(after, { version: 3 })).root).toBe(rootOf(after))
  expect([...second.entries({ version: 2 })]).toEqual(expected)
})

test('previews and proofs that fail half-way leave no records', async () => {
  const store = memoryStore()
  const tree = createStateTree({ store })
  await tree.commit(puts(), { version: 1 })
  const bad = [...puts(20), { keyHash: 'no hash' }] as unknown as TreeWrite[]
  const { live } = tree.view().arena
  expect(() => proveUpdate(tree, bad)).toThrow('keyHash')
  expect(tree.view().arena.live).toBe(live)

  const damaged = mapStore()
  await createStateTree({ store: damaged }).commit(puts(), { version: 1 })
  const last = [...damaged.nodes.keys()].at(-1) as string
  damaged.nodes.delete(last)
  const reading = createStateTree({ store: damaged })
  const fails = (work: () => unknown): void => expect(work).toThrow(CorruptNodeError)
  const inOrder = puts().sort((a, b) => (hex(a.keyHash) < hex(b.keyHash) ? -1 : 1))
  fails(() => previewRoot(reading, inOrder))
  const loaded = reading.view().arena.live
  fails(() => previewRoot(reading, inOrder))
  fails(() => proveUpdate(reading, inOrder))
  expect(reading.view().arena.live).toBe(loaded)
})

test('a root that cannot be read leaves no records, however often it is asked for', async () => {
  for (const count of [1, 200]) {
    const store = mapStore()
    await createStateTree({ store }).commit(puts(count), { version: 1 })
    const whole = [...store.nodes]
    for (const [key, node] of whole) store.nodes.set(key, node.slice().fill(3, 40, 50))
    const tree = createStateTree({ store })
    for (let i = 0; i < 5; i++) expect(() => tree.view()).toThrow(CorruptNodeError)
    for (const [key, node] of whole) store.nodes.set(key, node)
    // The first record is the root's.
    expect(tree.view().root).toBe(1)
  }
})

test('a child that is newer than its node is damage', async () => {
  const store = mapStore()
  await createStateTree({ store }).commit(puts(), { version: 1 })
  const [root] = [...store.nodes.keys()].sort((a, b) => a.length - b.length)
  const node = (store.nodes.get(root as string) as Uint8Array).slice()
  // The version of its first child: what the next commit would take for its own.
  node[5] = 2
  store.nodes.set(root as string, node)
  const tree = createStateTree({ store })
  const reason = /newer/
  await expect(tree.commit(puts(), { version: 2 })).rejects.toThrow(reason)
})
