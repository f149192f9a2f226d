/** What a client saw of a log: it only ever grows, and a log that does not is caught with evidence. */
import { sha256 } from '@noble/hashes/sha2.js'
import { canonicalJson, parseJson } from '../../core/canonicalJson.js'
import { bytesEqual, toHex, utf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { LedgerLogError, PinError } from '../errors.js'
import {
  type Checkpoint,
  type CheckpointTrust,
  openCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from '../log/checkpoint.js'
import { fromBase64, toBase64 } from '../log/encoding.js'
import { nodeHash } from '../log/merkle.js'
import { logReader, type ReadLogFile } from '../log/reader.js'
import { formatForkEvidence, type PrefixClaim } from './forkEvidence.js'
import type { CheckpointStore } from './store.js'

/** What `advance` answers. Only the first three move the pin, or leave it where it was right. */
export type PinOutcome =
  | { status: 'first' | 'advanced' | 'same'; checkpoint: Checkpoint }
  /** The log contradicts what it signed before; `evidence` is for `verifyForkEvidence`. */
  | { status: 'fork' | 'rollback'; pinned: Checkpoint; checkpoint: Checkpoint; evidence: string }
  | Extract<VerifiedCheckpoint, { status: 'invalid' }>

/** A client's memory of logs. */
export type PinnedLog = {
  /** Compares a checkpoint with the pinned one, and pins it where the log grew. */
  advance(note: string | Uint8Array, options?: IoOptions): Promise<PinOutcome>
}

/** Left edge of a tree: its first leaf and the siblings above it, which prove every power of two. */
type Pin = { note: string; checkpoint: Checkpoint; spine: PrefixClaim | undefined }

/**
 * Pins the checkpoints of a log. The first one is taken as it is, under `trust`; each later one has to
 * extend it. The log's files are read to prove that, and believed nothing.
 *
 * @example
 * const pinned = pinnedLog({ trust, store: memoryCheckpointStore(), read })
 * const outcome = await pinned.advance(note)
 * if (outcome.status === 'fork') publish(outcome.evidence)
 */
export function pinnedLog(parameters: {
  trust: CheckpointTrust
  store: CheckpointStore
  read: ReadLogFile
}): PinnedLog {
  const { trust, store, read } = parameters
  return {
    advance: (bytes, options = {}) =>
      withDeadline('Comparing a checkpoint with the pinned one', options, async (signal) => {
        const verified = verifyCheckpoint(bytes, trust)
        if (verified.status !== 'verified') return verified
        const note = typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes)
        const next = { note, checkpoint: verified.checkpoint }
        const hash = toHex(sha256(utf8(next.checkpoint.origin))).slice(2)
        const kept = await store.read(hash, { signal })
        const pin =
          kept === undefined ? undefined : readPin(kept, { trust, origin: next.checkpoint.origin })
        const outcome = await compare({ pin, next, read, signal })
        if (outcome.status !== 'first' && outcome.status !== 'advanced') return outcome
        const spine = await spineOf(next.checkpoint, read, signal)
        const change = { expected: kept, next: formatPin({ ...next, spine }) }
        if (await store.swap(hash, change, { signal })) return outcome
        throw new PinError({ origin: next.checkpoint.origin, fault: 'contended' })
      }),
  }
}

type Comparison = {
  pin: Pin | undefined
  next: { note: string; checkpoint: Checkpoint }
  read: ReadLogFile
  signal: AbortSignal
}

async function compare({ pin, next, read, signal }: Comparison): Promise<PinOutcome> {
  const { checkpoint } = next
  if (pin === undefined) return { status: 'first', checkpoint }
  const fork = (prefix: bigint, claims: { one: PrefixClaim; other: PrefixClaim }): PinOutcome => ({
    ...{ status: 'fork', pinned: pin.checkpoint, checkpoint },
    evidence: formatForkEvidence({ kind: 'fork', prefix, ...claims }),
  })
  const whole = ({ note, checkpoint: { root } }: typeof next): PrefixClaim => {
    return { note, root, proof: [] }
  }
  const { size } = pin.checkpoint
  if (checkpoint.size === size) {
    return bytesEqual(checkpoint.root, pin.checkpoint.root)
      ? { status: 'same', checkpoint: pin.checkpoint }
      : fork(size, { one: whole(pin), other: whole(next) })
  }
  const reader = logReader({ checkpoint, read })
  if (checkpoint.size > size) {
    const { root, proof } = await reader.prefix(size, { signal })
    return bytesEqual(root, pin.checkpoint.root)
      ? { status: 'advanced', checkpoint }
      : fork(size, { one: whole(pin), other: { note: next.note, root, proof } })
  }
  const rewritten = await rewrittenEdge({ pin, next, read, signal })
  if (rewritten !== undefined) return fork(rewritten.prefix, rewritten)
  const evidence = { kind: 'rollback', larger: pin.note, smaller: next.note } as const
  return {
    ...{ status: 'rollback', pinned: pin.checkpoint, checkpoint },
    evidence: formatForkEvidence(evidence),
  }
}

/** For a log that became smaller: whether its first entries are others, as far as the pin can show. */
async function rewrittenEdge({
  pin,
  next,
  read,
  signal,
}: Comparison & { pin: Pin }): Promise<
  { prefix: bigint; one: PrefixClaim; other: PrefixClaim } | undefined
> {
  const { size } = next.checkpoint
  if (pin.spine === undefined || size === 0n) return undefined
  const height = size.toString(2).length - 1
  const prefix = 1n << BigInt(height)
  const known = pin.spine.proof.slice(0, height).reduce(nodeHash, pin.spine.root)
  try {
    const reader = logReader({ checkpoint: next.checkpoint, read })
    const { root, proof } = await reader.prefix(prefix, { signal })
    if (bytesEqual(root, known)) return undefined
    const one = { note: pin.note, root: known, proof: pin.spine.proof.slice(height) }
    return { prefix, one, other: { note: next.note, root, proof } }
  } catch (error) {
    // Without the files of the smaller tree it is smaller all the same.
    if (error instanceof LedgerLogError) return undefined
    throw error
  }
}

async function spineOf(
  checkpoint: Checkpoint,
  read: ReadLogFile,
  signal: AbortSignal,
): Promise<PrefixClaim | undefined> {
  if (checkpoint.size === 0n) return undefined
  const { root, proof } = await logReader({ checkpoint, read }).prefix(1n, { signal })
  return { note: '', root, proof }
}

function formatPin({ note, spine }: Pin): string {
  const hashes = spine === undefined ? [] : [spine.root, ...spine.proof].map(toBase64)
  return canonicalJson({ note, spine: hashes })
}

/** The pin is the client's own; what it says is checked against the log's signature all the same. */
function readPin(kept: string, { trust, origin }: { trust: CheckpointTrust; origin: string }): Pin {
  try {
    const { note, spine } = parseJson(kept) as { note: string; spine: string[] }
    const opened = openCheckpoint(note, trust)
    const hashes = spine.map((hash) => fromBase64(hash))
    const [root, ...proof] = hashes
    if (opened.status === 'verified' && !hashes.includes(undefined)) {
      const known = root === undefined ? undefined : { note, root, proof: proof as Uint8Array[] }
      return { note, checkpoint: opened.checkpoint, spine: known }
    }
  } catch (cause) {
    throw new PinError({ origin, fault: 'damaged' }, { cause })
  }
  throw new PinError({ origin, fault: 'damaged' })
}
