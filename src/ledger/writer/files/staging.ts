/** A batch as it is staged: what the logs had before, and the entries that they get. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes, isCanonicalJson, parseJsonBytes } from '../../../core/canonicalJson.js'
import type { JsonObject } from '../../../core/jsonText.js'
import { concatAll, uintToBytes } from '../../../internal/bytes.js'
import { fromDecimal } from '../../log/encoding.js'
import type { LogState } from './head.js'

/** Entries that a log gets. */
export type LogGrowth = { name: string; before: LogState; entries: readonly Uint8Array[] }

/**
 * Bytes of a batch: uint32 length of a JCS header, the header
 * `[{ before: { root, size }, count, name }]`, then every entry with its uint16 length.
 */
export function encodeStaging(growths: readonly LogGrowth[]): Uint8Array {
  const header = canonicalBytes(
    growths.map(({ name, before, entries }) => ({
      before: { root: bytesToHex(before.root), size: before.size.toString() },
      count: entries.length,
      name,
    })),
  )
  const parts = [uintToBytes(header.length, 4), header]
  for (const { entries } of growths) {
    for (const entry of entries) parts.push(uintToBytes(entry.length, 2), entry)
  }
  return concatAll(parts)
}

/** Reads a staged batch; `undefined` for other bytes. */
export function decodeStaging(bytes: Uint8Array): LogGrowth[] | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 4 + view.getUint32(0)
    const header = bytes.subarray(4, at)
    if (!isCanonicalJson(header)) return undefined
    const growths = (parseJsonBytes(header) as JsonObject[]).map((item) => {
      const before = item['before'] as JsonObject
      const entries: Uint8Array[] = []
      for (let count = Number(item['count']); count > 0; count -= 1) {
        const end = at + 2 + view.getUint16(at)
        if (end > bytes.length) return undefined
        entries.push(bytes.slice(at + 2, end))
        at = end
      }
      const size = fromDecimal(before['size'] as string)
      const root = hexToBytes(before['root'] as string)
      if (size === undefined) return undefined
      return { name: item['name'] as string, before: { size, root }, entries }
    })
    if (at !== bytes.length || growths.includes(undefined)) return undefined
    return growths as LogGrowth[]
  } catch {
    return undefined
  }
}
