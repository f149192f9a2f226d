/** Rebuilds all rows and slot histories from logs, and checks them against the contracts. */
import type { Address, Hex } from 'viem'
import {
  checkConfirmations,
  checkRead,
  DEFAULT_CONFIRMATIONS,
  type FollowPlan,
  planRead,
} from '../../../core/follow.js'
import type { ChainEvents, ChainEventType } from '../../../core/interfaces/chainEvents.js'
import { createReadSize, type ReadSize } from '../../../core/readSize.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { applyEvent } from './changes.js'
import { changedRecords, readRecords } from './records.js'
import { createSlotCheck } from './slotCheck.js'
import {
  emptyIndexState,
  type IndexState,
  markRead,
  policyDataSlotKey,
  policySlotKey,
  rollBack,
  slotAt,
} from './state.js'
import type { IndexHandle, IndexStore } from './store.js'
import { parseIndexState, serializeIndexState } from './text.js'

/** Events that the index is made from. */
const indexedTypes: readonly ChainEventType[] = [
  'PolicyTemplateRegistered',
  'PolicyDataTemplateRegistered',
  'PolicyInstanceDeployed',
  'PolicyDataInstanceDeployed',
  'CurrentPolicyInstanceSet',
  'CurrentPolicyDataInstanceSet',
  'ArtifactAnnounced',
  'EnclaveRequirementChanged',
]

/** Parameters of {@link indexRegistry}. */
export type IndexRegistryParameters = {
  events: ChainEvents
  /** Block of the deployment of the registries, or any before. */
  fromBlock: bigint
  /** What `serialize` gave in an earlier run: reading goes on after it. */
  state?: string | undefined
  /**
   * Where the index is kept: what it holds is read on from, and each step is written to it. One index
   * at a time has it.
   */
  store?: IndexStore | undefined
  /**
   * Most blocks of one step; after each the state is consistent. Fewer after failures that may be of
   * size.
   * @default 10000
   */
  step?: bigint | undefined
  /** Blocks to stay behind the newest one. @default 2 */
  confirmations?: number | undefined
  /** Called after each step. */
  onProgress?: ((progress: { block: bigint; target: bigint }) => void) | undefined
}

/** What one `sync` did. */
export type IndexSync = {
  cursor: bigint
  /** Events that were applied. */
  applied: number
  /** The block that everything above was taken back of; `null` where nothing was. */
  reorganizedTo: bigint | null
  /** The node has not reached what was read before; nothing changed. */
  behind: boolean
}

/** Rows and slot histories of one chain. */
export type RegistryIndex = {
  readonly state: Readonly<IndexState>
  /**
   * Reads on, to `toBlock` or the newest confirmed block; takes back what was reorganized away. Calls
   * made meanwhile wait for their turn.
   */
  sync(options?: IoOptions & { toBlock?: bigint | undefined }): Promise<IndexSync>
  /** The state as text, to resume from. */
  serialize(): string
  /** Waits for what is under way, and gives the store back. No `sync` after it. */
  close(): Promise<void>
  /** The policy slot at the end of a block that was read. */
  policySlotAt(parameters: { client: Address; block: bigint }): Hex | null
  /** The policy-data slot at the end of a block that was read. */
  policyDataSlotAt(parameters: { client: Address; templateId: Hex; block: bigint }): Hex | null
}

/**
 * Indexes the registries: reads all logs once and then only what is new, `confirmations` behind the
 * newest block.
 *
 * Each row is checked against its id, each slot move against the one before it and against the rows
 * it needs, and slots against what the contracts hold at the block that was read: those that moved,
 * and some of the others in turn. Where that shows a log that was missed, everything since the last
 * certain move is taken back and read again, once; then it is an error, and the index answers only up
 * to where it is certain. Hashes of read blocks are kept: when one is another now, everything above
 * the last common block is taken back. A node that is behind changes nothing.
 *
 * @throws {InvalidInputError} for a state of another chain or version, and a store that is in use.
 * @throws {IndexStoreError} for a store with records that were damaged.
 * @throws {RpcInconsistentError} when the node contradicts itself.
 * @example
 * ```ts
 * import { createChainEvents, indexRegistry } from '@newton/policy-sdk/registry'
 *
 * const events = await createChainEvents({ client, addresses })
 * const index = await indexRegistry({ events, fromBlock: 0n })
 * index.state.policyTemplates.size
 * ```
 */
export async function indexRegistry(
  parameters: IndexRegistryParameters,
  options: IoOptions = {},
): Promise<RegistryIndex> {
  const { events } = parameters
  const confirmations = checkConfirmations(parameters.confirmations ?? DEFAULT_CONFIRMATIONS)
  const { state, handle } = await openState(parameters)
  const run: IndexRun = {
    ...{ events, state, handle, confirmations, size: createReadSize(parameters.step ?? 10_000n) },
    checkSlots: createSlotCheck({ events, state }),
    onProgress: parameters.onProgress,
  }
  let turn: Promise<unknown> = Promise.resolve()
  let closed = false
  const inTurn = <value>(work: () => Promise<value>): Promise<value> => {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }
  const sync: RegistryIndex['sync'] = (syncOptions = {}) =>
    inTurn(async () => {
      if (closed) throw new InvalidInputError({ field: 'index', reason: 'it was closed' })
      return syncOnce(run, syncOptions)
    })
  try {
    await sync(options)
  } catch (error) {
    await handle?.close()
    throw error
  }
  return {
    state,
    sync,
    serialize: () => serializeIndexState(state),
    close: () =>
      inTurn(async () => {
        if (closed) return
        closed = true
        await handle?.close()
      }),
    policySlotAt: ({ client, block }) => {
      assertRead(state, block)
      return slotAt(state.policySlots.get(policySlotKey(client)), block)
    },
    policyDataSlotAt: ({ client, templateId, block }) => {
      assertRead(state, block)
      return slotAt(state.policyDataSlots.get(policyDataSlotKey(client, templateId)), block)
    },
  }
}

type IndexRun = {
  events: ChainEvents
  state: IndexState
  handle: IndexHandle | undefined
  confirmations: number
  size: ReadSize
  checkSlots: ReturnType<typeof createSlotCheck>
  onProgress: IndexRegistryParameters['onProgress']
}

/** Reorganizations of one sync after which the node is called inconsistent. */
const MAX_REORGANIZATIONS = 8
/** Smaller reads that are tried in a row before a sync fails. */
const MAX_SMALLER = 4

async function openState({
  events,
  fromBlock,
  state: text,
  store,
}: IndexRegistryParameters): Promise<{ state: IndexState; handle: IndexHandle | undefined }> {
  if (text !== undefined && store !== undefined) {
    throw new InvalidInputError({ field: 'state', reason: 'either a state or a store is given' })
  }
  const { chainId } = events
  const handle = await store?.open()
  try {
    const kept = handle === undefined ? undefined : readRecords(handle.records())
    const known = text === undefined ? kept : parseIndexState(text)
    const state = known ?? emptyIndexState({ chainId, fromBlock })
    if (state.chainId !== chainId) {
      throw new InvalidInputError({
        field: store === undefined ? 'state' : 'store',
        reason: `it is of chain ${state.chainId}, the events are of ${chainId}`,
      })
    }
    if (handle !== undefined) state.changed = new Set()
    return { state, handle }
  } catch (error) {
    await handle?.close()
    throw error
  }
}

/** Writes what changed. Where that fails it stays noted, and is written with the next step. */
async function save({ state, handle }: IndexRun): Promise<void> {
  const records = handle === undefined ? undefined : changedRecords(state)
  if (records === undefined || records.size === 0) return
  const noted = state.changed
  state.changed = new Set()
  try {
    await handle?.write(records)
  } catch (error) {
    state.changed = new Set([...(noted ?? []), ...state.changed])
    throw error
  }
}

async function syncOnce(
  run: IndexRun,
  { toBlock, ...io }: IoOptions & { toBlock?: bigint | undefined },
): Promise<IndexSync> {
  const { events, state, confirmations, size } = run
  const done: IndexSync = { cursor: 0n, applied: 0, reorganizedTo: null, behind: false }
  let reorganizations = 0
  let repaired = false
  let smaller = 0
  for (;;) {
    io.signal?.throwIfAborted()
    const follow = { marks: state.blocks, startBlock: state.fromBlock, maxBlocks: size.blocks() }
    const plan = await planRead(events, { ...follow, confirmations, toBlock }, io)
    if (plan.status === 'reorganized') {
      if (++reorganizations > MAX_REORGANIZATIONS) {
        throw new RpcInconsistentError('its blocks change with every read')
      }
      rollBack(state, plan.kept?.number ?? state.fromBlock - 1n)
      await save(run)
      done.reorganizedTo = cursorOf(state)
    } else if (plan.status === 'read') {
      try {
        done.applied += await size.learn(plan, () => advance(run, plan, io), io.signal)
        await save(run)
        smaller = 0
      } catch (error) {
        if (!(error instanceof RpcInconsistentError) || error.since === undefined) {
          // Fewer blocks may come through: a first read of a whole chain has no other chance to be asked again.
          if (size.blocks() > plan.toBlock - plan.fromBlock || ++smaller > MAX_SMALLER) throw error
          continue
        }
        // A log was missed: what may be wrong goes, whether it can be read again or not.
        rollBack(state, error.since)
        await save(run)
        if (repaired) throw error
        repaired = true
      }
    } else {
      return { ...done, cursor: cursorOf(state), behind: plan.status === 'behind' }
    }
  }
}

/** Reads one step. The state changes only where all of it counts. */
async function advance(
  { events, state, checkSlots, onProgress, confirmations }: IndexRun,
  plan: Extract<FollowPlan, { status: 'read' }>,
  io: IoOptions,
): Promise<number> {
  const { fromBlock, toBlock, anchor, end, head } = plan
  const range = { fromBlock, toBlock, parentHash: anchor?.hash, blockHash: end.hash }
  const found = await events.getEvents({ ...range, types: indexedTypes }, io)
  const reason = await checkRead(events, { plan, found }, io)
  if (reason !== undefined) throw new RpcInconsistentError(reason)
  await checkSlots({ end, found }, io)
  const before = cursorOf(state)
  try {
    for (const event of found) applyEvent(state, event)
  } catch (error) {
    rollBack(state, before)
    throw error
  }
  for (const { blockNumber: number, blockHash: hash } of found) markRead(state, { number, hash })
  markRead(state, end)
  onProgress?.({ block: toBlock, target: head - BigInt(confirmations) })
  return found.length
}

function cursorOf(state: Readonly<IndexState>): bigint {
  return state.cursor?.number ?? state.fromBlock - 1n
}

function assertRead(state: Readonly<IndexState>, block: bigint): void {
  if (state.cursor === null || block > state.cursor.number) {
    throw new InvalidInputError({
      field: 'block',
      reason: `the index was read up to ${state.cursor?.number ?? 'nothing'}`,
      hint: 'Call sync() first.',
    })
  }
}
