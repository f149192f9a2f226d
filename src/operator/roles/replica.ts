/**
 * A replica as a process runs it: it follows every commit, holds every accepted response against the
 * tree, tells what is wrong, and, where it serves, is a bootnode for others.
 */
import type { Hex } from 'viem'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { AcceptedResponses } from '../../core/interfaces/responses.js'
import { createMetricsRegistry, type MetricsRegistry } from '../../core/metrics.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import {
  type Anomaly,
  anomalyName,
  type CommitState,
  committedTree,
  createReplica,
  type LeafAdmission,
  type Replica,
  type ReplicaOptions,
  type ReplicaStatus,
  snapshotServer,
} from '../../statetree/index.js'
import { createBindingWatch, type TextStore } from './bindings.js'
import { startLoop } from './loop.js'

/** Parameters of {@link createReplicaNode}. */
export type ReplicaNodeParameters = Omit<ReplicaOptions, 'onAnomaly'> & {
  registry: RegistryReader
  /** Accepted responses, each of which is held against the tree. Left out: none is. */
  responses?: AcceptedResponses | undefined
  /** Where it is kept how far responses were looked at. */
  store?: TextStore | undefined
  /** Serves snapshots, deltas, artifact bytes and reads. `admission`: who may read private leaves. */
  serve?: boolean | { admission?: LeafAdmission | undefined } | undefined
  /** Milliseconds between two looks at the chain. @default 4_000 */
  interval?: number | undefined
  metrics?: MetricsRegistry | undefined
  now?: (() => number) | undefined
  onAnomaly?: ((anomaly: Anomaly) => void) | undefined
  /** A round that failed; the next one follows. */
  onError?: ((error: unknown) => void) | undefined
}

const replicaOptions: Parameters<typeof assertOptions<ReplicaNodeParameters>>[1] = {
  ...{ registry: 'object', pipeline: 'object', events: 'object', deltas: 'function' },
  ...{ startBlock: 'uint', deltaTimeout: 'milliseconds', onCommit: 'function' },
  ...{ responses: 'object', store: 'object', serve: 'any', interval: 'milliseconds' },
  ...{ metrics: 'object', now: 'function', onAnomaly: 'function', onError: 'function' },
}

/** A replica that runs. */
export type ReplicaNode = {
  readonly replica: Replica
  /** Where it stands; `undefined` before the first round. */
  status(): ReplicaStatus | undefined
  /** Answers peers, where it serves. */
  readonly fetch: ((request: Request) => Promise<Response>) | undefined
  metrics(): Promise<string>
  /** What it lacks, for `/readyz`. */
  ready(): Promise<readonly string[]>
  /** Looks at the chain now. */
  wake(): void
  close(): Promise<void>
}

/** Versions whose queue is kept for peers that start from them. */
const KEPT_STATES = 64

/**
 * Starts a replica on a pipeline. It runs until it is closed.
 *
 * @throws {InvalidInputError} for options that are none.
 * @example
 * ```ts
 * import { createReplicaNode } from '@newton/policy-sdk/operator'
 * import { listenRole } from '@newton/policy-sdk/operator/node'
 *
 * const node = createReplicaNode({ pipeline, events, deltas, registry, responses, serve: true })
 * const server = await listenRole({ fetch: node.fetch, metrics: node.metrics, ready: node.ready })
 * ```
 */
export function createReplicaNode(parameters: ReplicaNodeParameters): ReplicaNode {
  assertMembers('parameters', parameters, ['registry', 'pipeline', 'events', 'deltas'])
  assertOptions(parameters, replicaOptions, { field: 'parameters' })
  const { pipeline, events, registry, serve = false, interval = 4_000 } = parameters
  const { now = Date.now, startBlock } = parameters
  const metrics = parameters.metrics ?? createMetricsRegistry()
  const watch = watchReplica(metrics)
  const { bytes } = pipeline.tree.store
  const { deltaTimeout, onCommit } = parameters
  const replica = createReplica({
    ...{ pipeline, events, startBlock, deltaTimeout, onCommit },
    // A delta that was followed is kept: others ask for it when nobody else has it any more.
    deltas: async (request, io) => {
      const kept = await bytes.get(request.deltaHash).catch(() => undefined)
      if (kept !== undefined) return kept
      const delta = await parameters.deltas(request, io)
      await bytes.put(request.deltaHash, delta)
      return delta
    },
    onAnomaly: (found) => {
      watch.anomaly(found)
      parameters.onAnomaly?.(found)
    },
  })
  const states = new Map<number, CommitState>()
  const remember = (): void => {
    const { sequenceNo, deltaHash } = pipeline.head()
    states.set(Number(sequenceNo), { queue: pipeline.state(), deltaHash })
    for (const oldest of states.keys()) {
      if (states.size <= KEPT_STATES) break
      states.delete(oldest)
    }
  }
  const bindings =
    parameters.responses === undefined
      ? undefined
      : createBindingWatch({
          ...{ registry, startBlock, store: parameters.store },
          responses: parameters.responses,
          check: replica.checkBinding,
          onUndecided: (_, error) => parameters.onError?.(error),
        })
  let status: ReplicaStatus | undefined
  remember()
  const loop = startLoop({
    interval,
    now,
    onError: (error) => {
      watch.failed()
      parameters.onError?.(error)
    },
    work: async (signal) => {
      status = await replica.follow({ signal })
      remember()
      watch.followed(status)
      if (bindings !== undefined) watch.bound(await bindings.poll({ signal }))
      return undefined
    },
  })
  return {
    replica,
    status: () => status,
    fetch:
      serve === false
        ? undefined
        : snapshotServer({
            tree: pipeline.tree,
            commitState: (version) => states.get(version),
            rootAt: committedTree({ tree: pipeline.tree, events, startBlock }).rootAt,
            ...(serve === true ? {} : { admission: serve.admission }),
          }),
    metrics: async () => metrics.text(),
    ready: async () => {
      const lacks: string[] = []
      if (status === undefined) lacks.push('it has not followed the chain yet')
      else if (status.stopped !== undefined) lacks.push(`it has stopped: ${status.stopped.reason}`)
      else if (status.waitingFor !== undefined) {
        lacks.push(`it waits for the delta of commit ${status.waitingFor}`)
      }
      if (loop.age() > 10 * interval + 60_000) lacks.push('it has not come to an end of a round')
      return lacks
    },
    wake: loop.wake,
    close: loop.close,
  }
}

type ReplicaWatch = {
  anomaly(found: Anomaly): void
  failed(): void
  followed(status: ReplicaStatus): void
  bound(report: { checked: number; waiting: number }): void
}

function watchReplica(metrics: MetricsRegistry): ReplicaWatch {
  const anomalies = metrics.counter('replica_anomalies_total', 'What should not be, by code.')
  const failures = metrics.counter('replica_failures_total', 'Rounds that failed.')
  const sequence = metrics.gauge('replica_sequence', 'The last commit that was followed.')
  const at = metrics.gauge('replica_at_root', '1 where the tree is at the newest committed root.')
  const checked = metrics.counter(
    'replica_responses_checked_total',
    'Accepted responses held against the tree.',
  )
  const waiting = metrics.gauge(
    'replica_responses_waiting',
    'Responses whose root is not here yet.',
  )
  return {
    anomaly({ code }) {
      // Codes that this version does not know are one series.
      anomalies.inc({ code: anomalyName(code) === undefined ? 'other' : hexOf(code) })
    },
    failed: () => failures.inc(),
    followed({ sequenceNo, waitingFor, stopped }) {
      sequence.set(Number(sequenceNo))
      at.set(waitingFor === undefined && stopped === undefined ? 1 : 0)
    },
    bound(report) {
      checked.inc({}, report.checked)
      waiting.set(report.waiting)
    },
  }
}

const hexOf = (code: number): Hex => `0x${code.toString(16).padStart(2, '0')}`
