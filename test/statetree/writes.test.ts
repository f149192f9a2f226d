import { expect, test } from 'vitest'
import { defaultHasher } from '../../src/statetree/hash/hasher.js'
import { prepareWrites, type TreeWrite, WRITE_BYTES } from '../../src/statetree/tree/writes.js'
import { seeded } from './model.js'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Keys as hashes are, keys that begin alike up to any byte, and few that come again and again. */
const kinds: Record<string, (next: (below: number) => number) => Uint8Array> = {
  hashes: (next) => new Uint8Array(32).map(() => next(256)),
  'common beginnings': (next) => {
    const shared = next(33)
    return new Uint8Array(32).map((_, i) => (i < shared ? 0xa5 : next(3)))
  },
  'a few': (next) => new Uint8Array(32).fill(next(5)),
  'the least and the largest': (next) => new Uint8Array(32).fill(next(2) * 255),
}

test.each(Object.keys(kinds))(
  'runs are in order, each key once, with its last write: %s',
  (name) => {
    const next = seeded(31)
    const key = kinds[name] as (typeof kinds)[string]
    for (const count of [0, 1, 2, 3, 17, 40, 400, 3_000]) {
      const writes: TreeWrite[] = [...Array(count)].map(() => ({
        keyHash: key(next),
        valueHash: count > 100 || next(4) > 0 ? new Uint8Array(32).map(() => next(256)) : null,
      }))
      const expected: [put: boolean, of: Map<string, string>][] = []
      for (const { keyHash, valueHash } of writes) {
        const put = valueHash !== null
        if (expected.at(-1)?.[0] !== put) expected.push([put, new Map()])
        const value = put ? hex(valueHash as Uint8Array) : '00'.repeat(32)
        expected.at(-1)?.[1].set(hex(keyHash as Uint8Array), value)
      }
      const runs = prepareWrites(writes, defaultHasher())
      expect(runs.map(({ put }) => put)).toEqual(expected.map(([put]) => put))
      runs.forEach((run, i) => {
        const found = [...Array(run.count).keys()].map((j) =>
          hex(run.bytes.subarray(j * WRITE_BYTES, (j + 1) * WRITE_BYTES)),
        )
        const wanted = [...(expected[i]?.[1] ?? [])].map(([k, v]) => k + v).sort()
        expect(found.join()).toBe(wanted.join())
        expect(new Uint8Array(run.words.buffer)).toEqual(run.bytes)
      })
    }
  },
)
