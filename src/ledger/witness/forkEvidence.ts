/**
 * What convinces a third party that a log forked or went back: two checkpoints that the log signed and
 * that no one append-only log can have both signed.
 *
 * A fork: each checkpoint comes with a proof of what its first `prefix` entries hash to, and the two
 * hashes differ. A rollback: one witness cosigned the smaller checkpoint after the larger one; without
 * one, both checkpoints are real, and whoever finds the log smaller than the larger one sees it himself.
 */
import { canonicalJson, type Json, parseJson } from '../../core/canonicalJson.js'
import { bytesEqual } from '../../internal/bytes.js'
import { type Checkpoint, type CheckpointTrust, openCheckpoint } from '../log/checkpoint.js'
import { fromBase64, fromDecimal, toBase64, wellFormedText } from '../log/encoding.js'
import { hashSize, verifyConsistency } from '../log/merkle.js'
import type { NoteSigned } from '../log/note.js'

/** A checkpoint, with what its first `prefix` entries hash to and the proof of it. */
export type PrefixClaim = { note: string; root: Uint8Array; proof: readonly Uint8Array[] }

/** Evidence against a log. */
export type ForkEvidence =
  | { kind: 'fork'; prefix: bigint; one: PrefixClaim; other: PrefixClaim }
  | { kind: 'rollback'; larger: string; smaller: string }

/** What `verifyForkEvidence` answers. */
export type VerifiedForkEvidence =
  | { status: 'proven'; kind: ForkEvidence['kind']; checkpoints: readonly [Checkpoint, Checkpoint] }
  | {
      status: 'unproven'
      /** `order`: both were signed, and nothing shows which was first. */
      reason: 'malformed' | 'signature' | 'origin' | 'proof' | 'same' | 'order'
    }

const version = 'newton-log-evidence/1'
const maxLength = 4_000_000

/** Writes evidence as one JSON file. */
export function formatForkEvidence(evidence: ForkEvidence): string {
  const claim = ({ note, root, proof }: PrefixClaim): Json => {
    return { note, root: toBase64(root), proof: proof.map(toBase64) }
  }
  const { kind } = evidence
  if (evidence.kind === 'rollback') {
    return canonicalJson({ version, kind, larger: evidence.larger, smaller: evidence.smaller })
  }
  const { prefix, one, other } = evidence
  return canonicalJson({
    ...{ version, kind, prefix: prefix.toString() },
    ...{ one: claim(one), other: claim(other) },
  })
}

/**
 * Verifies evidence with nothing but the log's key, and for a rollback those of witnesses. No quorum is
 * asked for: the log signed it, whoever else did. Never throws on a hostile file.
 *
 * @throws InvalidInputError where `trust` itself is wrong.
 * @example
 * const verdict = verifyForkEvidence(file, { log: parseNoteKey(key) })
 * if (verdict.status === 'proven') stopTrusting(verdict.checkpoints)
 */
export function verifyForkEvidence(
  file: string | Uint8Array,
  trust: CheckpointTrust,
): VerifiedForkEvidence {
  // A trust that is wrong shows also where the file does not read.
  openCheckpoint('', trust)
  const evidence = parseEvidence(file)
  if (evidence === undefined) return { status: 'unproven', reason: 'malformed' }
  const notes =
    evidence.kind === 'fork'
      ? ([evidence.one.note, evidence.other.note] as const)
      : ([evidence.larger, evidence.smaller] as const)
  const [first, second] = notes.map((note) => openCheckpoint(note, trust))
  if (first?.status !== 'verified' || second?.status !== 'verified') {
    return { status: 'unproven', reason: 'signature' }
  }
  const [one, other] = [first.checkpoint, second.checkpoint]
  if (one.origin !== other.origin) return { status: 'unproven', reason: 'origin' }
  const reason =
    evidence.kind === 'fork' ? faultOfFork(evidence, one, other) : faultOfRollback(first, second)
  if (reason !== undefined) return { status: 'unproven', reason }
  return { status: 'proven', kind: evidence.kind, checkpoints: [one, other] }
}

function faultOfFork(
  { prefix, one, other }: Extract<ForkEvidence, { kind: 'fork' }>,
  ...checkpoints: readonly [Checkpoint, Checkpoint]
): 'proof' | 'same' | undefined {
  const claims = [one, other]
  const proven = checkpoints.every(({ size, root }, at) => {
    const claim = claims[at] as PrefixClaim
    const older = { oldSize: prefix, oldRoot: claim.root }
    return verifyConsistency({ ...older, newSize: size, newRoot: root, proof: claim.proof })
  })
  if (!proven) return 'proof'
  return bytesEqual(one.root, other.root) ? 'same' : undefined
}

type Dated = { checkpoint: Checkpoint; cosigned: readonly NoteSigned[] }

/**
 * One witness that cosigned the larger tree first. Two witnesses show nothing: one may be asked late
 * for a checkpoint that is older.
 */
function faultOfRollback(larger: Dated, smaller: Dated): 'same' | 'order' | undefined {
  if (smaller.checkpoint.size >= larger.checkpoint.size) return 'same'
  const shown = larger.cosigned.some(({ key, time: early = 0n }) =>
    smaller.cosigned.some((later) => later.key === key && early < (later.time ?? 0n)),
  )
  return shown ? undefined : 'order'
}

function parseEvidence(file: string | Uint8Array): ForkEvidence | undefined {
  try {
    const text = wellFormedText(file)
    if (text === undefined || text.length > maxLength) return undefined
    const json = parseJson(text) as Record<string, unknown>
    // One file, one meaning: what is not canonical, or has more members, is no evidence.
    const evidence = readEvidence(json)
    return evidence !== undefined && formatForkEvidence(evidence) === text ? evidence : undefined
  } catch {
    return undefined
  }
}

function readEvidence(json: Record<string, unknown>): ForkEvidence | undefined {
  const { kind, larger, smaller } = json
  if (kind === 'rollback') {
    if (typeof larger !== 'string' || typeof smaller !== 'string') return undefined
    return { kind, larger, smaller }
  }
  const prefix = fromDecimal(String(json['prefix']))
  const [one, other] = [readClaim(json['one']), readClaim(json['other'])]
  if (kind !== 'fork' || prefix === undefined || one === undefined || other === undefined) {
    return undefined
  }
  return { kind, prefix, one, other }
}

function readClaim(value: unknown): PrefixClaim | undefined {
  const { note, root, proof } = value as { note: unknown; root: unknown; proof: unknown }
  if (typeof note !== 'string' || !Array.isArray(proof)) return undefined
  const hashes = [root, ...proof].map((hash) => fromBase64(String(hash)))
  if (hashes.some((hash) => hash?.length !== hashSize)) return undefined
  const [first, ...rest] = hashes as Uint8Array[]
  return { note, root: first as Uint8Array, proof: rest }
}
