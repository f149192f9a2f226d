/**
 * The control plane: finds plugins to verify, hands builds to workers, and records what came out. It
 * never builds, and no worker has its keys.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { assertCount, assertKnown, assertMembers, MAX_TIMER } from '../../internal/options.js'
import { assertCandidates } from '../build/candidates.js'
import type { JobResult } from '../queue/jobQueue.js'
import { type BuildOutcome, type LeasedBuild, readOutcome } from '../worker/protocol.js'
import {
  type Answers,
  heard,
  isDisputed,
  unable,
  unheard,
  withAnswer,
  withRefusal,
} from './answers.js'
import {
  answersOf,
  assertOwn,
  contradictionIn,
  idOf,
  isMatch,
  isolationOfMatch,
  jobOf,
  outcomeOf,
  payloadOf,
} from './buildJobs.js'
import { createFinder } from './finder.js'
import { createPresence, settleMs, whileKept } from './keeping.js'
import type { ControlEvent, ControlPlaneParameters } from './parameters.js'
import { settleJob } from './settlement.js'

/** A control plane. */
export type ControlPlane = {
  /** Reads new events and queues what they bring. */
  follow(options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** Leases a build to a worker. */
  lease(worker: string): Promise<LeasedBuild | undefined>
  /** Keeps a lease; `false` where it is over, or another worker's than the one that is named. */
  renew(leaseId: string, worker?: string): Promise<boolean>
  /** Takes what became of a build; `false` where the lease is over, or the answer cannot be true. */
  finish(worker: string, leaseId: string, outcome: BuildOutcome): Promise<boolean>
  /** Records results that wait for it. */
  settle(options?: { signal?: AbortSignal | undefined }): Promise<void>
  /**
   * Has builds of a plugin that came to no match of an isolated build tried again: a source, or a sandbox,
   * may be there by now.
   *
   * @returns How many.
   */
  again(wasmHash: Hex): Promise<number>
  /** Whether a plugin is being verified. */
  isPending(wasmHash: Hex): boolean
}

/** Results recorded in one round. */
const settledAtOnce = 50
/** Milliseconds in which others are asked what they make of a build: they may be at another one. */
const confirmMs = 1_800_000
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
  if (given.candidates !== undefined) assertCandidates(given.candidates)
  const pending = new Map<Hex, Set<string>>()
  const finder = createFinder(parameters, pending)
  const present = createPresence(parameters.now ?? Date.now)
  return {
    follow: finder.follow,
    lease: async (worker) => {
      present.note(worker)
      const lease = await queue.lease(leaseMs, { worker })
      if (lease === undefined) return undefined
      return { leaseId: lease.leaseId, leaseMs, job: jobOf(payloadOf(lease.job)) }
    },
    renew: (leaseId, worker) => {
      if (worker !== undefined) present.note(worker)
      return queue.renew(leaseId, leaseMs, { worker })
    },
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
      const answers = withAnswer(before, worker, said)
      present.note(worker, said)
      const others = unheard(answers, present.all())
      const alone = others.length === 0
      const now: Answers = { ...answers, ...(alone ? { alone } : {}) }
      const result = JSON.stringify(now)
      const agreed = outcomeOf(payload, now, { confirmations, last: false })
      // An isolated build is worth more, and workers that differ need one more: where there is nobody for it,
      // that is the end.
      const isOver = agreed
        ? agreed.isolation !== 'none' || !others.some(present.mayIsolate)
        : alone && confirmations === 1 && isDisputed(now)
      if (isOver) return queue.finish(leaseId, { status: 'done', result })
      const asked = confirmations === 1 ? askedOfOthersFirst(now) : askedOfOthers(now)
      return queue.finish(leaseId, { status: 'retry', result, ...asked })
    },
    settle: async (options = {}) => {
      for (const job of await queue.unsettled(settledAtOnce)) {
        let reservation: string | undefined
        try {
          // Planes that share a queue make one claim.
          reservation = await queue.reserve(job.id, settleMs)
          if (reservation === undefined) continue
          assertOwn(job, parameters.claims)
          await whileKept(queue, reservation, (keep) =>
            settleJob(parameters, job, { ...options, keep }),
          )
          // Another has taken over, or the job is built again: what comes of that is not settled.
          if (!(await queue.settle(reservation))) continue
          const { wasmHash } = payloadOf(job)
          pending.get(wasmHash)?.delete(job.id)
          if (!isMatch(job, confirmations)) finder.lookAgain(wasmHash)
        } catch (error) {
          if (reservation !== undefined) await queue.release(reservation).catch(() => undefined)
          options.signal?.throwIfAborted()
          // The others do not wait for one that cannot be recorded now.
          parameters.onEvent?.({ type: 'control.failed', step: 'claim', error })
        }
      }
    },
    again: async (wasmHash) => {
      let count = 0
      const named = parameters.index.get(wasmHash)?.builds ?? []
      const ids = named.map(({ buildInfoHash }) => idOf(wasmHash, buildInfoHash))
      for (const id of [...ids, ...finder.guessesOf(wasmHash)]) {
        const job = await queue.get(id)
        // A match that was not isolated is worth little to readers, and may become one that was.
        if (job === undefined || isolationOfMatch(job, confirmations) === 'bubblewrap') continue
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

/** The same where one worker is enough: in the end it is asked again, as nobody else may have come. */
function askedOfOthersFirst(answers: Answers): Pick<Retry, 'notTo' | 'notYet'> {
  const isSaid = answers.answers.length > 0 && heard(answers).length > answers.refused.length
  if (!isSaid) return askedOfOthers(answers)
  const workers = [...new Set([...heard(answers), ...unable(answers)])]
  return { notTo: answers.refused, notYet: { workers, milliseconds: confirmMs } }
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
  ...['candidates', 'onClaim', 'leaseMs', 'confirmations', 'now', 'onEvent'],
]
