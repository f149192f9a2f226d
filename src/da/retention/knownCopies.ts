/**
 * Which expiring copy of an artifact lasts longest, as far as a keeper may believe it.
 *
 * Anyone can announce a locator, and a certificate's block number is text that its author chose. So
 * a copy counts when the keeper itself paid for it, or when the bytes were read under its locator.
 */
import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { decodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/options.js'
import { DaProtocolError } from '../errors.js'
import { readVerified } from '../internal/verifying.js'
import type { RenewalRecord } from './journal/records.js'
import type { RetentionEntry, RetentionFinding } from './plan.js'
import { sameLocator } from './retentionOptions.js'
import { impossibleExpiry, isPossibleExpiry, NO_EXPIRY } from './times.js'
import { type Round, within } from './within.js'

/** Announced locators of one artifact that are read in one plan, so that a flood costs little. */
const MOST_PROOFS = 8
/** Failures of a node in a row after which it is not asked again in this round. */
const MOST_FAILURES = 3

/** Blocks between the certificates of two copies one of which was due: twenty hours, of at least a day. */
const LEAST_BLOCKS = 6_000

/** A copy, and the Unix second at which it may be gone; {@link NO_EXPIRY} where that is not known. */
export type KnownCopy = { locator: DaLocator; expiresAt: number }

/** What is known of an artifact's expiring copies. */
export type KnownCopies = {
  /** The one that lasts longest. */
  last: KnownCopy | undefined
  /** When the newest announced copy expired, where all that is announced has. */
  expiredAt: number | undefined
  /** Whether the node gave no answer about a copy. */
  isUnknown: boolean
  /** Whether the copy that is listed first may be there, and could not be read. */
  isFirstUnread: boolean
}

export type CopyKeeper = {
  /** Reads what is announced only when the copies known already are due. */
  look(
    entry: RetentionEntry,
    record: RenewalRecord | undefined,
    at: number,
    findings: RetentionFinding[],
    io: Round,
  ): Promise<KnownCopies>
  /** Reads the bytes under a locator. @throws what the read throws. */
  prove(artifactHash: Hex, locator: DaLocator, io: Round): Promise<void>
  /**
   * Unix seconds until when a copy that was paid for is kept by its certificates; `undefined` where they do
   * not say. `before` are copies from before, the one that was renewed first.
   *
   * @throws {DaProtocolError} for certificates of long ago: whoever answers with them has renewed nothing.
   */
  certifiedUntil(
    copy: { locator: DaLocator; before: readonly (DaLocator | undefined)[] },
    at: number,
    io: Round,
  ): Promise<number | undefined>
}

export function createCopyKeeper({
  publisher,
  blockTime,
  renewBefore,
}: {
  publisher: DaClient | undefined
  blockTime: (blockNumber: bigint, options: IoOptions) => Promise<number>
  renewBefore: number
}): CopyKeeper {
  // The copy read last, by artifact: a certificate binds its bytes, so once is enough.
  const proven = new Map<Hex, string>()
  const claimed = createClaims()
  const earliest = createEarliest()
  let node: { round: Round | undefined; failures: number; error: unknown } = {
    round: undefined,
    failures: 0,
    error: undefined,
  }

  async function prove(artifactHash: Hex, locator: DaLocator, io: Round): Promise<void> {
    const text = encodeLocator(locator)
    if (proven.get(artifactHash) === text) return
    if (!publisher)
      throw new InvalidInputError({ field: 'publisher', reason: 'none is there to read from' })
    await within('proof', io, (inner) =>
      readVerified(publisher, { locator, hash: artifactHash }, inner),
    )
    proven.set(artifactHash, text)
  }

  /** @throws {InvalidInputError} for one that no copy that is there by now can have. */
  async function expiryAt(blockNumber: number, at: number, io: Round): Promise<number> {
    if (node.round !== io) node = { round: io, failures: 0, error: undefined }
    if (node.failures >= MOST_FAILURES) throw node.error
    const time = await within('blockTime', io, (inner) =>
      blockTime(BigInt(blockNumber), inner),
    ).catch((error: unknown) => {
      io.signal?.throwIfAborted()
      node = { round: io, failures: node.failures + 1, error }
      throw error
    })
    node.failures = 0
    const expiresAt = typeof time === 'number' ? time + EIGENDA_RETENTION_SECONDS : Number.NaN
    if (!isPossibleExpiry(expiresAt, { at, seconds: EIGENDA_RETENTION_SECONDS }))
      throw impossibleExpiry('blockTime', expiresAt)
    // A block has one time: a node that names a later one than before moves no expiry.
    return earliest(blockNumber, expiresAt)
  }

  function blockOf(locator: DaLocator): number | undefined {
    try {
      return locator.kind === 'eigenDa' ? claimed(locator) : undefined
    } catch {
      return undefined
    }
  }

  /** What the journal says, as far as the publisher's promise reaches. */
  function ownCopy(
    record: RenewalRecord | undefined,
    at: number,
    findings: RetentionFinding[],
  ): KnownCopy | undefined {
    const own = record?.state === 'sending' ? record.previous : record
    if (record === undefined || own === undefined) return undefined
    const { locator, expiresAt = Number.POSITIVE_INFINITY } = own
    const retention = publisher?.retention
    if (retention?.kind === 'permanent' && expiresAt === Number.POSITIVE_INFINITY)
      return { locator, expiresAt }
    const seconds = retention?.kind === 'expires' ? retention.seconds : EIGENDA_RETENTION_SECONDS
    if (isPossibleExpiry(expiresAt, { at, seconds })) return { locator, expiresAt }
    const { artifactHash } = record
    findings.push({
      type: 'unknownExpiry',
      artifactHash,
      error: impossibleExpiry('journal', expiresAt),
    })
    return { locator, expiresAt: NO_EXPIRY }
  }

  return {
    prove,
    async certifiedUntil({ locator, before }, at, io) {
      const block = blockOf(locator)
      if (block === undefined) return undefined
      const expiresAt = await expiryAt(block, at, io).catch(() => undefined)
      io.signal?.throwIfAborted()
      if (expiresAt === undefined || expiresAt - at > renewBefore) return expiresAt
      // A node, or a clock, by which a new certificate is old is believed no more than the certificates.
      const known = before.map((one) => one && blockOf(one)).find((one) => one !== undefined)
      if (known === undefined || block - known >= LEAST_BLOCKS) return undefined
      const reason = `it was paid for, and its certificate is of block ${block}, of long ago`
      throw new DaProtocolError({ source: publisher?.kind ?? locator.kind, reason })
    },
    async look(entry, record, at, findings, io) {
      const { artifactHash } = entry
      const own = ownCopy(record, at, findings)
      let last = own
      let expiredAt: number | undefined
      const isDue = (): boolean => last === undefined || last.expiresAt - at <= renewBefore
      let tries = 0
      let isUnknown = false
      let isFirstUnread = false
      let firstExpired: number | undefined
      for (const { locator, blockNumber, isFirst } of newestFirst(entry, claimed, findings)) {
        if (!isDue() || tries >= MOST_PROOFS) break
        // When that one was paid for is known without asking, and those that follow are older.
        if (own && own.expiresAt !== NO_EXPIRY && sameLocator(own.locator, locator)) {
          if (isFirst) continue
          break
        }
        let expiresAt: number
        try {
          expiresAt = await expiryAt(blockNumber, at, io)
        } catch (error) {
          io.signal?.throwIfAborted()
          tries += 1
          // What a time cannot be of is the announcer's doing, and no failure of the node.
          isUnknown ||= !(error instanceof InvalidInputError)
          isFirstUnread ||= isFirst
          findings.push({ type: 'unknownExpiry', artifactHash, error })
          continue
        }
        const isLater = expiresAt > at && publisher && !(last && expiresAt <= last.expiresAt)
        if (!isLater) {
          if (isFirst && expiresAt <= at) firstExpired = expiresAt
          if (isFirst) continue
          if (expiresAt <= at) expiredAt ??= expiresAt
          break
        }
        try {
          tries += 1
          await prove(artifactHash, locator, io)
          last = { locator, expiresAt }
          if (!isFirst) break
        } catch (error) {
          io.signal?.throwIfAborted()
          isFirstUnread ||= isFirst
          findings.push({ type: 'unprovenCopy', artifactHash, locator, error })
        }
      }
      if (last === undefined) expiredAt ??= firstExpired
      if (last && last.expiresAt <= at && last.expiresAt !== NO_EXPIRY)
        expiredAt = Math.max(last.expiresAt, expiredAt ?? 0)
      return { last, expiredAt, isUnknown, isFirstUnread }
    },
  }
}

/** Most certificates whose block is remembered; above it all are read anew. */
const MOST_CLAIMS = 4_096

/** Remembers the earliest expiry that was named for a block. */
function createEarliest(): (blockNumber: number, expiresAt: number) => number {
  const known = new Map<number, number>()
  return (blockNumber, expiresAt) => {
    const earliest = Math.min(known.get(blockNumber) ?? Number.POSITIVE_INFINITY, expiresAt)
    if (known.size >= MOST_CLAIMS) known.clear()
    known.set(blockNumber, earliest)
    return earliest
  }
}

/** Reads the block that the certificates of a locator name, once for each: plans come every hour. */
function createClaims(): (locator: Extract<DaLocator, { kind: 'eigenDa' }>) => number {
  const known = new Map<string, number>()
  return ({ commitments }) => {
    const key = commitments.join()
    const before = known.get(key)
    if (before !== undefined) return before
    const blocks = commitments.map(
      (commitment) => decodeEigenDaCommitment(commitment).batchHeader.referenceBlockNumber,
    )
    if (known.size >= MOST_CLAIMS) known.clear()
    const block = Math.min(...blocks)
    known.set(key, block)
    return block
  }
}

/**
 * Announced EigenDA locators by the block their certificates name, which is a claim. The one that is listed
 * first comes first whatever it names: it is the registration's, which no number of others hides.
 */
function newestFirst(
  { artifactHash, locators }: RetentionEntry,
  claimed: ReturnType<typeof createClaims>,
  findings: RetentionFinding[],
): Claim[] {
  const claims: Claim[] = []
  for (const locator of locators) {
    if (locator.kind !== 'eigenDa') continue
    try {
      const isFirst = locator === locators[0]
      claims.push({ locator, blockNumber: claimed(locator), isFirst })
    } catch (error) {
      findings.push({ type: 'unknownExpiry', artifactHash, error })
    }
  }
  return claims.sort(
    (a, b) => Number(b.isFirst) - Number(a.isFirst) || b.blockNumber - a.blockNumber,
  )
}

type Claim = { locator: DaLocator; blockNumber: number; isFirst: boolean }
