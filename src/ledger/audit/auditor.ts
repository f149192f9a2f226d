/**
 * Continuous verification of a ledger: the chain on each insert, the Merkle roots from the entries every
 * quarter of an hour, a full replay and the anchors once a day.
 */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { encodeEvent, type LedgerEvent } from '../events/event.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { VerifySignature } from '../events/signature.js'
import { verifyEvent } from '../events/verify.js'
import type { CheckpointTrust } from '../log/checkpoint.js'
import { readCut, rebuildRoots, type VerifiedCut } from './cut.js'
import { type ReEvaluation, type Replay, type ReplayFault, replayLedger } from './replay.js'

/** What was found wrong. */
export type LedgerViolation = {
  kind: 'chain' | 'root' | 'files' | 'rollback' | 'replay' | 'snapshot' | 'evaluation' | 'anchor'
  detail: string
  /** Milliseconds since 1970 at which it was found. */
  at: number
  /** The event it is about, where there is one. */
  eventId?: string | undefined
}

/** A clock and its timers. */
export type AuditClock = {
  now(): number
  /** Runs `work` after some milliseconds; answers what stops it. */
  after(milliseconds: number, work: () => void): () => void
}

/** A checkpoint of the meta log that a place outside the ledger keeps. */
export type AnchoredCheckpoint = { size: bigint; root: Uint8Array; where: string }

/** Parameters of {@link createAuditor}. */
export type AuditorParameters = {
  store: TileReader
  ledger: string
  /** The meta log's key, and its witnesses. */
  trust: CheckpointTrust
  /** Takes violations. Another place than the ledger that is audited: a webhook, a second ledger. */
  report: (violation: LedgerViolation, options: { signal: AbortSignal }) => Promise<void>
  clock?: AuditClock | undefined
  schemas?: EventSchemas | undefined
  verify?: VerifySignature | undefined
  requireVerifiedWasm?: boolean | undefined
  /** The newest anchors of the meta log, from where they are kept. */
  anchors?:
    | ((options: { signal: AbortSignal }) => Promise<readonly AnchoredCheckpoint[]>)
    | undefined
  reEvaluate?: ((event: LedgerEvent, signal: AbortSignal) => Promise<ReEvaluation>) | undefined
  /** Milliseconds between two rebuilds of the roots. @default 900000 */
  rebuildEvery?: number | undefined
  /** Milliseconds between two replays. @default 86400000 */
  replayEvery?: number | undefined
  /** Told of audits that could not be made, and of reports that were not taken. */
  onError?: ((error: unknown) => void) | undefined
}

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
  replay(
    options?: IoOptions & { from?: bigint | undefined },
  ): Promise<{ violations: LedgerViolation[]; replay: Replay | undefined }>
  /** Does both at their times, until `stop`. The first of each is at once. */
  start(): void
  stop(): Promise<void>
}

const realClock: AuditClock = {
  now: Date.now,
  after: (milliseconds, work) => {
    const timer = setTimeout(work, milliseconds)
    return () => clearTimeout(timer)
  },
}

/**
 * Creates an auditor. It reads the ledger's files as an outsider does and believes signatures only. What
 * it saw last is kept in memory: a log that went back since is found.
 *
 * @throws {InvalidInputError} for intervals that are none.
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
  const { clock = realClock, rebuildEvery = 900_000, replayEvery = 86_400_000 } = parameters
  for (const [field, value] of Object.entries({ rebuildEvery, replayEvery })) {
    if (Number.isFinite(value) && value >= 1_000 && value <= 2_147_483_647) continue
    throw new InvalidInputError({ field, reason: 'expected milliseconds, a second or more' })
  }
  const state: State = { parameters, clock, unreported: [], previous: undefined, newest: undefined }
  const stopping = new AbortController()
  const timers = new Set<() => void>()
  const running = new Set<Promise<unknown>>()

  const auditor: Auditor = {
    inserted: (event, options = {}) =>
      withDeadline('Auditing an event', options, async (signal) => {
        const detail = insertProblem(state, event)
        state.previous = { current_hash: event.current_hash, timestamp: event.timestamp }
        const found =
          detail === undefined ? [] : [violation(state, 'chain', detail, event.event_id)]
        return tell(state, found, signal)
      }),
    rebuild: (options = {}) =>
      withDeadline('Rebuilding the roots of a ledger', options, async (signal) =>
        tell(state, await rebuild(state, signal), signal),
      ),
    replay: ({ from, ...options } = {}) =>
      withDeadline('Replaying a ledger', options, async (signal) => {
        const { violations, replay } = await replayAll(state, { signal, from })
        return { violations: await tell(state, violations, signal), replay }
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

type State = {
  parameters: AuditorParameters
  clock: AuditClock
  /** Found, and not yet taken by `report`. */
  unreported: LedgerViolation[]
  previous: { current_hash: string; timestamp: string } | undefined
  newest: { size: bigint; root: Uint8Array } | undefined
}

function violation(
  { clock }: State,
  kind: LedgerViolation['kind'],
  detail: string,
  eventId?: string,
): LedgerViolation {
  return { kind, detail, at: clock.now(), ...(eventId === undefined ? {} : { eventId }) }
}

function insertProblem({ parameters, previous }: State, event: LedgerEvent): string | undefined {
  const { ledger, schemas, verify } = parameters
  const verdict = verifyEvent({ entry: encodeEvent(event), ledger, previous, schemas, verify })
  return verdict.status === 'valid' ? undefined : verdict.detail
}

/** Reports what was found, and what an earlier report did not take. */
async function tell(
  state: State,
  found: LedgerViolation[],
  signal: AbortSignal,
): Promise<LedgerViolation[]> {
  state.unreported.push(...found)
  while (state.unreported.length > 0) {
    try {
      await state.parameters.report(state.unreported[0] as LedgerViolation, { signal })
    } catch (error) {
      // It is kept, and told again at the next audit.
      state.parameters.onError?.(error)
      break
    }
    state.unreported.shift()
  }
  return found
}

/** The newest cut, held against the one that was seen before. */
async function look(
  state: State,
  signal: AbortSignal,
): Promise<{ cut: VerifiedCut | undefined; found: LedgerViolation[] }> {
  const { newest } = state
  let cut: VerifiedCut | undefined
  try {
    cut = await readCut(state.parameters, signal)
    if (newest !== undefined && (cut === undefined || cut.meta.size < newest.size)) {
      return {
        cut,
        found: [
          violation(state, 'rollback', `${cut?.meta.size ?? 0n} cuts, there were ${newest.size}`),
        ],
      }
    }
    if (cut !== undefined && newest !== undefined) {
      const { root } = await cut.reader.prefix(newest.size, { signal })
      if (!bytesEqual(root, newest.root)) {
        return {
          cut,
          found: [violation(state, 'rollback', `other cuts than before ${newest.size}`)],
        }
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    return { cut: undefined, found: [violation(state, 'files', lineOf(error))] }
  }
  if (cut !== undefined) state.newest = { size: cut.meta.size, root: cut.meta.root }
  return { cut, found: [] }
}

async function rebuild(state: State, signal: AbortSignal): Promise<LedgerViolation[]> {
  const { cut, found } = await look(state, signal)
  if (cut === undefined) return found
  try {
    const wrong = await rebuildRoots({ store: state.parameters.store, cut }, signal)
    return [...found, ...wrong.map((name) => violation(state, 'root', `the entries of ${name}`))]
  } catch (error) {
    signal.throwIfAborted()
    return [...found, violation(state, 'files', lineOf(error))]
  }
}

const violationOf = {
  ...{ event: 'replay', snapshot: 'snapshot', evaluation: 'evaluation', cut: 'root' },
} as const satisfies Record<ReplayFault['kind'], LedgerViolation['kind']>

async function replayAll(
  state: State,
  { signal, from }: { signal: AbortSignal; from: bigint | undefined },
): Promise<{ violations: LedgerViolation[]; replay: Replay | undefined }> {
  const { parameters } = state
  const { cut, found } = await look(state, signal)
  const violations = [...found, ...(await compareAnchors(state, cut, signal))]
  if (cut === undefined) return { violations, replay: undefined }
  try {
    const replay = await replayLedger({ ...parameters, cut, from }, signal)
    for (const { kind, detail, eventId } of replay.faults) {
      violations.push(violation(state, violationOf[kind], detail, eventId))
    }
    return { violations, replay }
  } catch (error) {
    signal.throwIfAborted()
    return {
      violations: [...violations, violation(state, 'replay', lineOf(error))],
      replay: undefined,
    }
  }
}

/** Every anchor has to be a prefix of the meta log as it is now. */
async function compareAnchors(
  state: State,
  cut: VerifiedCut | undefined,
  signal: AbortSignal,
): Promise<LedgerViolation[]> {
  const anchors = (await state.parameters.anchors?.({ signal })) ?? []
  const found: LedgerViolation[] = []
  for (const { size, root, where } of anchors) {
    if (cut === undefined || size > cut.meta.size) {
      found.push(violation(state, 'anchor', `${where} has ${size} cuts, the log fewer`))
      continue
    }
    try {
      const now = await cut.reader.prefix(size, { signal })
      if (bytesEqual(now.root, root)) continue
      found.push(violation(state, 'anchor', `${where} has other cuts up to ${size}`))
    } catch (error) {
      signal.throwIfAborted()
      found.push(violation(state, 'anchor', lineOf(error)))
    }
  }
  return found
}

function lineOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
