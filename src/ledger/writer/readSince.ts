/** Events in the order of the chain, from their logs. */
import { canonicalBytes } from '../../core/canonicalJson.js'
import type { TileReader } from '../../core/interfaces/tileStore.js'
import type { JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { assertCount } from '../../internal/options.js'
import { LedgerLogError } from '../errors.js'
import { eventHash } from '../events/event.js'
import { readEvent } from '../events/verify.js'
import type { LedgerView } from '../events/view.js'
import { fromDecimal } from '../log/encoding.js'
import { readTile } from '../log/reader.js'
import { decodeEntryBundle } from '../log/tiles.js'
import { logFiles } from './files/log.js'
import { seqKey } from './lookup.js'
import type { PlacedEvent } from './types.js'

/** Where events are read from. */
export type EventSource = {
  store: TileReader
  lookup: LedgerView
  /** Events before this one are in the logs. */
  written: bigint
  /** Sizes of the domains' logs. */
  indices: ReadonlyMap<string, bigint>
}

/**
 * Reads events from the place that `cursor` names. Look-ups say where one is; its bytes say whether it
 * is the one: they must have the hash that the look-up, and its place in the chain, ask for.
 */
export async function readEvents(
  source: EventSource,
  request: { cursor: string; limit: number; signal: AbortSignal },
): Promise<{ events: PlacedEvent[]; cursor: string }> {
  const { cursor, limit, signal } = request
  assertCount('limit', limit, { most: 1_000 })
  const start = typeof cursor === 'string' ? fromDecimal(cursor) : undefined
  if (start === undefined) {
    throw new InvalidInputError({ field: 'cursor', reason: 'expected a decimal number' })
  }
  const end = start + BigInt(limit) < source.written ? start + BigInt(limit) : source.written
  const bundles = new Map<string, Uint8Array[]>()
  const events: PlacedEvent[] = []
  for (let seq = start; seq < end; seq += 1n) {
    const row = source.lookup.get(seqKey(seq)) as [string, string, string] | undefined
    if (row === undefined) throw inconsistent(seq)
    const [domain, place, hash] = row
    const index = BigInt(place)
    const bundle = await bundleOf(source, { bundles, domain, index, signal })
    const entry = bundle[Number(index % 256n)]
    const event = entry === undefined ? undefined : readEvent(entry)
    if (event === undefined || event.current_hash !== hash) throw inconsistent(seq)
    const payload = canonicalBytes(event.payload as unknown as JsonObject)
    const before = events.at(-1)?.event.current_hash ?? event.previous_hash
    if (eventHash(payload, before) !== hash) throw inconsistent(seq)
    events.push({ seq, domain, index, event })
  }
  return { events, cursor: (end > start ? end : start).toString() }
}

async function bundleOf(
  source: EventSource,
  request: {
    bundles: Map<string, Uint8Array[]>
    domain: string
    index: bigint
    signal: AbortSignal
  },
): Promise<Uint8Array[]> {
  const { bundles, domain, index, signal } = request
  const key = `${domain}/${index / 256n}`
  const held = bundles.get(key)
  if (held !== undefined) return held
  const read = logFiles(source.store, domain)
  const size = source.indices.get(domain) ?? 0n
  const { bytes, width, path } = await readTile({ read, signal, size }, 'entries', index / 256n)
  const entries = decodeEntryBundle(bytes, width)
  if (entries === undefined) {
    throw new LedgerLogError({ fault: 'malformed', path: `${domain}/${path}` })
  }
  bundles.set(key, entries)
  return entries
}

function inconsistent(seq: bigint): LedgerLogError {
  return new LedgerLogError({ fault: 'inconsistent', path: `event ${seq}` })
}
