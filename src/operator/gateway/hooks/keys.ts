/** A webhook goes with the key that registered it. */
import { withDeadline } from '../../../internal/deadline.js'
import type { HoldsKey } from '../callers.js'
import type { GatewayEvent } from '../events.js'
import type { StoredWebhook, WebhookStore } from '../store/webhooks.js'

/** Milliseconds for a check of callers to say what became of a key. */
const PATIENCE = 10_000

/** What a gateway finds of a webhook's key. `held`: it may be told. */
export type KeyVerdict = 'held' | 'doubted' | 'ended'

/**
 * Looks whether a webhook's key still is the caller's. Whoever had a key that was taken away would go on reading
 * every task of its caller, so nothing is told without it. It ends once no gateway has known the key for
 * `keyGrace` milliseconds: keys are given to gateways one after another, and one that was not told yet would
 * end what the others tell.
 */
export async function judgeKey(
  { caller, webhook }: { caller: string; webhook: StoredWebhook },
  parts: {
    store: Pick<WebhookStore, 'remove' | 'doubt'>
    holds: HoldsKey
    keyGrace: number
    /** Unix milliseconds. */
    now: () => number
    onEvent: (event: GatewayEvent) => void
  },
  signal?: AbortSignal,
): Promise<KeyVerdict> {
  const { store, holds, keyGrace, now, onEvent } = parts
  const { keyHash } = webhook
  if (keyHash !== undefined) {
    const options = { timeout: PATIENCE, ...(signal === undefined ? {} : { signal }) }
    // Only a plain `true` is one: what else a check gives says nothing.
    const held = withDeadline('callers.holds', options, async () => holds(caller, keyHash))
    if ((await held) === true) {
      if (webhook.doubtedAt !== undefined) await store.doubt(caller, { keyHash, at: undefined })
      return 'held'
    }
    const at = now()
    const since = await store.doubt(caller, { keyHash, at })
    // Nothing is kept where the caller has registered another one by now.
    if (since !== undefined && at - since < keyGrace) return 'doubted'
  }
  // The caller may have registered another one by now, with a key that it has.
  const ended = await store.remove(caller, { keyHash })
  if (ended) onEvent({ type: 'webhook.registration', caller, outcome: 'ended' })
  return 'ended'
}

/** Callers whose webhooks are left to gateways that know their keys. */
export type Foreign = {
  add(caller: string): void
  callers(): readonly string[]
}

/** Milliseconds that one is left to others, before it is looked at again. */
const LEFT = 5_000

/** Creates an empty set of them. As many callers as have webhooks are in it at most. */
export function createForeign(now: () => number = () => performance.now()): Foreign {
  const until = new Map<string, number>()
  return {
    add: (caller) => void until.set(caller, now() + LEFT),
    callers() {
      for (const [caller, end] of until) if (end <= now()) until.delete(caller)
      return [...until.keys()]
    },
  }
}
