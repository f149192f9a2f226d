import { bn254 } from '@noble/curves/bn254.js'
import { describe, expect, test, vi } from 'vitest'
import { toHex, uintToBytes, utf8 } from '../../../internal/bytes.js'
import { nobleBackend } from '../backend.js'
import { fromNobleG2, type NobleG2 } from '../curve/points.js'
import { isInG2Subgroup } from '../curve/subgroup.js'
import { blsKeyFromSeed } from '../keys.js'
import { createOperatorTable, type TableOperator } from '../operatorTable.js'

describe('subgroup of G2', () => {
  const { Fp2, Fp, Fr } = bn254.fields
  const parameter = 4965661367192848881n
  const cofactor = 2n * Fp.ORDER - Fr.ORDER
  const times = (point: NobleG2, scalar: bigint): NobleG2 => {
    let sum: NobleG2 = bn254.G2.Point.ZERO
    for (const bit of scalar.toString(2)) {
      sum = sum.double()
      if (bit === '1') sum = sum.add(point)
    }
    return sum
  }
  /** A point of the curve, in the subgroup with a chance of 1 / cofactor. */
  const onCurve = (start: bigint): NobleG2 => {
    for (let c0 = start; ; c0++) {
      const x = { c0, c1: 1n }
      const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), bn254.G2.Point.CURVE().b)
      try {
        return bn254.G2.Point.fromAffine({ x, y: Fp2.sqrt(right) })
      } catch {}
    }
  }

  test('no point outside satisfies the equation of the check', () => {
    const { ORDER: p } = Fp
    const trace = 6n * parameter * parameter + 1n
    const x = parameter
    expect(36n * x ** 4n + 36n * x ** 3n + 24n * x ** 2n + 6n * x + 1n).toBe(p)
    // (x + 1) + xψ + xψ² - 2xψ³, reduced by ψ² = tψ - p to a + bψ.
    const coefficients = [parameter + 1n, parameter, parameter, -2n * parameter]
    while (coefficients.length > 2) {
      const top = coefficients.pop() as bigint
      const at = coefficients.length
      coefficients[at - 1] = (coefficients[at - 1] as bigint) + trace * top
      coefficients[at - 2] = (coefficients[at - 2] as bigint) - p * top
    }
    const [a, b] = coefficients as [bigint, bigint]
    const resultant = a * a + a * b * trace + b * b * p
    const gcd = (m: bigint, n: bigint): bigint => (n === 0n ? m : gcd(n, m % n))
    expect(resultant % Fr.ORDER).toBe(0n)
    expect(gcd(resultant, cofactor)).toBe(1n)
    expect(gcd(Fr.ORDER, cofactor)).toBe(1n)
  })

  test('agrees with multiplication by the order, small factors of the cofactor included', () => {
    for (const start of [1n, 5n, 9n]) {
      const outside = onCurve(start)
      const inside = times(outside, cofactor)
      const small = times(outside, (cofactor / 10_069n) * Fr.ORDER)
      expect(small.is0()).toBe(false)
      expect(times(small, 10_069n).is0()).toBe(true)
      for (const point of [outside, inside, small, inside.add(small), inside.negate()]) {
        expect(isInG2Subgroup(point)).toBe(times(point, Fr.ORDER).is0())
      }
    }
    expect(isInG2Subgroup(bn254.G2.Point.ZERO)).toBe(true)
  })

  test('a table names the one key that is outside, or of another secret', () => {
    const small = times(onCurve(1n), (cofactor / 10_069n) * Fr.ORDER)
    const entry = (index: number, seed: string): TableOperator => ({
      operator: toHex(uintToBytes(index + 1, 20)),
      ...blsKeyFromSeed(utf8(`${seed} ${index}`)).publicKey,
      weights: [1n],
    })
    for (const [size, at] of [
      [4, 2],
      [40, 33],
    ] as const) {
      const members = Array.from({ length: size }, (_, index) => entry(index, `table of ${size}`))
      const good = members[at] as TableOperator
      const { X, Y } = good.pubkeyG2
      const key = bn254.G2.Point.fromAffine({
        x: { c0: X[1], c1: X[0] },
        y: { c0: Y[1], c1: Y[0] },
      })
      const moved = fromNobleG2(key.add(small))
      const outside = members.map((one, i) => (i === at ? { ...one, pubkeyG2: moved } : one))
      expect(() => createOperatorTable(outside)).toThrow(
        `\`operators[${at}].pubkeyG2\` is not a usable G2 point: it is not in the subgroup`,
      )
      const foreign = entry(at, 'foreign').pubkeyG2
      const mixed = members.map((one, i) => (i === at ? { ...one, pubkeyG2: foreign } : one))
      expect(() => createOperatorTable(mixed)).toThrow(`operators[${at}] have different secrets`)
      expect(createOperatorTable(members).info.numOperators).toBe(BigInt(size))
      // What was remembered of good keys says nothing of a pair that was never checked.
      expect(() => createOperatorTable(mixed)).toThrow('different secrets')
    }
  })

  test('keys that passed are not checked again', () => {
    const checks = vi.fn(nobleBackend.isInSubgroup)
    const backend = { ...nobleBackend, isInSubgroup: checks }
    const entry = (index: number): TableOperator => ({
      operator: toHex(uintToBytes(index + 1, 20)),
      ...blsKeyFromSeed(utf8(`remembered ${index}`)).publicKey,
      weights: [1n],
    })
    createOperatorTable([entry(0), entry(1)], { backend })
    expect(checks).toHaveBeenCalledTimes(2)
    createOperatorTable([entry(0), entry(1), entry(2)], { backend })
    expect(checks).toHaveBeenCalledTimes(3)
  })
})
