/** Renewals carried out: noted before they are sent, and again with every fact that comes back. */
import type { Hex } from 'viem'
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient, DaReceipt } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertMembers } from '../../internal/options.js'
import { longer } from '../combined/members.js'
import { DaIntegrityError } from '../errors.js'
import { isOpenWrite, paidIn } from '../internal/paid.js'
import type { EntryReader } from './entries.js'
import type { RenewalBook } from './journal/journal.js'
import { type OwnCopy, type RenewalRecord, withAnswer } from './journal/records.js'
import type { CopyKeeper } from './knownCopies.js'
import type { RetentionEntry, RetentionStep } from './plan.js'
import { isRefusal, sameLocator } from './retentionOptions.js'
import { isPossibleExpiry, secondsOf } from './times.js'
import { fetchArtifact, type Round, within } from './within.js'

type RenewStep = Extract<RetentionStep, { type: 'renew' }>
type AnnounceStep = Extract<RetentionStep, { type: 'announce' }>

/** Milliseconds for a publisher that says nothing of its own. */
const LONGEST_RENEWAL = 900_000

/** How a step ended, and why it was left out. */
export type StepOutcome = { status: 'done' } | { status: 'skipped'; reason: string }

const done: StepOutcome = { status: 'done' }
const skipped = (reason: string): StepOutcome => ({ status: 'skipped', reason })

/** A copy to be announced. */
export type Announcement = Omit<AnnounceStep, 'type'>

/** The half of a keeper that pays and announces, in the carrying out of one plan. */
export type Renewals = {
  /** Pays, and says what is to be announced by {@link Renewals.tell}. */
  renew(step: RenewStep): Promise<StepOutcome | { status: 'paid'; copy: Announcement }>
  announce(step: AnnounceStep): Promise<StepOutcome>
  tell(copy: Announcement): Promise<StepOutcome>
  /** Announces where an archive has an artifact, unless it is on chain or there is nobody to announce. */
  tellArchived(artifactHash: Hex, locator: DaLocator): Promise<void>
  /** The copy that was paid for is on chain: it stays known, since others cannot change it. */
  hold(artifactHash: Hex): Promise<void>
}

/** Parts of {@link createRenewals}. */
export type RenewalOptions = {
  entries: EntryReader
  publisher: DaClient | undefined
  source: ArtifactSource
  announcer: Announcer | undefined
  copies: CopyKeeper
  renewBefore: number
  /** Seconds before expiry in which what may have been paid is paid again. */
  urgentBefore: number
  /** Milliseconds since the epoch. */
  now: () => number
}

/** Creates the half of a keeper that pays and announces, for the carrying out of one plan. */
export function openRenewals(options: RenewalOptions, book: RenewalBook, io: Round): Renewals {
  const { publisher, announcer, copies, now } = options
  const seconds = (): number => secondsOf(now)
  const { signal, timeout } = io
  let listed: Promise<Map<Hex, RetentionEntry>> | undefined

  /** What the chain shows now, read once: a plan may be old, and a scan for each step would take long. */
  function entryOf(artifactHash: Hex): Promise<RetentionEntry | undefined> {
    listed ??= options
      .entries([], io)
      .then((all) => new Map(all.map((entry) => [entry.artifactHash, entry])))
      .catch((error: unknown) => {
        listed = undefined
        throw error
      })
    return listed.then((all) => all.get(artifactHash))
  }

  async function hold(artifactHash: Hex): Promise<void> {
    const kept = await book.get(artifactHash)
    const next = kept?.state === 'paid' ? ({ ...kept, state: 'held' } as const) : undefined
    await book.set(artifactHash, next, { io })
  }

  /**
   * Unix seconds until when a copy paid for at `from` is kept. What a receipt says counts within the
   * promise, and not where a new copy would be due at once: then one of the two clocks is wrong, and
   * every run would pay.
   */
  function promisedUntil(from: number, said?: number): number | undefined {
    if (publisher?.retention.kind !== 'expires') return said
    const { seconds } = publisher.retention
    const isPossible = said !== undefined && isPossibleExpiry(said, { at: from, seconds })
    return isPossible && said - from > options.renewBefore ? said : from + seconds
  }

  /** The same of a copy, where its certificates do not say less. @throws for certificates of long ago. */
  async function keptUntil(
    copy: { locator: DaLocator; before: readonly (DaLocator | undefined)[] },
    from: number,
    said?: number,
  ): Promise<number | undefined> {
    const promised = promisedUntil(from, said)
    if (publisher?.retention.kind !== 'expires') return promised
    const certified = await copies.certifiedUntil(copy, seconds(), io)
    return Math.min(promised ?? Number.POSITIVE_INFINITY, certified ?? Number.POSITIVE_INFINITY)
  }

  async function tell(copy: Announcement): Promise<StepOutcome> {
    if (!announcer) {
      const reason = 'a renewed locator must be announced by someone'
      throw new InvalidInputError({ field: 'announcer', reason })
    }
    const { artifactHash, namespace, templateId, locator } = copy
    await within('announcement', io, (inner) =>
      announcer.announceArtifact({ templateId, namespace, locator }, inner),
    )
    await hold(artifactHash)
    return done
  }

  /** Sends a renewal. Whatever it answers, and whatever it leaves open, is in the journal after. */
  async function send(
    client: DaClient,
    { bytes, step, at, before, mayPayTwice }: Sending,
  ): Promise<DaReceipt> {
    const { artifactHash, previous } = step
    // The client's own end comes first, since it says what was paid for.
    const limit = { signal, timeout: longer(timeout ?? LONGEST_RENEWAL) }
    return io.patience('renewal', async () => {
      const sending = sendingAfter(before, { artifactHash, at })
      await book.set(artifactHash, sending, { io, isIntent: true })
      try {
        return await withDeadline('renewal', limit, (signal) =>
          client.renew && previous
            ? client.renew(previous, bytes, { timeout, mayPayTwice, signal })
            : client.put(bytes, { timeout, mayPayTwice, signal }),
        )
      } catch (error) {
        // Only a failure that is known not to have been paid may be forgotten.
        const isOpen =
          isOpenWrite(error) || error instanceof TimeoutError || signal?.aborted === true
        if (!isOpen && isRefusal(error)) await book.set(artifactHash, before)
        // What was answered is what was paid for: it is read again later instead of paid again.
        const locator = answeredIn(error)
        if (locator) {
          const answered = withAnswer(sending.answered, { locator, at })
          await book.set(artifactHash, { ...sending, answered })
        }
        throw error
      }
    })
  }

  return {
    hold,
    tell,
    async tellArchived(artifactHash, locator) {
      if (!announcer) return
      const entry = await entryOf(artifactHash)
      if (!entry || entry.locators.some((other) => sameLocator(other, locator))) return
      const { namespace, templateId } = entry
      await within('announcement', io, (inner) =>
        announcer.announceArtifact({ templateId, namespace, locator }, inner),
      )
    },
    async announce(step) {
      const { artifactHash, locator } = step
      const kept = await book.get(artifactHash)
      const own = kept?.state === 'sending' ? (kept.answered ?? []) : kept ? [kept] : []
      const copy = own.find((one) => sameLocator(one.locator, locator))
      if (!kept || !copy) return skipped('the journal has another copy by now')
      if (kept.state === 'held') return skipped('it was announced before')
      if ('at' in copy) {
        await copies.prove(artifactHash, locator, io)
        const before = kept.state === 'sending' ? [kept.previous?.locator] : []
        const expiresAt = await keptUntil({ locator, before }, copy.at)
        await book.set(artifactHash, { state: 'paid', artifactHash, locator, expiresAt })
      }
      return tell(step)
    },
    async renew(step) {
      const { artifactHash, namespace, locators, templateId } = step
      if (!publisher) return skipped('there is no publisher')
      const before = await book.get(artifactHash)
      if (before?.state === 'sending' && !step.mayPayTwice)
        return skipped('another renewal was sent after this plan')
      // A plan may be old: what the chain shows now decides whether there is anything to pay for.
      const at = seconds()
      const entry = await entryOf(artifactHash)
      if (!entry) return skipped('the artifact is not kept any more')
      const { last } = await copies.look(entry, before, at, [], io)
      if (last && last.expiresAt - at > options.renewBefore)
        return skipped('a copy was found that is not due')
      const request = { hash: artifactHash, namespace, locators }
      const bytes = await fetchArtifact(options.source, request, io)
      // The publisher remembers payments by a time of its own, and this one ends first.
      const isUrgent = last === undefined || last.expiresAt - at <= options.urgentBefore
      const mayPayTwice = step.mayPayTwice || isUrgent
      const receipt = await send(publisher, { bytes, step, at, before, mayPayTwice })
      assertReceipt(receipt, { artifactHash, source: publisher.kind })
      const { locator } = receipt
      const answered = before?.state === 'sending' ? before.answered : undefined
      // A receipt may be of a copy that nobody has read: it must not be all that is left of several.
      if (answered !== undefined) await proveNew(locator, { artifactHash, at })
      const copy = { locator, before: [step.previous, ...entry.locators] }
      const expiresAt = await keptUntil(copy, at, receipt.expiresAt).catch(
        async (error: unknown) => {
          // It was paid for, and may be as new as it should be by a clock that is right.
          await noteAnswer(locator, { artifactHash, at })
          throw error
        },
      )
      await book.set(artifactHash, { state: 'paid', artifactHash, locator, expiresAt })
      return announcer
        ? { status: 'paid', copy: { artifactHash, namespace, templateId, locator } }
        : done
    },
  }

  /** Notes a copy as one of those that were answered, and reads it. @throws what the read throws. */
  async function proveNew(
    locator: DaLocator,
    { artifactHash, at }: { artifactHash: Hex; at: number },
  ): Promise<void> {
    await noteAnswer(locator, { artifactHash, at })
    await copies.prove(artifactHash, locator, io)
  }

  async function noteAnswer(
    locator: DaLocator,
    { artifactHash, at }: { artifactHash: Hex; at: number },
  ): Promise<void> {
    const kept = await book.get(artifactHash)
    if (kept?.state !== 'sending') return
    const answered = withAnswer(kept.answered, { locator, at })
    await book.set(artifactHash, { ...kept, answered })
  }
}

type Sending = {
  bytes: Uint8Array
  step: RenewStep
  at: number
  before: RenewalRecord | undefined
  mayPayTwice: boolean
}

/** What is noted before a renewal is sent. All that was paid for before stays known until a copy is. */
function sendingAfter(
  before: RenewalRecord | undefined,
  { artifactHash, at }: { artifactHash: Hex; at: number },
): Extract<RenewalRecord, { state: 'sending' }> {
  const sent = before?.state === 'sending' ? before : undefined
  const tries = sent && (sent.tries ?? 1) + 1
  const previous = ownBefore(before)
  const own = { tries, answered: sent?.answered, previous }
  return { state: 'sending', artifactHash, startedAt: at, ...own }
}

/** What a failed write may have paid for. Commitments alone may be of a part; reading them tells. */
function answeredIn(error: unknown): DaLocator | undefined {
  const { locator, commitments = [] } = paidIn(error) ?? {}
  if (locator) return locator
  return commitments.length > 0 ? { kind: 'eigenDa', commitments } : undefined
}

function ownBefore(before: RenewalRecord | undefined): OwnCopy | undefined {
  if (before === undefined) return undefined
  if (before.state === 'sending') return before.previous
  return { locator: before.locator, expiresAt: before.expiresAt }
}

function assertReceipt(
  receipt: { artifactHash: Hex; locator: DaLocator },
  { artifactHash, source }: { artifactHash: Hex; source: string },
): void {
  assertMembers('receipt', receipt, ['artifactHash', 'locator'])
  if (receipt.artifactHash === artifactHash) return
  throw new DaIntegrityError({
    source,
    expected: artifactHash,
    actual: receipt.artifactHash,
    reason: 'the receipt names another artifact',
  })
}
