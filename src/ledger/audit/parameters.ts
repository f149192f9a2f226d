/** What an auditor is given, what it remembers, and what it finds. */
import { InvalidInputError } from '../../errors/common.js'
import {
  assertCount,
  assertKnown,
  assertMembers,
  MAX_TIMER,
  readClock,
} from '../../internal/options.js'
import { createOrder } from '../../internal/singleFlight.js'
import type { LedgerEvent } from '../events/event.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { VerifySignature } from '../events/signature.js'
import { type CheckpointTrust, openCheckpoint } from '../log/checkpoint.js'
import { pinnedLog } from '../witness/pinnedLog.js'
import { type CheckpointStore, memoryCheckpointStore } from '../witness/store.js'
import { logFiles } from '../writer/files/log.js'
import { metaLog } from '../writer/types.js'
import { type AuditedStore, metaKeys } from './files.js'
import type { ReEvaluation } from './replay.js'

/** What was found wrong. */
export type LedgerViolation = {
  kind:
    | ('chain' | 'root' | 'files' | 'rollback' | 'replay' | 'snapshot' | 'evaluation' | 'anchor')
    /** Nothing is known to be wrong: something could not be looked at, such as an anchor's chain. */
    | 'unchecked'
  detail: string
  /** Milliseconds since 1970 at which it was found. */
  at: number
  /** The event it is about, where there is one. */
  eventId?: string | undefined
  /** Of a log that was rewritten or went back: a file for `verifyForkEvidence`. */
  evidence?: string | undefined
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
  store: AuditedStore
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
  /**
   * Where the newest checkpoint that was seen is kept, such as `fileCheckpointStore` on a disk that whoever
   * writes the ledger has no hand on. Without it an auditor that is started anew takes the first ledger
   * that it is shown. @default memory
   */
  pins?: CheckpointStore | undefined
  /** Milliseconds for one call of `anchors`, `reEvaluate` or `report`. @default 60000 */
  timeout?: number | undefined
  /** Milliseconds between two rebuilds of the roots. @default 900000 */
  rebuildEvery?: number | undefined
  /** Milliseconds between two replays. @default 86400000 */
  replayEvery?: number | undefined
  /** Told of audits that could not be made, and of reports that were not taken. */
  onError?: ((error: unknown) => void) | undefined
}

/** What became of the anchors at one look. */
export type AnchorsOutcome =
  | { status: 'none' }
  | { status: 'compared'; count: number }
  /** They could not be had: of them nothing is known, and `error` says why. */
  | { status: 'unreachable'; error: unknown }

/** What an auditor remembers while it runs. */
export type AuditState = {
  parameters: AuditorParameters
  clock: AuditClock
  timeout: number
  pins: CheckpointStore
  pinned: ReturnType<typeof pinnedLog>
  /** Found, and not yet taken by `report`. */
  unreported: LedgerViolation[]
  previous: { current_hash: string; timestamp: string } | undefined
  /** The look that runs: two at once would move one pin. */
  /** One look after another. */
  inOrder: ReturnType<typeof createOrder>
}

const knownParameters: readonly (keyof AuditorParameters)[] = [
  ...(['store', 'ledger', 'trust', 'report', 'clock', 'schemas', 'verify'] as const),
  ...(['requireVerifiedWasm', 'anchors', 'reEvaluate', 'pins', 'timeout'] as const),
  ...(['rebuildEvery', 'replayEvery', 'onError'] as const),
]

const realClock: AuditClock = {
  now: Date.now,
  after: (milliseconds, work) => {
    const timer = setTimeout(work, milliseconds)
    return () => clearTimeout(timer)
  },
}

/** Refuses what is missing, unknown or no value of its kind. */
export function checkParameters(parameters: AuditorParameters) {
  assertMembers('parameters', parameters, ['store', 'ledger', 'trust', 'report'])
  assertKnown('parameters', parameters, knownParameters)
  const { clock = realClock, rebuildEvery = 900_000, replayEvery = 86_400_000 } = parameters
  for (const [field, value] of Object.entries({ rebuildEvery, replayEvery })) {
    if (Number.isFinite(value) && value >= 1_000 && value <= MAX_TIMER) continue
    throw new InvalidInputError({ field, reason: 'expected milliseconds, a second or more' })
  }
  if (typeof parameters.report !== 'function') {
    throw new InvalidInputError({ field: 'report', reason: 'expected a function' })
  }
  assertMembers('clock', clock, ['now', 'after'])
  readClock('clock.now', clock.now)
  // Refuses a trust that is none: it would look like a ledger that is.
  openCheckpoint('', parameters.trust)
  if (metaKeys(parameters.trust, parameters.ledger).length === 0) {
    const reason = `it names no key of ${parameters.ledger}/${metaLog}`
    throw new InvalidInputError({ field: 'trust', reason })
  }
  return { clock, rebuildEvery, replayEvery }
}

/** What an auditor begins with. */
export function stateOf(parameters: AuditorParameters, clock: AuditClock): AuditState {
  const { store, trust, pins = memoryCheckpointStore(), timeout = 60_000 } = parameters
  assertCount('timeout', timeout, { most: MAX_TIMER })
  const pinned = pinnedLog({ trust, store: pins, read: logFiles(store, metaLog) })
  return {
    ...{ parameters, clock, timeout, pins, pinned },
    ...{ unreported: [], previous: undefined, inOrder: createOrder() },
  }
}

/** A violation, found now. */
export function violation(
  { clock }: Pick<AuditState, 'clock'>,
  kind: LedgerViolation['kind'],
  detail: string,
  more: Pick<LedgerViolation, 'eventId' | 'evidence'> = {},
): LedgerViolation {
  return { kind, detail, at: clock.now(), ...more }
}
