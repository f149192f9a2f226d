/** A full replica: follows chain and deltas, re-derives everything, and reports what is wrong. */
import type { Hex } from 'viem'
import type { ArtifactNamespace } from '../../../core/artifact.js'
import type { ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { DaLocator } from '../../../core/locator.js'
import { toHex } from '../../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../../internal/deadline.js'
import {
  assertFunctions,
  assertMembers,
  assertOptions,
  MAX_TIMER,
} from '../../../internal/options.js'
import { defaultHasher } from '../../hash/hasher.js'
import type { CommitPipeline } from '../pipeline.js'
import { type Anomaly, anomaly } from './anomalies.js'
import { committedTree } from './committed.js'
import { type JudgedCommit, judgeCommit } from './follow.js'
import { type DeltaCandidate, type LandedCommit, landedCommits } from './landed.js'

/** Gives an encoded delta that hashes to `deltaHash`, or fails. */
export type DeltaSource = (
  request: { sequenceNo: bigint; deltaHash: Hex; locators: readonly DaLocator[] },
  options?: IoOptions,
) => Promise<Uint8Array>

/** Why a replica cannot go on. It was reported as an anomaly. */
export type ReplicaStop = {
  /** The first number it cannot derive. */
  sequenceNo: bigint
  /**
   * `SNAPSHOT_ANCHORED`: the chain was given a root without the commits that lead to it.
   * `COMMIT_MISSING`: later commits landed, this one did not, or its event is kept from us.
   */
  reason: 'SNAPSHOT_ANCHORED' | 'COMMIT_MISSING'
}

/** Where a replica stands after a step. */
export type ReplicaStatus = {
  sequenceNo: bigint
  root: Hex
  /** The commit that could not be followed yet: its announcement, delta or cutoff is not there. */
  waitingFor: bigint | undefined
  /** Set where waiting will not help: bootstrap a new tree from a snapshot of a later commit. */
  stopped: ReplicaStop | undefined
}

/** A response, and the artifacts it names. */
export type ResponseBinding = {
  taskId: Hex
  referenceBlock: bigint
  artifacts: readonly { namespace: ArtifactNamespace; hash: Hex }[]
}

/** A replica of one chain's tree. */
export type Replica = {
  readonly pipeline: CommitPipeline
  /** Follows all commits that landed, in order, as far as their deltas can be had. */
  follow(io?: IoOptions): Promise<ReplicaStatus>
  /**
   * Checks that all artifacts a response names are under the root committed at its reference
   * block, and reports 0x13 where one is not.
   */
  checkBinding(response: ResponseBinding, io?: IoOptions): Promise<boolean>
  /** Checks bytes that somebody served for a leaf, and reports 0x12 where they are others. */
  checkBytes(served: { namespace: number; hash: Hex; bytes: Uint8Array }): boolean
}

/** Options of {@link createReplica}. */
export type ReplicaOptions = {
  pipeline: CommitPipeline
  events: ChainEvents
  deltas: DeltaSource
  startBlock?: bigint | undefined
  /** Milliseconds for one announced delta. Default 30,000. */
  deltaTimeout?: number | undefined
  onAnomaly: (anomaly: Anomaly) => void
  /** Told each commit before it is applied. Where it fails, the commit is followed again. */
  onCommit?:
    | ((
        found: { commit: LandedCommit; deltaHash: Hex; cutoffBlock: bigint },
        io: IoOptions,
      ) => Promise<void>)
    | undefined
}

const optionRules = {
  pipeline: 'object',
  events: 'object',
  deltas: 'function',
  startBlock: 'uint',
  deltaTimeout: { least: 1, most: MAX_TIMER },
  onAnomaly: 'function',
  onCommit: 'function',
} as const

type Report = (found: Anomaly) => void

/**
 * Creates a replica on a pipeline, whose tree it keeps whole: it never prunes.
 *
 * A commit that breaks a rule is reported and followed all the same, so that later ones are judged
 * by what they do themselves. An operator is never named: a commit is the quorum's. Anybody may
 * announce a delta: of several that fit a commit's `daCertHash`, the one that leads to its root
 * counts.
 *
 * @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds.
 * @example
 * ```ts
 * import { createReplica } from '@newton/policy-sdk/statetree'
 *
 * const replica = createReplica({ pipeline, events, deltas, onAnomaly: (found) => alert(found) })
 * await replica.follow()
 * ```
 */
export function createReplica(options: ReplicaOptions): Replica {
  const required = ['pipeline', 'events', 'deltas', 'onAnomaly']
  assertOptions(options, optionRules, { required })
  assertMembers('options.pipeline', options.pipeline, ['tree', 'head'])
  assertFunctions('options.events', options.events, ['getEvents', 'getBlock'])
  const { pipeline, events, startBlock = 0n } = options
  const commits = landedCommits({ events, startBlock })
  const report = reportOnce(options.onAnomaly)
  return {
    pipeline,
    async follow(io = {}) {
      await commits.read(io)
      let waitingFor: bigint | undefined
      let stopped: ReplicaStop | undefined
      while (waitingFor === undefined && stopped === undefined) {
        const next = pipeline.head().sequenceNo + 1n
        const commit = commits.get(next)
        if (commit === undefined) {
          stopped = stopBefore(commits, { next, report })
          break
        }
        const candidates = commits.candidates(commit)
        if (!(await followOne({ options, report }, { commit, candidates }, io))) waitingFor = next
      }
      const { sequenceNo, root } = pipeline.head()
      return { sequenceNo, root, waitingFor, stopped }
    },
    checkBinding: (response, io = {}) =>
      checkBinding({ pipeline, events, startBlock, report }, response, io),
    checkBytes({ namespace, hash, bytes }) {
      const actual = toHex(defaultHasher().hash(bytes))
      if (actual === hash.toLowerCase()) return true
      const detail = `bytes served for ${namespace}:${hash} hash to ${actual}`
      report(anomaly('policy_artifact_bytes_corruption', { detail }))
      return false
    },
  }
}

// A step that is repeated says nothing twice.
function reportOnce(onAnomaly: (anomaly: Anomaly) => void): Report {
  const reported = new Set<string>()
  return (found) => {
    const key = `${found.code} ${found.sequenceNo} ${found.detail}`
    if (reported.has(key)) return
    reported.add(key)
    onAnomaly(found)
  }
}

// No commit of this number: the newest one, or a gap that no waiting closes.
function stopBefore(
  commits: ReturnType<typeof landedCommits>,
  { next, report }: { next: bigint; report: Report },
): ReplicaStop | undefined {
  const anchored = commits.anchoredAfter(next - 1n)
  if (anchored !== undefined) {
    const { sequenceNo, root } = anchored
    const detail = `the chain was given the root ${root}, which no commit after ${next - 1n} leads to`
    report(anomaly('policy_commit_state_root_mismatch', { sequenceNo, detail }))
    return { sequenceNo: next, reason: 'SNAPSHOT_ANCHORED' }
  }
  const later = commits.nextAfter(next)
  if (later === undefined) return undefined
  const detail = `commit ${later} landed and no commit ${next} did: its root cannot be derived`
  report(anomaly('policy_commit_state_root_mismatch', { sequenceNo: later, detail }))
  return { sequenceNo: next, reason: 'COMMIT_MISSING' }
}

type Following = { options: ReplicaOptions; report: Report }

// Follows one commit, or says that it has to be waited for.
async function followOne(
  { options, report }: Following,
  { commit, candidates }: { commit: LandedCommit; candidates: readonly DeltaCandidate[] },
  io: IoOptions,
): Promise<boolean> {
  const { pipeline } = options
  let best: JudgedCommit | undefined
  let missing = 0
  const unreadable: Anomaly[] = []
  for (const candidate of candidates) {
    const bytes = await fetchDelta({ options, report }, { commit, candidate }, io)
    if (bytes === undefined) {
      missing++
      continue
    }
    const { deltaHash } = candidate
    const judgement = await judgeCommit(pipeline, { commit, bytes, deltaHash }, io)
    if (judgement.status === 'waiting') return false
    if (judgement.status === 'unreadable') {
      unreadable.push(judgement.anomaly)
      continue
    }
    best ??= judgement.commit
    if (!judgement.commit.derives) continue
    best = judgement.commit
    missing = 0
    break
  }
  if (best === undefined || missing > 0) {
    // One that is not here yet may be the one that leads to the root; what is here does not.
    if (best !== undefined) {
      const { sequenceNo } = commit
      const detail = `no delta that can be had leads to its root; ${missing} announced ones cannot`
      report(anomaly('policy_commit_defer_queue_divergence', { sequenceNo, detail }))
    } else if (missing === 0) for (const found of unreadable) report(found)
    return false
  }
  for (const found of best.anomalies) report(found)
  const { deltaHash, window } = best
  await options.onCommit?.({ commit, deltaHash, cutoffBlock: window.cutoff.number }, io)
  await pipeline.apply(best.window, best)
  return true
}

async function fetchDelta(
  { options, report }: Following,
  { commit, candidate }: { commit: LandedCommit; candidate: DeltaCandidate },
  io: IoOptions,
): Promise<Uint8Array | undefined> {
  const { sequenceNo } = commit
  const { deltaHash } = candidate
  const timeout = Math.min(options.deltaTimeout ?? 30_000, io.timeout ?? Number.POSITIVE_INFINITY)
  let bytes: Uint8Array
  try {
    bytes = await withDeadline(
      `Fetching delta ${deltaHash}`,
      { signal: io.signal, timeout },
      (signal) => options.deltas({ sequenceNo, ...candidate }, { signal }),
    )
  } catch {
    io.signal?.throwIfAborted()
    return undefined
  }
  const actual = toHex(defaultHasher().hash(bytes))
  if (actual === deltaHash) return bytes
  const detail = `a delta served as ${deltaHash} hashes to ${actual}`
  report(anomaly('policy_artifact_bytes_corruption', { sequenceNo, detail }))
  return undefined
}

async function checkBinding(
  at: { pipeline: CommitPipeline; events: ChainEvents; startBlock: bigint; report: Report },
  { taskId, referenceBlock, artifacts }: ResponseBinding,
  io: IoOptions,
): Promise<boolean> {
  const { events, startBlock } = at
  const committed = committedTree({ tree: at.pipeline.tree, events, startBlock })
  let bound = true
  for (const { namespace, hash } of artifacts) {
    if (await committed.isCommittedAt({ namespace, hash, block: referenceBlock }, io)) continue
    bound = false
    const detail = `response to ${taskId} names ${namespace}:${hash}, not under the root at block ${referenceBlock}`
    at.report(anomaly('policy_attestation_wrong_artifact_binding', { detail }))
  }
  return bound
}
