/**
 * Arithmetic in the scalar field of BN254, as far as EigenDA's blobs need it: the inverse Fourier
 * transform over powers of two, natural order.
 */
import { GROUP_ORDER } from '../../core/bn254/curve/points.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'

// A primitive 2^28-th root of unity; smaller ones are its squares. Source: EigenDA,
// encoding/constants.go, equal to gnark-crypto's.
const rootOfUnity = 19103219067921713944291392827692070036145651957329286315305642004821462161904n
const maxLog = 28

/** Symbols of 32 bytes, big-endian, as field elements. Each must be below the modulus. */
export function symbolsToScalars(bytes: Uint8Array): bigint[] {
  if (bytes.length % 32 !== 0)
    throw new InvalidInputError({ field: 'bytes', reason: 'expected whole symbols of 32 bytes' })
  const hex = toHex(bytes).slice(2)
  const scalars = new Array<bigint>(bytes.length / 32)
  for (let i = 0; i < scalars.length; i++) {
    const value = BigInt(`0x${hex.slice(i * 64, i * 64 + 64)}`)
    if (value >= GROUP_ORDER)
      throw new InvalidInputError({
        field: `bytes[${i * 32}]`,
        reason: 'the symbol is not below the modulus',
      })
    scalars[i] = value
  }
  return scalars
}

/**
 * Coefficients of the polynomial whose values at the roots of unity are `values`.
 *
 * @param values - A power of two of them. Not changed.
 */
export function inverseFourier(values: readonly bigint[]): bigint[] {
  const size = values.length
  const log = Math.log2(size)
  if (size < 1 || !Number.isInteger(log) || log > maxLog) {
    throw new InvalidInputError({ field: 'values', reason: `expected a power of two, got ${size}` })
  }
  const out = bitReversed(values, log)
  let root = rootOfUnity
  for (let i = log; i < maxLog; i++) root = (root * root) % GROUP_ORDER
  const inverseRoot = power(root, GROUP_ORDER - 2n)
  const twiddles = powers(inverseRoot, Math.max(1, size / 2))
  for (let half = 1; half < size; half *= 2) {
    const stride = size / (2 * half)
    for (let start = 0; start < size; start += 2 * half) {
      for (let i = 0; i < half; i++) {
        const even = out[start + i] as bigint
        const odd =
          ((out[start + i + half] as bigint) * (twiddles[i * stride] as bigint)) % GROUP_ORDER
        const sum = even + odd
        const difference = even - odd
        out[start + i] = sum >= GROUP_ORDER ? sum - GROUP_ORDER : sum
        out[start + i + half] = difference < 0n ? difference + GROUP_ORDER : difference
      }
    }
  }
  const inverseSize = power(BigInt(size), GROUP_ORDER - 2n)
  for (let i = 0; i < size; i++) out[i] = ((out[i] as bigint) * inverseSize) % GROUP_ORDER
  return out
}

/** `1, base, base², …`, `count` of them. */
export function powers(base: bigint, count: number): bigint[] {
  const out = new Array<bigint>(count)
  let value = 1n
  for (let i = 0; i < count; i++) {
    out[i] = value
    value = (value * base) % GROUP_ORDER
  }
  return out
}

/** `base` to the `exponent`, in the field. */
export function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = base % GROUP_ORDER
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % GROUP_ORDER
    square = (square * square) % GROUP_ORDER
  }
  return result
}

function bitReversed(values: readonly bigint[], log: number): bigint[] {
  const out = new Array<bigint>(values.length)
  for (let i = 0; i < values.length; i++) {
    let reversed = 0
    for (let bit = 0; bit < log; bit++) if (i & (1 << bit)) reversed |= 1 << (log - 1 - bit)
    out[reversed] = values[i] as bigint
  }
  return out
}
