/** A proposer's walk over the queue. */
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { ArtifactRef, IncludedArtifact } from '../delta.js'
import type { CommitPipeline, PreparedWindow } from '../pipeline.js'
import { type QueueEntry, refKey } from '../queue/queue.js'
import { type Fetched, type FetchLimits, type FetchRequest, fetchWaiting } from './fetchBytes.js'

/** What a proposer includes and walks past. */
export type SelectedEntries = { included: IncludedArtifact[]; omitted: ArtifactRef[] }

/** Quarantined entries that are looked for here in one window, and asked for elsewhere. */
const quarantineLooks = 256
const quarantineTries = 16

type Options = FetchLimits & Pick<IoOptions, 'signal'>
type Bytes = Fetched<Uint8Array>

/**
 * Walks the queue from its head: includes what can be fetched, omits what cannot and what is too
 * large for this window, and ends at the first entry that does not fit in what is left, or for which
 * there was no time. Then quarantined entries whose bytes are there and fit.
 *
 * Entries that were omitted before are tried after all others, so that bytes which never come cost a
 * window's time once; quarantined ones last, a few a window, and not at all when time is short.
 */
export async function selectEntries(
  pipeline: CommitPipeline,
  window: PreparedWindow,
  options: Options,
): Promise<SelectedEntries> {
  const room = roomOf(pipeline, window)
  const started = performance.now()
  const fetched = await fetchQueue(pipeline, { window, room }, options)
  const selected = walk(pipeline, { queue: window.state.queue, fetched, room })
  const left = selected.included.reduce((rest, { bytes }) => rest - bytes.length, room)
  const spent = performance.now() - started
  const { fetchBudget = 60_000 } = options
  // What lies here is read also when time is short.
  const rest = { ...options, fetchBudget: Math.max(fetchBudget - spent, fetchBudget / 10) }
  selected.included.push(
    ...(await fetchQuarantine(pipeline, { window, left, late: spent > fetchBudget / 2 }, rest)),
  )
  return selected
}

// What foreign writes leave of the cap.
function roomOf(pipeline: CommitPipeline, { foreign }: PreparedWindow): number {
  const cap = pipeline.parameters.maxCommitBytesPerWindow
  const room = cap - 64 * foreign.length
  if (room >= 0) return room
  const reason = `${foreign.length} foreign writes are over the ${cap} bytes of a commit`
  throw new InvalidInputError({ field: 'foreign', reason })
}

function fetchQueue(
  pipeline: CommitPipeline,
  { window, room }: { window: PreparedWindow; room: number },
  options: Options,
): Promise<Map<string, Bytes>> {
  const { queue } = window.state
  const places = new Map(queue.map((entry, i) => [refKey(entry), i]))
  const sizes = new Map<number, number>()
  let total = 0
  // Entries from here on do not fit, whatever becomes of those still to be tried.
  let end = queue.length
  const keep = (ref: ArtifactRef, bytes: Uint8Array): Uint8Array => {
    if (bytes.length > room) return bytes
    sizes.set(places.get(refKey(ref)) as number, bytes.length)
    total += bytes.length
    if (total > room) end = endOf(sizes, room) ?? end
    return bytes
  }
  return fetchWaiting(
    pipeline,
    {
      refs: [...queue].sort((a, b) => a.omissions - b.omissions).map(bare),
      locators: locatorsIn(pipeline, window),
      wanted: (ref) => (places.get(refKey(ref)) as number) < end,
      keep,
    },
    options,
  )
}

// The place after which what is before it fills the room.
function endOf(sizes: ReadonlyMap<number, number>, room: number): number | undefined {
  let left = room
  for (const [place, size] of [...sizes].sort(([a], [b]) => a - b)) {
    left -= size
    if (left < 0) return place
  }
  return undefined
}

function walk(
  pipeline: CommitPipeline,
  at: { queue: readonly QueueEntry[]; fetched: ReadonlyMap<string, Bytes>; room: number },
): SelectedEntries {
  const { queue, fetched, room } = at
  const resultOf = (entry: QueueEntry): Bytes => fetched.get(refKey(entry)) ?? { status: 'untried' }
  let last = queue.length - 1
  while (last >= 0 && resultOf(queue[last] as QueueEntry).status === 'untried') last--
  const included: IncludedArtifact[] = []
  const omitted: ArtifactRef[] = []
  let left = room
  for (const entry of queue.slice(0, last + 1)) {
    const result = resultOf(entry)
    // Nobody has looked for it yet, so nobody may say that it cannot be had.
    if (result.status === 'untried' && entry.omissions === 0) break
    // Too large for this window even on its own: walked past, so that it holds nobody up.
    if (result.status !== 'here' || result.kept.length > room) {
      omitted.push(bare(entry))
      pipeline.metrics?.deferred(reasonOf(result, pipeline.parameters.maxCommitBytesPerWindow))
      continue
    }
    if (result.kept.length > left) {
      pipeline.metrics?.deferred('cap_hit')
      break
    }
    included.push({ ...bare(entry), bytes: result.kept })
    left -= result.kept.length
  }
  return { included, omitted }
}

function reasonOf(result: Bytes, cap: number): 'cap_hit' | 'rejected_oversize' | 'unavailable' {
  if (result.status !== 'here') return 'unavailable'
  // What fits no window at all is another alarm than what this one had no room for.
  return result.kept.length > cap ? 'rejected_oversize' : 'cap_hit'
}

async function fetchQuarantine(
  pipeline: CommitPipeline,
  { window, left, late }: { window: PreparedWindow; left: number; late: boolean },
  options: Options,
): Promise<IncludedArtifact[]> {
  const { quarantine } = window.state
  if (left === 0 || quarantine.length === 0) return []
  // Others in every window, so that all have their turn: a part of them for some windows, and of
  // that part a few in each.
  const turn = Number((window.timestamp / pipeline.parameters.window) % 0x1_0000_0000n)
  const turnsOfPart = quarantineLooks / quarantineTries
  const part = Math.floor(turn / turnsOfPart) * quarantineLooks
  const looked = from(quarantine, part).slice(0, quarantineLooks)
  const { bytes: store } = pipeline.tree.store
  const here = await Promise.all(looked.map(({ hash }) => store.has(hash).catch(() => false)))
  const away = looked.filter((_, i) => here[i] !== true)
  const next = from(away, (turn % turnsOfPart) * quarantineTries)
  const asked = late ? [] : next.slice(0, quarantineTries)
  const request: FetchRequest<Uint8Array> = {
    refs: [...looked.filter((_, i) => here[i] === true), ...asked],
    locators: locatorsIn(pipeline, window),
    keep: (_ref, bytes) => bytes,
  }
  const fetched = await fetchWaiting(pipeline, request, options)
  const included: IncludedArtifact[] = []
  let rest = left
  for (const ref of quarantine) {
    const result = fetched.get(refKey(ref))
    if (result?.status !== 'here' || result.kept.length > rest) continue
    included.push({ ...bare(ref), bytes: result.kept })
    rest -= result.kept.length
  }
  return included
}

// The list from a place on, and around.
function from<item>(list: readonly item[], place: number): item[] {
  if (list.length === 0) return []
  const start = place % list.length
  return [...list.slice(start), ...list.slice(0, start)]
}

function locatorsIn(
  pipeline: CommitPipeline,
  { index, timestamp: round }: PreparedWindow,
): FetchRequest<Uint8Array>['locators'] {
  return (ref, io) => pipeline.locators({ ref, round, index }, io)
}

function bare({ namespace, hash }: ArtifactRef): ArtifactRef {
  return { namespace, hash }
}
