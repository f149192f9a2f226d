/**
 * Continuous verification of a ledger: the chain on each insert, the Merkle roots from the entries every
 * quarter of an hour, a full replay and the anchors once a day.
 */
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { encodeEvent, type LedgerEvent } from '../events/event.js'
import { verifyEvent } from '../events/verify.js'
import { compareAnchors, look, rebuild, replayAll } from './looks.js'
import {
  type AnchorsOutcome,
  type AuditorParameters,
  type AuditState,
  checkParameters,
  type LedgerViolation,
  stateOf,
  violation,
} from './parameters.js'
import type { Replay } from './replay.js'

/** Audits a ledger. */
export type Auditor = {
  /** Looks at an event as it is inserted: it has to follow the one before. */
  inserted(event: LedgerEvent, options?: IoOptions): Promise<LedgerViolation[]>
  /** Rebuilds the roots now. */
  rebuild(options?: IoOptions): Promise<LedgerViolation[]>
  /**
   * Replays all events and compares the anchors now. With `from`, what lies before the last snapshot in
   * front of that place is held against the snapshot alone.
   */
  replay(options?: IoOptions & { from?: bigint | undefined }): Promise<{
    violations: LedgerViolation[]
    replay: Replay | undefined
    /** What became of the anchors: those that cannot be had stop nothing else. */
    anchors: AnchorsOutcome
  }>
  /** Does both at their times, until `stop`. The first of each is at once. */
  start(): void
  stop(): Promise<void>
}

/**
 * Creates an auditor. It reads the ledger's files as an outsider does and believes signatures only. What
 * it saw last is kept in `pins`: a log that went back since, or is gone, is found.
 *
 * @throws {InvalidInputError} for intervals that are none, a trust that names no key of the ledger, and
 * options that are missing or unknown.
 * @example
 * ```ts
 * import { type AuditorParameters, createAuditor } from '@newton/policy-sdk/ledger'
 *
 * declare const parameters: AuditorParameters
 * const auditor = createAuditor(parameters)
 * auditor.start()
 * await auditor.stop()
 * ```
 */
export function createAuditor(parameters: AuditorParameters): Auditor {
  const { clock, rebuildEvery, replayEvery } = checkParameters(parameters)
  const state = stateOf(parameters, clock)
  const stopping = new AbortController()
  const timers = new Set<() => void>()
  const running = new Set<Promise<unknown>>()

  const auditor: Auditor = {
    inserted: (event, options = {}) =>
      withDeadline('Auditing an event', options, async (signal) => {
        const detail = insertProblem(state, event)
        state.previous = { current_hash: event.current_hash, timestamp: event.timestamp }
        const found =
          detail === undefined
            ? []
            : [violation(state, 'chain', detail, { eventId: event.event_id })]
        return tell(state, found, signal)
      }),
    rebuild: (options = {}) =>
      withDeadline('Rebuilding the roots of a ledger', options, async (signal) =>
        tell(state, await rebuild(state, signal), signal),
      ),
    replay: ({ from, ...options } = {}) =>
      withDeadline('Replaying a ledger', options, async (signal) => {
        const { cut, found } = await look(state, signal)
        // What was found is told before anything that others can hold up.
        await tell(state, found, signal)
        const anchored = await compareAnchors(state, cut, signal)
        await tell(state, anchored.found, signal)
        const { violations, replay } = await replayAll(state, cut, { signal, from })
        await tell(state, violations, signal)
        const { outcome: anchors } = anchored
        return { violations: [...found, ...anchored.found, ...violations], replay, anchors }
      }),
    start: () => {
      const loop = (every: number, work: () => Promise<unknown>): void => {
        const run = async (): Promise<void> => {
          try {
            await work()
          } catch (error) {
            parameters.onError?.(error)
          }
          if (stopping.signal.aborted) return
          // One after the other: a replay that takes long is not begun again beside itself.
          const cancel = clock.after(every, () => {
            timers.delete(cancel)
            track(run())
          })
          timers.add(cancel)
        }
        track(run())
      }
      const track = (work: Promise<void>): void => {
        running.add(work)
        void work.finally(() => running.delete(work))
      }
      const options = { signal: stopping.signal }
      loop(rebuildEvery, () => auditor.rebuild(options))
      loop(replayEvery, () => auditor.replay(options))
    },
    stop: async () => {
      stopping.abort()
      for (const cancel of timers) cancel()
      await Promise.allSettled(running)
    },
  }
  return auditor
}

function insertProblem(
  { parameters, previous }: AuditState,
  event: LedgerEvent,
): string | undefined {
  const { ledger, schemas, verify } = parameters
  const verdict = verifyEvent({ entry: encodeEvent(event), ledger, previous, schemas, verify })
  return verdict.status === 'valid' ? undefined : verdict.detail
}

/** Reports what was found, and what an earlier report did not take. */
async function tell(
  state: AuditState,
  found: LedgerViolation[],
  signal: AbortSignal,
): Promise<LedgerViolation[]> {
  const { timeout, parameters } = state
  state.unreported.push(...found)
  while (state.unreported.length > 0) {
    const next = state.unreported[0] as LedgerViolation
    try {
      await withDeadline('Reporting a violation', { signal, timeout }, (limited) =>
        parameters.report(next, { signal: limited }),
      )
    } catch (error) {
      // It is kept, and told again at the next audit.
      state.parameters.onError?.(error)
      break
    }
    state.unreported.shift()
  }
  return found
}
