/** A webhook goes with the key that registered it. */
import type { CallerCheck } from '../callers.js'
import type { GatewayEvent } from '../events.js'
import type { StoredWebhook, WebhookStore } from '../store/webhooks.js'

/**
 * Ends a webhook whose key is no longer the caller's. `false`: it may be told.
 *
 * Whoever had a key that was taken away would go on reading every task of its caller.
 */
export async function endWithoutKey(
  { caller, webhook }: { caller: string; webhook: StoredWebhook },
  parts: {
    store: Pick<WebhookStore, 'remove'>
    callers: CallerCheck
    onEvent: (event: GatewayEvent) => void
  },
): Promise<boolean> {
  const { store, callers, onEvent } = parts
  if (callers.holds === undefined) return false
  const { keyHash } = webhook
  if (keyHash !== undefined && (await callers.holds(caller, keyHash))) return false
  // The caller may have registered another one by now, with a key that it has.
  const ended = await store.remove(caller, { keyHash })
  if (ended) onEvent({ type: 'webhook.registration', caller, outcome: 'ended' })
  return true
}
