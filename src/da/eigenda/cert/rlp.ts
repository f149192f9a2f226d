/**
 * RLP as go-ethereum reads it: canonical forms only, so that one value has one encoding.
 *
 * Source: Ethereum Yellow Paper, appendix B; canonicity rules of go-ethereum's `rlp` package.
 */
import { concat } from '../../../internal/bytes.js'
import { InvalidCommitmentError } from '../errors.js'

/** A decoded item: a byte string or a list of items. */
export type RlpItem = Uint8Array | readonly RlpItem[]

const maxDepth = 16

/** Decodes exactly one item that fills `bytes`. */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  const { item, end } = decodeAt(bytes, 0, bytes.length, 0)
  if (end !== bytes.length) {
    throw new InvalidCommitmentError({
      field: 'cert',
      reason: `${bytes.length - end} bytes follow the certificate`,
    })
  }
  return item
}

/** Encodes an item. */
export function encodeRlp(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array) {
    if (item.length === 1 && (item[0] as number) < 0x80) return item
    return concat(header(0x80, item.length), item)
  }
  const body = concat(...item.map(encodeRlp))
  return concat(header(0xc0, body.length), body)
}

function header(base: number, length: number): Uint8Array {
  if (length <= 55) return Uint8Array.of(base + length)
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Uint8Array.of(base + 55 + digits.length, ...digits)
}

function decodeAt(
  bytes: Uint8Array,
  start: number,
  limit: number,
  depth: number,
): { item: RlpItem; end: number } {
  const first = bytes[start]
  if (start >= limit || first === undefined) fail('it ends inside an item')
  if (depth > maxDepth) fail('lists are nested too deep')
  if (first < 0x80) return { item: bytes.slice(start, start + 1), end: start + 1 }
  const isList = first >= 0xc0
  const base = isList ? 0xc0 : 0x80
  let contentStart = start + 1
  let length = first - base
  if (length > 55) {
    const digits = length - 55
    contentStart += digits
    if (digits > 4 || contentStart > limit) fail('a length is cut short or too long')
    length = 0
    for (let i = start + 1; i < contentStart; i++) length = length * 256 + (bytes[i] as number)
    if (bytes[start + 1] === 0 || length <= 55) fail('a length is not in its shortest form')
  }
  const end = contentStart + length
  if (end > limit) fail('an item claims more bytes than there are')
  if (!isList) {
    const item = bytes.slice(contentStart, end)
    if (length === 1 && (item[0] as number) < 0x80) fail('a byte is not in its shortest form')
    return { item, end }
  }
  const items: RlpItem[] = []
  for (let at = contentStart; at < end; ) {
    const child = decodeAt(bytes, at, end, depth + 1)
    items.push(child.item)
    at = child.end
  }
  return { item: items, end }
}

function fail(reason: string): never {
  throw new InvalidCommitmentError({ field: 'cert', reason: `not canonical RLP: ${reason}` })
}
