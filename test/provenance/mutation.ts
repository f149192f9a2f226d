/** Bytes that are nearly right, from a seed: the same every time. */
import { concatAll } from '../../src/internal/bytes.js'

export type Generator = {
  below(limit: number): number
  pick<item>(items: readonly item[]): item
  bytes(length: number): Uint8Array
  /** A changed copy; some changes take parts of `other`. */
  mutate(bytes: Uint8Array, other: Uint8Array): Uint8Array
}

/** Values that lengths and counts break at. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]

export function generator(seed: number): Generator {
  let state = seed >>> 0 || 1
  const below = (limit: number): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    state = (state ^ (state >>> 12)) >>> 0
    return limit === 0 ? 0 : state % limit
  }
  const pick = <item>(items: readonly item[]): item => items[below(items.length)] as item
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => below(256))
  const change = (from: Uint8Array, other: Uint8Array): Uint8Array => {
    const at = below(from.length + 1)
    const length = below(Math.min(64, from.length - at) + 1)
    const [head, tail] = [from.subarray(0, at), from.subarray(at)]
    switch (below(8)) {
      case 0:
        return Uint8Array.from(from, (byte, index) =>
          index === at ? byte ^ (1 << below(8)) : byte,
        )
      case 1:
        return concatAll([head, bytes(1 + below(8)), tail])
      case 2:
        return concatAll([head, tail.subarray(length)])
      case 3:
        return head
      case 4:
        // The same again.
        return concatAll([head, tail.subarray(0, length), tail])
      case 5: {
        const value = new Uint8Array(4)
        new DataView(value.buffer).setUint32(0, pick(edges), below(2) === 0)
        return concatAll([head, value, tail.subarray(Math.min(4, tail.length))])
      }
      case 6: {
        const start = below(other.length + 1)
        return concatAll([head, other.subarray(start, start + below(256)), tail])
      }
      default:
        return concatAll([
          head,
          new Uint8Array(length).fill(pick([0, 0xff, 0x2e, 0x2f])),
          tail.subarray(length),
        ])
    }
  }
  return {
    ...{ below, pick, bytes },
    mutate: (from, other) => {
      let made = from
      for (let left = 1 + below(4); left > 0; left--) made = change(made, other)
      return made
    },
  }
}
