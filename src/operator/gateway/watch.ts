/** Metrics of a gateway, and whether it can do its work. Labels come from closed sets only. */
import type { Address } from 'viem'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { createMetricsRegistry, type MetricsRegistry } from '../../core/metrics.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { readGivenAddresses } from '../rpc/given.js'
import type { GatewayEvent } from './events.js'
import type { GatewayMethod } from './methods.js'
import { type GatewayStore, taskStates } from './store/store.js'

/** What a gateway's server shows of it. */
export type GatewayWatch = {
  /** Given to `createGateway`. */
  readonly onEvent: (event: GatewayEvent) => void
  /** Text for `/metrics`. */
  metrics(): Promise<string>
  /** What the gateway lacks to do its work, for `/readyz`; nothing where it is ready. */
  ready(): Promise<readonly string[]>
}

const watchOptions: Parameters<typeof assertOptions<Parameters<typeof watchGateway>[0]>>[1] = {
  ...{ store: 'object', registry: 'object', operators: 'list', maxHeadAge: { least: 1 } },
  ...{ metrics: 'object', now: 'function', onEvent: 'function' },
}
const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** Of all methods: one that is left out would be counted as `other`. */
const named: Readonly<Record<GatewayMethod, true>> = {
  ...{ newt_createTask: true, newt_sendTask: true, newt_getTask: true },
  ...{ newt_getSecretsPublicKey: true, newt_storeEncryptedSecrets: true },
  ...{ newt_getSecretsMetadata: true, newt_registerWebhook: true },
  ...{ newt_unregisterWebhook: true, newt_getWebhook: true },
}
const methods: ReadonlySet<string> = new Set(Object.keys(named))
/** Milliseconds for one question of `/readyz`. */
const PATIENCE = 2_000

/**
 * Counts what a gateway does. Made before the gateway, whose `onEvent` it is.
 *
 * @param parameters.operators - Addresses of the operators, in the order of their numbers in labels.
 * @param parameters.maxHeadAge - Seconds that the newest block may be old. @default 300
 * @param parameters.now - Milliseconds. @default Date.now
 * @throws {InvalidInputError} for options that are none.
 * @example
 * ```ts
 * import { createGateway, watchGateway } from '@newton/policy-sdk/operator'
 * import { listenGateway } from '@newton/policy-sdk/operator/node'
 *
 * const watch = watchGateway({ store, registry, operators: addresses })
 * const gateway = createGateway({ registry, tables, operators, store, callers, onEvent: watch.onEvent })
 * await listenGateway({ gateway, metrics: watch.metrics, ready: watch.ready })
 * ```
 */
export function watchGateway(parameters: {
  store: GatewayStore
  registry: Pick<RegistryReader, 'getLatestBlock'>
  operators: readonly Address[]
  maxHeadAge?: number | undefined
  metrics?: MetricsRegistry | undefined
  now?: (() => number) | undefined
  /** Called with each event after it was counted. */
  onEvent?: ((event: GatewayEvent) => void) | undefined
}): GatewayWatch {
  assertMembers('parameters', parameters, ['store', 'registry', 'operators'])
  assertOptions(parameters, watchOptions, { field: 'parameters' })
  const { store, registry, maxHeadAge = 300, now = Date.now } = parameters
  const metrics = parameters.metrics ?? createMetricsRegistry()
  const indices = new Map<string, string>(
    readGivenAddresses('parameters.operators', parameters.operators).map((operator, index) => [
      operator,
      String(index),
    ]),
  )
  const tasks = metrics.gauge('gateway_tasks', 'Tasks that are kept, by state.')
  const ended = metrics.counter('gateway_tasks_ended_total', 'Tasks decided, by outcome.')
  const phase = metrics.histogram(
    'gateway_task_seconds',
    'Seconds from taking a task up to its decision.',
    seconds,
  )
  const calls = metrics.counter('rpc_calls_total', 'Calls by method and outcome.')
  const callSeconds = metrics.histogram('rpc_call_seconds', 'Seconds of a call.', seconds)
  const refused = metrics.counter(
    'gateway_shares_refused_total',
    'What operators did that was not the answer, by operator and fault.',
  )
  const storeFailures = metrics.counter('gateway_store_failures_total', 'Failures of the store.')
  const landingFailures = metrics.counter(
    'gateway_landing_failures_total',
    'Sendings that did not come to an end, and are looked at again.',
  )
  const live = {
    connections: metrics.gauge('gateway_connections', 'Connections that are told of changes.'),
    subscriptions: metrics.gauge('gateway_subscriptions', 'Tasks that connections follow.'),
    came: metrics.counter('gateway_connections_total', 'Connections, by what became of them.'),
    told: metrics.counter('gateway_webhooks_total', 'Attempts of webhooks, by outcome.'),
    hooks: metrics.counter(
      'gateway_webhook_registrations_total',
      'Registrations of webhooks, by what became of them.',
    ),
    waiting: metrics.gauge('gateway_webhooks_waiting', 'Deliveries that wait to be made.'),
    failed: metrics.gauge('gateway_webhooks_failed', 'Deliveries kept that nobody took.'),
    followed: metrics.counter('gateway_subscriptions_total', 'Subscriptions, by outcome.'),
  }
  const count = (event: GatewayEvent): void => {
    if (event.type === 'gateway.call') {
      const method = methods.has(event.method) ? event.method : 'other'
      calls.inc({ method, outcome: event.outcome })
      callSeconds.observe(event.milliseconds / 1_000, { method })
    } else if (event.type === 'task.ended') {
      ended.inc({ outcome: event.outcome })
      phase.observe(event.milliseconds / 1_000)
    } else if (event.type === 'operator.fault') {
      const operator = indices.get(event.operator.toLowerCase()) ?? 'other'
      refused.inc({ operator, fault: event.fault })
    } else if (event.type === 'subscriptions.connection') {
      live.connections.set(event.connections)
      live.came.inc({ outcome: event.outcome })
    } else if (event.type === 'subscriptions.task') {
      live.subscriptions.set(event.subscriptions)
      live.followed.inc({ outcome: event.outcome })
    } else if (event.type === 'webhook.attempt') {
      live.told.inc({ outcome: event.outcome })
    } else if (event.type === 'webhook.registration') {
      live.hooks.inc({ outcome: event.outcome })
    } else if (event.type === 'store.failed') storeFailures.inc()
    else landingFailures.inc()
  }
  return {
    onEvent(event) {
      count(event)
      parameters.onEvent?.(event)
    },
    async metrics() {
      const counts = await store.count()
      const deliveries = await store.webhooks.count()
      live.waiting.set(deliveries.waiting)
      live.failed.set(deliveries.failed)
      for (const state of taskStates) tasks.set(counts[state] ?? 0, { state })
      return metrics.text()
    },
    async ready() {
      const lacks = await Promise.all([
        ask('the store does not answer', async () => {
          await store.count()
          return true
        }),
        ask('the chain does not answer, or its newest block is old', async (io) => {
          const { timestamp } = await registry.getLatestBlock(io)
          return now() / 1_000 - Number(timestamp) <= maxHeadAge
        }),
      ])
      return lacks.filter((lack) => lack !== undefined)
    },
  }
}

async function ask(
  lack: string,
  work: (io: IoOptions) => Promise<boolean>,
): Promise<string | undefined> {
  try {
    const fine = await withDeadline(lack, { timeout: PATIENCE }, (signal) => work({ signal }))
    return fine ? undefined : lack
  } catch {
    return lack
  }
}
