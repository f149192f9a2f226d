/** The part of XDR (RFC 4506) that build information needs: numbers, fixed bytes, strings. */
import { concatAll, uintToBytes, utf8 } from '../../internal/bytes.js'
import { BuildInfoError } from '../errors.js'

/** Reads a run of XDR values from its beginning. */
export type XdrReader = {
  readonly offset: number
  readonly ended: boolean
  u32(): number
  fixed(size: number): Uint8Array
  /** A string of UTF-8. */
  string(): string
}

/** Reads XDR strictly: anything that an encoder would not write is an error. */
export function xdrReader(bytes: Uint8Array): XdrReader {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let offset = 0
  const take = (size: number): Uint8Array => {
    if (size > bytes.length - offset) throw malformed(`it ends at byte ${bytes.length}`)
    const part = bytes.subarray(offset, offset + size)
    offset += size
    return part
  }
  const u32 = (): number => {
    take(4)
    return view.getUint32(offset - 4)
  }
  return {
    get offset() {
      return offset
    },
    get ended() {
      return offset === bytes.length
    },
    u32,
    fixed: (size) => take(size).slice(),
    string: () => {
      const start = offset
      const text = take(u32())
      if (take((4 - (text.length % 4)) % 4).some((byte) => byte !== 0)) {
        throw malformed(`the padding at byte ${start} is not zero`)
      }
      try {
        return decoder.decode(text)
      } catch (cause) {
        throw malformed(`the string at byte ${start} is not UTF-8`, cause)
      }
    },
  }
}

/** A number of 32 bits. */
export function xdrU32(value: number): Uint8Array {
  return uintToBytes(value, 4)
}

/** A string with its length and padding. */
export function xdrString(text: string): Uint8Array {
  const bytes = utf8(text)
  return concatAll([xdrU32(bytes.length), bytes, new Uint8Array((4 - (bytes.length % 4)) % 4)])
}

function malformed(reason: string, cause?: unknown): BuildInfoError {
  return new BuildInfoError({ fault: 'malformed', reason }, { cause })
}
