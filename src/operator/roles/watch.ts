/** Metrics of an operator. Labels come from closed sets only. */
import { createMetricsRegistry, type MetricsRegistry } from '../../core/metrics.js'
import type { Anomaly, ReplicaStatus } from '../../statetree/index.js'
import { anomalyName } from '../../statetree/index.js'
import type { WindowOutcome } from '../commits/committer.js'
import type { RpcEvent } from '../rpc/server.js'
import type { OperatorSigner } from '../signing/guard.js'

/** What is counted of an operator. */
export type OperatorWatch = {
  readonly metrics: MetricsRegistry
  onEvent(event: RpcEvent): void
  onWindow(timestamp: bigint, outcome: WindowOutcome): void
  onFollowed(status: ReplicaStatus): void
  onAnomaly(found: Anomaly): void
  onLag(blocks: bigint): void
  failed(what: 'index' | 'windows' | 'bindings' | 'retention' | 'prewarm' | 'secrets'): void
  /** The signer, counted. */
  signer(inner: OperatorSigner): OperatorSigner
}

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Counts what an operator does. */
export function watchOperator(metrics: MetricsRegistry = createMetricsRegistry()): OperatorWatch {
  const calls = metrics.counter('rpc_calls_total', 'Calls by method and outcome.')
  const callSeconds = metrics.histogram('rpc_call_seconds', 'Seconds of a call.', seconds)
  const refused = metrics.counter(
    'operator_equivocations_refused_total',
    'Second statements that the journal refused.',
  )
  const signatures = metrics.counter('operator_signatures_total', 'Signatures by kind and result.')
  const signSeconds = metrics.histogram('operator_sign_seconds', 'Seconds of a signature.', seconds)
  const commits = metrics.counter('operator_commits_total', 'Windows by what they ended in.')
  const faults = metrics.counter(
    'operator_commit_faults_total',
    'What peers did in windows of this operator that was not a signature, by fault.',
  )
  const sequence = metrics.gauge('operator_sequence', 'The last commit that was applied.')
  const atRoot = metrics.gauge('operator_tree_at_root', '1 where the tree is at the newest root.')
  const missing = metrics.gauge(
    'operator_delta_unavailable',
    '1 where a delta cannot be had anywhere: this operator has stopped signing.',
  )
  const anomalies = metrics.counter('operator_anomalies_total', 'What should not be, by code.')
  const lag = metrics.gauge('chain_lag_blocks', 'Blocks that the index is behind.')
  const failures = metrics.counter('operator_failures_total', 'Rounds that failed, by part.')
  return {
    metrics,
    onEvent({ method, outcome, milliseconds }) {
      const known = method === '' ? 'none' : method
      calls.inc({ method: known, outcome })
      callSeconds.observe(milliseconds / 1_000, { method: known })
      if (outcome === 'EQUIVOCATION_REFUSED') refused.inc({ method: known })
    },
    onWindow(_, outcome) {
      commits.inc({ outcome: outcome.status })
      if ('faults' in outcome) for (const { fault } of outcome.faults) faults.inc({ fault })
    },
    onFollowed({ sequenceNo, waitingFor, stopped }) {
      sequence.set(Number(sequenceNo))
      atRoot.set(waitingFor === undefined && stopped === undefined ? 1 : 0)
      missing.set(waitingFor === undefined ? 0 : 1)
    },
    onAnomaly({ code }) {
      const known = anomalyName(code) !== undefined
      anomalies.inc({ code: known ? `0x${code.toString(16)}` : 'other' })
    },
    onLag: (blocks) => lag.set(Number(blocks)),
    failed: (part) => failures.inc({ part }),
    signer: (inner) => ({
      publicKey: inner.publicKey,
      async sign(digest, context, options) {
        const started = performance.now()
        try {
          const signature = await inner.sign(digest, context, options)
          signatures.inc({ kind: context.kind, result: 'signed' })
          signSeconds.observe((performance.now() - started) / 1_000, { kind: context.kind })
          return signature
        } catch (error) {
          signatures.inc({ kind: context.kind, result: 'failed' })
          throw error
        }
      },
    }),
  }
}
