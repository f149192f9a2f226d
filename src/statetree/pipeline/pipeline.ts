/** State of an operator between commits: the tree, the queue, and what the chain says. */
import type { Hex } from 'viem'
import { computeKeyHash, ZERO_HASH } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { ChainEvent, ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { ExternalWrite, ExternalWrites } from '../../core/interfaces/externalWrites.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import type { DaLocator } from '../../core/locator.js'
import type { MetricsRegistry } from '../../core/metrics.js'
import { bytesToUint, concat, fixedFromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { StateTree } from '../stateTree.js'
import type { TreeWrite } from '../tree/writes.js'
import { deletionRecord } from './bytesGc.js'
import { type ChainIndex, createChainIndex } from './chainIndex.js'
import { findCutoff } from './cutoff.js'
import type { ArtifactRef, Delta } from './delta.js'
import { PipelineStateError } from './errors.js'
import { type ClientOwner, findLocators } from './locators.js'
import { type QueueMetrics, queueMetrics } from './metrics.js'
import { type CommitParameters, resolveParameters } from './parameters.js'
import {
  decodeQueueState,
  emptyQueue,
  encodeQueueState,
  enqueue,
  type QueueState,
} from './queue.js'

/** Something that happened in a pipeline. */
export type PipelineEvent =
  | { type: 'statetree.enqueued'; count: number; block: bigint }
  | { type: 'statetree.skipped'; template: readonly ArtifactRef[]; reason: 'author' | 'total' }
  | { type: 'statetree.omitted'; ref: ArtifactRef; cause: unknown }
  | { type: 'statetree.damaged'; hash: Hex; mended: boolean; cause: unknown }
  | {
      type: 'statetree.committed'
      sequenceNo: bigint
      root: Hex
      included: number
      deleted: number
    }
  | { type: 'statetree.backpressure'; queueBytes: number; limit: number }

/** Options of {@link openCommitPipeline}. */
export type CommitPipelineOptions = {
  tree: StateTree
  events: ChainEvents
  /** Where the bytes of artifacts come from. Not needed by who only validates. */
  artifacts?: ArtifactSource | undefined
  /** Writes of the private-data layer. Default: none. */
  external?: ExternalWrites | undefined
  /**
   * Constants of the network. Default: windows of the deployed contracts, the rest from the table of
   * chains.
   */
  parameters?: CommitParameters | undefined
  /** First block with events of the registries. Default 0. */
  startBlock?: bigint | undefined
  /**
   * This operator's own secret, at least 16 bytes, by which it orders the locators of strangers.
   * Random where left out.
   */
  locatorKey?: Uint8Array | undefined
  /** Owner of a client, whose announcements have places of their own. Without it only clients do. */
  ownerOf?: ClientOwner | undefined
  metrics?: MetricsRegistry | undefined
  onEvent?: ((event: PipelineEvent) => void) | undefined
}

/** Where the chain of commits stands. */
export type CommitHead = {
  /** 0 before the first commit. */
  sequenceNo: bigint
  deltaHash: Hex
  /** Last block whose events are in. */
  cutoffBlock: bigint
  /** Timestamp of the last commit. */
  timestamp: bigint
  /** `prevStateRoot` of the next commit: zero before the first. */
  root: Hex
}

/** What the next commit is made of, before anything is selected. */
export type PreparedWindow = {
  timestamp: bigint
  cutoff: BlockReference
  /** Queue and quarantine after the events up to the cutoff. */
  state: QueueState
  /** Artifacts of the tree that no live template names at the cutoff, ascending. */
  deletions: readonly ArtifactRef[]
  foreign: readonly ExternalWrite[]
  index: ChainIndex & { merge(): void }
}

/** A commit to store: its delta, the hash it was announced with, and the queue it leaves. */
export type AppliedCommit = { delta: Delta; deltaHash: Hex; next: QueueState }

/** An operator's commit pipeline. */
export type CommitPipeline = {
  readonly chainId: bigint
  readonly tree: StateTree
  readonly parameters: CommitParameters
  readonly artifacts: ArtifactSource | undefined
  head(): CommitHead
  state(): QueueState
  index(): ChainIndex
  /**
   * Announced locators of an artifact, in the order they are tried.
   *
   * @param request.round - Another number is another order of strangers. Default: the last commit's.
   * @param request.index - Default: the index as of the last commit.
   */
  locators(
    request: { ref: ArtifactRef; round?: bigint | undefined; index?: ChainIndex | undefined },
    options?: IoOptions,
  ): Promise<readonly DaLocator[]>
  /** Whether an artifact is in the newest version of the tree. */
  inTree(ref: ArtifactRef): boolean
  /**
   * Reads the chain up to the cutoff of a window.
   *
   * @throws {CutoffNotFinalError} when this operator has to abstain.
   */
  prepare(timestamp: bigint, options?: IoOptions): Promise<PreparedWindow>
  /**
   * Whether a commit is due: something waits or has to go, or the last commit is 10 windows ago.
   */
  isDue(window: PreparedWindow): boolean
  /** Stores a commit that was validated: tree, queue and head in one step. */
  apply(window: PreparedWindow, commit: AppliedCommit): Promise<CommitHead>
  /** @internal */
  emit(event: PipelineEvent): void
  /** @internal */
  readonly metrics: QueueMetrics | undefined
}

const headRecord = 'pipeline/head'
const queueRecord = 'pipeline/queue'

/**
 * Opens the pipeline of one chain on a tree, and reads the chain up to its last commit.
 *
 * @throws {PipelineStateError} when tree, records and chain do not fit together.
 * @throws {RetentionTooShortError} for parameters that delete bytes while they can be needed.
 */
export async function openCommitPipeline(
  options: CommitPipelineOptions,
  io: IoOptions = {},
): Promise<CommitPipeline> {
  const { tree, events, external, startBlock = 0n } = options
  const parameters = await resolveParameters({ events, parameters: options.parameters }, io)
  const metrics = options.metrics && queueMetrics(options.metrics, events.chainId)
  const locatorKey = options.locatorKey ?? crypto.getRandomValues(new Uint8Array(32))
  const index = createChainIndex({ ...parameters, locatorKey })
  let head = readHead(tree, startBlock)
  let state = readState(tree)
  if (head.cutoffBlock >= startBlock) {
    const past = await events.getEvents({ fromBlock: startBlock, toBlock: head.cutoffBlock }, io)
    for (const event of past) index.apply(event)
  }
  const emit = (event: PipelineEvent): void => options.onEvent?.(event)
  const inTree = (ref: ArtifactRef): boolean =>
    tree.get(computeKeyHash(ref.namespace, ref.hash)) !== undefined

  return {
    chainId: events.chainId,
    tree,
    parameters,
    artifacts: options.artifacts,
    head: () => head,
    state: () => state,
    index: () => index,
    locators: ({ ref, round = head.sequenceNo, index: at = index }, locatorIo) =>
      findLocators(
        { index: at, key: locatorKey, ownerOf: options.ownerOf },
        { ref, round },
        locatorIo,
      ),
    inTree,
    emit,
    metrics,
    async prepare(timestamp, prepareIo = {}) {
      const cutoff = await findCutoff({ events, timestamp, parameters, after: head }, prepareIo)
      const fork = index.fork()
      const waiting = { queue: [...state.queue], quarantine: state.quarantine }
      const fresh =
        cutoff.number > head.cutoffBlock
          ? await events.getEvents(
              {
                fromBlock: head.cutoffBlock + 1n,
                toBlock: cutoff.number,
                blockHash: cutoff.hash,
              },
              prepareIo,
            )
          : []
      for (const event of fresh) {
        const enqueued = ingest(event, { index: fork, waiting, inTree })
        if (enqueued === undefined) continue
        if (enqueued.skipped !== undefined) {
          metrics?.deferred('backpressure')
          emit({ type: 'statetree.skipped', template: enqueued.refs, reason: enqueued.skipped })
        } else if (enqueued.added > 0) {
          emit({ type: 'statetree.enqueued', count: enqueued.added, block: event.blockNumber })
        }
      }
      const deletions = [...fork.artifacts()]
        .filter((ref) => inTree(ref) && !fork.isLive(ref, cutoff.number))
        .sort(compareRefs)
      const sequenceNo = head.sequenceNo + 1n
      const foreign =
        (await external?.writesFor({ sequenceNo, cutoffBlock: cutoff.number }, prepareIo)) ?? []
      metrics?.depth(waiting.queue.length)
      return { timestamp, cutoff, state: waiting, deletions, foreign, index: fork }
    },
    isDue({ state: waiting, deletions, foreign, timestamp }) {
      if (waiting.queue.length > 0 || deletions.length > 0 || foreign.length > 0) return true
      return timestamp - head.timestamp >= parameters.window * parameters.heartbeatWindows
    },
    async apply(window, { delta, deltaHash, next }) {
      const sequenceNo = head.sequenceNo + 1n
      const cutoffBlock = window.cutoff.number
      const { timestamp } = window
      const result = await tree.commit(deltaWrites(delta), {
        version: Number(sequenceNo),
        records: [
          [headRecord, encodeHead({ deltaHash, cutoffBlock, timestamp })],
          [queueRecord, encodeQueueState(next)],
          ...deletionRecord(sequenceNo, delta.deleted),
        ],
      })
      window.index.merge()
      state = next
      head = { sequenceNo, deltaHash, cutoffBlock, timestamp, root: result.root }
      metrics?.depth(next.queue.length)
      emit({
        type: 'statetree.committed',
        sequenceNo,
        root: result.root,
        included: delta.included.length,
        deleted: delta.deleted.length,
      })
      return head
    },
  }
}

/** The writes of a delta, in the form of the tree. */
export function deltaWrites(delta: Pick<Delta, 'included' | 'deleted' | 'foreign'>): TreeWrite[] {
  return [
    ...delta.deleted.map(({ namespace, hash }) => ({
      keyHash: computeKeyHash(namespace, hash),
      valueHash: null,
    })),
    ...delta.included.map(({ namespace, hash, bytes }) => ({
      keyHash: computeKeyHash(namespace, hash),
      valueHash: hash,
      value: bytes,
    })),
    ...delta.foreign.map(({ keyHash, valueHash }) => ({ keyHash, valueHash })),
  ]
}

/** Orders artifacts by namespace, then hash. */
export function compareRefs(a: ArtifactRef, b: ArtifactRef): number {
  if (a.namespace !== b.namespace) return a.namespace - b.namespace
  return a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0
}

type Ingested = {
  refs: readonly ArtifactRef[]
  added: number
  skipped: 'author' | 'total' | undefined
}

function ingest(
  event: ChainEvent,
  at: {
    index: ChainIndex
    waiting: { queue: QueueState['queue']; quarantine: QueueState['quarantine'] }
    inTree: (ref: ArtifactRef) => boolean
  },
): Ingested | undefined {
  const template = at.index.apply(event)
  if (template === undefined) return undefined
  const before = at.waiting.queue.length
  const { queue, skipped } = enqueue(at.waiting, {
    refs: template.artifacts,
    author: template.author,
    inTree: at.inTree,
  })
  at.waiting.queue = queue
  return { refs: template.artifacts, added: queue.length - before, skipped }
}

function readHead(tree: StateTree, startBlock: bigint): CommitHead {
  const latest = tree.range()?.latest
  const record = tree.store.record(headRecord)
  if (latest === undefined || latest === 0) {
    const cutoffBlock = startBlock - 1n
    return { sequenceNo: 0n, deltaHash: ZERO_HASH, cutoffBlock, timestamp: 0n, root: ZERO_HASH }
  }
  if (record === undefined || record.length !== 48) {
    throw new PipelineStateError({
      reason: `the tree is at version ${latest} without a commit's record`,
    })
  }
  return {
    sequenceNo: BigInt(latest),
    deltaHash: toHex(record.slice(0, 32)),
    cutoffBlock: bytesToUint(record.slice(32, 40)),
    timestamp: bytesToUint(record.slice(40)),
    root: tree.root(),
  }
}

/** The record that binds a version of the tree to its commit. */
export function encodeHead(
  head: Pick<CommitHead, 'deltaHash' | 'cutoffBlock' | 'timestamp'>,
): Uint8Array {
  return concat(
    fixedFromHex(head.deltaHash, 32, 'head.deltaHash'),
    uintToBytes(head.cutoffBlock, 8),
    uintToBytes(head.timestamp, 8),
  )
}

/** The records that a bootstrapped store needs beside its tree. */
export function pipelineRecords(
  head: Pick<CommitHead, 'deltaHash' | 'cutoffBlock' | 'timestamp'>,
  state: QueueState,
): [string, Uint8Array][] {
  return [
    [headRecord, encodeHead(head)],
    [queueRecord, encodeQueueState(state)],
  ]
}

function readState(tree: StateTree): QueueState {
  const record = tree.store.record(queueRecord)
  return record === undefined ? emptyQueue : decodeQueueState(record)
}
