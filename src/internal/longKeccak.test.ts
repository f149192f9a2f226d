import { keccak_256 } from '@noble/hashes/sha3.js'
import { expect, test } from 'vitest'
import { toHex } from './bytes.js'
import { keccak } from './keccak.js'
import { accelerateKeccak, longKeccak, longKeccakHex } from './longKeccak.js'

const sample = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255)

test('equals the JavaScript implementation around every boundary', () => {
  const lengths = [0, 1, 135, 136, 137, 16_383, 16_384, 16_385]
  for (let length = 16_384; length < 16_384 + 137; length++) lengths.push(length)
  for (const blocks of [479, 480, 481, 960])
    for (const more of [-1, 0, 1]) lengths.push(blocks * 136 + more)
  for (const length of lengths) {
    const bytes = sample(length)
    expect(longKeccakHex(bytes), String(length)).toBe(toHex(keccak_256(bytes)))
  }
})

test('keeps nothing from one call to the next', () => {
  const bytes = sample(100_000)
  const first = longKeccak(bytes)
  longKeccak(sample(70_001))
  expect(longKeccak(bytes)).toEqual(first)
  const view = bytes.subarray(3, 90_000)
  expect(longKeccak(view)).toEqual(keccak_256(view.slice()))
})

test('accelerated hashes of any length are the same, whatever came before', () => {
  accelerateKeccak()
  const lengths = [...Array(420).keys(), 16_384, 65_279, 65_280, 65_281, 100_000]
  for (const length of [...lengths, ...lengths.reverse()]) {
    const bytes = sample(length)
    expect(toHex(keccak(bytes)), String(length)).toBe(toHex(keccak_256(bytes)))
  }
  expect(keccak(sample(10), sample(200))).toEqual(
    keccak_256(Uint8Array.from([...sample(10), ...sample(200)])),
  )
  // What is not bytes is refused as before.
  expect(() => keccak('text' as never)).toThrow(TypeError)
})
