/**
 * Keeps artifacts readable: renews copies before they expire, announces the new ones, and makes
 * sure that a permanent store holds the bytes.
 *
 * ```
 * plan():  look at chain, stores and journal; change nothing
 * apply(): archive → note the renewal → renew → note what was paid → announce → note it as held
 * ```
 * Every fact that a crash could lose is in the journal before the next step, or is read back from
 * the chain. The one thing that cannot be known afterwards is whether a renewal went through whose
 * sending was cut off; it is held back until the copy is about to expire.
 */
import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { isWrongCopy } from '../artifactSource.js'
import { nameClients } from '../combined/members.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/eigenDaOptions.js'
import {
  type DaAttempt,
  DaIntegrityError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  ReplicationError,
} from '../errors.js'
import type { RenewalRecord } from './journal.js'
import { createCopyKeeper } from './knownCopies.js'
import type {
  RetentionEntry,
  RetentionFinding,
  RetentionPlan,
  RetentionResult,
  RetentionStep,
} from './plan.js'
import {
  archiveLocators,
  isRefusal,
  type RetentionKeeperOptions,
  sameLocator,
} from './retentionOptions.js'

/** Plans and carries out what keeps artifacts readable. */
export type RetentionKeeper = {
  /** Looks and changes nothing. Two plans of one state are equal. */
  plan(options?: IoOptions): Promise<RetentionPlan>
  /** Does the steps in order. A failed step does not stop those of other artifacts. */
  apply(plan: RetentionPlan, options?: IoOptions): Promise<RetentionResult[]>
}

/**
 * Creates a keeper. Run `apply(await plan())` every hour or so, one keeper at a time.
 *
 * @example
 * ```ts
 * import { createArtifactSource, createRetentionKeeper, memoryDa, memoryJournal } from '@newton/policy-sdk/da'
 *
 * const archive = memoryDa()
 * const keeper = createRetentionKeeper({
 *   entries: async () => [],
 *   archives: [archive],
 *   source: createArtifactSource({ clients: [archive] }),
 *   journal: memoryJournal(),
 *   blockTime: async () => 0,
 * })
 * await keeper.apply(await keeper.plan())
 * ```
 */
export function createRetentionKeeper(options: RetentionKeeperOptions): RetentionKeeper {
  const { entries, publisher, archives, source, announcer, journal, blockTime } = options
  const { renewAfter = 13 * 86_400, urgentBefore = 6 * 3_600, now = Date.now } = options
  if (renewAfter <= 0 || renewAfter >= EIGENDA_RETENTION_SECONDS) {
    throw new InvalidInputError({
      field: 'renewAfter',
      reason: 'expected less than the 14 days a blob is kept',
    })
  }
  const temporary = archives.find(({ retention }) => retention.kind !== 'permanent')
  if (temporary)
    throw new InvalidInputError({ field: 'archives', reason: `${temporary.kind} is not permanent` })
  if (publisher && !announcer) {
    throw new InvalidInputError({
      field: 'announcer',
      reason: 'copies are renewed, and nobody would learn where they are',
    })
  }
  const nameOf = nameClients(archives)
  const renewBefore = EIGENDA_RETENTION_SECONDS - renewAfter
  const copies = createCopyKeeper({ publisher, blockTime, renewBefore })

  function emit(event: Parameters<NonNullable<RetentionKeeperOptions['onEvent']>>[0]): void {
    try {
      options.onEvent?.(event)
    } catch {
      // A broken hook must not let a copy expire.
    }
  }

  /**
   * A permanent store that holds the bytes, read and checked where a copy is about to lapse; or
   * the store to fill, one that answers before one that does not.
   */
  async function archivedAt(
    entry: RetentionEntry,
    thorough: boolean,
    findings: RetentionFinding[],
    io: IoOptions,
  ): Promise<{ store?: string | undefined; target?: string | undefined }> {
    const { artifactHash } = entry
    let unreachable = false
    let target: string | undefined
    for (const archive of archives) {
      const store = nameOf(archive)
      let isEmpty = true
      for (const locator of archiveLocators(archive, entry)) {
        try {
          if (!thorough && archive.head) {
            const { status } = await archive.head(locator, { ...io, artifactHash })
            if (status === 'available') return { store }
            if (status === 'missing') continue
          }
          await archive.getWithVerification(locator, artifactHash, io)
          return { store }
        } catch (error) {
          io.signal?.throwIfAborted()
          if (!(error instanceof DaNotFoundError)) isEmpty = false
          if (isWrongCopy(error)) findings.push({ type: 'damagedCopy', artifactHash, store, error })
          else if (!(error instanceof DaNotFoundError)) {
            unreachable = true
            findings.push({ type: 'storeUnreachable', artifactHash, store, error })
          }
        }
      }
      if (isEmpty) target ??= store
    }
    if (!unreachable) findings.push({ type: 'nowherePermanent', artifactHash })
    const [first] = archives
    return { target: target ?? (first && nameOf(first)) }
  }

  /** Whether a renewal of unknown outcome did go through, by the bytes under what it answered. */
  async function arrived(
    record: Extract<RenewalRecord, { state: 'sending' }>,
    findings: RetentionFinding[],
    io: IoOptions,
  ): Promise<DaLocator | undefined> {
    const { artifactHash, locator } = record
    if (!locator) return undefined
    try {
      await copies.prove(artifactHash, locator, io)
      return locator
    } catch (error) {
      io.signal?.throwIfAborted()
      findings.push({ type: 'unprovenCopy', artifactHash, locator, error })
      return undefined
    }
  }

  async function planOne(
    entry: RetentionEntry,
    record: RenewalRecord | undefined,
    at: number,
    findings: RetentionFinding[],
    io: IoOptions,
  ): Promise<RetentionStep[]> {
    const { artifactHash, namespace, templateId, locators } = entry
    const steps: RetentionStep[] = []
    if (record?.state === 'paid') {
      const shown = locators.some((locator) => sameLocator(locator, record.locator))
      steps.push(
        shown
          ? { type: 'settle', artifactHash }
          : { type: 'announce', artifactHash, namespace, templateId, locator: record.locator },
      )
    }
    const unannounced = record?.state === 'sending' && (await arrived(record, findings, io))
    if (unannounced) {
      steps.push({ type: 'announce', artifactHash, namespace, templateId, locator: unannounced })
      const { store, target } = await archivedAt(entry, false, findings, io)
      if (store === undefined && target)
        steps.push({
          type: 'archive',
          artifactHash,
          namespace,
          store: target,
          locators: knownFirst(locators, [unannounced]),
        })
      return steps
    }
    const { last, expiredAt } = await copies.look(entry, record, at, findings, io)
    const expiresAt = last?.expiresAt === Number.POSITIVE_INFINITY ? undefined : last?.expiresAt
    // A renewal whose end was never seen, but whose copy is on chain: blobs refer to a block that
    // is an hour old at most.
    if (
      record?.state === 'sending' &&
      expiresAt !== undefined &&
      expiresAt - EIGENDA_RETENTION_SECONDS >= record.startedAt - 7_200
    ) {
      steps.push({ type: 'settle', artifactHash })
    }
    const isDue = last === undefined || last.expiresAt - at <= renewBefore
    const { store, target } = await archivedAt(entry, isDue, findings, io)
    if (store === undefined && target) {
      const known = knownFirst(locators, [last?.locator, record?.locator])
      steps.push({ type: 'archive', artifactHash, namespace, store: target, locators: known })
    }
    if (expiredAt !== undefined)
      findings.push({ type: 'expired', artifactHash, expiresAt: expiredAt })
    if (!isDue) return steps
    if (entry.policy === 'lapse' && store !== undefined) {
      findings.push({ type: 'lapsing', artifactHash, expiresAt, store })
      return steps
    }
    // An artifact that never had an expiring copy is kept by its archives alone.
    const hadCopy = last !== undefined || locators.some(({ kind }) => kind === 'eigenDa')
    if (!publisher || !hadCopy) return steps
    const isUrgent = expiresAt === undefined || expiresAt - at <= urgentBefore
    // Paid or not, it is tried again only when time runs out, and then not at every run.
    if (record?.state === 'sending' && (!isUrgent || at - record.startedAt < urgentBefore / 3)) {
      findings.push({
        type: 'renewalUncertain',
        artifactHash,
        startedAt: record.startedAt,
        expiresAt,
      })
      return steps
    }
    const mayPayTwice = record?.state === 'sending'
    steps.push({
      type: 'renew',
      artifactHash,
      namespace,
      templateId,
      previous: last?.locator,
      locators: knownFirst(locators, [last?.locator, record?.locator]),
      expiresAt,
      mayPayTwice,
    })
    return steps
  }

  async function record(artifactHash: Hex, next: RenewalRecord | undefined): Promise<void> {
    const dayAgo = Math.floor(now() / 1_000) - 86_400
    const others = (await journal.read()).filter(
      (kept) =>
        kept.artifactHash !== artifactHash &&
        !(kept.state === 'held' && (kept.expiresAt ?? Number.POSITIVE_INFINITY) < dayAgo),
    )
    await journal.write(next ? [...others, next] : others)
  }

  async function announce(
    { artifactHash, namespace, templateId, locator }: Extract<RetentionStep, { type: 'announce' }>,
    io: IoOptions,
  ): Promise<void> {
    if (!announcer)
      throw new InvalidInputError({
        field: 'announcer',
        reason: 'a renewed locator must be announced by someone',
      })
    await announcer.announceArtifact({ templateId, namespace, locator }, io)
    await hold(artifactHash)
  }

  /** The copy that was paid for is on chain: it stays known, since others cannot change it. */
  async function hold(artifactHash: Hex): Promise<void> {
    const known = (await journal.read()).find((kept) => kept.artifactHash === artifactHash)
    await record(artifactHash, known?.state === 'paid' ? { ...known, state: 'held' } : undefined)
  }

  /** Unix seconds until when a copy paid for at `from` is kept. */
  function keptUntil(from: number): number | undefined {
    return publisher?.retention.kind === 'expires' ? from + publisher.retention.seconds : undefined
  }

  async function renew(
    step: Extract<RetentionStep, { type: 'renew' }>,
    io: IoOptions,
  ): Promise<'done' | 'skipped'> {
    const { artifactHash, namespace, locators, previous, templateId } = step
    if (!publisher) return 'skipped'
    const known = (await journal.read()).find((kept) => kept.artifactHash === artifactHash)
    // The plan is older than the journal: someone renewed meanwhile.
    if (known?.state === 'sending' && !step.mayPayTwice) return 'skipped'
    // A plan may be old: what the chain shows now decides whether there is anything to pay for.
    const at = Math.floor(now() / 1_000)
    const entry = (await entries(io)).find(
      (candidate) => candidate.artifactHash.toLowerCase() === artifactHash,
    )
    if (!entry) return 'skipped'
    const { last } = await copies.look({ ...entry, artifactHash }, known, at, [], io)
    if (last && last.expiresAt - at > renewBefore) return 'skipped'
    const bytes = await source.getArtifact({ hash: artifactHash, namespace, locators }, io)
    await record(artifactHash, { state: 'sending', artifactHash, startedAt: at })
    let receipt: Awaited<ReturnType<DaClient['put']>>
    try {
      receipt = await (publisher.renew && previous
        ? publisher.renew(previous, bytes, io)
        : publisher.put(bytes, io))
    } catch (error) {
      // Only a failure that is known not to have been paid may be forgotten.
      const isOpen =
        error instanceof DaOutcomeUnknownError ||
        error instanceof TimeoutError ||
        io.signal?.aborted === true
      if (!isOpen && isRefusal(error)) await record(artifactHash, known)
      // What was answered is what was paid for: it is read again later instead of paid again.
      if (error instanceof DaOutcomeUnknownError && error.locator) {
        const { locator } = error
        await record(artifactHash, { state: 'sending', artifactHash, startedAt: at, locator })
      }
      throw error
    }
    if (receipt.artifactHash !== artifactHash) {
      throw new DaIntegrityError({
        source: publisher.kind,
        expected: artifactHash,
        actual: receipt.artifactHash,
        reason: 'the receipt names another artifact',
      })
    }
    await record(artifactHash, {
      state: 'paid',
      artifactHash,
      locator: receipt.locator,
      expiresAt: receipt.expiresAt ?? keptUntil(at),
    })
    if (announcer)
      await announce(
        { type: 'announce', artifactHash, namespace, templateId, locator: receipt.locator },
        io,
      )
    return 'done'
  }

  /** Fills the store of the step, or the next that takes the bytes. */
  async function archive(
    step: Extract<RetentionStep, { type: 'archive' }>,
    io: IoOptions,
  ): Promise<'done' | 'skipped'> {
    const { artifactHash, namespace, locators, store } = step
    const first = archives.find((candidate) => nameOf(candidate) === store)
    if (!first) return 'skipped'
    const bytes = await source.getArtifact({ hash: artifactHash, namespace, locators }, io)
    const attempts: DaAttempt[] = []
    for (const candidate of [first, ...archives.filter((other) => other !== first)]) {
      try {
        const { locator } = await candidate.put(bytes, io)
        // A store is believed when it gives the bytes back.
        await candidate.getWithVerification(locator, artifactHash, io)
        return 'done'
      } catch (error) {
        io.signal?.throwIfAborted()
        attempts.push({ source: nameOf(candidate), error })
      }
    }
    throw new ReplicationError({ required: 1, receipts: [], attempts })
  }

  async function applyOne(step: RetentionStep, io: IoOptions): Promise<'done' | 'skipped'> {
    switch (step.type) {
      case 'settle':
        await hold(step.artifactHash)
        return 'done'
      case 'announce': {
        const { artifactHash, locator } = step
        const known = (await journal.read()).find((kept) => kept.artifactHash === artifactHash)
        if (!known?.locator || known.state === 'held' || !sameLocator(known.locator, locator))
          return 'skipped'
        if (known.state === 'sending') {
          await copies.prove(artifactHash, locator, io)
          const expiresAt = keptUntil(known.startedAt)
          await record(artifactHash, { state: 'paid', artifactHash, locator, expiresAt })
        }
        await announce(step, io)
        return 'done'
      }
      case 'archive':
        return archive(step, io)
      case 'renew':
        return renew(step, io)
    }
  }

  return {
    async plan(io = {}) {
      const at = Math.floor(now() / 1_000)
      const records = new Map((await journal.read()).map((kept) => [kept.artifactHash, kept]))
      const findings: RetentionFinding[] = []
      const steps: RetentionStep[] = []
      for (const entry of await entries(io)) {
        const artifactHash = entry.artifactHash.toLowerCase() as Hex
        steps.push(
          ...(await planOne(
            { ...entry, artifactHash },
            records.get(artifactHash),
            at,
            findings,
            io,
          )),
        )
      }
      for (const finding of findings) emit(finding)
      return { at, steps, findings }
    },
    async apply(plan, io = {}) {
      const results: RetentionResult[] = []
      for (const step of plan.steps) {
        io.signal?.throwIfAborted()
        let result: RetentionResult
        try {
          result = { step, status: await applyOne(step, io) }
        } catch (error) {
          io.signal?.throwIfAborted()
          result = { step, status: 'failed', error }
        }
        results.push(result)
        emit({ type: 'step', ...result })
      }
      return results
    },
  }
}

/** The copies known to be there before those that anyone may have announced. */
function knownFirst(
  locators: readonly DaLocator[],
  known: readonly (DaLocator | undefined)[],
): readonly DaLocator[] {
  const first = known.filter((locator) => locator !== undefined)
  return [
    ...first,
    ...locators.filter((locator) => !first.some((other) => sameLocator(locator, other))),
  ]
}
