/** Live events: new blocks are read as they come, reorganized ones are reported as undone. */
import type { ChainEvent, ChainEvents, ChainEventType } from '../../core/interfaces/chainEvents.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'

/** Parameters of {@link watchPolicyEvents} and the watchers of single events. */
export type WatchParameters<event extends ChainEvent = ChainEvent> = {
  events: ChainEvents
  /** Called with new events in chain order. */
  onEvents: (events: readonly event[]) => void
  /** Called when blocks were reorganized away: everything above `block` is undone. */
  onReorganization?: ((block: bigint) => void) | undefined
  /** Called with errors; watching goes on. Without it, errors are dropped and tried again. */
  onError?: ((error: unknown) => void) | undefined
  /** First block; the one after the newest where left out. */
  fromBlock?: bigint | undefined
  /** Blocks behind the newest that are waited for. @default 0 */
  confirmations?: number | undefined
  /** Milliseconds between looks. @default 4000 */
  pollingInterval?: number | undefined
  /** Blocks kept to notice reorganizations. @default 128 */
  memory?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Follows events of the contracts.
 *
 * @returns A function that stops watching.
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
  const { events, onEvents, onReorganization, onError, types, signal } = parameters
  const { confirmations = 0, pollingInterval = 4_000, memory = 128 } = parameters
  const controller = new AbortController()
  let next = parameters.fromBlock
  let start: bigint | undefined
  let seen: BlockReference[] = []
  let timer: ReturnType<typeof setTimeout> | undefined

  const look = async (): Promise<void> => {
    const options = { signal: controller.signal }
    const latest = await events.getLatestBlock(options)
    const head = latest.number - BigInt(confirmations)
    next ??= head + 1n
    if (start === undefined) {
      // The block before the first is remembered too, so that a reorganization of the first shows.
      const anchor = next > 0n ? await events.getBlock(next - 1n, options) : null
      start = next - 1n
      seen = anchor === null ? [] : [anchor]
    }
    const kept = await common(seen, { events, options })
    if (kept.length < seen.length) {
      // Where nothing that is remembered is left, all that was reported is undone.
      const block = kept.at(-1)?.number ?? start
      const anchor = kept.length === 0 && block >= 0n ? await events.getBlock(block, options) : null
      seen = anchor === null ? kept : [anchor]
      next = block + 1n
      onReorganization?.(block)
    }
    if (head < next) return
    const found = await events.getEvents({ fromBlock: next, toBlock: head, types }, options)
    const end = await events.getBlock(head, options)
    if (end === null || controller.signal.aborted) return
    seen = [...seen, end].slice(-memory)
    next = head + 1n
    if (found.length > 0) onEvents(found)
  }

  const loop = async (): Promise<void> => {
    try {
      await look()
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

// The remembered blocks that are still on the chain.
async function common(
  seen: readonly BlockReference[],
  { events, options }: { events: ChainEvents; options: { signal: AbortSignal } },
): Promise<BlockReference[]> {
  for (let length = seen.length; length > 0; length--) {
    const block = seen[length - 1] as BlockReference
    const now = await events.getBlock(block.number, options)
    if (now?.hash === block.hash) return seen.slice(0, length)
  }
  return []
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
