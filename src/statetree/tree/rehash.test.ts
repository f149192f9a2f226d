import { expect, test } from 'vitest'
import { seeded } from '../../../test/statetree/model.js'
import { defaultHasher } from '../hash/hasher.js'
import { applyRun, placeRoot } from './apply.js'
import { createArena, EMPTY, leafCountOf } from './arena.js'
import { collectWritten, noneWritten, rehash } from './rehash.js'
import { prepareWrites } from './writes.js'

const next = seeded(29)
/** Keys that share long prefixes, so that leaves move down. */
const key = (): Uint8Array =>
  new Uint8Array(32).map((_, i) => (i < 2 || i > 29 ? next(i === 0 ? 2 : 256) : 7))

test('what a run of puts takes down is what a walk over the tree finds', () => {
  const arena = createArena()
  const known: Uint8Array[] = []
  let root = EMPTY
  for (const version of [1, 2, 3, 2 ** 32, 2 ** 32 + 3, 2 ** 50]) {
    const added = [...Array(1 + next(60))].map(key)
    const again = known.filter(() => next(3) === 0)
    known.push(...added)
    const writes = [...added, ...again].map((keyHash) => ({ keyHash, valueHash: key() }))
    const [run] = prepareWrites(writes, defaultHasher())
    if (run === undefined) throw new TypeError('there are writes')
    const written = noneWritten({ keys: true })
    const state = { arena, version, stale: [], staleLeaves: 0, load: () => {}, written }
    root = placeRoot(state, applyRun(state, root, run))
    const found = collectWritten(arena, root, version, { keys: true })
    const sorted = (ids: readonly number[]): number[] => [...ids].sort((a, b) => a - b)
    expect(sorted(written.leaves.list)).toEqual(sorted(found.leaves.list))
    expect(written.inner).toEqual(found.inner)
    expect(written.nodes).toEqual(found.nodes)
    expect(written.counts).toEqual(found.counts)
    rehash(arena, written, defaultHasher())
    const distinct = new Set(known.map((bytes) => bytes.join()))
    expect(leafCountOf(arena, root)).toBe(distinct.size)
  }
})
