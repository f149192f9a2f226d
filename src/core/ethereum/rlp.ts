/** RLP as Ethereum writes it: one encoding of each value, everything else refused. */

/** A value: a byte string, or a list with the bytes that it was read from. */
export type RlpValue = Uint8Array | RlpList

/** A list, and its own encoding. */
export type RlpList = { items: readonly RlpValue[]; encoded: Uint8Array }

const maxDepth = 16
const maxItems = 65_536

/**
 * Reads exactly one value.
 *
 * @returns `undefined` for bytes that are none: cut, trailing, longer than needed, or nested too deep.
 */
export function readRlp(bytes: Uint8Array): RlpValue | undefined {
  const budget = { items: maxItems }
  const read = readValue(bytes, 0, { depth: 0, budget })
  return read !== undefined && read.end === bytes.length ? read.value : undefined
}

type Read = { value: RlpValue; end: number }
type Limits = { depth: number; budget: { items: number } }

function readValue(bytes: Uint8Array, at: number, limits: Limits): Read | undefined {
  if (limits.depth > maxDepth || limits.budget.items-- <= 0) return undefined
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 0x80) return { value: bytes.subarray(at, at + 1), end: at + 1 }
  const isList = first >= 0xc0
  const span = readSpan(bytes, at, isList ? 0xc0 : 0x80)
  if (span === undefined) return undefined
  const { start, end } = span
  if (isList) {
    const items = readItems(bytes, span, { ...limits, depth: limits.depth + 1 })
    return items === undefined
      ? undefined
      : { value: { items, encoded: bytes.subarray(at, end) }, end }
  }
  // A single byte below 0x80 is its own encoding.
  if (end - start === 1 && (bytes[start] as number) < 0x80) return undefined
  return { value: bytes.subarray(start, end), end }
}

function readItems(
  bytes: Uint8Array,
  { start, end }: { start: number; end: number },
  limits: Limits,
): RlpValue[] | undefined {
  const items: RlpValue[] = []
  for (let at = start; at < end; ) {
    const item = readValue(bytes, at, limits)
    if (item === undefined || item.end > end) return undefined
    items.push(item.value)
    at = item.end
  }
  return items
}

function readSpan(
  bytes: Uint8Array,
  at: number,
  base: number,
): { start: number; end: number } | undefined {
  const marker = (bytes[at] as number) - base
  let start = at + 1
  let length = marker
  if (marker > 55) {
    const size = marker - 55
    if (size > 4 || start + size > bytes.length || bytes[start] === 0) return undefined
    length = 0
    for (let i = 0; i < size; i++) length = length * 256 + (bytes[start + i] as number)
    // The long form is for what the short one cannot say.
    if (length < 56) return undefined
    start += size
  }
  const end = start + length
  return end > bytes.length ? undefined : { start, end }
}

/** Whether a value is a list. */
export function isRlpList(value: RlpValue | undefined): value is RlpList {
  return value !== undefined && !(value instanceof Uint8Array)
}

/** An unsigned integer of at most `size` bytes without leading zeros, or `undefined`. */
export function rlpInteger(value: RlpValue | undefined, size = 32): bigint | undefined {
  if (!(value instanceof Uint8Array) || value.length > size || value[0] === 0) return undefined
  let integer = 0n
  for (const byte of value) integer = (integer << 8n) | BigInt(byte)
  return integer
}
