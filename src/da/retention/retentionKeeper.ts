/**
 * Keeps artifacts readable: renews copies before they expire, announces the new ones, and makes
 * sure that a permanent store holds the bytes.
 *
 * ```
 * plan():  look at chain, stores and journal; change nothing
 * apply(): note the renewal → renew → note what was paid → announce → note it as held; then archive
 * ```
 * Every fact that a crash could lose is in the journal before the next step, or is read back from
 * the chain. The one thing that cannot be known afterwards is whether a renewal went through whose
 * sending was cut off; it is held back until the copy is about to expire.
 */
import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import { assertList, assertMembers } from '../../internal/options.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/options.js'
import { createArchiveKeeper } from './archives.js'
import { carryOut, keyOf } from './carryOut.js'
import { createEntryReader } from './entries.js'
import { planEntry } from './entryPlan.js'
import { inTurn, openBook, readRecords } from './journal/journal.js'
import { createCopyKeeper } from './knownCopies.js'
import type { RetentionFinding, RetentionPlan, RetentionResult, RetentionStep } from './plan.js'
import { openRenewals } from './renewal.js'
import {
  assertKeeperOptions,
  RENEW_AFTER,
  type RetentionKeeperOptions,
} from './retentionOptions.js'
import { secondsOf } from './times.js'
import { isLate, openRound } from './within.js'

/** Plans and carries out what keeps artifacts readable. */
export type RetentionKeeper = {
  /**
   * Looks and changes nothing. Two plans of one state are equal. `timeout` is that of each call to a
   * store, a node or the journal.
   */
  plan(options?: IoOptions): Promise<RetentionPlan>
  /**
   * Does the steps, renewals of what expires first before all that can wait. A failed step does not stop
   * those of other artifacts; where a part of the keeper's ended by time three times in a row, the other
   * steps that need it fail at once. A second call waits for the first. `timeout` is that of each call.
   * Returns the results in the order of the steps.
   */
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
  assertKeeperOptions(options)
  const { publisher, archives, source, announcer, journal, blockTime } = options
  const { renewAfter = RENEW_AFTER, urgentBefore = 6 * 3_600, now = Date.now } = options
  const { verifyEvery = 30 * 86_400 } = options
  const renewBefore = EIGENDA_RETENTION_SECONDS - renewAfter
  const entries = createEntryReader(options.entries)
  const copies = createCopyKeeper({ publisher, blockTime, renewBefore })
  const archiving = createArchiveKeeper({ archives, source, verifyEvery, now })
  const renewing = { entries, publisher, source, announcer, copies, renewBefore, urgentBefore, now }
  const unarchived = new Set<Hex>()
  /** Steps of the last run that ended by time: the others come first in the next. */
  let late: ReadonlySet<string> = new Set()
  const emit: NonNullable<RetentionKeeperOptions['onEvent']> = (event) => {
    try {
      options.onEvent?.(event)
    } catch {
      // A broken hook must not let a copy expire.
    }
  }

  return {
    async plan(io = {}) {
      const at = secondsOf(now)
      const round = openRound(io)
      const records = await readRecords(journal, round)
      const findings: RetentionFinding[] = []
      const steps: RetentionStep[] = []
      const common = {
        at,
        copies,
        archives: archiving.open(at),
        findings,
        unarchived,
        canRenew: publisher !== undefined,
        renewBefore,
        urgentBefore,
        io: round,
      }
      for (const entry of await entries(findings, round)) {
        const { artifactHash } = entry
        try {
          steps.push(...(await planEntry(entry, { ...common, record: records.get(artifactHash) })))
        } catch (error) {
          io.signal?.throwIfAborted()
          // One artifact that cannot be planned must not let the others expire.
          findings.push({ type: 'notPlanned', artifactHash, error })
        }
      }
      for (const finding of findings) emit(finding)
      return { at, steps, findings }
    },
    async apply(plan, io = {}) {
      assertMembers('plan', plan, ['steps'])
      const { steps } = plan
      assertList('plan.steps', steps)
      return inTurn(journal, io, async () => {
        const round = openRound(io)
        const book = openBook(journal, round, () => secondsOf(now))
        const renewals = openRenewals(renewing, book, round)
        const onResult = (result: RetentionResult): void => emit({ type: 'step', ...result })
        try {
          const results = await carryOut(steps, { archiving, renewals, round, now, late, onResult })
          late = new Set(
            results.filter(({ error }) => isLate(error)).map(({ step }) => keyOf(step)),
          )
          return results
        } finally {
          archiving.close()
          await book.close()
        }
      })
    },
  }
}
