/** Takes the content codings off a response's body, within a limit. */
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, type ZlibOptions } from 'node:zlib'
import { type ContentCoding, ResponseTooLargeError } from '../plugins/http.js'

/** Coded bytes that may come beyond the limit on decoded ones: headers and empty blocks. */
export const CODING_OVERHEAD = 65_536

type Decode = (body: Uint8Array, options: ZlibOptions) => Promise<Uint8Array>

const decoders: Readonly<Record<ContentCoding, Decode>> = {
  gzip: promisify<Uint8Array, ZlibOptions, Uint8Array>(gunzip),
  br: promisify<Uint8Array, ZlibOptions, Uint8Array>(brotliDecompress),
  // Half the servers send the bare stream under this name; the first byte of the wrapped one tells.
  deflate: (body, options) =>
    promisify<Uint8Array, ZlibOptions, Uint8Array>(
      ((body[0] ?? 0) & 0x0f) === 8 ? inflate : inflateRaw,
    )(body, options),
}

/**
 * Decodes `body`, the last coding first. A small body that stands for a large one costs no more than
 * the limit.
 *
 * @throws {ResponseTooLargeError} for more than `limit` bytes.
 */
export async function decodeBody(
  body: Uint8Array,
  codings: readonly ContentCoding[],
  limit: number,
): Promise<Uint8Array> {
  let bytes = body
  for (const [index, coding] of [...codings].reverse().entries()) {
    // Nothing is nothing in every coding.
    if (bytes.length === 0) break
    const room = limit + (index === codings.length - 1 ? 0 : CODING_OVERHEAD)
    try {
      const decoded = await decoders[coding](bytes, { maxOutputLength: Math.max(room, 1) })
      bytes = new Uint8Array(decoded)
    } catch (cause) {
      if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
        throw new ResponseTooLargeError(limit)
      throw cause
    }
  }
  if (bytes.length > limit) throw new ResponseTooLargeError(limit)
  return bytes
}
