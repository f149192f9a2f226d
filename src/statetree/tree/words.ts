/**
 * Copies of eight words, such as a hash: word by word, which takes less than half of what a loop over them does,
 * and a quarter of setting up a copy of arrays.
 */

/** The order of bytes in which this machine holds words, and in which they are copied. */
const isLittleEndian: boolean = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** Copies words `at` to `at + 7`. */
export function copy8(from: Uint32Array, at: number, to: Uint32Array, start: number): void {
  to[start] = from[at] as number
  to[start + 1] = from[at + 1] as number
  to[start + 2] = from[at + 2] as number
  to[start + 3] = from[at + 3] as number
  to[start + 4] = from[at + 4] as number
  to[start + 5] = from[at + 5] as number
  to[start + 6] = from[at + 6] as number
  to[start + 7] = from[at + 7] as number
}

/** Writes eight words as bytes, wherever they begin. */
export function write8(from: Uint32Array, at: number, to: DataView, start: number): void {
  to.setUint32(start, from[at] as number, isLittleEndian)
  to.setUint32(start + 4, from[at + 1] as number, isLittleEndian)
  to.setUint32(start + 8, from[at + 2] as number, isLittleEndian)
  to.setUint32(start + 12, from[at + 3] as number, isLittleEndian)
  to.setUint32(start + 16, from[at + 4] as number, isLittleEndian)
  to.setUint32(start + 20, from[at + 5] as number, isLittleEndian)
  to.setUint32(start + 24, from[at + 6] as number, isLittleEndian)
  to.setUint32(start + 28, from[at + 7] as number, isLittleEndian)
}

/** Reads eight words from bytes, wherever they begin. */
export function read8(from: DataView, at: number, to: Uint32Array, start: number): void {
  to[start] = from.getUint32(at, isLittleEndian)
  to[start + 1] = from.getUint32(at + 4, isLittleEndian)
  to[start + 2] = from.getUint32(at + 8, isLittleEndian)
  to[start + 3] = from.getUint32(at + 12, isLittleEndian)
  to[start + 4] = from.getUint32(at + 16, isLittleEndian)
  to[start + 5] = from.getUint32(at + 20, isLittleEndian)
  to[start + 6] = from.getUint32(at + 24, isLittleEndian)
  to[start + 7] = from.getUint32(at + 28, isLittleEndian)
}
