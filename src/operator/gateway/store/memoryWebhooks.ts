/** Webhooks and deliveries in memory. */
import type { Hex } from 'viem'
import type { StoredTask } from './store.js'
import { checkedWebhooks } from './webhookRules.js'
import {
  type ClaimedDelivery,
  type StoredWebhook,
  toldStates,
  type WebhookStore,
  webhookBounds,
} from './webhooks.js'

type Held = Omit<ClaimedDelivery, 'webhook' | 'attempt'> & {
  attempts: number
  nextAt: number
  outcome?: 'delivered' | 'failed' | undefined
}

/** Webhooks in memory, with what the store of tasks tells them. */
export type MemoryWebhooks = {
  readonly store: WebhookStore
  /** Keeps what is to be told of a change. */
  changed(task: Pick<StoredTask, 'taskId' | 'caller' | 'state' | 'failure'>): void
  forget(taskId: Hex): void
}

/** Creates webhooks in memory. `now` is in milliseconds. */
export function memoryWebhooks(now: () => number): MemoryWebhooks {
  const webhooks = new Map<string, StoredWebhook>()
  const deliveries = new Map<string, Held>()
  return {
    changed({ taskId, caller, state, failure }) {
      const webhook = webhooks.get(caller)
      if (webhook === undefined || !toldStates.has(state)) return
      const { failures } = webhook
      if (failure !== undefined && failures !== undefined && !failures.includes(failure.fault))
        return
      const key = `${taskId} ${state}`
      if (deliveries.has(key)) return
      const at = now()
      let waiting = 0
      for (const held of deliveries.values()) {
        if (held.caller === caller && held.outcome === undefined) waiting++
      }
      const outcome = waiting < webhookBounds.waitingPerCaller ? undefined : 'failed'
      const held = { taskId, state, caller, attempts: 0, untried: 0, nextAt: at, createdAt: at }
      deliveries.set(key, { ...held, outcome })
    },
    forget(taskId) {
      for (const [key, held] of deliveries) if (held.taskId === taskId) deliveries.delete(key)
    },
    store: checkedWebhooks({
      async set(caller, webhook) {
        const had = webhooks.has(caller)
        if (!had && webhooks.size >= webhookBounds.webhooks) return 'full'
        webhooks.set(caller, webhook)
        return had
      },
      find: async (caller) => copy(webhooks.get(caller)),
      async remove(caller, only) {
        const webhook = webhooks.get(caller)
        if (webhook === undefined) return false
        if (only !== undefined && webhook.keyHash !== only.keyHash) return false
        for (const [key, held] of deliveries) {
          if (held.caller === caller && held.outcome === undefined) deliveries.delete(key)
        }
        return webhooks.delete(caller)
      },
      async doubt(caller, { keyHash, at }) {
        const webhook = webhooks.get(caller)
        if (webhook === undefined || webhook.keyHash !== keyHash) return undefined
        const { doubtedAt, ...rest } = webhook
        const since = at === undefined ? undefined : (doubtedAt ?? at)
        webhooks.set(caller, { ...rest, ...(since === undefined ? {} : { doubtedAt: since }) })
        return since
      },
      async claim({ lease, limit, busy }) {
        const taken = new Set(busy)
        const claimed: ClaimedDelivery[] = []
        const due = [...deliveries.values()]
          .filter(({ outcome, nextAt }) => outcome === undefined && nextAt <= now())
          .sort((a, b) => a.nextAt - b.nextAt)
        for (const held of due) {
          const webhook = webhooks.get(held.caller)
          if (webhook === undefined || taken.has(held.caller) || claimed.length >= limit) continue
          taken.add(held.caller)
          held.attempts++
          held.nextAt = now() + lease
          const { taskId, state, caller, createdAt, attempts: attempt, untried } = held
          const parts = { taskId, state, caller, createdAt, attempt, untried }
          claimed.push({ ...parts, webhook: copy(webhook) })
        }
        return claimed
      },
      async end({ taskId, state, attempt }, outcome) {
        const held = deliveries.get(`${taskId} ${state}`)
        if (held?.attempts !== attempt) return
        if (typeof outcome === 'string') held.outcome = outcome
        else {
          held.nextAt = now() + outcome.after
          if (outcome.untried === true) held.untried++
        }
      },
      async count() {
        const all = [...deliveries.values()]
        return {
          waiting: all.filter(({ outcome }) => outcome === undefined).length,
          failed: all.filter(({ outcome }) => outcome === 'failed').length,
        }
      },
    }),
  }
}

/** Whoever is given one may change it, and changes nothing that is kept. */
function copy<webhook extends StoredWebhook | undefined>(webhook: webhook): webhook {
  const failures = webhook?.failures && [...webhook.failures]
  return webhook && { ...webhook, failures }
}
