/**
 * Content of a sealed record: `(keyLength(4) ‖ key ‖ 0x00)` for a key that is gone, `(keyLength(4) ‖ key ‖
 * 0x01 ‖ length(4) ‖ value)` for one that is there, any number of them.
 */
import { concatAll, fromUtf8, utf8 } from '../../../internal/bytes.js'
import { SealedStateError } from '../errors.js'

/** Keys with their values; `undefined` for one that is gone. */
export type Content = Iterable<readonly [string, Uint8Array | undefined]>

/** Encodes content. */
export function encodeContent(content: Content): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [key, value] of content) {
    const name = utf8(key)
    parts.push(uint32(name.length), name)
    if (value === undefined) parts.push(Uint8Array.of(0))
    else parts.push(Uint8Array.of(1), uint32(value.length), value)
  }
  return concatAll(parts)
}

/**
 * Decodes content.
 *
 * @throws {SealedStateError} for bytes that are none.
 */
export function decodeContent(bytes: Uint8Array): [string, Uint8Array | undefined][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const content: [string, Uint8Array | undefined][] = []
  let at = 0
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw unreadable()
    at += length
    return bytes.subarray(at - length, at)
  }
  const takeLength = (): number => {
    take(4)
    return view.getUint32(at - 4)
  }
  while (at < bytes.length) {
    const key = fromUtf8(take(takeLength()))
    const [present] = take(1)
    if (present !== 0 && present !== 1) throw unreadable()
    content.push([key, present === 1 ? take(takeLength()).slice() : undefined])
  }
  return content
}

/** Content of a line's last record: who moves the anchor after it, where that is somebody else. */
export function writeEnd({ successor }: { successor: string | undefined }): Uint8Array {
  return utf8(successor ?? '')
}

/** Reads {@link writeEnd}. */
export function readEnd(content: Uint8Array): { successor?: string } {
  return content.length === 0 ? {} : { successor: fromUtf8(content) }
}

function unreadable(): SealedStateError {
  return new SealedStateError({ reason: 'its content is not readable' })
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}
