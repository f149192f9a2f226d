/**
 * What a gateway remembers of tasks. Several gateways share one store: a task is worked on by whoever
 * holds its lease, and every change is conditional on the lease's fence, so that one that was paused
 * and comes back changes nothing.
 */
import type { Address, Hex } from 'viem'
import type { RpcFault } from '../../rpc/faults.js'
import type { TaskState } from './states.js'
import type { WebhookStore } from './webhooks.js'

export { type TaskState, taskStates } from './states.js'

/** Why a task failed: the fault that is told, with a clause, and the code of the SDK's error behind it. */
export type TaskFailureRecord = { fault: RpcFault; detail: string; code?: string | undefined }

/** A task as a gateway keeps it. */
export type StoredTask = {
  taskId: Hex
  /** `abi.encode(task)`. */
  task: Hex
  /** Who asked. */
  caller: string
  /** The caller's own name for the request: the same name with other content is refused. */
  requestId: string | undefined
  /** keccak256 of what was asked for. */
  contentHash: Hex
  /** `keccak256(PCR0)` of the build that is asked for; zero where none is. */
  pcr0Commitment: Hex
  /** Whether the answer is landed on chain. */
  broadcast: boolean
  state: TaskState
  failure: TaskFailureRecord | undefined
  /** Unix milliseconds after which nobody is asked any more. */
  deadline: number
  /** Unix milliseconds. */
  createdAt: number
}

/** A task that its holder may change. */
export type LeasedTask = StoredTask & { fence: number }

/** An operator's signature under a response. Two different ones for one task are an equivocation. */
export type StoredShare = {
  operator: Address
  messageHash: Hex
  /** `abi.encode(response)`. */
  response: Hex
  /** 64 bytes. */
  signature: Hex
}

/** An operator's commitment to a task's outputs. Two different ones are an equivocation. */
export type StoredCommitment = {
  operator: Address
  /** keccak256 of its hashes as canonical JSON. */
  name: Hex
  /** Hashes by template id, as canonical JSON. */
  hashes: string
  /** 64 bytes. */
  signature: Hex
}

/** The answer of a task, as it is given to whoever asks. */
export type StoredAnswer = { messageHash: Hex; answer: string }

/** What a change of a task is conditional on. */
export type Lease = { taskId: Hex; fence: number }

/** Keeps tasks. A promise that resolves means that the change is kept. */
export interface GatewayStore {
  /**
   * Keeps a new task, leased to `owner` for `lease` milliseconds. `again`: the caller's request id is
   * known, and this is its task. `taken`: there is a task of this id.
   */
  insert(
    task: StoredTask,
    lease: { owner: string; lease: number },
  ): Promise<
    | { status: 'inserted'; fence: number }
    | { status: 'again'; task: StoredTask }
    | { status: 'taken' }
  >
  find(taskId: Hex): Promise<StoredTask | undefined>
  /** States of tasks, of those that there are. Asked for by gateways for all who wait, in one question. */
  states(taskIds: readonly Hex[]): Promise<ReadonlyMap<Hex, TaskState>>
  /** The task of a caller's own name for a request. */
  findRequest(request: { caller: string; requestId: string }): Promise<StoredTask | undefined>
  /** Leases tasks that are not ended and that nobody holds, those with the nearest deadline first. */
  claim(parameters: { owner: string; lease: number; limit: number }): Promise<readonly LeasedTask[]>
  /** `false`: somebody else holds it by now. */
  renew(lease: Lease, milliseconds: number): Promise<boolean>
  /** Gives a lease back: the task can be claimed at once. */
  release(lease: Lease): Promise<void>
  /** Changes the state. `false`: somebody else holds the task by now, or it has ended. */
  advance(
    lease: Lease,
    change: { state: TaskState; failure?: TaskFailureRecord | undefined },
  ): Promise<boolean>
  /** Keeps a share. Returns all different ones of its operator for the task, this one included. */
  addShare(taskId: Hex, share: StoredShare): Promise<readonly StoredShare[]>
  /** All shares of a task. */
  shares(taskId: Hex): Promise<readonly StoredShare[]>
  /** Keeps commitments to outputs. Returns all different ones of the task, these included. */
  addCommitments(
    taskId: Hex,
    commitments: readonly StoredCommitment[],
  ): Promise<readonly StoredCommitment[]>
  /** All commitments of a task. */
  commitments(taskId: Hex): Promise<readonly StoredCommitment[]>
  /**
   * Keeps the answer and turns the task to `signed`. `exists`: the task has an answer, which stays.
   * `lost`: somebody else holds the task by now, or it has ended without one.
   */
  saveAnswer(lease: Lease, answer: StoredAnswer): Promise<'stored' | 'exists' | 'lost'>
  answer(taskId: Hex): Promise<StoredAnswer | undefined>
  /** Keeps the hash of a transaction before it leaves. `false`: somebody else holds the task by now. */
  addTransaction(lease: Lease, hash: Hex): Promise<boolean>
  /** Hashes of all that was sent for a task, oldest first. */
  transactions(taskId: Hex): Promise<readonly Hex[]>
  /** Number of tasks by state. */
  count(): Promise<Readonly<Partial<Record<TaskState, number>>>>
  /** Forgets tasks that ended and were made before. Evidence of equivocation stays. */
  prune(parameters: { before: number }): Promise<void>
  /** Who is told of changes. A change and what is to be told of it are kept in one step. */
  readonly webhooks: WebhookStore
  close(): Promise<void>
}

/** Whether nothing is left to do for a task. */
export function isEnded({ state, broadcast }: Pick<StoredTask, 'state' | 'broadcast'>): boolean {
  if (state === 'failed' || state === 'final' || state === 'superseded') return true
  return state === 'signed' && !broadcast
}

/** Whether the outcome for whoever asked is there: an answer, or that there is none. */
export function isDecided({ state }: Pick<StoredTask, 'state'>): boolean {
  return !['received', 'committing', 'signing'].includes(state)
}
