/** Writes the DER (X.690) of certificates. */
import { concat } from '../../internal/bytes.js'

/** One element: tag, shortest length, content. */
export function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concat(...content)
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff]
  return concat(Uint8Array.of(tag, ...length), body)
}

/** SEQUENCE. */
export function sequence(...content: readonly Uint8Array[]): Uint8Array {
  return der(0x30, ...content)
}

/** Non-negative INTEGER from big-endian bytes. */
export function integer(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const trimmed = bytes.subarray(start)
  return (trimmed[0] ?? 0) >= 0x80 ? der(0x02, Uint8Array.of(0), trimmed) : der(0x02, trimmed)
}

/** OBJECT IDENTIFIER from its encoded content in hex. */
export function oid(hex: string): Uint8Array {
  return der(
    0x06,
    Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)),
  )
}

/** BIT STRING. */
export function bits(bytes: Uint8Array, unused = 0): Uint8Array {
  return der(0x03, Uint8Array.of(unused), bytes)
}

/** BOOLEAN TRUE. */
export const derTrue: Uint8Array = Uint8Array.of(0x01, 0x01, 0xff)

/** UTCTime up to 2049, GeneralizedTime after, of milliseconds since 1970. */
export function time(milliseconds: number): Uint8Array {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '')
  const utc = Number(text.slice(0, 4)) < 2050
  return der(utc ? 0x17 : 0x18, new TextEncoder().encode(utc ? text.slice(2) : text))
}

const attributes: Record<string, string> = {
  CN: '550403',
  C: '550406',
  L: '550407',
  ST: '550408',
  O: '55040a',
  OU: '55040b',
}

/** A distinguished name in the given order, country as PrintableString, the rest as UTF8String. */
export function name(parts: readonly (readonly [string, string])[]): Uint8Array {
  return sequence(
    ...parts.map(([attribute, value]) =>
      der(
        0x31,
        sequence(
          oid(attributes[attribute] as string),
          der(attribute === 'C' ? 0x13 : 0x0c, new TextEncoder().encode(value)),
        ),
      ),
    ),
  )
}
