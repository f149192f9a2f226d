/** A webhook goes with the key that registered it. */
import { withDeadline } from '../../../internal/deadline.js'
import type { HoldsKey } from '../callers.js'
import type { GatewayEvent } from '../events.js'
import type { StoredWebhook, WebhookStore } from '../store/webhooks.js'

/** Milliseconds for a check of callers to say what became of a key. */
const PATIENCE = 10_000

/**
 * Ends a webhook whose key is no longer the caller's. `false`: it may be told.
 *
 * Whoever had a key that was taken away would go on reading every task of its caller.
 */
export async function endWithoutKey(
  { caller, webhook }: { caller: string; webhook: StoredWebhook },
  parts: {
    store: Pick<WebhookStore, 'remove'>
    holds: HoldsKey
    onEvent: (event: GatewayEvent) => void
  },
  signal?: AbortSignal,
): Promise<boolean> {
  const { store, holds, onEvent } = parts
  const { keyHash } = webhook
  if (keyHash !== undefined) {
    const options = { timeout: PATIENCE, ...(signal === undefined ? {} : { signal }) }
    // Only a plain `true` is one: what else a check gives says nothing.
    const held = withDeadline('callers.holds', options, async () => holds(caller, keyHash))
    if ((await held) === true) return false
  }
  // The caller may have registered another one by now, with a key that it has.
  const ended = await store.remove(caller, { keyHash })
  if (ended) onEvent({ type: 'webhook.registration', caller, outcome: 'ended' })
  return true
}
