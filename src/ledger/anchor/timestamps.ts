/** A checkpoint under OpenTimestamps, verified offline against headers of Bitcoin. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesEqual, fromHex, utf8 } from '../../internal/bytes.js'
import type { Checkpoint } from '../log/checkpoint.js'
import type { TimestampReceipt } from './receipts.js'
import { checkpointOfText } from './rekor.js'
import { readTimestampFile } from './timestampFile.js'

/** Who is believed about a timestamp. */
export type TimestampTrust = {
  /**
   * The 80 bytes of Bitcoin's header at a height, of a block that stays: from a node of one's own, or
   * several explorers. `undefined` for one that is not known.
   */
  header: (height: bigint) => Uint8Array | undefined
}

/** What `verifyTimestamp` answers. */
export type VerifiedTimestamp =
  /** The checkpoint existed at `time`, seconds of the block's header, which miners may set two hours off. */
  | { status: 'verified'; checkpoint: Checkpoint; height: bigint; time: bigint }
  /** No block yet, or none whose header is known: `upgradeTimestamp` asks the calendars. */
  | { status: 'pending'; calendars: string[]; heights: bigint[] }
  | { status: 'invalid'; reason: 'malformed' | 'text' | 'digest' | 'block' }

/**
 * Verifies a timestamp of a checkpoint offline: the operations from SHA-256 of its text to the Merkle root
 * of a block. Of several blocks the earliest counts. Never throws on a hostile receipt.
 *
 * @example
 * const verdict = verifyTimestamp(receipt, { header: (height) => headers.get(height) })
 * if (verdict.status === 'verified') new Date(Number(verdict.time) * 1_000)
 */
export function verifyTimestamp(
  receipt: TimestampReceipt,
  trust: TimestampTrust,
): VerifiedTimestamp {
  try {
    const checkpoint = checkpointOfText(receipt)
    if (checkpoint === undefined) return { status: 'invalid', reason: 'text' }
    const { digest, attestations } = readTimestampFile(fromHex(receipt.file))
    if (!bytesEqual(digest, sha256(utf8(receipt.text)))) {
      return { status: 'invalid', reason: 'digest' }
    }
    const calendars: string[] = []
    const heights: bigint[] = []
    let earliest: { height: bigint; time: bigint } | undefined
    for (const attestation of attestations) {
      if (attestation.kind === 'pending') calendars.push(attestation.calendar)
      if (attestation.kind !== 'bitcoin') continue
      const { height, message } = attestation
      heights.push(height)
      const header = trust.header(height)
      if (header === undefined) continue
      // One that is wrong is none to be passed over: somebody put it there.
      const time = timeOf(header, message)
      if (time === undefined) return { status: 'invalid', reason: 'block' }
      if (earliest === undefined || height < earliest.height) earliest = { height, time }
    }
    if (earliest === undefined) return { status: 'pending', calendars, heights }
    return { status: 'verified', checkpoint, ...earliest }
  } catch {
    return { status: 'invalid', reason: 'malformed' }
  }
}

/** Seconds of a header whose Merkle root is the message; `undefined` where it is not. */
function timeOf(header: Uint8Array, message: Uint8Array): bigint | undefined {
  if (header.length !== 80 || !bytesEqual(header.slice(36, 68), message)) return undefined
  return BigInt(new DataView(header.buffer, header.byteOffset).getUint32(68, true))
}
