/** What is to be done for one artifact, from what its copies, archives and journal say. */
import type { Hex } from 'viem'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/options.js'
import type { ArchivedCopies, ArchiveRound } from './archives.js'
import { ownLocators, type RenewalRecord } from './journal/records.js'
import type { CopyKeeper, KnownCopies } from './knownCopies.js'
import type { RetentionEntry, RetentionFinding, RetentionStep } from './plan.js'
import { sameLocator } from './retentionOptions.js'
import { isPast } from './times.js'
import type { Round } from './within.js'

/** What a plan for one artifact is made with. */
export type EntryPlanning = {
  record: RenewalRecord | undefined
  /** Unix seconds. */
  at: number
  copies: CopyKeeper
  archives: ArchiveRound
  findings: RetentionFinding[]
  /** Artifacts that no archive had when a copy was due, from one plan to the next. */
  unarchived: Set<Hex>
  /** Whether there is somewhere to renew at. */
  canRenew: boolean
  /** Seconds before expiry in which a copy is due. */
  renewBefore: number
  /** Seconds before expiry in which a renewal that may have been paid is made again. */
  urgentBefore: number
  io: Round
}

/** Plans one artifact: what was paid for first, then archives, then the renewal. */
export async function planEntry(
  entry: RetentionEntry,
  planning: EntryPlanning,
): Promise<RetentionStep[]> {
  const { record, at, copies, archives, findings, renewBefore, io } = planning
  const paid = paidSteps(entry, record)
  const answered = record?.state === 'sending' && (await arrived(entry, record, planning))
  if (answered) {
    const { artifactHash, namespace, templateId } = entry
    const found = await archives.look(entry, { thorough: false, findings, io })
    return [
      { type: 'announce', artifactHash, namespace, templateId, locator: answered },
      ...archiveSteps(entry, found, [answered]),
    ]
  }
  const known = await copies.look(entry, record, at, findings, io)
  const { last, expiredAt, isFirstUnread } = known
  const isDue = last === undefined || last.expiresAt - at <= renewBefore
  // Only where a copy that may be there still is about to lapse does an archive's word not do.
  const isLeft = isFirstUnread && last === undefined
  const isLet = entry.policy === 'lapse' && expiredAt === undefined
  const isLapsing = isDue && (isLet || isLeft)
  const thorough = isLapsing && (last !== undefined || isClaimed(entry))
  const found = await archives.look(entry, { thorough, findings, io })
  const { artifactHash } = entry
  if (expiredAt !== undefined)
    findings.push({ type: 'expired', artifactHash, expiresAt: expiredAt })
  const steps = [
    ...paid,
    ...settledByChain(artifactHash, record, known),
    ...archiveSteps(entry, found, [last?.locator, ...ownLocators(record)]),
  ]
  return isDue ? [...steps, ...renewalSteps(entry, { known, found, planning })] : steps
}

function paidSteps(
  { artifactHash, namespace, templateId, locators }: RetentionEntry,
  record: RenewalRecord | undefined,
): RetentionStep[] {
  if (record?.state !== 'paid') return []
  const { locator } = record
  if (locators.some((other) => sameLocator(other, locator)))
    return [{ type: 'settle', artifactHash }]
  return [{ type: 'announce', artifactHash, namespace, templateId, locator }]
}

/** Whether a renewal of unknown outcome did go through, by the bytes under what was answered. */
async function arrived(
  { locators }: RetentionEntry,
  record: Extract<RenewalRecord, { state: 'sending' }>,
  { at, copies, findings, io }: EntryPlanning,
): Promise<DaLocator | undefined> {
  const { artifactHash, answered = [], previous } = record
  for (const { locator } of answered) {
    try {
      await copies.prove(artifactHash, locator, io)
      await copies.certifiedUntil({ locator, before: [previous?.locator, ...locators] }, at, io)
      return locator
    } catch (error) {
      io.signal?.throwIfAborted()
      findings.push({ type: 'unprovenCopy', artifactHash, locator, error })
    }
  }
  return undefined
}

// A renewal whose end was never seen, but whose copy is on chain: blobs refer to a block that is an
// hour old at most.
function settledByChain(
  artifactHash: Hex,
  record: RenewalRecord | undefined,
  { last }: KnownCopies,
): RetentionStep[] {
  if (record?.state !== 'sending' || last === undefined) return []
  const published = last.expiresAt - EIGENDA_RETENTION_SECONDS
  return Number.isFinite(published) && published >= record.startedAt - 7_200
    ? [{ type: 'settle', artifactHash }]
    : []
}

function archiveSteps(
  { artifactHash, namespace, locators }: RetentionEntry,
  { missing }: ArchivedCopies,
  known: readonly (DaLocator | undefined)[],
): RetentionStep[] {
  if (missing.length === 0) return []
  const first = knownFirst(locators, known)
  return missing.map((store) => ({
    type: 'archive',
    artifactHash,
    namespace,
    store,
    locators: first,
  }))
}

function isClaimed({ locators }: RetentionEntry): boolean {
  return locators.some(({ kind }) => kind === 'eigenDa')
}

function renewalSteps(
  entry: RetentionEntry,
  {
    known,
    found: { store, isUnknown },
    planning,
  }: { known: KnownCopies; found: ArchivedCopies; planning: EntryPlanning },
): RetentionStep[] {
  const { artifactHash, namespace, templateId, locators } = entry
  const { record, at, findings, urgentBefore } = planning
  const { last } = known
  const expiresAt = Number.isFinite(last?.expiresAt) ? last?.expiresAt : undefined
  if (entry.policy === 'lapse' && store !== undefined) {
    findings.push({ type: 'lapsing', artifactHash, expiresAt, store })
    return []
  }
  // An artifact that never had an expiring copy is kept by its archives alone.
  if (last === undefined && !isClaimed(entry)) return []
  const isGone = last === undefined || last.expiresAt <= at
  if (isGone && store === undefined) findings.push({ type: 'onlyClaimed', artifactHash })
  if (!planning.canRenew) {
    findings.push({ type: 'renewalMissing', artifactHash, expiresAt })
    return []
  }
  // One that is away may have it: a stranger's claim is not to be paid for once it is back.
  const isOwn = locators[0]?.kind === 'eigenDa'
  if (store === undefined && (isOwn || !isUnknown)) planning.unarchived.add(artifactHash)
  // A stranger who announces a copy does not make its owner pay for what an archive holds.
  if (record === undefined && store !== undefined && !isBelieved(entry, known, planning)) {
    findings.push({ type: 'unreadClaims', artifactHash, store })
    return []
  }
  const isUrgent = expiresAt === undefined || expiresAt - at <= urgentBefore
  const count = record?.state === 'sending' ? (record.tries ?? 1) : 0
  if (count > 1) findings.push({ type: 'paidUnseen', artifactHash, count })
  // Paid or not, it is tried again only when time runs out, and then not at every run.
  const isLast = !isGone && store === undefined
  if (record?.state === 'sending' && (!isUrgent || isRecent(record, { planning, isLast }))) {
    const { startedAt } = record
    findings.push({ type: 'renewalUncertain', artifactHash, startedAt, expiresAt })
    return []
  }
  return [
    {
      type: 'renew',
      artifactHash,
      namespace,
      templateId,
      previous: last?.locator,
      locators: knownFirst(locators, [last?.locator, ...ownLocators(record)]),
      expiresAt,
      mayPayTwice: record?.state === 'sending',
    },
  ]
}

/**
 * Whether an expiring copy counts that nobody has read: where there was no archive to have the bytes from
 * instead, and where the node could not be asked, of a copy that is listed first, as the registration's is.
 */
function isBelieved(
  { artifactHash, locators }: RetentionEntry,
  { last, isUnknown }: KnownCopies,
  { unarchived }: EntryPlanning,
): boolean {
  if (last !== undefined || unarchived.has(artifactHash)) return true
  return isUnknown && locators[0]?.kind === 'eigenDa'
}

/**
 * Whether a renewal was sent a moment ago; one of a time to come was sent by a clock that was wrong.
 * A network that takes payments and shows no copy takes ever fewer: the pause doubles with each, but where
 * the copy that is about to lapse is the last (`isLast`), whose few hours bound the payments.
 */
function isRecent(
  { startedAt, tries = 1 }: Extract<RenewalRecord, { state: 'sending' }>,
  { planning, isLast }: { planning: EntryPlanning; isLast: boolean },
): boolean {
  const { at, urgentBefore, renewBefore } = planning
  const most = EIGENDA_RETENTION_SECONDS - renewBefore
  const pause = (urgentBefore / 3) * (isLast ? 1 : 2 ** (tries - 1))
  return isPast(startedAt, at) && at - startedAt < Math.min(pause, most)
}

/** The copies known to be there before those that anyone may have announced. */
function knownFirst(
  locators: readonly DaLocator[],
  known: readonly (DaLocator | undefined)[],
): readonly DaLocator[] {
  const byKey = new Map<Hex, DaLocator>()
  for (const locator of [...known, ...locators]) {
    const key = locator && encodeLocator(locator)
    if (key !== undefined && !byKey.has(key)) byKey.set(key, locator as DaLocator)
  }
  return [...byKey.values()]
}
