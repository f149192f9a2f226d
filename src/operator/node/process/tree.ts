/** An operator's or replica's tree on disk, bootstrapped from a bootnode where it is empty. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExternalWrites } from '../../../core/interfaces/externalWrites.js'
import type { MetricsRegistry } from '../../../core/metrics.js'
import type { LayeredArtifactCache } from '../../../da/index.js'
import type { IoOptions } from '../../../internal/deadline.js'
import {
  type BootstrapProgress,
  BytesMissingError,
  bootstrapTree,
  type CommitPipeline,
  type CommittedTree,
  commitParameters,
  committedTree,
  createStateTree,
  fetchMissingBytes,
  openCommitPipeline,
  type PipelineEvent,
  type StateTree,
  snapshotClient,
  type TrustedCommit,
} from '../../../statetree/index.js'
import { lmdbStore } from '../../../statetree/node/index.js'
import { landedCommits } from '../../../statetree/pipeline/replica/landed.js'
import { lacksBytes } from '../../../statetree/snapshot/missingBytes.js'
import { type OpenedChain, windowsOf } from './chain.js'
import { type Closers, describeError, type LogHook } from './running.js'

/** An opened tree. */
export type OpenedTree = {
  readonly tree: StateTree
  readonly pipeline: CommitPipeline
  readonly committed: CommittedTree
}

/** Opens the tree of a data directory. */
export async function openTree(
  opened: OpenedChain,
  parameters: {
    directory: string
    artifacts: LayeredArtifactCache
    external?: ExternalWrites | undefined
    /** Seconds of a window, where the network has others than the table of chains. */
    window?: number | undefined
    bootnodes: readonly string[]
    closers: Closers
    log: LogHook
    metrics?: MetricsRegistry | undefined
    onEvent?: ((event: PipelineEvent) => void) | undefined
  },
): Promise<OpenedTree> {
  const { events, fromBlock: startBlock, interval: life } = opened
  const { directory, closers, log, window } = parameters
  const path = join(directory, 'tree')
  await mkdir(path, { recursive: true })
  const store = await lmdbStore({ path })
  closers.add(() => store.close())
  const isWanting = store.range() === undefined || lacksBytes(store)
  if (isWanting && parameters.bootnodes.length > 0) {
    await bootstrap(opened, { ...parameters, store }).catch((error: unknown) => {
      // The tree is there: what it lacks is asked for again at the next start, and meanwhile one by one.
      if (!(error instanceof BytesMissingError)) throw error
    })
  }
  const tree = createStateTree({ store })
  const windows = await windowsOf(opened)
  const pipeline = await openCommitPipeline({
    ...{ tree, events, startBlock },
    artifacts: parameters.artifacts,
    external: parameters.external,
    metrics: parameters.metrics,
    parameters: commitParameters({
      ...{ chainId: events.chainId, windows },
      ...(window === undefined ? {} : { window: BigInt(window) }),
    }),
    onEvent: (event) => {
      if (event.type === 'statetree.damaged' || event.type === 'statetree.backpressure') {
        log({ level: 'warn', event: event.type })
      }
      parameters.onEvent?.(event)
    },
  })
  return { tree, pipeline, committed: committedTree({ tree, events, startBlock, life }) }
}

/**
 * The newest commit that stays, once for each delta that its `daCertHash` does not rule out: anybody may
 * announce one. Empty before the first commit.
 */
export async function newestCommits(
  { events, fromBlock: startBlock }: Pick<OpenedChain, 'events' | 'fromBlock'>,
  io: IoOptions = {},
): Promise<readonly TrustedCommit[]> {
  const commits = landedCommits({ events, startBlock })
  await commits.read(io)
  let newest = 0n
  for (let next = commits.nextAfter(0n); next !== undefined; next = commits.nextAfter(next)) {
    newest = next
  }
  const commit = commits.get(newest)
  if (commit === undefined) return []
  const { sequenceNo, newStateRoot: root, timestamp } = commit
  return commits
    .candidates(commit)
    .map(({ deltaHash }) => ({ sequenceNo, root, deltaHash, timestamp }))
}

type Filling = {
  store: Parameters<typeof bootstrapTree>[0]['store']
  bootnodes: readonly string[]
  log: LogHook
  onProgress?: ((progress: BootstrapProgress) => void) | undefined
}

/**
 * Fills an empty store from the first bootnode that has what the chain committed, and then, or where a
 * tree was there, fetches the bytes that it lacks from each bootnode in turn.
 *
 * @throws {BytesMissingError} where the tree is there, and no bootnode gives some bytes of it.
 */
export async function bootstrap(
  opened: OpenedChain,
  parameters: Filling,
  io: IoOptions = {},
): Promise<void> {
  const { store } = parameters
  const tried = store.range() === undefined ? await fillTree(opened, parameters, io) : 0
  // Without a snapshot the tree follows from the first commit on, as far as deltas can be had.
  if (store.range() === undefined || !lacksBytes(store)) return
  await fillBytes(parameters, tried, io)
}

/** The place in the list after the bootnode that gave the tree. */
async function fillTree(
  opened: OpenedChain,
  { store, bootnodes, log, onProgress }: Filling,
  io: IoOptions,
): Promise<number> {
  // Nothing was committed yet: the empty tree is the tree.
  const commits = await newestCommits(opened, io)
  for (const [place, url] of bootnodes.entries()) {
    for (const commit of commits) {
      try {
        await bootstrapTree({ store, client: snapshotClient({ url }), commit, onProgress }, io)
        log({ level: 'info', event: 'tree.bootstrapped', sequence: String(commit.sequenceNo) })
        return place + 1
      } catch (error) {
        io.signal?.throwIfAborted()
        log({ level: 'warn', event: 'tree.bootstrap', bootnode: url, ...describeError(error) })
        if (store.range() !== undefined) return place + 1
      }
    }
  }
  return 0
}

async function fillBytes(
  { store, bootnodes, log, onProgress }: Filling,
  tried: number,
  io: IoOptions,
): Promise<void> {
  const tree = createStateTree({ store })
  let failure: unknown
  for (const url of [...bootnodes.slice(tried), ...bootnodes.slice(0, tried)]) {
    try {
      await fetchMissingBytes(tree, { client: snapshotClient({ url }), onProgress }, io)
      onProgress?.({ step: 'finished', root: tree.root() })
      return
    } catch (error) {
      io.signal?.throwIfAborted()
      failure = error
      log({ level: 'warn', event: 'tree.bytes', bootnode: url, ...describeError(error) })
    }
  }
  throw failure
}
