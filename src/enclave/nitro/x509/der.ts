/**
 * A DER reader (X.690) for exactly what certificates of a Nitro attestation hold: one-byte tags,
 * definite lengths in shortest form, no recursion. Everything it returns is a view of the input.
 */
import { NitroAttestationError } from '../errors.js'

/** One element: its tag, its content, and all of its bytes. */
export type DerElement = { tag: number; content: Uint8Array; bytes: Uint8Array }

/** Tags that certificates use. */
export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  version: 0xa0,
  extensions: 0xa3,
} as const

/** Reads elements one after another. */
export type DerReader = {
  /** Whether everything has been read. */
  done(): boolean
  /** Tag of the next element, or -1 at the end. */
  peek(): number
  /** Reads the next element, which must have `tag`. */
  next(tag: number): DerElement
  /** Reads the next element of any tag. */
  any(): DerElement
  /** Refuses anything that is left. */
  end(): void
}

/** Fails with `CERT_DER`. */
export function derFault(details: string): NitroAttestationError {
  return new NitroAttestationError({ code: 'CERT_DER', stage: 'chain', details })
}

/** Reads the elements of `bytes`, refusing lengths that are not shortest or that run past the end. */
export function derReader(bytes: Uint8Array): DerReader {
  let offset = 0
  const any = (): DerElement => {
    const start = offset
    const tag = byteAt(bytes, offset++)
    if ((tag & 0x1f) === 0x1f) throw derFault('a tag number above 30')
    let length = byteAt(bytes, offset++)
    if (length >= 0x80) {
      const octets = length & 0x7f
      if (octets === 0 || octets > 2) throw derFault('an indefinite or oversized length')
      length = 0
      for (let i = 0; i < octets; i++) length = (length << 8) | byteAt(bytes, offset++)
      if (length < 0x80 || (octets === 2 && length < 0x100))
        throw derFault('a length that is not shortest')
    }
    if (length > bytes.length - offset) throw derFault('an element runs past its container')
    const content = bytes.subarray(offset, offset + length)
    offset += length
    return { tag, content, bytes: bytes.subarray(start, offset) }
  }
  const reader: DerReader = {
    done: () => offset === bytes.length,
    peek: () => (offset < bytes.length ? (bytes[offset] as number) : -1),
    next: (tag) => {
      const element = any()
      if (element.tag !== tag) {
        throw derFault(`expected tag 0x${tag.toString(16)}, got 0x${element.tag.toString(16)}`)
      }
      return element
    },
    any,
    end: () => {
      if (offset !== bytes.length) throw derFault('bytes after the end')
    },
  }
  return reader
}

/** Content of a non-negative INTEGER without its sign octet; refuses longer forms and negatives. */
export function unsignedInteger(element: DerElement): Uint8Array {
  const { content } = element
  const [first, second] = content
  if (first === undefined) throw derFault('an empty INTEGER')
  if (first >= 0x80) throw derFault('a negative INTEGER')
  if (first === 0 && content.length > 1) {
    if ((second as number) < 0x80) throw derFault('an INTEGER that is not shortest')
    return content.subarray(1)
  }
  return content
}

/** BOOLEAN in DER: 0x00 or 0xff only. */
export function derBoolean(element: DerElement): boolean {
  const [value] = element.content
  if (element.content.length !== 1 || (value !== 0x00 && value !== 0xff)) {
    throw derFault('a BOOLEAN that is neither 00 nor ff')
  }
  return value === 0xff
}

/** Content of a BIT STRING with the number of its unused bits, which must be zero. */
export function bitString(element: DerElement): { unused: number; bits: Uint8Array } {
  const unused = element.content[0]
  const bits = element.content.subarray(1)
  if (unused === undefined || unused > 7 || (bits.length === 0 && unused !== 0)) {
    throw derFault('a BIT STRING with a wrong count of unused bits')
  }
  const last = bits[bits.length - 1] ?? 0
  if ((last & ((1 << unused) - 1)) !== 0)
    throw derFault('a BIT STRING with set bits that are unused')
  return { unused, bits }
}

/**
 * Time of a UTCTime or GeneralizedTime in the forms RFC 5280 section 4.1.2.5 allows, in milliseconds.
 * Refuses days that do not exist.
 */
export function derTime(element: DerElement): number {
  const text = String.fromCharCode(...element.content)
  const utc = element.tag === derTags.utcTime
  if (!utc && element.tag !== derTags.generalizedTime)
    throw derFault('a validity that is not a time')
  if (!(utc ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text))
    throw derFault(`a time written as ${JSON.stringify(text)}`)
  const short = Number(text.slice(0, 2))
  const year = utc ? (short < 50 ? 2000 + short : 1900 + short) : Number(text.slice(0, 4))
  // RFC 5280: dates through 2049 are UTCTime, later ones GeneralizedTime.
  if (!utc && year < 2050) throw derFault('a GeneralizedTime before 2050')
  const rest = utc ? text.slice(2) : text.slice(4)
  const part = (index: number): number => Number(rest.slice(index * 2, index * 2 + 2))
  const time = Date.UTC(year, part(0) - 1, part(1), part(2), part(3), part(4))
  const back = new Date(time)
  const same =
    back.getUTCMonth() === part(0) - 1 &&
    back.getUTCDate() === part(1) &&
    back.getUTCHours() === part(2) &&
    back.getUTCMinutes() === part(3) &&
    back.getUTCSeconds() === part(4)
  if (!same) throw derFault(`a time that does not exist: ${JSON.stringify(text)}`)
  return time
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const value = bytes[offset]
  if (value === undefined) throw derFault('an element is cut short')
  return value
}
