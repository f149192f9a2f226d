/**
 * The queue of artifacts that wait for a commit, and the quarantine.
 *
 * ```
 * queueHash = H("NQS1" ‖ count(4) ‖ (namespace ‖ hash ‖ author(20) ‖ omissions(1))… ‖ count(4) ‖ (namespace ‖ hash)…)
 * ```
 */
import type { Address, Hex } from 'viem'
import { isArtifactNamespace } from '../../../core/artifact.js'
import { concatAll, fixedFromHex, toHex, uintToBytes, utf8 } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import { MalformedEncodingError } from '../../errors.js'
import type { ArtifactRef } from '../delta.js'

/** An artifact that waits. `omissions`: how often in a row it was listed as omitted. */
export type QueueEntry = ArtifactRef & { author: Address; omissions: number }

/** Queue and quarantine after a commit. */
export type QueueState = { queue: readonly QueueEntry[]; quarantine: readonly ArtifactRef[] }

/** Bounds of the queue, quarantine not counted. */
export const queueLimits = { perAuthor: 64, total: 4_096, omissions: 5 } as const

/** The state before the first commit. */
export const emptyQueue: QueueState = { queue: [], quarantine: [] }

const magic = utf8('NQS1')

/** Encodes a state: the preimage of {@link computeQueueHash}. */
export function encodeQueueState({ queue, quarantine }: QueueState): Uint8Array {
  const parts: Uint8Array[] = [magic, uintToBytes(queue.length, 4)]
  for (const { namespace, hash, author, omissions } of queue) {
    parts.push(
      Uint8Array.of(namespace),
      fixedFromHex(hash, 32, 'queue.hash'),
      fixedFromHex(author, 20, 'queue.author'),
      Uint8Array.of(omissions),
    )
  }
  parts.push(uintToBytes(quarantine.length, 4))
  for (const { namespace, hash } of quarantine) {
    parts.push(Uint8Array.of(namespace), fixedFromHex(hash, 32, 'quarantine.hash'))
  }
  return concatAll(parts)
}

/**
 * Decodes a state.
 *
 * @throws {MalformedEncodingError} for anything but one encoded state.
 */
export function decodeQueueState(bytes: Uint8Array): QueueState {
  const fail = (reason: string): never => {
    throw new MalformedEncodingError({ field: 'queueState', reason })
  }
  let at = 0
  const take = (length: number): Uint8Array => {
    at += length
    return at > bytes.length ? fail('it is cut short') : bytes.slice(at - length, at)
  }
  const count = (): number => new DataView(take(4).buffer).getUint32(0)
  const ref = (): ArtifactRef => {
    const namespace = take(1)[0] as number
    return isArtifactNamespace(namespace)
      ? { namespace, hash: toHex(take(32)) }
      : fail(`namespace ${namespace}`)
  }
  if (toHex(take(4)) !== toHex(magic)) fail('it is no queue state')
  const queue: QueueEntry[] = []
  for (let i = count(); i > 0; i--) {
    queue.push({ ...ref(), author: toHex(take(20)), omissions: take(1)[0] as number })
  }
  const quarantine: ArtifactRef[] = []
  for (let i = count(); i > 0; i--) quarantine.push(ref())
  if (at !== bytes.length) fail('bytes after its end')
  return { queue, quarantine }
}

/** `queueHash` of a state. */
export function computeQueueHash(state: QueueState): Hex {
  return toHex(keccak(encodeQueueState(state)))
}

/** One string for a (namespace, hash), for maps and sets. */
export function refKey({ namespace, hash }: { namespace: number; hash: Hex }): string {
  return `${namespace}:${hash.toLowerCase()}`
}

/** The artifacts of one event, and whose template they are of. */
export type QueuedEvent = {
  refs: readonly ArtifactRef[]
  author: Address
  inTree: (ref: ArtifactRef) => boolean
}

/** A queue that takes in events, each at a cost of its own artifacts alone. */
export type GrowingQueue = {
  /** The state so far. */
  state(): QueueState
  /**
   * Appends the artifacts of one event. Those in tree, queue or quarantine are dropped; if the rest
   * would pass a bound the event is skipped whole.
   */
  add(event: QueuedEvent): { added: number; skipped: 'author' | 'total' | undefined }
}

/** Starts from a state, which stays as it is. */
export function growQueue({ queue: before, quarantine }: QueueState): GrowingQueue {
  const queue = [...before]
  const known = new Set([...before, ...quarantine].map(refKey))
  const pending = new Map<Address, number>()
  for (const { author } of before) pending.set(author, (pending.get(author) ?? 0) + 1)
  return {
    state: () => ({ queue: [...queue], quarantine }),
    add(event) {
      const fresh = event.refs.filter((ref) => !known.has(refKey(ref)) && !event.inTree(ref))
      if (fresh.length === 0) return { added: 0, skipped: undefined }
      const author = event.author.toLowerCase() as Address
      const own = (pending.get(author) ?? 0) + fresh.length
      if (own > queueLimits.perAuthor) return { added: 0, skipped: 'author' }
      if (queue.length + fresh.length > queueLimits.total) return { added: 0, skipped: 'total' }
      for (const { namespace, hash } of fresh) {
        const entry = { namespace, hash: hash.toLowerCase() as Hex, author, omissions: 0 }
        queue.push(entry)
        known.add(refKey(entry))
      }
      pending.set(author, own)
      return { added: fresh.length, skipped: undefined }
    },
  }
}

/** What a walk over the queue selected, and the state it leaves. */
export type Selection = { state: QueueState; quarantined: readonly ArtifactRef[] }

/**
 * The state after a commit that included and omitted these. Entries the walk did not reach keep
 * their place and their counter; the fifth omission in a row moves an entry to quarantine.
 */
export function applySelection(
  state: QueueState,
  chosen: { included: readonly ArtifactRef[]; omitted: readonly ArtifactRef[] },
): Selection {
  const included = new Set(chosen.included.map(refKey))
  const omitted = new Set(chosen.omitted.map(refKey))
  const queue: QueueEntry[] = []
  const quarantined: ArtifactRef[] = []
  for (const entry of state.queue) {
    const key = refKey(entry)
    if (included.has(key)) continue
    if (!omitted.has(key)) queue.push(entry)
    else if (entry.omissions + 1 < queueLimits.omissions)
      queue.push({ ...entry, omissions: entry.omissions + 1 })
    else quarantined.push({ namespace: entry.namespace, hash: entry.hash })
  }
  const quarantine = state.quarantine.filter((ref) => !included.has(refKey(ref)))
  return { state: { queue, quarantine: [...quarantine, ...quarantined] }, quarantined }
}
