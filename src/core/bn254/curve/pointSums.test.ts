import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BlsPublicKey, createBlsKey } from '../keys.js'
import { addG1, addG2, combineG1, joinWindowsG2, windowSumsG2 } from './pointSums.js'
import { G1_INFINITY, G2_INFINITY, GROUP_ORDER } from './points.js'

describe('sums of many points', () => {
  test('agree with one addition after the other, equal, opposite and infinite points included', () => {
    const [a, b, c] = [1n, 2n, 3n].map((k) => createBlsKey(k).publicKey) as [
      BlsPublicKey,
      BlsPublicKey,
      BlsPublicKey,
    ]
    const minus = createBlsKey(GROUP_ORDER - 1n).publicKey
    const of = (k: bigint) => createBlsKey(k).publicKey
    const cases: [BlsPublicKey[], BlsPublicKey | undefined][] = [
      [[a, a], b],
      [[a, b], c],
      [[a, a, a, a, a, a, a], of(7n)],
      [[a, minus], undefined],
      [[a, minus, b, minus, a], of(2n)],
      [[], undefined],
    ]
    for (const [keys, sum] of cases) {
      const infinite = keys.flatMap((key) => [{ pubkey: G1_INFINITY, pubkeyG2: G2_INFINITY }, key])
      for (const list of [keys, infinite]) {
        expect(addG1(list.map(({ pubkey }) => pubkey))).toEqual(sum?.pubkey ?? G1_INFINITY)
        expect(addG2(list.map(({ pubkeyG2 }) => pubkeyG2))).toEqual(sum?.pubkeyG2 ?? G2_INFINITY)
      }
    }
  })

  test('property: a combination is the sum of multiples', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.bigInt(1n, 40n), fc.integer({ min: 0, max: 4_095 })), {
          maxLength: 12,
        }),
        (terms) => {
          const keys = terms.map(([secret]) => createBlsKey(secret).publicKey)
          const digits = [0, 1, 2, 3].map((window) =>
            Uint8Array.from(terms, ([, k]) => (k >> (3 * window)) & 7),
          )
          const total = terms.reduce((sum, [secret, k]) => sum + secret * BigInt(k), 0n)
          const expected = total === 0n ? undefined : createBlsKey(total).publicKey
          const coefficients = { bits: 3, digits }
          expect(
            combineG1(
              keys.map(({ pubkey }) => pubkey),
              coefficients,
            ),
          ).toEqual(expected?.pubkey ?? G1_INFINITY)
          const sums = windowSumsG2(
            keys.map(({ pubkeyG2 }) => pubkeyG2),
            coefficients,
          )
          expect(joinWindowsG2(sums, coefficients)).toEqual(expected?.pubkeyG2 ?? G2_INFINITY)
        },
      ),
      { numRuns: 12 },
    )
  })
})
