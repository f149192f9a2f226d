import { keccak_256 } from '@noble/hashes/sha3.js'
import { describe, expect, test } from 'vitest'
import { seeded } from '../../../test/statetree/model.js'
import { foldPath, hashInternal, hashLeaf, keccakHasher, sha256Hasher } from './hasher.js'

const next = seeded(11)
const random = (length: number): Uint8Array => new Uint8Array(length).map(() => next(256))

describe('the WebAssembly engine gives the bytes of @noble/hashes', () => {
  const wasm = keccakHasher()
  const noble = keccakHasher({ engine: 'noble' })

  test('any length, around every block boundary', () => {
    for (const length of [
      0, 1, 31, 135, 136, 137, 271, 272, 273, 32_000, 32_640, 32_641, 70_001, 200_000,
    ]) {
      const bytes = random(length)
      expect(wasm.hash(bytes)).toEqual(keccak_256(bytes))
    }
    for (let i = 0; i < 60; i++) {
      const bytes = random(next(900))
      expect(wasm.hash(bytes)).toEqual(keccak_256(bytes))
    }
  })

  test('batches of any size', () => {
    for (const count of [0, 1, 2, 3, 7, 64, 511, 512]) {
      const input = random(count * 64)
      for (const kind of ['leaves', 'internals'] as const) {
        for (const hasher of [wasm, noble]) {
          hasher.inputBytes.set(input)
          hasher[kind](count)
        }
        expect(wasm.outputBytes.slice(0, count * 32)).toEqual(
          noble.outputBytes.slice(0, count * 32),
        )
      }
    }
  })

  test('folds of any depth', () => {
    for (const depth of [0, 1, 2, 31, 32, 33, 255, 256]) {
      const path = {
        start: random(32),
        siblings: [...Array(depth)].map(() => random(32)),
        keyHash: random(32),
      }
      expect(foldPath(wasm, path)).toEqual(foldPath(noble, path))
    }
  })

  test('a leaf is no inner node, and neither is plain concatenation', () => {
    const [a, b] = [random(32), random(32)]
    for (const hasher of [wasm, noble, sha256Hasher()]) {
      const plain = hasher.hash(Uint8Array.from([...a, ...b]))
      expect(hashLeaf(hasher, a, b)).not.toEqual(hashInternal(hasher, a, b))
      expect(hashLeaf(hasher, a, b)).not.toEqual(plain)
      expect(hashInternal(hasher, a, b)).not.toEqual(plain)
    }
  })

  test('published value: the inner node of two empty ones', () => {
    const empty = new TextEncoder().encode('SPARSE_MERKLE_PLACEHOLDER_HASH__')
    const hash = hashInternal(wasm, empty, empty)
    expect(Buffer.from(hash).toString('hex')).toBe(
      'bdc13686922ade041df82bbd24076e370950ae47549d80561188717c180e9d3d',
    )
  })
})
