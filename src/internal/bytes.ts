/**
 * Bytes and hex at the boundary: lower-case `0x` strings outside, `Uint8Array` inside.
 *
 * Browser-safe; no `Buffer`.
 */
import {
  bytesToHex as nobleBytesToHex,
  hexToBytes as nobleHexToBytes,
} from '@noble/hashes/utils.js'
import type { Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'

/** Bytes as `0x` lower-case hex. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${nobleBytesToHex(bytes)}`
}

/** Bytes of a `0x` hex string of any case. Throws `InvalidInputError` naming `field`. */
export function fromHex(hex: string, field = 'hex'): Uint8Array {
  if (typeof hex !== 'string' || !hex.startsWith('0x')) {
    throw new InvalidInputError({ field, reason: 'expected a 0x-prefixed hex string' })
  }
  const bytes = decodeHex(hex)
  if (bytes !== undefined) return bytes
  try {
    // Says what is wrong.
    return nobleHexToBytes(hex.slice(2))
  } catch (cause) {
    throw new InvalidInputError(
      { field, reason: 'expected pairs of hex digits after 0x' },
      { cause },
    )
  }
}

/** Value of each hex digit by its code, and of all else more than 15. */
const digits: Uint8Array = new Uint8Array(256).fill(255)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  digits[digit.charCodeAt(0)] = value
  digits[digit.toUpperCase().charCodeAt(0)] = value
}

/** Every id, hash and address crosses here: a look-up for a digit, and no copy of the text. */
function decodeHex(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0) return undefined
  const out = new Uint8Array(hex.length / 2 - 1)
  for (let i = 0, at = 2; i < out.length; i++, at += 2) {
    const [high, low] = [digits[hex.charCodeAt(at)] ?? 255, digits[hex.charCodeAt(at + 1)] ?? 255]
    if (high > 15 || low > 15) return undefined
    out[i] = (high << 4) | low
  }
  return out
}

/** Bytes of a hex string that must hold exactly `size` bytes. */
export function fixedFromHex(hex: string, size: number, field: string): Uint8Array {
  const bytes = fromHex(hex, field)
  if (bytes.length !== size) {
    throw new InvalidInputError({ field, reason: `expected ${size} bytes, got ${bytes.length}` })
  }
  return bytes
}

/** Joins byte arrays. For lists of any length use {@link concatAll}: arguments are limited in number. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return concatAll(parts)
}

/** Joins the byte arrays of a list. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** Whether two byte arrays are equal. Not constant-time: for public values only. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Orders byte arrays as unsigned big-endian strings. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Unsigned big-endian integer in `size` bytes. Throws `InvalidInputError` when it does not fit. */
export function uintToBytes(value: bigint | number, size: number, field = 'value'): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new InvalidInputError({ field, reason: 'expected a safe integer or a bigint' })
  }
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw new InvalidInputError({ field, reason: 'expected an integer' })
  }
  if (size >= 7 && value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
    return smallToBytes(Number(value), size)
  }
  const rest = BigInt(value)
  if (rest < 0n || rest >= 1n << BigInt(size * 8)) {
    throw new InvalidInputError({
      field,
      reason: `expected an unsigned integer of ${size} bytes, got ${rest}`,
    })
  }
  if (size === 0) return new Uint8Array(0)
  // Digits are several times as fast as arithmetic on large integers.
  return nobleHexToBytes(rest.toString(16).padStart(size * 2, '0'))
}

/** Most integers are small, and arithmetic on bigints is not. */
function smallToBytes(value: number, size: number): Uint8Array {
  const out = new Uint8Array(size)
  for (let i = size - 1, rest = value; rest > 0; i--) {
    out[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return out
}

/** Unsigned big-endian integer of all of `bytes`. */
export function bytesToUint(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${nobleBytesToHex(bytes)}`)
}

const encoder = new TextEncoder()

/** UTF-8 bytes of `text`. Lone surrogates become U+FFFD: check with `isWellFormed` where it matters. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Text of UTF-8 `bytes`. Throws `InvalidInputError` on invalid UTF-8; a byte-order mark is kept. */
export function fromUtf8(bytes: Uint8Array, field = 'bytes'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new InvalidInputError({ field, reason: 'expected valid UTF-8' }, { cause })
  }
}

/**
 * A view of bytes that may come from another realm (an iframe, jsdom, `node:vm`), whose `Uint8Array` is
 * another class; `undefined` for anything else.
 */
export function asBytes(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (!ArrayBuffer.isView(value)) return undefined
  if (Object.prototype.toString.call(value) !== '[object Uint8Array]') return undefined
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
}

/** A copy that nobody else holds, and a plain array: `slice` of a `Buffer` is a view of the same memory. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy
}
