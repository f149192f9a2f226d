/** Everything a ledger says, verified and reduced again from its first event. */
import type { TileReader } from '../../core/interfaces/tileStore.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { assertCount, assertKnown, assertMembers } from '../../internal/options.js'
import type { LedgerEvent } from '../events/event.js'
import type { MetaRecord } from '../events/metaRoot.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import type { VerifySignature } from '../events/signature.js'
import { verifyReadEvent } from '../events/verify.js'
import { type LedgerView, reduceEvent } from '../events/view.js'
import { walkChain } from '../writer/chain.js'
import { type PlacedCut, readCuts, type VerifiedCut } from './cut.js'
import { createLedgerState, type LedgerState, type ReducerRoot } from './reducers.js'
import { readSnapshots, type SnapshotClaim } from './snapshots.js'

/** Whether an evaluation, run again from its artifacts and inputs, gives the decision that was logged. */
export type ReEvaluation =
  | { status: 'same' }
  | { status: 'differs'; detail: string }
  | { status: 'unknown' }

/** What a replay found wrong, at an event. */
export type ReplayFault = {
  seq: bigint
  eventId: string
  kind: 'event' | 'snapshot' | 'evaluation' | 'cut'
  detail: string
}

/** What a replay answers. */
export type Replay = {
  /** Events that were replayed, all from the first. */
  events: bigint
  head: string
  state_root: string
  reducers: ReducerRoot[]
  rows: Readonly<Record<string, JsonObject>>
  faults: ReplayFault[]
  /** Evaluations that could not be run again: inputs or artifacts were not to be had. */
  unknown: bigint
  /** Evaluations that were run again. */
  evaluated: bigint
  /** The first place that was looked at in full: 0, or the one after a snapshot. */
  full: bigint
}

/** What {@link replayLedger} takes. */
export type ReplayParameters = {
  store: TileReader
  ledger: string
  cut: VerifiedCut
  /** Events before this place. @default all of the cut */
  to?: bigint | undefined
  /**
   * First place that is looked at in full. Up to the last snapshot before it, signatures are not checked
   * again and evaluations not run again: the state that those events give has to be the snapshot's, and the
   * snapshot signed by who may. Where it is not, all is looked at in full.
   * @default 0n
   */
  from?: bigint | undefined
  schemas?: EventSchemas | undefined
  verify?: VerifySignature | undefined
  requireVerifiedWasm?: boolean | undefined
  reEvaluate?: ((event: LedgerEvent, signal: AbortSignal) => Promise<ReEvaluation>) | undefined
  /** Most faults that are told. @default 100 */
  maxFaults?: number | undefined
}

/**
 * Replays a ledger up to a cut. Every event is verified under its own schema version and under what the
 * events before it say; snapshots are compared with the state that the events give.
 *
 * @throws {LedgerLogError} where the chain breaks: nothing after that can be said.
 * @throws {InvalidInputError} for places that are none, `from` behind `to`, and options that are unknown.
 */
export async function replayLedger(
  parameters: ReplayParameters,
  signal: AbortSignal,
): Promise<Replay> {
  checkParameters(parameters)
  const { store, ledger, cut, schemas, verify, requireVerifiedWasm, reEvaluate } = parameters
  const most = cut.record.seq + 1n
  const until = parameters.to === undefined || parameters.to > most ? most : parameters.to
  const sizes = new Map(cut.record.domains.map(({ name, size }) => [name, size]))
  const rows = new Map<string, Json>()
  const view: LedgerView = { get: (key) => rows.get(key) }
  const state = createLedgerState()
  const faults: ReplayFault[] = []
  const claims = await readSnapshots({ store, size: sizes.get('audit') ?? 0n }, signal)
  const start = startOf(claims, parameters.from ?? 0n)
  const full = start === undefined ? 0n : start.seq + 1n
  const sound = { signed: start === undefined, right: true }
  let unknown = 0n
  let evaluated = 0n
  const cuts = readCuts({ store, cut }, signal)
  let nextCut = await nextOf(cuts)
  let previous: { current_hash: string; timestamp: string } | 'none' = 'none'
  for await (const { seq, event } of walkChain({ store, sizes, until }, signal)) {
    const fault = (kind: ReplayFault['kind'], detail: string): void => {
      if (faults.length < (parameters.maxFaults ?? 100)) {
        faults.push({ seq, eventId: event.event_id, kind, detail })
      }
    }
    const isFull = seq >= full
    const verdict = verifyReadEvent(event, {
      ...{ ledger, previous, schemas },
      verify: isFull ? verify : () => true,
      state: { view, seq, requireVerifiedWasm },
    })
    if (verdict.status !== 'valid') fault('event', verdict.detail)
    if (event.event_id === start?.eventId) sound.signed = isFull && verdict.status === 'valid'
    if (isFull && reEvaluate !== undefined && event.schema_version === 'newton.evaluation/1') {
      const outcome = await reEvaluate(event, signal)
      if (outcome.status === 'differs') fault('evaluation', outcome.detail)
      if (outcome.status === 'unknown') unknown += 1n
      else evaluated += 1n
    }
    for (const [key, value] of reduceEvent(event, seq, view)) rows.set(key, value)
    state.apply(event, seq)
    for (const claim of claims) {
      const detail = snapshotProblem(claim, { event, seq, state })
      if (claim === start && detail !== undefined) sound.right = false
      if (detail === undefined || faults.length >= (parameters.maxFaults ?? 100)) continue
      faults.push({ seq, eventId: claim.eventId, kind: 'snapshot', detail })
    }
    for (; (nextCut?.record?.seq ?? seq + 1n) <= seq; nextCut = await nextOf(cuts)) {
      const detail = nextCut?.record && cutProblem(nextCut.record, { event, seq })
      if (detail !== undefined) fault('cut', `meta entry ${nextCut?.index}: ${detail}`)
    }
    previous = { current_hash: event.current_hash, timestamp: event.timestamp }
  }
  // Nothing rests on a snapshot that is wrong, or of which nobody has seen here who signed it.
  if (!sound.signed || !sound.right) return replayLedger({ ...parameters, from: 0n }, signal)
  return {
    ...{ events: until, head: previous === 'none' ? '' : previous.current_hash },
    ...{ state_root: state.root(), reducers: state.roots(), rows: state.rows(), faults },
    ...{ unknown, evaluated, full },
  }
}

const knownParameters: readonly (keyof ReplayParameters)[] = [
  ...(['store', 'ledger', 'cut', 'to', 'from', 'schemas', 'verify'] as const),
  ...(['requireVerifiedWasm', 'reEvaluate', 'maxFaults'] as const),
]

function checkParameters(parameters: ReplayParameters): void {
  assertMembers('parameters', parameters, ['store', 'ledger', 'cut'])
  assertKnown('parameters', parameters, knownParameters)
  const { from = 0n, to, maxFaults } = parameters
  for (const [field, value] of [
    ['from', from],
    ['to', to ?? from],
  ] as const) {
    if (typeof value === 'bigint' && value >= 0n) continue
    throw new InvalidInputError({ field, reason: 'expected a place: a bigint of 0 or more' })
  }
  if (to !== undefined && from > to) {
    throw new InvalidInputError({ field: 'from', reason: 'it is behind `to`' })
  }
  if (maxFaults !== undefined) assertCount('maxFaults', maxFaults, { least: 0 })
}

/** The next cut that is one; what is none is found where roots are rebuilt. */
async function nextOf(cuts: AsyncGenerator<PlacedCut>): Promise<PlacedCut | undefined> {
  for (;;) {
    const { value, done } = await cuts.next()
    if (done === true) return undefined
    if (value.record !== undefined) return value
  }
}

/** A cut names the event that it was made after. */
function cutProblem(
  { checkpointEventId, head, seq }: MetaRecord,
  at: { event: LedgerEvent; seq: bigint },
): string | undefined {
  const isThere =
    seq === at.seq && head === at.event.current_hash && checkpointEventId === at.event.event_id
  return isThere ? undefined : 'it names another event than the chain has there'
}

/** The last snapshot that speaks of nothing from `from` on. */
function startOf(claims: readonly SnapshotClaim[], from: bigint): SnapshotClaim | undefined {
  let start: SnapshotClaim | undefined
  for (const claim of claims) {
    if (claim.seq < from && claim.seq >= (start?.seq ?? 0n)) start = claim
  }
  return start
}

/** A snapshot says what the state was after an event, wherever it came to stand itself. */
function snapshotProblem(
  claim: SnapshotClaim,
  { event, seq, state }: { event: LedgerEvent; seq: bigint; state: LedgerState },
): string | undefined {
  if (event.event_id === claim.eventId && claim.seq >= seq) {
    return 'it speaks of events that come after it'
  }
  if (claim.seq !== seq || event.event_id === claim.eventId) return undefined
  if (claim.head !== event.current_hash) return 'it names another head'
  return claim.stateRoot === state.root() ? undefined : 'it names another state root'
}
