/**
 * A small CBOR reader (RFC 8949) for input that nobody vouches for.
 *
 * It reads major types 0 to 5, `false`, `true` and `null`, under budgets for depth and item count,
 * and never allocates by a length that the input only promises. Byte strings are views of the input.
 */
import { EnclaveCborError } from './errors.js'

/** A decoded CBOR value. Integers outside ±(2^53 - 1) are bigints. */
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CborValue[]
  | CborMap

/** A decoded CBOR map. Keys are integers, text or byte strings in hex with the prefix `h'`. */
export type CborMap = Map<string | number | bigint, CborValue>

/** What {@link readCbor} accepts. */
export type CborReadOptions = {
  /** Deepest nesting of arrays and maps. @default 16 */
  depth?: number | undefined
  /** Most values in all, containers included. @default 4096 */
  items?: number | undefined
  /**
   * `strict` is RFC 8949 section 4.2.1: definite lengths, shortest heads, keys sorted by their bytes.
   * `lenient` also takes indefinite maps and arrays, longer heads, and any order of keys.
   */
  form: 'strict' | 'lenient'
}

type State = {
  bytes: Uint8Array
  view: DataView
  offset: number
  items: number
  depth: number
  strict: boolean
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const BREAK: unique symbol = Symbol('break')

/**
 * Reads one CBOR value that fills `bytes` exactly.
 *
 * @throws {EnclaveCborError} whose `fault` says what is wrong and `offset` where.
 * @example
 * ```ts
 * import { readCbor } from '@newton/policy-sdk/enclave'
 *
 * readCbor(Uint8Array.of(0x82, 0x01, 0x02), { form: 'strict' }) // [1, 2]
 * ```
 */
export function readCbor(bytes: Uint8Array, options: CborReadOptions): CborValue {
  const { depth = 16, items = 4096, form } = options
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const state: State = { bytes, view, offset: 0, items, depth, strict: form === 'strict' }
  const value = readValue(state, false)
  if (state.offset !== bytes.length)
    throw new EnclaveCborError({ fault: 'trailing', offset: state.offset })
  return value as CborValue
}

/** Head of one item: major type, argument, and whether the length is indefinite. */
export type CborHead = {
  major: number
  argument: number | bigint
  indefinite: boolean
  size: number
}

/**
 * Reads the head of the item at `offset` without touching its content.
 *
 * @throws {EnclaveCborError}
 */
export function readCborHead(view: DataView, offset: number, strict: boolean): CborHead {
  const malformed = (): EnclaveCborError => new EnclaveCborError({ fault: 'malformed', offset })
  const left = view.byteLength - offset
  if (left < 1) throw malformed()
  const first = view.getUint8(offset)
  const major = first >> 5
  const info = first & 31
  if (info < 24) return { major, argument: info, indefinite: false, size: 1 }
  if (info === 31) {
    if (major < 2 || major === 6) throw malformed()
    return { major, argument: 0, indefinite: true, size: 1 }
  }
  if (info > 27 || left < 1 + (1 << (info - 24))) throw malformed()
  if (info === 24) return headOf(view.getUint8(offset + 1), 24, 2)
  if (info === 25) return headOf(view.getUint16(offset + 1), 2 ** 8, 3)
  if (info === 26) return headOf(view.getUint32(offset + 1), 2 ** 16, 5)
  const wide = view.getBigUint64(offset + 1)
  if (strict && wide < 2n ** 32n) throw new EnclaveCborError({ fault: 'noncanonical', offset })
  const argument = wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide
  return { major, argument, indefinite: false, size: 9 }

  function headOf(argument: number, least: number, size: number): CborHead {
    if (strict && argument < least) throw new EnclaveCborError({ fault: 'noncanonical', offset })
    // Simple values below 32 in two bytes are not well-formed (RFC 8949 section 3.3).
    if (major === 7) throw malformed()
    return { major, argument, indefinite: false, size }
  }
}

function readValue(state: State, breakAllowed: boolean): CborValue | typeof BREAK {
  const at = state.offset
  if (--state.items < 0) throw new EnclaveCborError({ fault: 'budget', offset: at })
  const head = readCborHead(state.view, at, state.strict)
  state.offset += head.size
  const { major, argument } = head
  if (major === 7) {
    if (head.indefinite) {
      if (breakAllowed) return BREAK
      throw new EnclaveCborError({ fault: 'malformed', offset: at })
    }
    if (argument === 20) return false
    if (argument === 21) return true
    if (argument === 22) return null
    throw new EnclaveCborError({ fault: 'unsupported', offset: at })
  }
  if (head.indefinite && (state.strict || major < 4)) {
    // Chunked strings do not occur in what we read, and would copy.
    throw new EnclaveCborError({ fault: state.strict ? 'noncanonical' : 'unsupported', offset: at })
  }
  switch (major) {
    case 0:
      return argument
    case 1:
      return typeof argument === 'number' && argument < Number.MAX_SAFE_INTEGER
        ? -1 - argument
        : -1n - BigInt(argument)
    case 2:
      return take(state, argument, at)
    case 3:
      return readText(state, argument, at)
    case 4:
      return readArray(state, head, at)
    case 5:
      return readMap(state, head, at)
    default:
      throw new EnclaveCborError({ fault: 'unsupported', offset: at })
  }
}

function take(state: State, length: number | bigint, at: number): Uint8Array {
  if (typeof length !== 'number' || length > state.bytes.length - state.offset) {
    throw new EnclaveCborError({ fault: 'malformed', offset: at })
  }
  const out = state.bytes.subarray(state.offset, state.offset + length)
  state.offset += length
  return out
}

function readText(state: State, length: number | bigint, at: number): string {
  const bytes = take(state, length, at)
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new EnclaveCborError({ fault: 'utf8', offset: at }, { cause })
  }
}

function enter(state: State, at: number): void {
  if (--state.depth < 0) throw new EnclaveCborError({ fault: 'budget', offset: at })
}

/** Each element takes a byte or more, so a count above what is left cannot be honest. */
function assertCount(state: State, count: number | bigint, width: number, at: number): number {
  if (typeof count !== 'number' || count * width > state.bytes.length - state.offset) {
    throw new EnclaveCborError({ fault: 'malformed', offset: at })
  }
  return count
}

function readArray(state: State, head: CborHead, at: number): CborValue[] {
  enter(state, at)
  const count = head.indefinite
    ? Number.POSITIVE_INFINITY
    : assertCount(state, head.argument, 1, at)
  const out: CborValue[] = []
  while (out.length < count) {
    const value = readValue(state, head.indefinite)
    if (value === BREAK) break
    out.push(value)
  }
  state.depth++
  return out
}

function readMap(state: State, head: CborHead, at: number): CborMap {
  enter(state, at)
  const count = head.indefinite
    ? Number.POSITIVE_INFINITY
    : assertCount(state, head.argument, 2, at)
  const out: CborMap = new Map()
  let previous: Uint8Array | undefined
  for (let read = 0; read < count; read++) {
    const keyAt = state.offset
    const value = readValue(state, head.indefinite)
    if (value === BREAK) break
    const key = keyOf(value, keyAt)
    if (state.strict) {
      const encoded = state.bytes.subarray(keyAt, state.offset)
      if (previous !== undefined && compare(previous, encoded) > 0) {
        throw new EnclaveCborError({ fault: 'noncanonical', offset: keyAt })
      }
      previous = encoded
    }
    if (out.has(key)) throw new EnclaveCborError({ fault: 'duplicate', offset: keyAt })
    const content = readValue(state, false)
    out.set(key, content as CborValue)
  }
  state.depth++
  return out
}

function keyOf(value: CborValue, offset: number): string | number | bigint {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint')
    return value
  throw new EnclaveCborError({ fault: 'unsupported', offset })
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
