/**
 * Reads bytes of a component in order.
 */
import { PluginComponentError } from '../errors.js'

/** A place in the bytes, which every read moves on. */
export type ByteReader = ReturnType<typeof byteReader>

/** Reads `bytes` from `start`. Its functions throw {@link PluginComponentError} past the end. */
export function byteReader(bytes: Uint8Array, start: number) {
  let at = start
  const byte = (): number => {
    const value = bytes[at++]
    if (value === undefined) throw new PluginComponentError('it ends too early')
    return value
  }
  const u32 = (): number => {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const next = byte()
      value += (next & 0x7f) * 2 ** shift
      if (next < 0x80) {
        if (value > 0xffffffff) break
        return value
      }
    }
    throw new PluginComponentError('a length does not fit 32 bits')
  }
  return {
    byte,
    u32,
    position: (): number => at,
    seek: (to: number): void => {
      at = to
    },
    done: (): boolean => at >= bytes.length,
    name(end: number): string {
      const length = u32()
      if (at + length > end) throw new PluginComponentError('a name runs past its section')
      const text = new TextDecoder('utf-8', { fatal: false }).decode(
        bytes.subarray(at, at + length),
      )
      at += length
      return text
    },
  }
}
