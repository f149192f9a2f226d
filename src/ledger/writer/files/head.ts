/**
 * `.state/head`, the commit point: one file, replaced under a condition on the version last read. What
 * it says has happened; everything else follows from it and from the staged batch that it names.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { canonicalBytes, isCanonicalJson, parseJsonBytes } from '../../../core/canonicalJson.js'
import type { JsonObject } from '../../../core/jsonText.js'
import { genesisHash } from '../../events/event.js'
import { fromDecimal } from '../../log/encoding.js'

/** Where the commit point is kept. */
export const headPath = '.state/head'

/** Size and root of a log. */
export type LogState = { size: bigint; root: Uint8Array }

/** The commit point. */
export type HeadRecord = {
  /** Raised each time the ledger is opened for writing. */
  epoch: bigint
  /** `current_hash` of the newest event. */
  head: string
  /** Number of events. The newest one's place is one less. */
  seq: bigint
  /** Every log of the ledger, by name. */
  sizes: ReadonlyMap<string, LogState>
  /** The batch that this commit point made final, until its files are there. */
  staging: string
}

/** Bytes of a commit point. */
export function encodeHead(record: HeadRecord): Uint8Array {
  const sizes: Record<string, JsonObject> = {}
  for (const [name, { size, root }] of record.sizes) {
    sizes[name] = { root: bytesToHex(root), size: size.toString() }
  }
  return canonicalBytes({
    epoch: record.epoch.toString(),
    head: record.head,
    seq: record.seq.toString(),
    sizes,
    staging: record.staging,
  })
}

/** Reads a commit point; `undefined` for other bytes. */
export function decodeHead(bytes: Uint8Array): HeadRecord | undefined {
  try {
    if (!isCanonicalJson(bytes)) return undefined
    const value = parseJsonBytes(bytes) as JsonObject
    if (Object.keys(value).sort().join() !== 'epoch,head,seq,sizes,staging') return undefined
    const sizes = new Map<string, LogState>()
    for (const [name, state] of Object.entries(value['sizes'] as Record<string, JsonObject>)) {
      const size = fromDecimal(state['size'] as string)
      const root = hexToBytes(state['root'] as string)
      if (size === undefined || root.length !== 32) return undefined
      sizes.set(name, { size, root })
    }
    const epoch = fromDecimal(value['epoch'] as string)
    const seq = fromDecimal(value['seq'] as string)
    const { head, staging } = value
    if (epoch === undefined || seq === undefined || typeof staging !== 'string') return undefined
    if (typeof head !== 'string' || !/^[0-9a-f]{64}$/.test(head)) return undefined
    return { epoch, head, seq, sizes, staging }
  } catch {
    return undefined
  }
}

/** The commit point of a ledger without events. */
export function emptyHead(logs: readonly string[], root: Uint8Array): HeadRecord {
  const sizes = new Map(logs.map((name) => [name, { size: 0n, root }]))
  return { epoch: 0n, head: genesisHash, seq: 0n, sizes, staging: '' }
}
