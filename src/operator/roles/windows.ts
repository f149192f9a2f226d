/** An operator's commits by themselves: what landed is followed, and each window is run once. */
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { CommitSink } from '../../core/interfaces/sinks.js'
import {
  type CommitPipeline,
  CutoffNotFinalError,
  type ReplicaStatus,
} from '../../statetree/index.js'
import type { Committer, WindowOutcome } from '../commits/committer.js'
import type { OperatorClient } from '../rpc/client.js'
import { startLoop } from './loop.js'

/** Parameters of {@link runWindows}. */
export type WindowsParameters = {
  commits: Committer
  pipeline: CommitPipeline
  events: ChainEvents
  /** Clients of all operators. Looked at for each window. */
  peers: () => readonly OperatorClient[]
  sink: CommitSink
  /** Milliseconds between two looks at the chain. @default 4_000 */
  interval?: number | undefined
  now?: (() => number) | undefined
  /** A window that ended here, whoever its proposer was. */
  onWindow?: ((timestamp: bigint, outcome: WindowOutcome) => void) | undefined
  /** Commits that landed were followed. */
  onFollowed?: ((status: ReplicaStatus) => void | Promise<void>) | undefined
  onError?: ((error: unknown) => void) | undefined
}

/** Windows that are run. */
export type Windows = {
  /** Where the tree stands; `undefined` before the first look. */
  status(): ReplicaStatus | undefined
  /** Looks at the chain now; resolves when that look has come to its end. */
  tick(): Promise<void>
  /** Milliseconds since a look last came to its end. */
  age(): number
  close(): Promise<void>
}

/** Tries at a window that had no quorum: a peer may have come back. */
const TRIES = 3

/** Follows commits and runs windows until it is closed. */
export function runWindows(parameters: WindowsParameters): Windows {
  const { commits, pipeline, events, sink, interval = 4_000, now = Date.now } = parameters
  const onError = parameters.onError ?? (() => undefined)
  let status: ReplicaStatus | undefined
  let done = 0n
  let tries = 0
  let tail: Promise<unknown> = Promise.resolve()

  const follow = async (signal: AbortSignal): Promise<void> => {
    status = await commits.follow({ signal })
    await parameters.onFollowed?.(status)
  }
  const end = (timestamp: bigint, outcome: WindowOutcome): void => {
    tries = outcome.status === 'no quorum' ? tries + 1 : 0
    if (outcome.status !== 'no quorum' || tries >= TRIES) {
      done = timestamp
      tries = 0
    }
    parameters.onWindow?.(timestamp, outcome)
  }
  const look = async (signal: AbortSignal): Promise<void> => {
    await follow(signal)
    const { timestamp: head } = await events.getLatestBlock({ signal })
    const { window } = pipeline.parameters
    const timestamp = (head / window) * window
    // What waits for a delta is behind: it can neither propose nor judge.
    if (timestamp <= done || timestamp <= pipeline.head().timestamp) return
    if (status?.waitingFor !== undefined || status?.stopped !== undefined) return
    try {
      const outcome = await commits.runWindow(
        { timestamp, peers: parameters.peers(), sink },
        { signal },
      )
      end(timestamp, outcome)
      if (outcome.status === 'landed') await follow(signal)
    } catch (error) {
      if (!(error instanceof CutoffNotFinalError)) throw error
    }
  }
  /** One look at a time. */
  const inOrder = (signal: AbortSignal): Promise<void> => {
    const run = tail.then(() => look(signal))
    tail = run.catch(() => undefined)
    return run
  }
  const closing = new AbortController()
  const loop = startLoop({
    ...{ interval, now, onError },
    work: async (signal) => {
      await inOrder(signal)
      return undefined
    },
  })
  return {
    status: () => status,
    tick: () => inOrder(closing.signal),
    age: loop.age,
    close: async () => {
      closing.abort()
      await loop.close()
      await tail
    },
  }
}
