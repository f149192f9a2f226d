/** A gateway's store in memory: for tests, and for gateways whose tasks may end with the process. */
import type { Hex } from 'viem'
import { assertOptions } from '../../../internal/options.js'
import { memoryWebhooks } from './memoryWebhooks.js'
import {
  type GatewayStore,
  isEnded,
  type Lease,
  type LeasedTask,
  type StoredAnswer,
  type StoredCommitment,
  type StoredShare,
  type StoredTask,
} from './store.js'

type Held = LeasedTask & { owner: string; until: number }

/**
 * Creates an empty store in memory.
 *
 * @param parameters.now - Milliseconds. @default Date.now
 * @throws {InvalidInputError} for a clock that is none.
 * @example
 * ```ts
 * import { memoryGatewayStore } from '@newton/policy-sdk/operator'
 *
 * const store = memoryGatewayStore()
 * await store.count() // {}
 * ```
 */
export function memoryGatewayStore(parameters: { now?: () => number } = {}): GatewayStore {
  assertOptions(parameters, { now: 'function' }, { field: 'parameters' })
  const { now = Date.now } = parameters
  const tasks = new Map<Hex, Held>()
  const requests = new Map<string, Hex>()
  const shares = new Map<Hex, StoredShare[]>()
  const commitments = new Map<Hex, StoredCommitment[]>()
  const answers = new Map<Hex, StoredAnswer>()
  const transactions = new Map<Hex, readonly Hex[]>()
  const webhooks = memoryWebhooks(now)
  const requestKey = ({
    caller,
    requestId,
  }: Pick<StoredTask, 'caller' | 'requestId'>): string | undefined =>
    requestId === undefined ? undefined : JSON.stringify([caller, requestId])
  const holding = ({ taskId, fence }: Lease): Held | undefined => {
    const held = tasks.get(taskId)
    return held?.fence === fence ? held : undefined
  }
  return {
    async insert(task, { owner, lease }) {
      const key = requestKey(task)
      const before = key === undefined ? undefined : requests.get(key)
      if (before !== undefined) return { status: 'again', task: told(tasks.get(before) as Held) }
      if (tasks.has(task.taskId)) return { status: 'taken' }
      tasks.set(task.taskId, { ...task, fence: 1, owner, until: now() + lease })
      if (key !== undefined) requests.set(key, task.taskId)
      return { status: 'inserted', fence: 1 }
    },
    async find(taskId) {
      const held = tasks.get(taskId)
      return held === undefined ? undefined : told(held)
    },
    async states(taskIds) {
      const found = taskIds.flatMap((taskId) => tasks.get(taskId) ?? [])
      return new Map(found.map(({ taskId, state }) => [taskId, state]))
    },
    async findRequest(request) {
      const held = tasks.get(requests.get(requestKey(request) as string) as Hex)
      return held === undefined ? undefined : told(held)
    },
    async claim({ owner, lease, limit }) {
      const free = [...tasks.values()]
        .filter((task) => !isEnded(task) && task.until <= now())
        .sort((a, b) => a.deadline - b.deadline)
        .slice(0, limit)
      for (const task of free) {
        task.owner = owner
        task.until = now() + lease
        task.fence++
      }
      return free.map((task) => ({ ...told(task), fence: task.fence }))
    },
    async renew(lease, milliseconds) {
      const held = holding(lease)
      if (held === undefined) return false
      held.until = now() + milliseconds
      return true
    },
    async release(lease) {
      const held = holding(lease)
      if (held !== undefined) held.until = 0
    },
    async advance(lease, { state, failure }) {
      const held = holding(lease)
      if (held === undefined || isEnded(held)) return false
      held.state = state
      held.failure = failure
      webhooks.changed(held)
      return true
    },
    async addShare(taskId, share) {
      const all = shares.get(taskId) ?? []
      shares.set(taskId, all)
      const own = all.filter(({ operator }) => operator === share.operator)
      if (own.some(({ messageHash }) => messageHash === share.messageHash)) return own
      all.push(share)
      return [...own, share]
    },
    shares: async (taskId) => [...(shares.get(taskId) ?? [])],
    async addCommitments(taskId, added) {
      const all = commitments.get(taskId) ?? []
      commitments.set(taskId, all)
      for (const one of added) {
        const known = all.some(
          ({ operator, name }) => operator === one.operator && name === one.name,
        )
        if (!known) all.push(one)
      }
      return [...all]
    },
    commitments: async (taskId) => [...(commitments.get(taskId) ?? [])],
    async saveAnswer(lease, answer) {
      const held = holding(lease)
      if (held === undefined) return 'lost'
      if (answers.has(lease.taskId)) return 'exists'
      // Whoever asked was told that there is none.
      if (isEnded(held)) return 'lost'
      answers.set(lease.taskId, answer)
      held.state = 'signed'
      webhooks.changed(held)
      return 'stored'
    },
    answer: async (taskId) => answers.get(taskId),
    async addTransaction(lease, hash) {
      if (holding(lease) === undefined) return false
      const sent = transactions.get(lease.taskId) ?? []
      transactions.set(lease.taskId, sent.includes(hash) ? sent : [...sent, hash])
      return true
    },
    transactions: async (taskId) => transactions.get(taskId) ?? [],
    async count() {
      const counts: Partial<Record<StoredTask['state'], number>> = {}
      for (const { state } of tasks.values()) counts[state] = (counts[state] ?? 0) + 1
      return counts
    },
    async prune({ before }) {
      for (const task of tasks.values()) {
        if (!isEnded(task) || task.createdAt >= before) continue
        tasks.delete(task.taskId)
        answers.delete(task.taskId)
        transactions.delete(task.taskId)
        webhooks.forget(task.taskId)
        const key = requestKey(task)
        if (key !== undefined) requests.delete(key)
        for (const held of [shares, commitments]) {
          const operators = (held.get(task.taskId) ?? []).map(({ operator }) => operator)
          if (new Set(operators).size === operators.length) held.delete(task.taskId)
        }
      }
    },
    webhooks: webhooks.store,
    close: async () => undefined,
  }
}

function told({ fence: _fence, owner: _owner, until: _until, ...task }: Held): StoredTask {
  return task
}
