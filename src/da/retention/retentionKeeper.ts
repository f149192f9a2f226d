/**
 * Keeps artifacts readable: renews copies before they expire, announces the new ones, and makes
 * sure that a permanent store holds the bytes.
 *
 * ```
 * plan():  look at chain, stores and journal; change nothing
 * apply(): archive → note the renewal → renew → note what was paid → announce → settle
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
import { decodeEigenDaCommitment } from '../eigenda/cert.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/eigenDaOptions.js'
import { DaIntegrityError, DaNotFoundError, DaOutcomeUnknownError } from '../errors.js'
import { nameClients } from '../fallback.js'
import type { RenewalRecord } from './journal.js'
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
  const nameOf = nameClients(archives)
  const renewBefore = EIGENDA_RETENTION_SECONDS - renewAfter

  function emit(event: Parameters<NonNullable<RetentionKeeperOptions['onEvent']>>[0]): void {
    try {
      options.onEvent?.(event)
    } catch {
      // A broken hook must not let a copy expire.
    }
  }

  /** Unix seconds when the blobs behind a locator may be gone; a lower bound. */
  async function expiryOf(locator: DaLocator, io: IoOptions): Promise<number | undefined> {
    if (locator.kind !== 'eigenDa') return undefined
    const blocks = locator.commitments.map(
      (commitment) => decodeEigenDaCommitment(commitment).batchHeader.referenceBlockNumber,
    )
    return (await blockTime(BigInt(Math.min(...blocks)), io)) + EIGENDA_RETENTION_SECONDS
  }

  /** The copy that expires last, and when. */
  async function lastCopy(
    entry: RetentionEntry,
    paid: RenewalRecord | undefined,
    findings: RetentionFinding[],
    io: IoOptions,
  ) {
    let last: { locator: DaLocator; expiresAt: number } | undefined
    for (const locator of entry.locators) {
      try {
        const expiresAt = await expiryOf(locator, io)
        if (expiresAt !== undefined && expiresAt > (last?.expiresAt ?? Number.NEGATIVE_INFINITY))
          last = { locator, expiresAt }
      } catch (error) {
        io.signal?.throwIfAborted()
        findings.push({ type: 'unknownExpiry', artifactHash: entry.artifactHash, error })
      }
    }
    if (paid?.state === 'paid') {
      const expiresAt = paid.expiresAt ?? Number.POSITIVE_INFINITY
      if (!last || expiresAt > last.expiresAt) last = { locator: paid.locator, expiresAt }
    }
    return last
  }

  /** A permanent store that holds the bytes; read and checked where a copy is about to lapse. */
  async function archivedAt(
    entry: RetentionEntry,
    thorough: boolean,
    findings: RetentionFinding[],
    io: IoOptions,
  ): Promise<string | undefined> {
    const { artifactHash } = entry
    let unreachable = false
    for (const archive of archives) {
      const store = nameOf(archive)
      for (const locator of archiveLocators(archive, entry)) {
        try {
          if (!thorough && archive.head) {
            const { status } = await archive.head(locator, { ...io, artifactHash })
            if (status === 'available') return store
            if (status === 'missing') continue
          }
          await archive.getWithVerification(locator, artifactHash, io)
          return store
        } catch (error) {
          io.signal?.throwIfAborted()
          if (isWrongCopy(error)) findings.push({ type: 'damagedCopy', artifactHash, store, error })
          else if (!(error instanceof DaNotFoundError)) {
            unreachable = true
            findings.push({ type: 'storeUnreachable', artifactHash, store, error })
          }
        }
      }
    }
    if (!unreachable) findings.push({ type: 'nowherePermanent', artifactHash })
    return undefined
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
    const last = await lastCopy(entry, record, findings, io)
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
    const store = await archivedAt(entry, isDue, findings, io)
    const target = store === undefined ? archives[0] : undefined
    if (target)
      steps.push({ type: 'archive', artifactHash, namespace, store: nameOf(target), locators })
    if (last && last.expiresAt <= at)
      findings.push({ type: 'expired', artifactHash, expiresAt: last.expiresAt })
    if (!isDue) return steps
    if (entry.policy === 'lapse' && store !== undefined) {
      findings.push({ type: 'lapsing', artifactHash, expiresAt, store })
      return steps
    }
    // An artifact that never had an expiring copy is kept by its archives alone.
    const hadCopy = last !== undefined || locators.some(({ kind }) => kind === 'eigenDa')
    if (!publisher || !hadCopy) return steps
    const isUrgent = expiresAt === undefined || expiresAt - at <= urgentBefore
    if (record?.state === 'sending' && !isUrgent) {
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
      locators,
      expiresAt,
      mayPayTwice,
    })
    return steps
  }

  async function record(artifactHash: Hex, next: RenewalRecord | undefined): Promise<void> {
    const others = (await journal.read()).filter((kept) => kept.artifactHash !== artifactHash)
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
    await record(artifactHash, undefined)
  }

  async function renew(
    step: Extract<RetentionStep, { type: 'renew' }>,
    io: IoOptions,
  ): Promise<'done' | 'skipped'> {
    const { artifactHash, namespace, locators, previous, templateId } = step
    if (!publisher) return 'skipped'
    const known = (await journal.read()).find((kept) => kept.artifactHash === artifactHash)
    // The plan is older than the journal: someone renewed meanwhile.
    if (known?.state === 'paid' || (known?.state === 'sending' && !step.mayPayTwice))
      return 'skipped'
    // A plan may be old: what the chain shows now decides whether there is anything to pay for.
    const entry = (await entries(io)).find(
      (candidate) => candidate.artifactHash.toLowerCase() === artifactHash,
    )
    const last = entry && (await lastCopy(entry, known, [], io))
    if (!entry || (last && last.expiresAt - Math.floor(now() / 1_000) > renewBefore))
      return 'skipped'
    const bytes = await source.getArtifact({ hash: artifactHash, namespace, locators }, io)
    await record(artifactHash, {
      state: 'sending',
      artifactHash,
      startedAt: Math.floor(now() / 1_000),
    })
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
      if (!isOpen && isRefusal(error)) await record(artifactHash, undefined)
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
      expiresAt: receipt.expiresAt,
    })
    if (announcer)
      await announce(
        { type: 'announce', artifactHash, namespace, templateId, locator: receipt.locator },
        io,
      )
    return 'done'
  }

  async function applyOne(step: RetentionStep, io: IoOptions): Promise<'done' | 'skipped'> {
    switch (step.type) {
      case 'settle':
        await record(step.artifactHash, undefined)
        return 'done'
      case 'announce': {
        const known = (await journal.read()).find((kept) => kept.artifactHash === step.artifactHash)
        if (known?.state !== 'paid' || !sameLocator(known.locator, step.locator)) return 'skipped'
        await announce(step, io)
        return 'done'
      }
      case 'archive': {
        const archive = archives.find((candidate) => nameOf(candidate) === step.store)
        if (!archive) return 'skipped'
        const request = {
          hash: step.artifactHash,
          namespace: step.namespace,
          locators: step.locators,
        }
        const { locator } = await archive.put(await source.getArtifact(request, io), io)
        // A store is believed when it gives the bytes back.
        await archive.getWithVerification(locator, step.artifactHash, io)
        return 'done'
      }
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
