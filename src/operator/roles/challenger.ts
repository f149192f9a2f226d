/** A challenger as a process runs it: it reads, verifies and files by itself, and can be watched. */
import {
  type ChallengeKind,
  type Challenger,
  type ChallengerEvent,
  type ChallengerParameters,
  type ChallengerStore,
  createChallenger,
} from '../../attestation/index.js'
import { createMetricsRegistry, type MetricsRegistry } from '../../core/metrics.js'
import { decodeResponse } from '../../core/response.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertChoice, assertMembers, assertOptions } from '../../internal/options.js'
import type { LedgerRecorder } from '../ledger/recorder.js'
import { startLoop } from './loop.js'

/** Parameters of {@link createChallengerNode}. */
export type ChallengerNodeParameters = ChallengerParameters & {
  /** Where its state is kept: without one that lasts, a window may be missed over a restart. */
  store: ChallengerStore
  /** Milliseconds between two looks at the chain. @default 4_000 */
  interval?: number | undefined
  /** Blocks behind the newest one after which it is not ready. @default 64n */
  maxLag?: bigint | undefined
  /** Balance of the account that files, in wei. */
  balance?: ((options?: IoOptions) => Promise<bigint>) | undefined
  /** Wei below which it is not ready: a challenge could not be paid for. @default 10^16 */
  minBalance?: bigint | undefined
  metrics?: MetricsRegistry | undefined
  /** Keeps challenges, and what contradicts the chain, for the evaluation ledger. @default nothing is recorded */
  ledger?: Pick<LedgerRecorder, 'challenged' | 'anomaly'> | undefined
}

const levels = ['quorum', 'result'] as const
const challengerOptions: Parameters<typeof assertOptions<ChallengerNodeParameters>>[1] = {
  ...{
    reader: 'object',
    responses: 'object',
    operators: 'object',
    sink: 'object',
    store: 'object',
  },
  ...{ prover: 'object', level: 'any', startBlock: 'uint', challengeWindow: 'uint' },
  ...{ confirmations: { least: 0 }, finalityDepth: 'uint', maxBlocks: 'uint' },
  ...{ signersPerChallenge: { least: 1 }, attachments: 'function', backoff: 'function' },
  ...{ now: 'function', onEvent: 'function', interval: 'milliseconds', maxLag: 'uint' },
  ...{ balance: 'function', minBalance: 'uint', metrics: 'object', ledger: 'object' },
}

/** A challenger that runs. */
export type ChallengerNode = {
  readonly challenger: Challenger
  /** Text for `/metrics`. */
  metrics(): Promise<string>
  /** What it lacks to do its work, for `/readyz`. */
  ready(): Promise<readonly string[]>
  /** Ends after the round that runs; what is to be filed is in the store. */
  close(): Promise<void>
}

/** Milliseconds for one question of `/readyz`. */
const PATIENCE = 2_000
const statuses = ['pending', 'filed', 'settled', 'final', 'refused', 'expired'] as const

/**
 * Starts a challenger. It runs until it is closed.
 *
 * @throws {InvalidInputError} as `createChallenger` does, and for members that it does not know.
 * @example
 * ```ts
 * import { createChallengerNode } from '@newton/policy-sdk/operator'
 * import { fileTextStore, listenRole } from '@newton/policy-sdk/operator/node'
 *
 * const store = fileTextStore('/var/lib/newton/challenger.json')
 * const node = createChallengerNode({ reader, responses, operators, sink, store, challengeWindow: 50_400n })
 * const server = await listenRole({ metrics: node.metrics, ready: node.ready, port: 9_003 })
 * ```
 */
export function createChallengerNode(parameters: ChallengerNodeParameters): ChallengerNode {
  assertMembers('parameters', parameters, ['reader', 'store'])
  assertOptions(parameters, challengerOptions, {
    ...{ field: 'parameters', required: ['responses', 'operators', 'sink', 'challengeWindow'] },
  })
  if (parameters.level !== undefined) assertChoice('parameters.level', parameters.level, levels)
  const { interval = 4_000, maxLag = 64n, minBalance = 10n ** 16n, now = Date.now } = parameters
  const metrics = parameters.metrics ?? createMetricsRegistry()
  const watch = watchChallenger(metrics)
  const challenger = createChallenger({
    ...parameters,
    onEvent: (event) => {
      watch.count(event)
      if (event.type === 'contradicted') {
        const subject = event.messageHash
        const detail = 'the contract accepted a response that its verification refuses'
        parameters.ledger?.anomaly({ kind: 'contradicted', subject, detail })
      }
      parameters.onEvent?.(event)
    },
  })
  const { registry } = parameters.reader
  const recorded = new Set<string>()
  let lag: bigint | undefined
  const loop = startLoop({
    interval,
    now,
    onError: (error) => {
      watch.failed()
      parameters.onEvent?.({ type: 'error', error })
    },
    work: async (signal) => {
      const report = await challenger.poll({ signal })
      await recordChallenges(challenger, { ledger: parameters.ledger, recorded, signal })
      const { number } = await registry.getLatestBlock({ signal })
      lag = number - (report.cursor ?? (parameters.startBlock ?? 0n) - 1n)
      watch.polled(report.cursor, lag)
      return report.caughtUp ? undefined : 'again'
    },
  })
  return {
    challenger,
    async metrics() {
      const outbox = await challenger.outbox()
      for (const status of statuses) {
        watch.outbox(status, outbox.filter((entry) => entry.status === status).length)
      }
      return metrics.text()
    },
    ready: async () => {
      const lacks: string[] = []
      if (lag === undefined) lacks.push('it has not read the chain yet')
      else if (lag > maxLag) lacks.push(`it is ${lag} blocks behind`)
      if (loop.age() > 10 * interval + 60_000) lacks.push('it has not come to an end of a round')
      const { balance } = parameters
      if (balance !== undefined) {
        const held = await withDeadline('balance', { timeout: PATIENCE }, (signal) =>
          balance({ signal }),
        ).catch(() => undefined)
        if (held === undefined) lacks.push('the balance of its account cannot be read')
        else if (held < minBalance) lacks.push('its account cannot pay for challenges')
      }
      return lacks
    },
    close: loop.close,
  }
}

/** Hands challenges that were sent to the ledger: they stay in the outbox until their window is over. */
async function recordChallenges(
  challenger: Challenger,
  {
    ledger,
    recorded,
    signal,
  }: {
    ledger: ChallengerNodeParameters['ledger']
    /** Transactions that were recorded since the start. */
    recorded: Set<string>
    signal: AbortSignal
  },
): Promise<void> {
  if (ledger === undefined) return
  const present = new Set<string>()
  for (const { status, id, kind = 'digest', response, sent = [] } of await challenger.outbox()) {
    if (status !== 'filed' && status !== 'final') continue
    const { referenceBlock } = decodeResponse(response)
    for (const { signers: operators, hashes } of sent) {
      const transactionHash = hashes.at(-1)
      if (transactionHash === undefined) continue
      present.add(transactionHash)
      if (recorded.has(transactionHash)) continue
      const challenge = { messageHash: id, mismatch: kind, operators, transactionHash }
      await ledger.challenged({ ...challenge, referenceBlock }, { signal })
      recorded.add(transactionHash)
    }
  }
  for (const hash of recorded) if (!present.has(hash)) recorded.delete(hash)
}

type ChallengerWatch = {
  count(event: ChallengerEvent): void
  failed(): void
  polled(cursor: bigint | null, lag: bigint): void
  outbox(status: string, entries: number): void
}

function watchChallenger(metrics: MetricsRegistry): ChallengerWatch {
  const challenges = metrics.counter(
    'challenger_challenges_total',
    'What became of challenges, by kind and outcome.',
  )
  const verified = metrics.counter(
    'challenger_verified_total',
    'Responses verified, by status of the outcome.',
  )
  const reorganized = metrics.counter('challenger_reorganizations_total', 'Reorganizations seen.')
  const failures = metrics.counter('challenger_failures_total', 'Rounds that failed.')
  const lagging = metrics.gauge('chain_lag_blocks', 'Blocks behind the newest one.')
  const at = metrics.gauge('challenger_cursor_block', 'The last block that was read.')
  const waiting = metrics.gauge('challenger_outbox', 'Challenges that are kept, by status.')
  const outcomes = new Set<string>([
    ...[
      'proven',
      'filed',
      'sending',
      'settled',
      'expired',
      'final',
      'reopened',
      'refused',
      'retry',
    ],
  ])
  return {
    count(event) {
      if (event.type === 'verified') verified.inc({ status: event.outcome.status })
      else if (event.type === 'reorganized') reorganized.inc()
      else if (outcomes.has(event.type)) {
        const { kind = 'none' } = event as { kind?: ChallengeKind }
        challenges.inc({ kind, outcome: event.type })
      }
    },
    failed: () => failures.inc(),
    polled(cursor, lag) {
      lagging.set(Number(lag))
      if (cursor !== null) at.set(Number(cursor))
    },
    outbox: (status, entries) => waiting.set(entries, { status }),
  }
}
