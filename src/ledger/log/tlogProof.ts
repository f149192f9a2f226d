import { InvalidInputError } from '../../errors/common.js'
import { assertObject } from '../../internal/options.js'
import { type Checkpoint, type CheckpointTrust, verifyCheckpoint } from './checkpoint.js'
import { fromBase64, fromDecimal, toBase64, wellFormedText } from './encoding.js'
import { hashSize, isSize, leafHash, verifyInclusion } from './merkle.js'
import type { NoteFault, NoteSigned } from './note.js'

const header = 'c2sp.org/tlog-proof@v1'
/** A tree of 2^63 entries is 63 levels high. */
const maxHashes = 63

/** What `verifyTlogProof` answers. */
export type VerifiedTlogProof =
  | { status: 'verified'; index: bigint; checkpoint: Checkpoint; cosigned: NoteSigned[] }
  | { status: 'invalid'; reason: NoteFault | 'origin' | 'quorum' | 'inclusion' }

/**
 * Writes a proof of inclusion with its signed checkpoint as one file (C2SP tlog-proof@v1).
 *
 * @throws InvalidInputError for an index or hashes that no proof has.
 */
export function formatTlogProof(parts: {
  index: bigint
  proof: readonly Uint8Array[]
  checkpoint: string
}): string {
  const { index, proof, checkpoint } = parts
  if (!isSize(index)) throw new InvalidInputError({ field: 'index', reason: 'it is a bigint' })
  if (proof.length > maxHashes || proof.some((hash) => hash.length !== hashSize)) {
    throw new InvalidInputError({ field: 'proof', reason: 'it has at most 63 hashes of 32 bytes' })
  }
  const hashes = proof.map((hash) => `${toBase64(hash)}\n`).join('')
  return `${header}\nindex ${index}\n${hashes}\n${checkpoint}`
}

/**
 * Verifies offline that a log has an entry: the checkpoint's signatures under `trust`, and the
 * entry's place in its tree. Never throws on a hostile file.
 *
 * @throws InvalidInputError where `trust` itself is wrong.
 * @example
 * const result = verifyTlogProof({ file, entry, trust: { log: parseNoteKey(key) } })
 * if (result.status === 'verified') accept(entry)
 */
export function verifyTlogProof(parameters: {
  file: Uint8Array | string
  entry: Uint8Array
  trust: CheckpointTrust
}): VerifiedTlogProof {
  assertObject('parameters', parameters)
  const parsed = parse(parameters.file)
  // The trust is checked also where the file is unreadable, so that a wrong option shows at once.
  const verified = verifyCheckpoint(parsed?.checkpoint ?? '', parameters.trust)
  if (parsed === undefined || !(parameters.entry instanceof Uint8Array)) {
    return { status: 'invalid', reason: 'malformed' }
  }
  if (verified.status !== 'verified') return verified
  const { index, proof } = parsed
  const { size, root } = verified.checkpoint
  const leaf = leafHash(parameters.entry)
  if (!verifyInclusion({ index, size, root, leaf, proof })) {
    return { status: 'invalid', reason: 'inclusion' }
  }
  return { ...verified, index }
}

function parse(
  file: unknown,
): { index: bigint; proof: Uint8Array[]; checkpoint: string } | undefined {
  const text = wellFormedText(file)
  const split = text?.indexOf('\n\n') ?? -1
  if (text === undefined || split < 0) return undefined
  const [first, ...lines] = text.slice(0, split).split('\n')
  if (first !== header || lines.length > maxHashes + 2) return undefined
  if (lines[0]?.startsWith('extra ')) {
    if (fromBase64(lines.shift()?.slice('extra '.length) ?? '') === undefined) return undefined
  }
  const place = lines.shift() ?? ''
  const index = place.startsWith('index ') ? fromDecimal(place.slice('index '.length)) : undefined
  const proof = lines.map(fromBase64).filter((hash) => hash?.length === hashSize)
  if (index === undefined || proof.length !== lines.length) return undefined
  return { index, proof: proof as Uint8Array[], checkpoint: text.slice(split + 2) }
}
