/** What a gateway tells its owner. */
import type { Hex } from 'viem'
import type { RpcFault } from '../rpc/faults.js'

/** An event of a gateway. None holds a key, a parameter or an answer. */
export type GatewayEvent =
  | {
      type: 'gateway.call'
      method: string
      outcome: 'ok' | RpcFault
      milliseconds: number
      caller: string | undefined
      /** What was thrown, where the outcome is `INTERNAL`. */
      error?: unknown
    }
  | {
      type: 'task.ended'
      taskId: Hex
      outcome: 'signed' | RpcFault
      milliseconds: number
      error?: unknown
    }
  /** What one operator did that was not the answer. */
  | { type: 'operator.fault'; taskId: Hex; operator: string; fault: string; detail: string }
  /** A connection for updates came, was refused, or was cut for what it did. */
  | {
      type: 'subscriptions.connection'
      outcome: 'opened' | 'closed' | 'refused' | 'slow' | 'busy'
      caller: string | undefined
      connections: number
    }
  /** A task is followed, or no longer; `refused` where it may not be. */
  | {
      type: 'subscriptions.task'
      outcome: 'followed' | 'ended' | RpcFault
      subscriptions: number
      /** What was thrown, where the outcome is `INTERNAL`. */
      error?: unknown
    }
  /** A caller was told by a webhook, or was not. */
  | {
      type: 'webhook.attempt'
      taskId: Hex
      caller: string
      outcome: 'delivered' | 'retried' | 'failed'
      /** Of the answer; left out where there was none. */
      status: number | undefined
    }
  /**
   * A caller's webhook came, took the place of another one, was taken back, or ended as the key that had
   * registered it is no longer the caller's.
   */
  | {
      type: 'webhook.registration'
      caller: string
      outcome: 'registered' | 'replaced' | 'removed' | 'ended'
    }
  /** A sending did not come to an end; the chain is looked at again. */
  | { type: 'landing.failed'; taskId: Hex; error: unknown }
  /** A call of the store failed. What was to be kept of a task is tried again, until its time is over. */
  | { type: 'store.failed'; error: unknown }
