/**
 * Deterministic CBOR (RFC 8949 section 4.2.1): shortest heads, definite lengths, keys sorted by their
 * encoded bytes. What the wire protocol sends; the same value always gives the same bytes.
 */
import { InvalidInputError } from '../../errors/common.js'
import { compareBytes, concatAll } from '../../internal/bytes.js'

/** What {@link writeCbor} encodes. Object members that are `undefined` are left out. */
export type CborInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly CborInput[]
  | ReadonlyMap<string | number, CborInput>
  | { readonly [key: string]: CborInput | undefined }

const encoder = new TextEncoder()

/**
 * Encodes `value` as deterministic CBOR.
 *
 * @throws {InvalidInputError} for a fraction, an integer beyond 64 bits, or a type that CBOR has not.
 * @example
 * ```ts
 * import { writeCbor } from '@newton/policy-sdk/enclave'
 *
 * writeCbor({ b: 1, a: [true, null] })
 * ```
 */
export function writeCbor(value: CborInput): Uint8Array {
  const parts: Uint8Array[] = []
  write(value, parts, 0)
  return concatAll(parts)
}

/** The head of an item: major type and argument, shortest form. */
export function cborHead(major: number, argument: number | bigint): Uint8Array {
  const tag = major << 5
  if (argument < 24) return Uint8Array.of(tag | Number(argument))
  if (argument < 2 ** 8) return Uint8Array.of(tag | 24, Number(argument))
  const out = new Uint8Array(argument < 2 ** 16 ? 3 : argument < 2 ** 32 ? 5 : 9)
  const view = new DataView(out.buffer)
  if (out.length === 3) view.setUint16(1, Number(argument))
  else if (out.length === 5) view.setUint32(1, Number(argument))
  else view.setBigUint64(1, BigInt(argument))
  out[0] = tag | (out.length === 3 ? 25 : out.length === 5 ? 26 : 27)
  return out
}

function write(value: CborInput, parts: Uint8Array[], depth: number): void {
  if (depth > 32)
    throw new InvalidInputError({ field: 'value', reason: 'nested deeper than 32 levels' })
  if (value === null) parts.push(Uint8Array.of(0xf6))
  else if (typeof value === 'boolean') parts.push(Uint8Array.of(value ? 0xf5 : 0xf4))
  else if (typeof value === 'number' || typeof value === 'bigint') parts.push(integer(value))
  else if (typeof value === 'string') text(value, parts)
  else if (value instanceof Uint8Array) parts.push(cborHead(2, value.length), value)
  else if (Array.isArray(value)) {
    parts.push(cborHead(4, value.length))
    for (const item of value as readonly CborInput[]) write(item, parts, depth + 1)
  } else if (typeof value === 'object') map(value as object, parts, depth)
  else throw new InvalidInputError({ field: 'value', reason: `CBOR has no ${typeof value}` })
}

function integer(value: number | bigint): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new InvalidInputError({ field: 'value', reason: 'expected an integer' })
  }
  const wide = BigInt(value)
  const argument = wide < 0n ? -1n - wide : wide
  if (argument >= 2n ** 64n) {
    throw new InvalidInputError({ field: 'value', reason: 'expected an integer of 64 bits' })
  }
  return cborHead(wide < 0n ? 1 : 0, argument)
}

function text(value: string, parts: Uint8Array[]): void {
  const bytes = encoder.encode(value)
  parts.push(cborHead(3, bytes.length), bytes)
}

function map(value: object, parts: Uint8Array[], depth: number): void {
  const entries: (readonly [string | number, CborInput | undefined])[] =
    value instanceof Map ? [...value.entries()] : Object.entries(value)
  const encoded: { key: Uint8Array; content: Uint8Array }[] = []
  for (const [key, item] of entries) {
    if (item === undefined) continue
    const content: Uint8Array[] = []
    write(item, content, depth + 1)
    encoded.push({ key: writeCbor(key), content: concatAll(content) })
  }
  encoded.sort((a, b) => compareBytes(a.key, b.key))
  parts.push(cborHead(5, encoded.length))
  for (const { key, content } of encoded) parts.push(key, content)
}
