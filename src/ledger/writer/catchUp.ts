/** Look-ups brought up to the logs. */
import { LedgerLogError } from '../errors.js'
import { genesisHash } from '../events/event.js'
import { type ChainPlace, walkChain } from './chain.js'
import type { Engine } from './engine.js'
import { type LedgerLookup, type LookupMark, settledRows } from './lookup.js'
import { readEvents } from './readSince.js'
import { type LedgerHead, metaLog, type PlacedEvent } from './types.js'

/** The mark of look-ups that know everything. */
export function markOf({ head, logs }: Engine): LookupMark {
  const sizes: Record<string, string> = {}
  for (const [name, { edge }] of logs) if (name !== metaLog) sizes[name] = edge.size.toString()
  return { seq: head.seq.toString(), head: head.head, sizes }
}

/** Reads what look-ups do not know yet. What does not lead to the head is forgotten and made again. */
export async function catchUp(
  engine: Engine,
  lookup: LedgerLookup,
  signal: AbortSignal,
): Promise<void> {
  const place = placeOf(lookup.mark())
  if (place !== undefined && place.seq <= engine.head.seq) {
    try {
      await walk(engine, { lookup, from: place, signal })
      return
    } catch (error) {
      if (!(error instanceof LedgerLogError)) throw error
    }
  }
  lookup.clear()
  await walk(engine, { lookup, from: undefined, signal })
}

function placeOf(mark: LookupMark | undefined): ChainPlace | undefined {
  if (mark === undefined) return undefined
  const sizes = Object.entries(mark.sizes).map(([name, size]) => [name, BigInt(size)] as const)
  return { seq: BigInt(mark.seq), head: mark.head, indices: new Map(sizes) }
}

async function walk(
  engine: Engine,
  work: { lookup: LedgerLookup; from: ChainPlace | undefined; signal: AbortSignal },
): Promise<void> {
  const { lookup, from, signal } = work
  const sizes = new Map([...engine.head.sizes].map(([name, { size }]) => [name, size]))
  sizes.delete(metaLog)
  const indices = new Map(from?.indices ?? [])
  let batch: PlacedEvent[] = []
  let head = from?.head ?? genesisHash
  const keep = (): void => {
    const last = batch.at(-1)
    if (last === undefined) return
    const marked = [...sizes.keys()].map((name) => [name, (indices.get(name) ?? 0n).toString()])
    lookup.apply(settledRows(batch, lookup), {
      seq: (last.seq + 1n).toString(),
      head,
      sizes: Object.fromEntries(marked),
    })
    batch = []
  }
  const { store } = engine
  for await (const walked of walkChain({ store, sizes, from, until: engine.head.seq }, signal)) {
    const { seq, domain, index, event } = walked
    batch.push({ seq, domain, index, event })
    indices.set(domain, index + 1n)
    head = event.current_hash
    if (batch.length === 1_000) keep()
  }
  keep()
  if (head !== engine.head.head) {
    throw new LedgerLogError({ fault: 'inconsistent', path: `the head ${engine.head.head}` })
  }
}

/** The event that the commit point names. */
export async function newestEvent(
  engine: Engine,
  lookup: LedgerLookup,
): Promise<LedgerHead | undefined> {
  const { seq, head } = engine.head
  if (seq === 0n) return undefined
  const { signal } = new AbortController()
  const indices = new Map([...engine.head.sizes].map(([name, { size }]) => [name, size]))
  const source = { store: engine.store, lookup, written: seq, indices }
  const { events } = await readEvents(source, { cursor: `${seq - 1n}`, limit: 1, signal })
  const event = events[0]?.event
  if (event?.current_hash !== head) {
    throw new LedgerLogError({ fault: 'inconsistent', path: `the head ${head}` })
  }
  const { current_hash, event_id, timestamp } = event
  return { seq: seq - 1n, current_hash, event_id, timestamp }
}
