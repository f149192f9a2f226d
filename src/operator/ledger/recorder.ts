/**
 * What an operator, a gateway or a challenger hands to the evaluation ledger. Off where no recorder is
 * given. With one, nothing counts as done that was not kept for the ledger first: an answer that could
 * not be recorded is not given, and is asked for again.
 */
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { LedgerSink } from '../../core/interfaces/ledgerSink.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers } from '../../internal/options.js'
import {
  type AttestedTask,
  anomalyRecord,
  attestationRecord,
  challengeRecord,
  commitRecord,
  type EvaluatedTask,
  evaluationKey,
  evaluationRecord,
  type RecordedCommit,
} from './records.js'
import { blockTime, type CursorStore, followRegistrations } from './registrations.js'
import { type LedgerSalts, memorySalts } from './salts.js'

/** Parameters of {@link createLedgerRecorder}. */
export type LedgerRecorderParameters = {
  sink: LedgerSink
  registry: RegistryReader
  /**
   * Registrations of the chain, which operators record: their keys may, and an evaluation is refused
   * whose artifacts the ledger does not know. Left out by gateways and challengers.
   */
  registrations?:
    | {
        events: ChainEvents
        startBlock?: bigint | undefined
        confirmations?: number | undefined
        /** Keeps how far was read. */
        store?: CursorStore | undefined
      }
    | undefined
  /** @default memorySalts() */
  salts?: LedgerSalts | undefined
  /** Which engine evaluates. @default 'operators/1' */
  engine?: string | undefined
  /** Told of anomalies that could not be kept. Everything else that fails is thrown. */
  onError?: ((error: unknown) => void) | undefined
}

/** Hands what happens to the ledger. */
export type LedgerRecorder = {
  /** Keeps an evaluation, after all registrations up to its reference block. */
  evaluated(evaluation: EvaluatedTask, io?: IoOptions): Promise<void>
  /** Keeps an evaluation and the certificate under it. */
  attested(attestation: AttestedTask, io?: IoOptions): Promise<void>
  committed(commit: RecordedCommit, io?: IoOptions): Promise<void>
  challenged(
    challenge: Omit<Parameters<typeof challengeRecord>[0], 'time'> & { referenceBlock: bigint },
    io?: IoOptions,
  ): Promise<void>
  /** Keeps an anomaly. Never throws: what is told of something else must not end it. */
  anomaly(seen: { kind: string; subject: string; detail: string }): void
  /** Records registrations that are new. */
  poll(io?: IoOptions): Promise<void>
}

/** Records that are remembered, so that asking again costs nothing. */
const REMEMBERED = 4_096

/**
 * Creates the hook between a role and a ledger.
 *
 * @example
 * ```ts
 * import { createLedgerRecorder, memorySalts } from '@newton/policy-sdk/operator'
 *
 * const ledger = createLedgerRecorder({ sink, registry, registrations: { events }, salts: memorySalts() })
 * const node = createOperatorNode({ guard, tables, pcr0Commitment, gateways, peers, tasks, commits, ledger })
 * ```
 */
export function createLedgerRecorder(parameters: LedgerRecorderParameters): LedgerRecorder {
  assertMembers('parameters', parameters, ['sink', 'registry'])
  const { sink, registry, engine = 'operators/1', salts = memorySalts() } = parameters
  const { chainId, policyRegistry, policyDataRegistry } = registry
  const registries = { chainId, policyRegistry, policyDataRegistry }
  const registrations =
    parameters.registrations === undefined
      ? undefined
      : followRegistrations({ ...parameters.registrations, sink, registries })
  const evaluations = new Map<string, string>()

  const evaluated = async (evaluation: EvaluatedTask, io: IoOptions = {}): Promise<string> => {
    const key = evaluationKey(evaluation)
    const known = evaluations.get(key)
    if (known !== undefined) return known
    const { referenceBlock, taskId } = evaluation.response
    await registrations?.poll({ ...io, upTo: referenceBlock })
    const time = await blockTime(registry, referenceBlock, io)
    const salt = await salts.saltOf(taskId.toLowerCase())
    const record = evaluationRecord(evaluation, { time, salt, engine })
    const { eventId } = await sink.record(record, io)
    remember(evaluations, key, eventId)
    return eventId
  }
  return {
    evaluated: async (evaluation, io) => {
      await evaluated(evaluation, io)
    },
    attested: async (attestation, io) => {
      const evaluation = await evaluated(attestation, io)
      const time = await blockTime(registry, attestation.response.referenceBlock, io)
      await sink.record(attestationRecord(attestation, { time, evaluation }), io)
    },
    committed: async (commit, io) => {
      await sink.record(commitRecord(commit, registries), io)
    },
    challenged: async ({ referenceBlock, ...challenge }, io) => {
      const time = await blockTime(registry, referenceBlock, io)
      await sink.record(challengeRecord({ ...challenge, time }), io)
    },
    anomaly: (seen) => {
      sink.record(anomalyRecord(seen)).catch((error: unknown) => parameters.onError?.(error))
    },
    poll: async (io) => {
      await registrations?.poll(io)
    },
  }
}

function remember(known: Map<string, string>, key: string, eventId: string): void {
  known.set(key, eventId)
  for (const oldest of known.keys()) {
    if (known.size <= REMEMBERED) break
    known.delete(oldest)
  }
}
