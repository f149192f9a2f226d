import { expect, test } from 'vitest'
import { allocateLeaf, copyLeaf, createArena, keyHashOf, reserve, valueHashOf } from './arena.js'

test('a leaf is copied whole also when the copy makes the arrays grow', () => {
  const arena = createArena()
  // Large enough to live in a WebAssembly memory, whose old views are too short once it grows.
  reserve(arena, { records: 300_000, leaves: 300_000 })
  const keys = new Uint8Array(32).fill(7)
  const values = new Uint8Array(32).fill(9)
  const source = { keys, keyAt: 0, values, valueAt: 0 }
  let last = 0
  while ((arena.leafNext + 1) * 16 <= arena.leafWords.length) last = allocateLeaf(arena, 1, source)
  const before = arena.leafBytes
  const copy = copyLeaf(arena, last, 2)
  expect(arena.leafBytes.length).toBeGreaterThan(before.length)
  expect(keyHashOf(arena, copy)).toEqual(keys)
  expect(valueHashOf(arena, copy)).toEqual(values)
})
