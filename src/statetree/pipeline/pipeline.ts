/** State of an operator between commits: the tree, the queue, and what the chain says. */
import type { Hex } from 'viem'
import { computeKeyHash, computeLeafKey, ZERO_HASH } from '../../core/artifact.js'
import type { BlockMark } from '../../core/follow.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { ChainEvent, ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { ExternalWrite, ExternalWrites } from '../../core/interfaces/externalWrites.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import type { DaLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, concat, fixedFromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { StateTree } from '../stateTree.js'
import type { TreeWrite } from '../tree/writes.js'
import { deletionRecord } from './bytesGc.js'
import { findCutoff } from './commit/cutoff.js'
import type { ArtifactRef, Delta } from './delta.js'
import { EventsNotShownError, PipelineStateError } from './errors.js'
import { type QueueMetrics, queueMetrics } from './metrics.js'
import { assertPipelineOptions, type CommitPipelineOptions, type PipelineEvent } from './options.js'
import { type CommitParameters, resolveParameters } from './parameters.js'
import { type ChainIndex, createChainIndex } from './queue/chainIndex.js'
import { findLocators } from './queue/locators.js'
import {
  decodeQueueState,
  emptyQueue,
  encodeQueueState,
  type GrowingQueue,
  growQueue,
  type QueueState,
} from './queue/queue.js'
import { readOn } from './queue/reading.js'

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
  /** The head it was prepared on: it can be applied to no other. */
  after: CommitHead
  timestamp: bigint
  cutoff: BlockReference
  /** Queue and quarantine after the events up to the cutoff. */
  state: QueueState
  /** Artifacts of the tree that no live template names at the cutoff, ascending. */
  deletions: readonly ArtifactRef[]
  foreign: readonly ExternalWrite[]
  /** Judges writes of others one by one; left out where all operators have the same ones. */
  accepts?: ((write: ExternalWrite) => boolean) | undefined
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
   * @param options.landed - The commit is on chain already: any timestamp after the last is taken.
   * @throws {CutoffNotFinalError} when this operator has to abstain.
   * @throws {EventsNotShownError} when what the node answered does not fit together.
   * @throws {InvalidInputError} when `timestamp` is not that of a window after the last commit.
   */
  prepare(
    timestamp: bigint,
    options?: IoOptions & { landed?: boolean | undefined },
  ): Promise<PreparedWindow>
  /**
   * Whether a commit is due: something waits or has to go, or the last commit is 10 windows ago.
   */
  isDue(window: PreparedWindow): boolean
  /**
   * Stores a commit that was validated: tree, queue and head in one step.
   *
   * @throws {InvalidInputError} when another commit was applied since the window was prepared.
   */
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
 * @throws {EventsNotShownError} when what the node answered does not fit together.
 * @throws {RetentionTooShortError} for parameters that delete bytes while they can be needed.
 * @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds.
 */
export async function openCommitPipeline(
  options: CommitPipelineOptions,
  io: IoOptions = {},
): Promise<CommitPipeline> {
  assertPipelineOptions(options)
  const opened = await openState(options, io)
  const { tree, events, parameters, metrics, index, locatorKey, standing } = opened
  return {
    chainId: events.chainId,
    tree,
    parameters,
    artifacts: options.artifacts,
    head: () => standing.head,
    state: () => standing.state,
    index: () => index,
    locators: ({ ref, round = standing.head.sequenceNo, index: at = index }, locatorIo) =>
      findLocators(
        { index: at, key: locatorKey, ownerOf: options.ownerOf },
        { ref, round },
        locatorIo,
      ),
    inTree: opened.inTree,
    emit: opened.emit,
    metrics,
    prepare: (timestamp, prepareIo = {}) => prepareWindow(opened, timestamp, prepareIo),
    isDue({ state, deletions, foreign, timestamp }) {
      if (state.queue.length > 0 || deletions.length > 0 || foreign.length > 0) return true
      return timestamp - standing.head.timestamp >= parameters.window * parameters.heartbeatWindows
    },
    apply: (window, commit) => applyWindow(opened, window, commit),
  }
}

type Opened = {
  tree: StateTree
  events: ChainEvents
  external: ExternalWrites | undefined
  parameters: CommitParameters
  metrics: QueueMetrics | undefined
  index: ChainIndex
  locatorKey: Uint8Array
  inTree: (ref: ArtifactRef) => boolean
  emit: (event: PipelineEvent) => void
  /** `read`: the last block whose events are in, where there is one. */
  standing: { head: CommitHead; state: QueueState; read: BlockMark | undefined }
}

async function openState(options: CommitPipelineOptions, io: IoOptions): Promise<Opened> {
  const { tree, events, external, startBlock = 0n } = options
  const parameters = await resolveParameters({ events, parameters: options.parameters }, io)
  const locatorKey = options.locatorKey ?? crypto.getRandomValues(new Uint8Array(32))
  const index = createChainIndex({ ...parameters, locatorKey })
  const head = readHead(tree, startBlock)
  const read =
    head.cutoffBlock >= startBlock ? await readPast(options, { head, index }, io) : undefined
  return {
    tree,
    events,
    external,
    parameters,
    metrics: options.metrics && queueMetrics(options.metrics, events.chainId),
    index,
    locatorKey,
    inTree: (ref) => tree.get(keyHashOf(tree, ref)) !== undefined,
    emit: (event) => options.onEvent?.(event),
    standing: { head, state: readState(tree), read },
  }
}

// Asked for each artifact of each event, so by the tree's keccak, which is several times as fast.
function keyHashOf({ hasher }: StateTree, { namespace, hash }: ArtifactRef): Hex | Uint8Array {
  return hasher.name === 'keccak256'
    ? hasher.hash(computeLeafKey(namespace, hash))
    : computeKeyHash(namespace, hash)
}

/** Takes in all events up to the last commit's cutoff. Returns that block. */
async function readPast(
  { events, startBlock = 0n }: CommitPipelineOptions,
  { head, index }: { head: CommitHead; index: ChainIndex },
  io: IoOptions,
): Promise<BlockMark> {
  const toBlock = head.cutoffBlock
  const to = await events.getBlock(toBlock, io)
  if (to === null) throw new EventsNotShownError({ toBlock, reason: 'the node has no such block' })
  const past = await eventsTo(events, { read: undefined, startBlock, to }, io)
  for (const event of past) index.apply(event)
  return { number: to.number, hash: to.hash }
}

/** What is new up to a final block: all of it, of the chain that was followed, or an error. */
async function eventsTo(
  events: ChainEvents,
  range: { read: BlockMark | undefined; startBlock: bigint; to: BlockReference },
  io: IoOptions,
): Promise<readonly ChainEvent[]> {
  const reading = await readOn(events, range, io)
  if (reading.status === 'read') return reading.found
  if (reading.status === 'current') return []
  const reason =
    reading.status === 'unshown'
      ? reading.reason
      : `block ${range.read?.number} was final and is another block now`
  throw new EventsNotShownError({ toBlock: range.to.number, reason })
}

async function prepareWindow(
  opened: Opened,
  timestamp: bigint,
  { landed, ...io }: IoOptions & { landed?: boolean | undefined },
): Promise<PreparedWindow> {
  const { events, parameters, metrics, inTree, standing } = opened
  const { head, state } = standing
  const cutoff = await findCutoff({ events, timestamp, parameters, after: head, landed }, io)
  const index = opened.index.fork()
  const growing = growQueue(state)
  const range = { read: standing.read, startBlock: head.cutoffBlock + 1n, to: cutoff }
  const fresh = await eventsTo(events, range, io)
  for (const event of fresh) ingest(opened, { event, index, growing })
  const deletions = [...index.artifacts()]
    .filter((ref) => !index.isLive(ref, cutoff.number) && inTree(ref))
    .sort(compareRefs)
  const sequenceNo = head.sequenceNo + 1n
  const foreign =
    (await opened.external?.writesFor({ sequenceNo, cutoffBlock: cutoff.number }, io)) ?? []
  const waiting = growing.state()
  metrics?.depth(waiting.queue.length)
  const accepts = acceptsOf(opened.external, landed === true)
  return { after: head, timestamp, cutoff, state: waiting, deletions, foreign, accepts, index }
}

// What has landed has a quorum's word: who was away then has no upload to hold it against.
function acceptsOf(
  external: ExternalWrites | undefined,
  landed: boolean,
): PreparedWindow['accepts'] {
  if (external?.accepts === undefined) return undefined
  return landed ? () => true : (write) => external.accepts?.(write) === true
}

// Takes one event in: what it tells of templates and slots, and the artifacts it queues.
function ingest(
  { metrics, emit, inTree }: Opened,
  { event, index, growing }: { event: ChainEvent; index: ChainIndex; growing: GrowingQueue },
): void {
  const template = index.apply(event)
  if (template === undefined) return
  const { artifacts: refs, author } = template
  const { added, skipped } = growing.add({ refs, author, inTree })
  if (skipped !== undefined) {
    metrics?.deferred('backpressure')
    emit({ type: 'statetree.skipped', template: refs, reason: skipped })
  } else if (added > 0) {
    emit({ type: 'statetree.enqueued', count: added, block: event.blockNumber })
  }
}

async function applyWindow(
  { tree, metrics, emit, standing }: Opened,
  window: PreparedWindow,
  { delta, deltaHash, next }: AppliedCommit,
): Promise<CommitHead> {
  if (window.after !== standing.head) {
    const reason = 'another commit was applied since it was prepared; prepare it again'
    throw new InvalidInputError({ field: 'window', reason })
  }
  const sequenceNo = standing.head.sequenceNo + 1n
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
  standing.state = next
  standing.head = { sequenceNo, deltaHash, cutoffBlock, timestamp, root: result.root }
  standing.read = { number: cutoffBlock, hash: window.cutoff.hash }
  metrics?.depth(next.queue.length)
  metrics?.pruned(delta.deleted.length)
  emit({
    type: 'statetree.committed',
    sequenceNo,
    root: result.root,
    included: delta.included.length,
    deleted: delta.deleted.length,
  })
  return standing.head
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
