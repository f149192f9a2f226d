/** Live events: new blocks are read as they come, reorganized ones are reported as undone. */
import {
  type BlockMark,
  checkConfirmations,
  checkRead,
  DEFAULT_CONFIRMATIONS,
  planRead,
} from '../../core/follow.js'
import type { ChainEvent, ChainEvents, ChainEventType } from '../../core/interfaces/chainEvents.js'
import { createReadSize } from '../../core/readSize.js'
import { RpcInconsistentError } from '../chain/errors.js'

/** Parameters of {@link watchPolicyEvents} and the watchers of single events. */
export type WatchParameters<event extends ChainEvent = ChainEvent> = {
  events: ChainEvents
  /**
   * Called with new events in chain order. They count as delivered when it has returned, or its
   * promise is fulfilled; when it fails they come again.
   */
  onEvents: (events: readonly event[]) => unknown
  /** Called when blocks were reorganized away: everything above `block` is undone. */
  onReorganization?: ((block: bigint) => unknown) | undefined
  /** Called with errors; watching goes on. Without it, errors are dropped and tried again. */
  onError?: ((error: unknown) => void) | undefined
  /** First block; the one after the newest that counts where left out. */
  fromBlock?: bigint | undefined
  /** Blocks behind the newest that are waited for. @default 2 */
  confirmations?: number | undefined
  /** Milliseconds between looks. @default 4000 */
  pollingInterval?: number | undefined
  /** Blocks kept to notice reorganizations. @default 128 */
  memory?: number | undefined
  /** Most blocks of one look; fewer after failures that may be of size. @default 2000 */
  maxBlocks?: bigint | undefined
  signal?: AbortSignal | undefined
}

/**
 * Follows events of the contracts, `confirmations` behind the newest block.
 *
 * A node that is behind is waited for; only another block at the same height is a reorganization.
 *
 * @returns A function that stops watching.
 * @throws {InvalidInputError} when `confirmations` is not a whole number.
 * @example
 * ```ts
 * import { createChainEvents, watchPolicyEvents } from '@newton/policy-sdk/registry'
 *
 * const events = await createChainEvents({ client, addresses })
 * const unwatch = watchPolicyEvents({ events, onEvents: (list) => list.forEach(handle) })
 * unwatch()
 * ```
 */
export function watchPolicyEvents(
  parameters: WatchParameters & { types?: readonly ChainEventType[] | undefined },
): () => void {
  const { onError, signal, pollingInterval = 4_000 } = parameters
  const confirmations = checkConfirmations(parameters.confirmations ?? DEFAULT_CONFIRMATIONS)
  const controller = new AbortController()
  const look = createLook({ ...parameters, confirmations }, controller.signal)
  let timer: ReturnType<typeof setTimeout> | undefined

  const loop = async (): Promise<void> => {
    try {
      while (!controller.signal.aborted && (await look()));
    } catch (error) {
      if (controller.signal.aborted) return
      onError?.(error)
    }
    if (!controller.signal.aborted) timer = setTimeout(() => void loop(), pollingInterval)
  }

  const unwatch = (): void => {
    clearTimeout(timer)
    controller.abort()
    signal?.removeEventListener('abort', unwatch)
  }
  signal?.addEventListener('abort', unwatch, { once: true })
  if (signal?.aborted) unwatch()
  else void loop()
  return unwatch
}

/** One look at the chain. True where there is more to be looked at right away. */
function createLook(
  parameters: WatchParameters & {
    types?: readonly ChainEventType[] | undefined
    confirmations: number
  },
  signal: AbortSignal,
): () => Promise<boolean> {
  const { events, onEvents, onReorganization, types, confirmations } = parameters
  const { memory = 128 } = parameters
  const size = createReadSize(parameters.maxBlocks ?? 2_000n)
  const io = { signal }
  let startBlock = parameters.fromBlock
  let marks: BlockMark[] | undefined

  // The block before the first is remembered too, so that a reorganization of the first shows.
  const begin = async (): Promise<BlockMark[] | undefined> => {
    if (startBlock === undefined) {
      const head = (await events.getLatestBlock(io)).number - BigInt(confirmations)
      startBlock = head < 0n ? 0n : head + 1n
    }
    if (startBlock === 0n) return []
    const anchor = await events.getBlock(startBlock - 1n, io)
    return anchor === null ? undefined : [{ number: anchor.number, hash: anchor.hash }]
  }

  return async () => {
    marks ??= await begin()
    if (marks === undefined || startBlock === undefined) return false
    const follow = { marks, startBlock, confirmations, maxBlocks: size.blocks() }
    const plan = await planRead(events, follow, io)
    if (plan.status === 'reorganized') {
      // Where nothing that is remembered is left, all that was reported is undone.
      await onReorganization?.(plan.kept?.number ?? startBlock - 1n)
      marks =
        plan.kept === null
          ? undefined
          : marks.filter(({ number }) => number <= (plan.kept as BlockMark).number)
      return true
    }
    if (plan.status !== 'read') return false
    const { fromBlock, toBlock, anchor, end } = plan
    const range = { fromBlock, toBlock, parentHash: anchor?.hash, blockHash: end.hash }
    const found = await size.learn(
      plan,
      async () => {
        const read = await events.getEvents({ ...range, types }, io)
        const reason = await checkRead(events, { plan, found: read }, io)
        if (reason !== undefined) throw new RpcInconsistentError(reason)
        return read
      },
      signal,
    )
    if (signal.aborted) return false
    if (found.length > 0) await onEvents(found)
    marks = [...marks, end].slice(-memory)
    return toBlock < plan.head - BigInt(confirmations)
  }
}

/** Events of one name. Two names may share a member of the union. */
type EventOf<type extends ChainEventType> = ChainEvent extends infer event
  ? event extends ChainEvent
    ? type extends event['type']
      ? event & { type: type }
      : never
    : never
  : never

function watcher<type extends ChainEventType>(
  type: type,
): (parameters: WatchParameters<EventOf<type>>) => () => void {
  return (parameters) => watchPolicyEvents({ ...(parameters as WatchParameters), types: [type] })
}

/** Follows registrations of policy templates. */
export const watchPolicyTemplateRegistered: (
  parameters: WatchParameters<EventOf<'PolicyTemplateRegistered'>>,
) => () => void = watcher('PolicyTemplateRegistered')
/** Follows registrations of policy-data templates. */
export const watchPolicyDataTemplateRegistered: (
  parameters: WatchParameters<EventOf<'PolicyDataTemplateRegistered'>>,
) => () => void = watcher('PolicyDataTemplateRegistered')
/** Follows deployments of policy instances. */
export const watchPolicyInstanceDeployed: (
  parameters: WatchParameters<EventOf<'PolicyInstanceDeployed'>>,
) => () => void = watcher('PolicyInstanceDeployed')
/** Follows deployments of policy-data instances. */
export const watchPolicyDataInstanceDeployed: (
  parameters: WatchParameters<EventOf<'PolicyDataInstanceDeployed'>>,
) => () => void = watcher('PolicyDataInstanceDeployed')
/** Follows moves of policy slots. */
export const watchCurrentPolicyInstanceSet: (
  parameters: WatchParameters<EventOf<'CurrentPolicyInstanceSet'>>,
) => () => void = watcher('CurrentPolicyInstanceSet')
/** Follows moves of policy-data slots. */
export const watchCurrentPolicyDataInstanceSet: (
  parameters: WatchParameters<EventOf<'CurrentPolicyDataInstanceSet'>>,
) => () => void = watcher('CurrentPolicyDataInstanceSet')
/** Follows announcements of artifacts. */
export const watchArtifactAnnounced: (
  parameters: WatchParameters<EventOf<'ArtifactAnnounced'>>,
) => () => void = watcher('ArtifactAnnounced')
/** Follows state commits. */
export const watchStateRootCommitted: (
  parameters: WatchParameters<EventOf<'StateRootCommitted'>>,
) => () => void = watcher('StateRootCommitted')
