import { expect, test } from 'vitest'
import { compareBytes } from '../../../internal/bytes.js'
import { addKey, createKeyList, keysOf, sortKeys } from './nodeKey.js'

test('as many keys as a large commit replaces at one depth are put in order', () => {
  const list = createKeyList(20)
  const path = new Uint8Array(3)
  const count = 200_000
  for (let i = count; i > 0; i--) {
    path[0] = i >> 12
    path[1] = i >> 4
    path[2] = i << 4
    addKey(list, 1, 20, path, 0)
  }
  sortKeys(list)
  const keys = [...keysOf(list)]
  expect(keys.length).toBe(count)
  expect(keys.every((key, i) => i === 0 || compareBytes(keys[i - 1] as Uint8Array, key) < 0)).toBe(
    true,
  )
})
