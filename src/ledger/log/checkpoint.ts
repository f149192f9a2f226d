import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, toHex } from '../../internal/bytes.js'
import { assertKnown, assertList, assertMembers, assertObject } from '../../internal/options.js'
import { fromBase64, fromDecimal, toBase64 } from './encoding.js'
import { isKeyName, type NoteKey } from './keys.js'
import { emptyRoot, hashSize, isSize } from './merkle.js'
import { type NoteFault, type NoteSigned, openNote } from './note.js'
import { assertTlogPolicy, meetsQuorum, type Quorum, type TlogPolicy } from './policy.js'

/** What a log commits to: its first `size` entries have this Merkle root. */
export type Checkpoint = { origin: string; size: bigint; root: Uint8Array }

/** Whose word is needed for a checkpoint: one log and some witnesses, or a trust file. */
export type CheckpointTrust = LogTrust | TlogPolicy

/** One log, and witnesses of which a number must have cosigned. */
export type LogTrust = {
  /** The log's key. Its name is the origin unless `origin` says another. */
  log: NoteKey
  origin?: string | undefined
  /** Witnesses, and how many of them must have cosigned. Without them the log alone is believed. */
  witnesses?: { keys: readonly NoteKey[]; quorum: number } | undefined
}

/** What `verifyCheckpoint` answers. */
export type VerifiedCheckpoint =
  | { status: 'verified'; checkpoint: Checkpoint; cosigned: NoteSigned[] }
  | { status: 'invalid'; reason: NoteFault | 'origin' | 'quorum' }

/**
 * The text of a checkpoint, to be signed by `signNote` (C2SP tlog-checkpoint).
 *
 * @throws InvalidInputError for an origin, size or root that no checkpoint has.
 */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (typeof origin !== 'string' || !isKeyName(origin)) {
    throw new InvalidInputError({
      field: 'origin',
      reason: 'it is not empty, without space or `+`',
    })
  }
  if (!isSize(size))
    throw new InvalidInputError({ field: 'size', reason: 'it is a bigint below 2^63' })
  if (!(root instanceof Uint8Array) || root.length !== hashSize) {
    throw new InvalidInputError({ field: 'root', reason: 'it has 32 bytes' })
  }
  return `${origin}\n${size}\n${toBase64(root)}\n`
}

/** Reads the text of a checkpoint; extension lines are passed over. `undefined` for other text. */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const lines = text.split('\n')
  if (lines.length < 4 || lines.pop() !== '' || lines.includes('')) return undefined
  const [origin = '', decimal = '', encoded = ''] = lines
  const size = fromDecimal(decimal)
  const root = fromBase64(encoded)
  if (size === undefined || root === undefined || root.length !== hashSize) return undefined
  if (size === 0n && !bytesEqual(root, emptyRoot())) return undefined
  return { origin, size, root }
}

/**
 * Verifies a signed checkpoint: the log's signature, its origin, and cosignatures of `quorum`
 * different witnesses. Never throws on hostile bytes.
 *
 * @throws InvalidInputError where `trust` itself is wrong: a key of the wrong kind, a witness twice,
 * a quorum that is not 1 to the number of witnesses.
 * @example
 * const result = verifyCheckpoint(bytes, { log: parseNoteKey(text) })
 * if (result.status === 'verified') use(result.checkpoint)
 */
export function verifyCheckpoint(
  note: Uint8Array | string,
  trust: CheckpointTrust,
): VerifiedCheckpoint {
  const opened = openCheckpoint(note, trust)
  if (opened.status !== 'verified') return opened
  const cosigned = new Set(opened.cosigned.map(({ key }) => key))
  return meetsQuorum(readTrust(trust).quorum, cosigned)
    ? opened
    : { status: 'invalid', reason: 'quorum' }
}

/** Like `verifyCheckpoint`, without asking for a quorum: the log's word, and who cosigned it. */
export function openCheckpoint(
  note: Uint8Array | string,
  trust: CheckpointTrust,
): VerifiedCheckpoint {
  const { logs, witnesses } = readTrust(trust)
  const opened = openNote(note, [...logs.map(({ key }) => key), ...witnesses])
  if (opened.status !== 'verified') return opened
  const signers = logs.filter(({ key }) => opened.signed.some((signed) => signed.key === key))
  if (signers.length === 0) return { status: 'invalid', reason: 'unsigned' }
  const checkpoint = parseCheckpoint(opened.text)
  if (checkpoint === undefined) return { status: 'invalid', reason: 'malformed' }
  if (!signers.some(({ origin }) => origin === checkpoint.origin)) {
    return { status: 'invalid', reason: 'origin' }
  }
  const cosigned = opened.signed.filter(({ key }) => key.kind === 'witness')
  return { status: 'verified', checkpoint, cosigned }
}

type ReadTrust = {
  logs: { key: NoteKey; origin: string }[]
  witnesses: readonly NoteKey[]
  quorum: Quorum | 'none'
}

/** Refuses a trust that would ask for less than was meant. @throws {InvalidInputError} */
export function assertCheckpointTrust(trust: CheckpointTrust, field = 'trust'): void {
  assertObject(field, trust)
  if ('quorum' in trust) assertTlogPolicy(trust, field)
  else assertLogTrust(trust, field)
}

function readTrust(trust: CheckpointTrust): ReadTrust {
  assertCheckpointTrust(trust)
  if ('quorum' in trust) {
    const logs = trust.logs.map(({ key }) => ({ key, origin: key.name }))
    return { logs, witnesses: trust.witnesses.map(({ key }) => key), quorum: trust.quorum }
  }
  const { log, origin = log.name } = trust
  const { keys = [], quorum: threshold } = trust.witnesses ?? {}
  const members = keys.map((witness) => ({ witness }))
  const quorum = threshold === undefined ? 'none' : { threshold, members }
  return { logs: [{ key: log, origin }], witnesses: keys, quorum }
}

function assertLogTrust(trust: LogTrust, field: string): void {
  assertKnown(field, trust, ['log', 'origin', 'witnesses'])
  const { log, witnesses } = trust
  if (log?.kind !== 'log') throw invalid(`${field}.log`, 'it is the Ed25519 key of a log (type 1)')
  if (witnesses === undefined) return
  assertMembers(`${field}.witnesses`, witnesses, ['keys', 'quorum'])
  assertKnown(`${field}.witnesses`, witnesses, ['keys', 'quorum'])
  const { keys, quorum } = witnesses
  assertList(`${field}.witnesses.keys`, keys)
  if (!keys.every((key) => key?.kind === 'witness')) {
    throw invalid(`${field}.witnesses.keys`, 'each is the key of a cosigner (type 4)')
  }
  // A cosignature does not cover the name: one key under two names is one witness.
  if (new Set(keys.map(({ publicKey }) => toHex(publicKey))).size !== keys.length) {
    throw invalid(`${field}.witnesses.keys`, 'each key is there once')
  }
  if (keys.some(({ publicKey }) => bytesEqual(publicKey, log.publicKey))) {
    throw invalid(`${field}.witnesses.keys`, 'the log is not its own witness')
  }
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > keys.length) {
    throw invalid(`${field}.witnesses.quorum`, 'it is 1 to the number of witnesses')
  }
}

function invalid(field: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field, reason })
}
