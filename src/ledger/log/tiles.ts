import { InvalidInputError } from '../../errors/common.js'
import { concat, uintToBytes } from '../../internal/bytes.js'

/** Hashes in a full tile, entries in a full bundle. */
export const tileWidth = 256

/** Longest entry, in bytes: its length is a 16-bit number in an entry bundle. */
export const maxEntrySize = 65_535

/**
 * Path of a tile below a log's prefix. `level` is 0 to 63 or `entries`; a `width` below 256 names a
 * partial tile. Source: C2SP tlog-tiles.
 *
 * @throws InvalidInputError for a level, index or width that no tile has.
 * @example
 * tilePath({ level: 0, index: 1234067n, width: 256 }) // 'tile/0/x001/x234/067'
 */
export function tilePath(tile: {
  level: number | 'entries'
  index: bigint
  width: number
}): string {
  const { level, index, width } = tile
  if (level !== 'entries' && (!Number.isInteger(level) || level < 0 || level > 63)) {
    throw new InvalidInputError({ field: 'level', reason: 'it is 0 to 63 or `entries`' })
  }
  if (typeof index !== 'bigint' || index < 0n || index >= 1n << 63n) {
    throw new InvalidInputError({ field: 'index', reason: 'it is a bigint from 0 to 2^63 - 1' })
  }
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) {
    throw new InvalidInputError({ field: 'width', reason: 'it is 1 to 256' })
  }
  const digits = index.toString()
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  const groups = padded.match(/[0-9]{3}/g) ?? []
  const name = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/')
  return `tile/${level}/${name}${width === tileWidth ? '' : `.p/${width}`}`
}

/** Writes entries as an entry bundle: a big-endian 16-bit length before each. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > tileWidth) {
    throw new InvalidInputError({ field: 'entries', reason: 'a bundle has 1 to 256 entries' })
  }
  return concat(
    ...entries.flatMap((entry, at) => {
      if (entry.length > maxEntrySize) {
        throw new InvalidInputError({
          field: `entries[${at}]`,
          reason: `an entry has at most ${maxEntrySize} bytes`,
        })
      }
      return [uintToBytes(entry.length, 2), entry]
    }),
  )
}

/** Reads an entry bundle of exactly `width` entries; `undefined` for any other bytes. */
export function decodeEntryBundle(bytes: Uint8Array, width: number): Uint8Array[] | undefined {
  const entries: Uint8Array[] = []
  let offset = 0
  while (offset < bytes.length) {
    const [high, low] = [bytes[offset], bytes[offset + 1]]
    if (high === undefined || low === undefined || entries.length === width) return undefined
    const end = offset + 2 + ((high << 8) | low)
    if (end > bytes.length) return undefined
    entries.push(bytes.slice(offset + 2, end))
    offset = end
  }
  return entries.length === width ? entries : undefined
}

/** One entry of a bundle of exactly `width`; `undefined` where the bytes are no such bundle. */
export function entryOfBundle(
  bytes: Uint8Array,
  { width, at }: { width: number; at: number },
): Uint8Array | undefined {
  let found: Uint8Array | undefined
  let offset = 0
  let count = 0
  for (; offset + 1 < bytes.length; count += 1) {
    const length = ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number)
    if (count === at) found = bytes.subarray(offset + 2, offset + 2 + length)
    offset += 2 + length
  }
  return offset === bytes.length && count === width ? found?.slice() : undefined
}
