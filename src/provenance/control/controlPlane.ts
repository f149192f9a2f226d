/**
 * The control plane: finds plugins to verify, hands builds to workers, and records what came out. It
 * never builds, and no worker has its keys.
 */
import type { Hex } from 'viem'
import type { ClaimSink, ProvenanceEvents } from '../../core/interfaces/provenance.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex } from '../../internal/bytes.js'
import { assertCount, assertKnown, assertMembers, MAX_TIMER } from '../../internal/options.js'
import { type BuildInfo, decodeBuildInfo } from '../build/buildInfo.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { encodeEvidence, type VerificationEvidence } from '../claims/evidence.js'
import { PluginBytesError } from '../errors.js'
import type { ProvenanceIndex } from '../index/provenanceIndex.js'
import { type BuildOutcome, type LeasedBuild, readOutcome } from '../worker/protocol.js'
import {
  type Answers,
  agreedOutcome,
  heard,
  unable,
  whyNone,
  withAnswer,
  withRefusal,
} from './answers.js'
import {
  answersOf,
  assertOwn,
  contradictionIn,
  evidenceOf,
  idOf,
  isMatch,
  jobOf,
  lower,
  payloadOf,
  payloadText,
} from './buildJobs.js'
import type { JobQueue, JobResult, StoredJob } from './jobQueue.js'

/** Keeps evidence documents where the world finds them. */
export interface EvidenceStore {
  /** Keeps a document; the URI ends in its SHA-256. */
  put(bytes: Uint8Array, hash: Hex): Promise<string>
  get(hash: Hex): Promise<Uint8Array | undefined>
}

/** What a control plane did. */
export type ControlEvent =
  | { type: 'control.queued'; wasmHash: Hex; buildInfoHash: Hex }
  | { type: 'control.unreadable'; wasmHash: Hex; error: unknown }
  | { type: 'control.refused'; jobId: string; worker: string; reason: string }
  | {
      type: 'control.claimed'
      evidence: VerificationEvidence
      evidenceUri: string
      transactionHash?: Hex | undefined
    }
  | { type: 'control.gave_up'; jobId: string; state: string; reason: string }
  | { type: 'control.failed'; step: 'follow' | 'claim'; error: unknown }

/** What {@link createControlPlane} works with. */
export type ControlPlaneParameters = {
  events: ProvenanceEvents
  /** Block to begin at. */
  fromBlock: bigint
  index: ProvenanceIndex
  queue: JobQueue
  claims: ClaimSink
  evidence: EvidenceStore
  /** Reads a plugin by its hash; what comes is checked against it. */
  readPlugin: (wasmHash: Hex, options: { signal?: AbortSignal | undefined }) => Promise<Uint8Array>
  /** Told of each claim before it is settled: where ledger events and statements are made. */
  onClaim?: ((claim: RecordedClaim) => Promise<void>) | undefined
  /** Milliseconds of a lease. @default 60000 */
  leaseMs?: number | undefined
  /**
   * Workers that have to agree before a claim is made, at most 3. One worker's word is that of whoever
   * holds its token.
   * @default 1
   */
  confirmations?: number | undefined
  now?: (() => number) | undefined
  onEvent?: ((event: ControlEvent) => void) | undefined
}

/** A claim that was recorded, with what it rests on. */
export type RecordedClaim = {
  evidence: VerificationEvidence
  evidenceUri: string
  buildInfo: BuildInfo
  transactionHash: Hex | undefined
}

/** A control plane. */
export type ControlPlane = {
  /** Reads new events and queues what they bring. */
  follow(options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** Leases a build to a worker. */
  lease(worker: string): Promise<LeasedBuild | undefined>
  renew(leaseId: string): Promise<boolean>
  /** Takes what became of a build; `false` where the lease is over, or the answer cannot be true. */
  finish(worker: string, leaseId: string, outcome: BuildOutcome): Promise<boolean>
  /** Records results that wait for it. */
  settle(options?: { signal?: AbortSignal | undefined }): Promise<void>
  /**
   * Has builds of a plugin that came to no match tried again: a source may be there by now.
   *
   * @returns How many.
   */
  again(wasmHash: Hex): Promise<number>
  /** Whether a plugin is being verified. */
  isPending(wasmHash: Hex): boolean
}

/** Blocks of one reading of events. */
const blocksAtOnce = 10_000n
/** Results recorded in one round. */
const settledAtOnce = 50
/** Plugins whose bytes are asked for in one round. */
const readAtOnce = 32
/** Builds of one plugin that are tried at most. */
const maxBuilds = 64
/**
 * Milliseconds in which a claim is recorded. Another plane takes over from one that has died, and finds
 * the claim on chain where it was made.
 */
const settleMs = 30_000
/** Milliseconds in which a build goes to others than those that could not make it. */
const othersFirstMs = 120_000

/**
 * Creates a control plane. Run `follow` and `settle` from time to time, and give its leases to workers,
 * as `createControlHandler` does.
 *
 * @example
 * ```ts
 * import { createControlPlane } from '@newton/policy-sdk/provenance'
 *
 * const plane = createControlPlane({
 *   ...{ events, fromBlock: 0n, index, queue, claims, evidence, readPlugin },
 * })
 * await plane.follow()
 * await plane.settle()
 * ```
 */
export function createControlPlane(given: ControlPlaneParameters): ControlPlane {
  assertKnown('parameters', given, known)
  const parameters = { ...given, onEvent: guarded(given.onEvent) }
  const { queue, leaseMs = 60_000, confirmations = 1 } = parameters
  assertCount('leaseMs', leaseMs, { least: 100, most: MAX_TIMER })
  assertCount('confirmations', confirmations, { most: 3 })
  assertMembers('parameters', given, needed)
  const pending = new Map<Hex, Set<string>>()
  const finder = createFinder(parameters, pending)
  return {
    follow: finder.follow,
    lease: async (worker) => {
      const lease = await queue.lease(leaseMs, { worker })
      if (lease === undefined) return undefined
      return { leaseId: lease.leaseId, leaseMs, job: jobOf(payloadOf(lease.job)) }
    },
    renew: (leaseId) => queue.renew(leaseId, leaseMs),
    finish: async (worker, leaseId, outcome) => {
      // Called by hand, without the routes that read messages, it believes no more than they do.
      const said = readOutcome(outcome)
      if (said === undefined) throw new InvalidInputError(noOutcome)
      const job = await queue.find(leaseId)
      if (job === undefined) return false
      const payload = payloadOf(job)
      const before = answersOf(job)
      const lie = contradictionIn(payload, said)
      if (lie !== undefined) {
        parameters.onEvent?.({ type: 'control.refused', jobId: job.id, worker, reason: lie })
        const now = withRefusal(before, worker, lie)
        await queue.finish(leaseId, {
          ...{ status: 'retry', result: JSON.stringify(now), ...askedOfOthers(now) },
        })
        return false
      }
      const now = withAnswer(before, worker, said)
      const result = JSON.stringify(now)
      return queue.finish(
        leaseId,
        agreedOutcome(now, { confirmations, last: false }) === undefined
          ? { status: 'retry', result, ...askedOfOthers(now) }
          : { status: 'done', result },
      )
    },
    settle: async (options = {}) => {
      for (const job of await queue.unsettled(settledAtOnce)) {
        let isOurs = false
        try {
          assertOwn(job, parameters.claims)
          // Planes that share a queue make one claim.
          isOurs = await queue.reserve(job.id, settleMs)
          if (!isOurs) continue
          await settleJob(parameters, job, options)
          await queue.settle(job.id)
          const { wasmHash } = payloadOf(job)
          pending.get(wasmHash)?.delete(job.id)
          if (!isMatch(job, confirmations)) finder.lookAgain(wasmHash)
        } catch (error) {
          if (isOurs) await queue.release(job.id).catch(() => undefined)
          options.signal?.throwIfAborted()
          // The others do not wait for one that cannot be recorded now.
          parameters.onEvent?.({ type: 'control.failed', step: 'claim', error })
        }
      }
    },
    again: async (wasmHash) => {
      let count = 0
      for (const { buildInfoHash } of parameters.index.get(wasmHash)?.builds ?? []) {
        const job = await queue.get(idOf(wasmHash, buildInfoHash))
        if (job === undefined || isMatch(job, confirmations)) continue
        if (await queue.requeue(job.id)) count += 1
      }
      return count
    },
    isPending: (wasmHash) => (pending.get(wasmHash)?.size ?? 0) > 0,
  }
}

/** Who has answered is not asked again; who could not is, after the others. */
function askedOfOthers(answers: Answers): Pick<Retry, 'notTo' | 'notYet'> {
  return {
    ...{ notTo: heard(answers), notYet: { workers: unable(answers), milliseconds: othersFirstMs } },
  }
}

type Retry = Extract<JobResult, { status: 'retry' }>

const noOutcome = { field: 'outcome', reason: 'it is none of the worker protocol' }

const needed = ['events', 'index', 'queue', 'claims', 'evidence', 'readPlugin'] as const

/** What a listener throws stops no build and no claim. */
function guarded(listen: ControlPlaneParameters['onEvent']): (event: ControlEvent) => void {
  return (event) => {
    try {
      listen?.(event)
    } catch {
      // It is the listener's own.
    }
  }
}

/** A misspelled `confirmations` would be one worker's word. */
const known = [
  ...['events', 'fromBlock', 'index', 'queue', 'claims', 'evidence', 'readPlugin'],
  ...['onClaim', 'leaseMs', 'confirmations', 'now', 'onEvent'],
]

type Waiting = { tries: number; notBefore: number }

/** Reads events, then the plugins they name, then queues their builds. */
function createFinder(
  parameters: ControlPlaneParameters,
  pending: Map<Hex, Set<string>>,
): { follow: ControlPlane['follow']; lookAgain(wasmHash: Hex): void } {
  const { events, index, onEvent, now = Date.now, queue, confirmations = 1 } = parameters
  const { verifier } = parameters.claims
  // Jobs of each source: who registers one source many times over waits behind the others.
  const bySource = new Map<Hex, number>()
  const waiting = new Map<Hex, Waiting>()
  let next = parameters.fromBlock
  const readEvents = async (signal: AbortSignal | undefined): Promise<void> => {
    const last = await events.getFinalizedBlock({ signal })
    while (next <= last) {
      const toBlock = next + blocksAtOnce - 1n < last ? next + blocksAtOnce - 1n : last
      const read = await events.getEvents({ fromBlock: next, toBlock }, { signal })
      index.apply(read)
      for (const { type, wasmHash } of read) {
        if (type !== 'ClaimSubmitted') waiting.set(lower(wasmHash), { tries: 0, notBefore: 0 })
      }
      next = toBlock + 1n
    }
  }
  const look = async (wasmHash: Hex, signal: AbortSignal | undefined): Promise<void> => {
    const wasm = await parameters.readPlugin(wasmHash, { signal })
    const hashes = computeWasmHashes(wasm)
    if (hashes.wasmHash !== wasmHash) throw new PluginBytesError(wasmHash)
    index.addPlugin(wasm)
    const builds = index.get(wasmHash)?.builds ?? []
    // In their order, one after another, and the first match ends it.
    for (const { info, buildInfoHash } of builds.slice(0, maxBuilds)) {
      const id = idOf(wasmHash, buildInfoHash)
      const stored = await queue.get(id)
      if (stored !== undefined) {
        assertOwn(stored, parameters.claims)
        if (isMatch(stored, confirmations)) return
        if (stored.state !== 'queued' && stored.state !== 'leased') continue
      }
      pending.set(wasmHash, (pending.get(wasmHash) ?? new Set()).add(id))
      if (stored !== undefined) return
      const priority = Math.min(bySource.get(info.sourceSha256) ?? 0, 1_000_000)
      bySource.set(info.sourceSha256, priority + 1)
      const payload = payloadText({ wasm, info, buildInfoHash, verifier })
      if (await queue.put({ id, payload, priority })) {
        onEvent?.({ type: 'control.queued', wasmHash, buildInfoHash })
      }
      return
    }
  }
  const lookAgain = (wasmHash: Hex): void => {
    waiting.set(wasmHash, { tries: 0, notBefore: 0 })
  }
  const follow: ControlPlane['follow'] = async ({ signal } = {}) => {
    try {
      await readEvents(signal)
    } catch (error) {
      signal?.throwIfAborted()
      onEvent?.({ type: 'control.failed', step: 'follow', error })
    }
    const due = [...waiting].filter(([, { notBefore }]) => notBefore <= now()).slice(0, readAtOnce)
    for (const [wasmHash, { tries }] of due) {
      try {
        await look(wasmHash, signal)
        waiting.delete(wasmHash)
      } catch (error) {
        signal?.throwIfAborted()
        // Asked for again later, and behind the others: bytes may be published after their hash.
        const delay = Math.min(3_600_000, 1_000 * 2 ** Math.min(tries, 12))
        waiting.delete(wasmHash)
        waiting.set(wasmHash, { tries: tries + 1, notBefore: now() + delay })
        onEvent?.({ type: 'control.unreadable', wasmHash, error })
      }
    }
  }
  return { follow, lookAgain }
}

async function settleJob(
  parameters: ControlPlaneParameters,
  job: StoredJob,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<void> {
  const { claims, evidence: store, onClaim, onEvent, confirmations = 1 } = parameters
  const payload = payloadOf(job)
  const answers = answersOf(job)
  const info = decodeBuildInfo(fromHex(payload.xdr))
  const agreed =
    job.state === 'poisoned' ? undefined : agreedOutcome(answers, { confirmations, last: true })
  if (agreed === undefined) {
    const reason = job.state === 'poisoned' ? 'its workers were lost' : whyNone(answers)
    onEvent?.({ type: 'control.gave_up', jobId: job.id, state: job.state, reason })
    return
  }
  const evidence = evidenceOf(payload, info, agreed)
  const { bytes, hash } = encodeEvidence(evidence)
  const evidenceUri = await store.put(bytes, hash)
  const { wasmHash, buildInfoHash, result } = evidence
  const { transactionHash } = await claims.submitClaim(
    { wasmHash, buildInfoHash, result, evidenceUri },
    { signal },
  )
  await onClaim?.({ evidence, evidenceUri, buildInfo: info, transactionHash })
  onEvent?.({ type: 'control.claimed', evidence, evidenceUri, transactionHash })
}
