/** Renewals carried out: noted before they are sent, and again with every fact that comes back. */
import type { Hex } from 'viem'
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient, DaReceipt } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertMembers } from '../../internal/options.js'
import { longer } from '../combined/members.js'
import { DaIntegrityError } from '../errors.js'
import { isOpenWrite, paidIn } from '../internal/paid.js'
import type { EntryReader } from './entries.js'
import { type OwnCopy, type RenewalRecord, type RetentionJournal, timed } from './journal.js'
import type { CopyKeeper } from './knownCopies.js'
import type { RetentionStep } from './plan.js'
import { isRefusal, sameLocator } from './retentionOptions.js'
import { isPossibleExpiry, secondsOf } from './times.js'
import { fetchArtifact, within } from './within.js'

type RenewStep = Extract<RetentionStep, { type: 'renew' }>
type AnnounceStep = Extract<RetentionStep, { type: 'announce' }>

/** Milliseconds for a publisher that says nothing of its own. */
const LONGEST_RENEWAL = 900_000

/** How a step ended, and why it was left out. */
export type StepOutcome = { status: 'done' } | { status: 'skipped'; reason: string }

const done: StepOutcome = { status: 'done' }
const skipped = (reason: string): StepOutcome => ({ status: 'skipped', reason })

/** The half of a keeper that pays and announces. */
export type Renewals = {
  renew(step: RenewStep, io: IoOptions): Promise<StepOutcome>
  announce(step: AnnounceStep, io: IoOptions): Promise<StepOutcome>
  /** The copy that was paid for is on chain: it stays known, since others cannot change it. */
  hold(artifactHash: Hex, io: IoOptions): Promise<void>
}

/** Parts of {@link createRenewals}. */
export type RenewalOptions = {
  entries: EntryReader
  publisher: DaClient | undefined
  source: ArtifactSource
  announcer: Announcer | undefined
  journal: RetentionJournal
  copies: CopyKeeper
  renewBefore: number
  /** Seconds before expiry in which what may have been paid is paid again. */
  urgentBefore: number
  /** Milliseconds since the epoch. */
  now: () => number
}

/** Creates the half of a keeper that pays and announces. */
export function createRenewals(options: RenewalOptions): Renewals {
  const { publisher, announcer, copies, now } = options
  const journal = timed(options.journal)
  const seconds = (): number => secondsOf(now)

  async function known(artifactHash: Hex, io: IoOptions): Promise<RenewalRecord | undefined> {
    return (await journal.read(io)).find((kept) => kept.artifactHash === artifactHash)
  }

  // What was paid for is noted in the journal's own time, however little the caller has.
  async function record(
    artifactHash: Hex,
    next: RenewalRecord | undefined,
    io: IoOptions = {},
  ): Promise<void> {
    const dayAgo = seconds() - 86_400
    const others = (await journal.read(io)).filter(
      (kept) =>
        kept.artifactHash !== artifactHash &&
        !(kept.state === 'held' && (kept.expiresAt ?? Number.POSITIVE_INFINITY) < dayAgo),
    )
    await journal.write(next ? [...others, next] : others, io)
  }

  async function hold(artifactHash: Hex, io: IoOptions): Promise<void> {
    const kept = await known(artifactHash, io)
    await record(artifactHash, kept?.state === 'paid' ? { ...kept, state: 'held' } : undefined, io)
  }

  /**
   * Unix seconds until when a copy paid for at `from` is kept. What a receipt says counts within the
   * promise, and not where a new copy would be due at once: then one of the two clocks is wrong, and
   * every run would pay.
   */
  function keptUntil(from: number, said?: number): number | undefined {
    if (publisher?.retention.kind !== 'expires') return said
    const { seconds } = publisher.retention
    const isPossible = said !== undefined && isPossibleExpiry(said, { at: from, seconds })
    return isPossible && said - from > options.renewBefore ? said : from + seconds
  }

  async function tell(
    { artifactHash, namespace, templateId, locator }: Omit<AnnounceStep, 'type'>,
    io: IoOptions,
  ): Promise<void> {
    if (!announcer) {
      const reason = 'a renewed locator must be announced by someone'
      throw new InvalidInputError({ field: 'announcer', reason })
    }
    await within('announcement', io, (inner) =>
      announcer.announceArtifact({ templateId, namespace, locator }, inner),
    )
    await hold(artifactHash, io)
  }

  /** Sends a renewal. Whatever it answers, and whatever it leaves open, is in the journal after. */
  async function send(
    client: DaClient,
    {
      bytes,
      step,
      at,
      before,
      mayPayTwice,
    }: {
      bytes: Uint8Array
      step: RenewStep
      at: number
      before: RenewalRecord | undefined
      mayPayTwice: boolean
    },
    io: IoOptions,
  ): Promise<DaReceipt> {
    const { artifactHash, previous } = step
    // What was paid for before stays known until the new copy is: the chain may have neither.
    const own = ownBefore(before)
    const sending = { state: 'sending', artifactHash, startedAt: at, previous: own } as const
    await record(artifactHash, sending, io)
    // The client's own end comes first, since it says what was paid for.
    const limit = { signal: io.signal, timeout: longer(io.timeout ?? LONGEST_RENEWAL) }
    try {
      return await withDeadline('renewal', limit, (signal) =>
        client.renew && previous
          ? client.renew(previous, bytes, { ...io, mayPayTwice, signal })
          : client.put(bytes, { ...io, mayPayTwice, signal }),
      )
    } catch (error) {
      // Only a failure that is known not to have been paid may be forgotten.
      const isOpen =
        isOpenWrite(error) || error instanceof TimeoutError || io.signal?.aborted === true
      if (!isOpen && isRefusal(error)) await record(artifactHash, before)
      // What was answered is what was paid for: it is read again later instead of paid again.
      const locator = answeredIn(error)
      if (locator) await record(artifactHash, { ...sending, locator })
      throw error
    }
  }

  return {
    hold,
    async announce(step, io) {
      const { artifactHash, locator } = step
      const kept = await known(artifactHash, io)
      if (!kept?.locator || !sameLocator(kept.locator, locator))
        return skipped('the journal has another copy by now')
      if (kept.state === 'held') return skipped('it was announced before')
      if (kept.state === 'sending') {
        await copies.prove(artifactHash, locator, io)
        const expiresAt = keptUntil(kept.startedAt)
        await record(artifactHash, { state: 'paid', artifactHash, locator, expiresAt })
      }
      await tell(step, io)
      return done
    },
    async renew(step, io) {
      const { artifactHash, namespace, locators, templateId } = step
      if (!publisher) return skipped('there is no publisher')
      const before = await known(artifactHash, io)
      if (before?.state === 'sending' && !step.mayPayTwice)
        return skipped('another renewal was sent after this plan')
      // A plan may be old: what the chain shows now decides whether there is anything to pay for.
      const at = seconds()
      const listed = await options.entries([], io)
      const entry = listed.find((candidate) => candidate.artifactHash === artifactHash)
      if (!entry) return skipped('the artifact is not kept any more')
      const { last } = await copies.look(entry, before, at, [], io)
      if (last && last.expiresAt - at > options.renewBefore)
        return skipped('a copy was found that is not due')
      const request = { hash: artifactHash, namespace, locators }
      const bytes = await fetchArtifact(options.source, request, io)
      // The publisher remembers payments by a time of its own, and this one ends first.
      const isUrgent = last === undefined || last.expiresAt - at <= options.urgentBefore
      const mayPayTwice = step.mayPayTwice || isUrgent
      const receipt = await send(publisher, { bytes, step, at, before, mayPayTwice }, io)
      assertReceipt(receipt, { artifactHash, source: publisher.kind })
      const { locator } = receipt
      const expiresAt = keptUntil(at, receipt.expiresAt)
      await record(artifactHash, { state: 'paid', artifactHash, locator, expiresAt })
      if (announcer) await tell({ artifactHash, namespace, templateId, locator }, io)
      return done
    },
  }
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
