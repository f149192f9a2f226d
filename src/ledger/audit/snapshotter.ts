/** Snapshots of a ledger's state, every so many events or once a day. */
import type { LedgerSink } from '../../core/interfaces/ledgerSink.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertCount, assertKnown, assertMembers, readClock } from '../../internal/options.js'
import type { CheckpointTrust } from '../log/checkpoint.js'
import { readCut } from './cut.js'
import { type ReplayFault, type ReplayParameters, replayLedger } from './replay.js'
import { readSnapshots, snapshotRecord } from './snapshots.js'

/** Parameters of {@link createSnapshotter}. */
export type SnapshotterParameters = Omit<ReplayParameters, 'cut' | 'to' | 'reEvaluate'> & {
  /** The meta log's key, and its witnesses. */
  trust: CheckpointTrust
  /** Takes the snapshots, signed by an auditor's key. */
  sink: LedgerSink
  /** Events between two snapshots. @default 10_000 */
  every?: number | undefined
  /** Milliseconds after which there is one where anything is new. @default 86_400_000 */
  interval?: number | undefined
  now?: (() => number) | undefined
}

/** What one look came to. */
export type SnapshotOutcome =
  | { status: 'recorded'; eventId: string; seq: bigint; stateRoot: string }
  /** Too little is new. */
  | { status: 'waiting' }
  /** The ledger is not what it says: of that there is no snapshot. */
  | { status: 'faulty'; faults: readonly ReplayFault[] }

/** Makes snapshots. */
export type Snapshotter = {
  /** Looks once, and records a snapshot where one is due. Call it from a timer of yours. */
  tick(options?: IoOptions): Promise<SnapshotOutcome>
}

const knownParameters: readonly (keyof SnapshotterParameters)[] = [
  ...(['store', 'ledger', 'trust', 'sink', 'every', 'interval', 'now', 'from'] as const),
  ...(['schemas', 'verify', 'requireVerifiedWasm', 'maxFaults'] as const),
]

/**
 * Creates what an auditor makes snapshots with. Each is derived from a full replay, and every later
 * replay compares it. When the last one was is read from the ledger itself.
 *
 * @throws {InvalidInputError} for numbers that are none, and options that are missing or unknown.
 * @example
 * ```ts
 * import { createSnapshotter, type SnapshotterParameters } from '@newton/policy-sdk/ledger'
 *
 * declare const parameters: SnapshotterParameters
 * const snapshotter = createSnapshotter(parameters)
 * const outcome = await snapshotter.tick()
 * ```
 */
export function createSnapshotter(parameters: SnapshotterParameters): Snapshotter {
  assertMembers('parameters', parameters, ['store', 'ledger', 'trust', 'sink'])
  assertKnown('parameters', parameters, knownParameters)
  const { every = 10_000, interval = 86_400_000, now = Date.now, sink, trust } = parameters
  assertCount('every', every)
  assertCount('interval', interval)
  const { store, ledger, from, schemas, verify, requireVerifiedWasm, maxFaults } = parameters
  readClock('now', now)
  // Recorded, and perhaps not in the ledger yet: it is not made twice.
  let recorded: { seq: bigint; at: number } | undefined
  return {
    tick: (options = {}) =>
      withDeadline('Making a snapshot of a ledger', options, async (signal) => {
        const cut = await readCut({ store, ledger, trust }, signal)
        if (cut === undefined) return { status: 'waiting' }
        const size = cut.record.domains.find(({ name }) => name === 'audit')?.size ?? 0n
        const claims = await readSnapshots({ store, size }, signal)
        // One that speaks of what is not there yet is a fault, which the replay finds.
        const claim = claims.filter(({ seq }) => seq <= cut.record.seq).at(-1)
        const kept =
          claim === undefined ? undefined : { seq: claim.seq, at: Date.parse(claim.timestamp) }
        const last = recorded !== undefined && recorded.seq > (kept?.seq ?? -1n) ? recorded : kept
        // The snapshot itself is one event more.
        const fresh = cut.record.seq - (last?.seq ?? -2n) - 1n
        const isLate = last === undefined || now() - last.at >= interval
        if (fresh < BigInt(every) && !(isLate && fresh > 0n)) return { status: 'waiting' }
        const replay = await replayLedger(
          { store, ledger, cut, from, schemas, verify, requireVerifiedWasm, maxFaults },
          signal,
        )
        if (replay.faults.length > 0) return { status: 'faulty', faults: replay.faults }
        const { eventId } = await sink.record(snapshotRecord(replay), { signal })
        recorded = { seq: replay.events - 1n, at: now() }
        const { seq } = recorded
        return { status: 'recorded', eventId, seq, stateRoot: replay.state_root }
      }),
  }
}
