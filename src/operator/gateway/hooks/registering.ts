/** Where callers want to be told, as they say it. */
import type { Json } from '../../../core/canonicalJson.js'
import { InvalidInputError } from '../../../errors/common.js'
import { refuse } from '../../rpc/envelope.js'
import { rpcFaults } from '../../rpc/faults.js'
import { readList, readMembers } from '../../rpc/fields.js'
import { type HoldsKey, hashCredential } from '../callers.js'
import type { GatewayEvent } from '../events.js'
import type { StoredWebhook, WebhookStore } from '../store/webhooks.js'
import { judgeKey } from './keys.js'
import { readWebhookUrl } from './urls.js'

/** Names of the methods. */
export type WebhookMethod = 'newt_registerWebhook' | 'newt_unregisterWebhook' | 'newt_getWebhook'

/** Answers them. */
export type WebhookHandlers = Readonly<
  Record<
    WebhookMethod,
    (
      params: Json,
      context: { caller: string; authorization: string | null | undefined },
    ) => Promise<Json>
  >
>

/** Most attempts after the first, and most seconds for one. */
const [MOST_RETRIES, MOST_SECONDS] = [12, 30]

/** Creates the methods by which callers say where they are told. */
export function createWebhookMethods(parameters: {
  store: WebhookStore
  holds: HoldsKey
  /** Milliseconds that a webhook outlives its key at all gateways. */
  keyGrace: number
  /** Ports that URLs may name. */
  ports: readonly number[]
  now: () => number
  onEvent: (event: GatewayEvent) => void
}): WebhookHandlers {
  const { store, ports, now, onEvent } = parameters
  return {
    newt_registerWebhook: async (params, { caller, authorization }) => {
      const read = readWebhook(params, ports)
      const keyHash = hashCredential(authorization)
      const replaced = await store.set(caller, { ...read, keyHash, registeredAt: now() })
      if (replaced === 'full') {
        const detail = 'as many callers as may have webhooks have one'
        throw refuse('OVERLOADED', detail, { by: 'gateway', retryAfter: 60_000 })
      }
      const outcome = replaced ? 'replaced' : 'registered'
      onEvent({ type: 'webhook.registration', caller, outcome })
      return { success: true, message: 'tasks of this caller are told there from now on' }
    },
    newt_getWebhook: async (params, { caller }) => {
      readMembers(params, 'params', { required: [] })
      const webhook = await store.find(caller)
      if (webhook === undefined) return { webhook: null }
      const key = await judgeKey({ caller, webhook }, parameters)
      return { webhook: key === 'held' ? writeWebhook(webhook) : null }
    },
    newt_unregisterWebhook: async (params, { caller }) => {
      readMembers(params, 'params', { required: [] })
      const had = await store.remove(caller)
      if (had) onEvent({ type: 'webhook.registration', caller, outcome: 'removed' })
      return { success: had, message: had ? 'nothing is told there any more' : 'there was none' }
    },
  }
}

/** A webhook as its caller sees it: without the secret. */
function writeWebhook({ url, timeout, retries, failures, registeredAt }: StoredWebhook): Json {
  return {
    ...{ url, timeout_seconds: timeout / 1_000, max_retries: retries },
    ...(failures === undefined ? {} : { failure_types: [...failures] }),
    registered_at: registeredAt,
  }
}

/** Reads a webhook. @throws {InvalidInputError} naming the member. */
function readWebhook(
  params: Json,
  ports: readonly number[],
): Omit<StoredWebhook, 'keyHash' | 'registeredAt'> {
  const { url, secret, ...more } = readMembers(params, 'params', {
    required: ['url', 'secret'],
    optional: ['timeout_seconds', 'max_retries', 'failure_types'],
  })
  const { timeout_seconds: seconds = 10, max_retries: retries = 3, failure_types: types } = more
  // What is told travels with a signature by it: a short one is guessed from one delivery.
  if (typeof secret !== 'string' || !/^[\x21-\x7e]{16,256}$/.test(secret)) {
    throw bad(
      'secret',
      'expected 16 to 256 visible ASCII characters, which deliveries are signed with',
    )
  }
  if (typeof seconds !== 'number' || !(seconds >= 1 && seconds <= MOST_SECONDS)) {
    throw bad('timeout_seconds', `expected 1 to ${MOST_SECONDS}`)
  }
  if (
    !Number.isInteger(retries) ||
    !((retries as number) >= 0 && (retries as number) <= MOST_RETRIES)
  ) {
    throw bad('max_retries', `expected 0 to ${MOST_RETRIES}`)
  }
  return {
    ...{ url: readWebhookUrl(url, ports), secret, timeout: Math.round(seconds * 1_000) },
    retries: retries as number,
    failures: types === undefined ? undefined : readFaults(types),
  }
}

function readFaults(value: Json): readonly string[] {
  return readList(value, 'params.failure_types', 64).map((name) => {
    if (typeof name === 'string' && Object.hasOwn(rpcFaults, name)) return name
    throw bad('failure_types', 'expected names of faults')
  })
}

function bad(name: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field: `params.${name}`, reason })
}
