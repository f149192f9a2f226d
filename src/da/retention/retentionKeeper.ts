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
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertList, assertMembers } from '../../internal/options.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/options.js'
import { type ArchiveKeeper, createArchiveKeeper } from './archives.js'
import { createEntryReader } from './entries.js'
import { planEntry } from './entryPlan.js'
import { inTurn, timed } from './journal.js'
import { createCopyKeeper } from './knownCopies.js'
import type { RetentionFinding, RetentionPlan, RetentionResult, RetentionStep } from './plan.js'
import { createRenewals, type Renewals, type StepOutcome } from './renewal.js'
import {
  assertKeeperOptions,
  RENEW_AFTER,
  type RetentionKeeperOptions,
} from './retentionOptions.js'
import { secondsOf } from './times.js'

/** Plans and carries out what keeps artifacts readable. */
export type RetentionKeeper = {
  /**
   * Looks and changes nothing. Two plans of one state are equal. `timeout` is that of each call to a
   * store, a node or the journal.
   */
  plan(options?: IoOptions): Promise<RetentionPlan>
  /**
   * Does the steps in order. A failed step does not stop those of other artifacts, and a second call
   * waits for the first. `timeout` is that of each call.
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
  const renewals = createRenewals({
    entries,
    publisher,
    source,
    announcer,
    journal,
    copies,
    renewBefore,
    urgentBefore,
    now,
  })
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
      const kept = await timed(journal).read(io)
      const records = new Map(kept.map((one) => [one.artifactHash, one]))
      const round = archiving.open(at)
      const findings: RetentionFinding[] = []
      const steps: RetentionStep[] = []
      const canRenew = publisher !== undefined
      const common = {
        at,
        copies,
        archives: round,
        findings,
        canRenew,
        renewBefore,
        urgentBefore,
        io,
      }
      for (const entry of await entries(findings, io)) {
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
        const results: RetentionResult[] = []
        try {
          for (const step of steps) {
            io.signal?.throwIfAborted()
            const result = await applyStep(step, { archiving, renewals, io })
            results.push(result)
            emit({ type: 'step', ...result })
          }
        } finally {
          archiving.close()
        }
        return results
      })
    },
  }
}

async function applyStep(
  step: RetentionStep,
  parts: { archiving: ArchiveKeeper; renewals: Renewals; io: IoOptions },
): Promise<RetentionResult> {
  const { archiving, renewals, io } = parts
  const run = async (): Promise<StepOutcome> => {
    assertMembers('plan.steps', step, ['type'])
    switch (step.type) {
      case 'settle':
        await renewals.hold(step.artifactHash, io)
        return { status: 'done' }
      case 'announce':
        return renewals.announce(step, io)
      case 'archive':
        return (await archiving.fill(step, io)) === 'done'
          ? { status: 'done' }
          : { status: 'skipped', reason: `there is no archive ${step.store}` }
      case 'renew':
        return renewals.renew(step, io)
      default:
        throw new InvalidInputError({ field: 'plan.steps', reason: 'a step of no known type' })
    }
  }
  try {
    return { step, ...(await run()) }
  } catch (error) {
    io.signal?.throwIfAborted()
    return { step, status: 'failed', error }
  }
}
