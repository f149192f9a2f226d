/**
 * Whether a task can still be answered, as the chain says. A task names its block and the block's hash, so
 * it cannot move to another one: where its block was reorganized away, or its answer would have expired, it
 * ends at once, and not when its time is over.
 */
import type { Hex } from 'viem'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import type { Task } from '../../core/task.js'
import { TaskFailedError } from './errors.js'

/** Looks at the chain for one task. */
export type TaskWatch = {
  /**
   * The task's end, where there can be no answer any more; `undefined` where there can, or where the chain
   * does not say. `error` is what has kept operators from answering.
   */
  endOf(
    error: unknown,
    options: { signal: AbortSignal; snapshot?: RegistrySnapshot | undefined },
  ): Promise<TaskFailedError | undefined>
}

/** Looks that must find another block in the place of the task's, one after the other. */
const LOOKS = 2

/** Creates the look at the chain for one task. */
export function createTaskWatch(task: Task, taskId: Hex, registry: RegistryReader): TaskWatch {
  const { policyClient: client, referenceBlock: block } = task
  let lost = 0
  const end = (
    failure: 'REFERENCE_BLOCK_LOST' | 'EXPIRED',
    { detail, error }: { detail: string; error: unknown },
  ): TaskFailedError => {
    const faults = error instanceof TaskFailedError ? error.faults : []
    const told = `${detail}: ask again, for a task of a newer block`
    return new TaskFailedError({ taskId, failure, detail: told, faults }, { cause: error })
  }
  return {
    async endOf(error, { signal, snapshot: known }) {
      try {
        const found = await registry.getBlock(block, { signal })
        // A node that is behind has no block there, and one look alone may meet a node of another branch.
        const isLost =
          found !== null && found.hash.toLowerCase() !== task.referenceBlockHash.toLowerCase()
        lost = isLost ? lost + 1 : 0
        if (lost >= LOOKS) {
          const detail = `block ${block}, which it refers to, is another one by now`
          return end('REFERENCE_BLOCK_LOST', { detail, error })
        }
        if (isLost) return undefined
        const snapshot = known ?? (await registry.snapshot({ client, block }, { signal }))
        const expiration = expirationOf(snapshot)
        const { number: latest } = await registry.getLatestBlock({ signal })
        if (expiration === undefined || latest < expiration) return undefined
        const detail = `it expired at block ${expiration}, the newest is ${latest}`
        return end('EXPIRED', { detail, error })
      } catch {
        // What the chain does not say ends nothing: the deadline does.
        return undefined
      }
    },
  }
}

/** The first block at which an answer is too late; `undefined` where the client has no policy. */
export function expirationOf({
  block,
  policyInstance,
  data,
}: RegistrySnapshot): bigint | undefined {
  const rows = [policyInstance, ...data.map(({ instance }) => instance)].filter(
    (row) => row !== null,
  )
  const [least] = rows.map(({ expireAfter }) => expireAfter).sort((a, b) => (a < b ? -1 : 1))
  return least === undefined ? undefined : block.number + least
}
