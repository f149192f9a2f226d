/** The chain through all domains: the order of events is in their hashes, and nowhere else. */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import { LedgerLogError } from '../errors.js'
import { genesisHash, type LedgerEvent } from '../events/event.js'
import { readEvent } from '../events/verify.js'
import { readEntries } from './files/log.js'
import type { PlacedEvent } from './types.js'

/** A place in the chain: what comes next, in the chain and in each domain's log. */
export type ChainPlace = {
  seq: bigint
  /** `current_hash` of the event before. */
  head: string
  indices: ReadonlyMap<string, bigint>
}

/** The start of every ledger. */
export const chainStart: ChainPlace = { seq: 0n, head: genesisHash, indices: new Map() }

type Cursor = {
  domain: string
  entries: AsyncGenerator<{ index: bigint; entry: Uint8Array }>
  next: { index: bigint; event: LedgerEvent; entry: Uint8Array } | undefined
}

/** An event with its place and the bytes of its entry. */
export type WalkedEvent = PlacedEvent & { entry: Uint8Array }

/**
 * Walks the chain from a place up to `until` events. Of the next entries of all domains, one follows
 * the event before; where none does, the chain is broken.
 *
 * @throws {LedgerLogError} naming the entry where it breaks.
 */
export async function* walkChain(
  parameters: {
    store: TileReader
    /** Sizes of the domains' logs. */
    sizes: ReadonlyMap<string, bigint>
    from?: ChainPlace | undefined
    until: bigint
  },
  signal: AbortSignal,
): AsyncGenerator<WalkedEvent> {
  const { store, sizes, from = chainStart, until } = parameters
  const cursors: Cursor[] = []
  for (const [domain, size] of sizes) {
    const start = from.indices.get(domain) ?? 0n
    const entries = readEntries({ store, name: domain, from: start, size }, signal)
    const cursor: Cursor = { domain, entries, next: undefined }
    await advance(cursor)
    cursors.push(cursor)
  }
  let { head } = from
  for (let { seq } = from; seq < until; seq += 1n) {
    const found = cursors.find(({ next }) => next?.event.previous_hash === head)
    if (found?.next === undefined) {
      throw new LedgerLogError({ fault: 'inconsistent', path: `event ${seq}, after ${head}` })
    }
    const { index, event, entry } = found.next
    yield { seq, domain: found.domain, index, event, entry }
    head = event.current_hash
    await advance(found)
  }
}

async function advance(cursor: Cursor): Promise<void> {
  const { value, done } = await cursor.entries.next()
  if (done === true || value === undefined) {
    cursor.next = undefined
    return
  }
  const event = readEvent(value.entry)
  if (event === undefined || event.payload?.ets?.domain !== cursor.domain) {
    const path = `${cursor.domain} entry ${value.index}`
    throw new LedgerLogError({ fault: 'malformed', path })
  }
  cursor.next = { index: value.index, event, entry: value.entry }
}
