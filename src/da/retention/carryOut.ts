/**
 * The steps of a plan carried out. What pays comes first, the copy that is gone first before the others,
 * and announces beside it; archives are filled when all of that is done. So what waits for one part of
 * the keeper's lets no copy expire that another part could save.
 */
import { InvalidInputError } from '../../errors/common.js'
import { assertMembers } from '../../internal/options.js'
import { createOrder } from '../../internal/singleFlight.js'
import { isNamedByHash } from './announcedCopies.js'
import type { ArchiveKeeper } from './archives.js'
import type { RetentionResult, RetentionStep } from './plan.js'
import type { Renewals, StepOutcome } from './renewal.js'
import { secondsOf } from './times.js'
import type { Round } from './within.js'

/** What steps are carried out with. */
export type CarryOutParts = {
  archiving: ArchiveKeeper
  renewals: Renewals
  round: Round
  /** Milliseconds since the epoch. */
  now: () => number
  /** Steps that ended by time when they were last tried. */
  late: ReadonlySet<string>
  onResult(result: RetentionResult): void
}

/** Which step it is, in whatever plan. */
export function keyOf(step: RetentionStep): string {
  const { type, artifactHash, store } = (step ?? {}) as { [field: string]: unknown }
  return `${type} ${artifactHash} ${store}`
}

/** Does the steps. Results come in their order, whatever order they were done in. */
export async function carryOut(
  steps: readonly RetentionStep[],
  parts: CarryOutParts,
): Promise<RetentionResult[]> {
  const { archiving, renewals, round, onResult } = parts
  const results: RetentionResult[] = []
  const inTurn = createOrder()
  const announced: Promise<void>[] = []

  function finish(index: number, outcome: Outcome): void {
    const result = { step: steps[index] as RetentionStep, ...outcome }
    results[index] = result
    onResult(result)
  }
  async function attempt<outcome>(work: () => Promise<outcome>): Promise<outcome | Failed> {
    try {
      return await work()
    } catch (error) {
      round.signal?.throwIfAborted()
      return { status: 'failed', error }
    }
  }
  /** One after the other, beside what is paid for. */
  function announce(index: number, work: () => Promise<StepOutcome>): void {
    const run = inTurn(async () => finish(index, await attempt(work)))
    run.catch(() => undefined)
    announced.push(run)
  }
  async function act(index: number): Promise<void> {
    const step = steps[index] as RetentionStep
    assertMembers('plan.steps', step, ['type'])
    switch (step.type) {
      case 'announce':
        return announce(index, () => renewals.announce(step))
      case 'renew': {
        const outcome = await renewals.renew(step)
        if (outcome.status !== 'paid') return finish(index, outcome)
        return announce(index, () => renewals.tell(outcome.copy))
      }
      case 'settle':
        await renewals.hold(step.artifactHash)
        return finish(index, { status: 'done' })
      case 'archive': {
        await Promise.all(announced)
        const locator = await archiving.fill(step, round)
        if (locator === undefined) {
          const reason = `there is no archive ${step.store}`
          return finish(index, { status: 'skipped', reason })
        }
        // What the hash does not name is found by nobody who is not told.
        if (!isNamedByHash(locator)) await renewals.tellArchived(step.artifactHash, locator)
        archiving.filled(step, locator)
        return finish(index, { status: 'done' })
      }
      default:
        throw new InvalidInputError({ field: 'plan.steps', reason: 'a step of no known type' })
    }
  }

  try {
    for (const index of inOrder(steps, parts)) {
      round.signal?.throwIfAborted()
      const failed = await attempt(() => act(index))
      if (failed) finish(index, failed)
    }
    await Promise.all(announced)
  } finally {
    await Promise.allSettled(announced)
  }
  return results
}

type Failed = { status: 'failed'; error: unknown }
type Outcome = StepOutcome | Failed

const ranks: Partial<Record<string, number>> = { settle: 0, announce: 0, renew: 1, archive: 3 }

/** Indexes of the steps in the order they are done in. */
function inOrder(
  steps: readonly RetentionStep[],
  { now, late }: Pick<CarryOutParts, 'now' | 'late'>,
): number[] {
  const at = secondsOf(now)
  const places = steps.map((step, index) => {
    const rank = ranks[String((step as { type?: unknown } | null)?.type)] ?? 2
    const isRenewal = rank === ranks['renew']
    const within = isRenewal ? urgencyOf(step as RenewStep, at) : late.has(keyOf(step)) ? 1 : 0
    return { index, rank, within }
  })
  return places
    .sort((a, b) => a.rank - b.rank || a.within - b.within || a.index - b.index)
    .map(({ index }) => index)
}

type RenewStep = Extract<RetentionStep, { type: 'renew' }>

/** When a copy is gone. One of which nothing believable is known may be next; those that are gone wait. */
function urgencyOf({ previous, expiresAt }: RenewStep, at: number): number {
  const latest = Number.MAX_SAFE_INTEGER
  if (typeof expiresAt !== 'number') return previous === undefined ? latest : 0
  return expiresAt > at ? expiresAt : latest
}
