/** What an operator keeps in order beside its work: its journal short, and artifacts readable. */
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import { createRetentionKeeper, type RetentionEntry } from '../../../da/index.js'
import { fileJournal } from '../../../da/node/index.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { createAnnouncer } from '../../../registry/index.js'
import type { CommitPipeline } from '../../../statetree/index.js'
import { startLoop } from '../../roles/loop.js'
import type { OperatorWatch } from '../../roles/watch.js'
import type { SigningJournal } from '../../signing/journal.js'
import type { OpenedArtifacts } from './artifacts.js'
import type { FollowedIndex, OpenedChain } from './chain.js'
import { type Closers, describeError, type LogHook } from './running.js'

/** Milliseconds between two rounds. */
const HOUR = 3_600_000
/** Blocks for which a task is answered again: twice the age at which a new one is refused. */
const TASK_BLOCKS = 1_800n
/** Seconds for which the signature of a commit is given again. */
const COMMIT_SECONDS = 7_200n

type Parts = {
  chain: OpenedChain
  index: FollowedIndex
  pipeline: CommitPipeline
  artifacts: OpenedArtifacts
  journal: SigningJournal
  account: LocalAccount
  directory: string
  /** Whether this operator renews copies that expire, and pays for it. */
  renew: boolean
  watch: OperatorWatch
  log: LogHook
  closers: Closers
}

/** Starts both, each hour until the process ends. */
export function keepInOrder(parts: Parts): void {
  const { watch, log, closers } = parts
  const retention = parts.renew ? openRetention(parts) : undefined
  const loop = startLoop({
    interval: HOUR,
    now: Date.now,
    onError: (error) => {
      watch.failed('retention')
      log({ level: 'warn', event: 'keeping.failed', ...describeError(error) })
    },
    work: async (signal) => {
      await pruneJournal(parts, { signal })
      await retention?.({ signal })
      return undefined
    },
  })
  closers.add(loop.close)
}

/** Forgets what nobody can ask for any more; what lies below is refused from then on. */
async function pruneJournal({ chain, journal, log }: Parts, io: IoOptions): Promise<void> {
  const { number, timestamp } = await chain.reader.getLatestBlock(io)
  if (number <= TASK_BLOCKS || timestamp <= COMMIT_SECONDS) return
  const low = { block: number - TASK_BLOCKS, timestamp: timestamp - COMMIT_SECONDS }
  const removed = await journal.prune(low)
  if (removed > 0) log({ level: 'info', event: 'journal.pruned', segments: removed })
}

/** Renews copies of what is in the tree before they expire, and announces the new ones. */
function openRetention(parts: Parts): (io: IoOptions) => Promise<void> {
  const { chain, artifacts, account, directory, watch, log } = parts
  const expires = (client: DaClient): boolean => client.retention.kind === 'expires'
  const publisher = artifacts.clients.find(expires)
  const journal = fileJournal({ path: join(directory, 'retention.json') })
  parts.closers.add(journal.close)
  const keeper = createRetentionKeeper({
    entries: (io) => entriesOf(parts, io),
    ...(publisher === undefined
      ? {}
      : {
          publisher,
          announcer: createAnnouncer({
            client: chain.wallet(account),
            addresses: chain.addresses,
          }),
        }),
    archives: artifacts.clients.filter((client) => !expires(client)),
    source: artifacts.cache,
    journal,
    // A block that the node does not have has no time, and what is in it counts as expired.
    blockTime: async (number, io) =>
      Number((await chain.reader.getBlock(number, io))?.timestamp ?? Number.NaN),
    onEvent: (event) => {
      if (event.type === 'step') {
        if (event.status === 'failed') watch.failed('retention')
        log({ level: 'debug', event: 'retention.step', status: event.status })
      } else log({ level: 'warn', event: `retention.${event.type}` })
    },
  })
  return async (io) => {
    await keeper.apply(await keeper.plan(io), io)
  }
}

async function entriesOf(
  { index, pipeline }: Parts,
  io: IoOptions,
): Promise<readonly RetentionEntry[]> {
  const entries: RetentionEntry[] = []
  for (const { artifactHash, namespace, templateId } of index.registered()) {
    const ref = { namespace, hash: artifactHash }
    if (!pipeline.inTree(ref)) continue
    const locators = await pipeline.locators({ ref }, io)
    entries.push({ artifactHash, namespace, templateId, locators })
  }
  return entries
}
