/** The real gateway in this process, over mock operators; reached by a `fetch` that leaves no process. */
import { assertObject } from '../../internal/options.js'
import {
  anyCaller,
  createGateway,
  createTaskClient,
  type Gateway,
  type GatewayParameters,
  memoryGatewayStore,
  type TaskClient,
} from '../../operator/index.js'
import { createResponseSink } from '../../registry/index.js'
import type { MockOperators } from './operators.js'
import type { MockRegistries } from './registries.js'

/** Options of {@link mockGateway}. */
export type MockGatewayOptions = {
  registries: MockRegistries
  operators: MockOperators
  /** Where it is said to be. @default 'https://gateway.mock/rpc' */
  url?: string | undefined
  callers?: GatewayParameters['callers'] | undefined
}

/** A gateway that tests ask. */
export type MockGateway = {
  readonly url: string
  /** Answers requests to `url`; give it to `createGatewayClient`, or to a page. */
  readonly fetch: typeof globalThis.fetch
  readonly gateway: Gateway
  /** A client of it that verifies every answer at level `result`. */
  readonly tasks: TaskClient
  /** Hands back what it works on, and stops. */
  close(): Promise<void>
}

/**
 * Starts a gateway over mock operators. It is the real one: requests, refusals, errors and answers are
 * those that a page gets.
 *
 * @example
 * ```ts
 * import { mockGateway, mockOperators, mockRegistries } from '@newton/policy-sdk/testing'
 *
 * const registries = await mockRegistries()
 * const operators = await mockOperators({ registries })
 * const { policyClient } = await registries.addPolicy()
 * const gateway = mockGateway({ registries, operators })
 * const { intent } = await registries.makeTask({ policyClient })
 * const { allowed } = await gateway.tasks.createTask({ policyClient, intent })
 * await gateway.close()
 * ```
 */
export function mockGateway(options: MockGatewayOptions): MockGateway {
  assertObject('options', options)
  const { registries, operators, url = 'https://gateway.mock/rpc' } = options
  assertObject('registries', registries)
  assertObject('operators', operators)
  const gateway = createGateway({
    registry: registries.reader,
    tables: operators.tables,
    operators: operators.clients,
    store: memoryGatewayStore(),
    callers: options.callers ?? anyCaller(),
    sink: createResponseSink({
      client: registries.client.as(9),
      addresses: registries.addresses,
      finality: 'latest',
    }),
    ...{ landingInterval: 20, pollInterval: 50 },
    // Nothing is mined by itself here: what is accepted must not name the newest block.
    referenceDelay: 1n,
  })
  const answering: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.url !== new URL(url).href) return new Response('not found', { status: 404 })
    if (request.method !== 'POST') return new Response('not allowed', { status: 405 })
    const answer = await gateway.rpc.handle({
      body: new Uint8Array(await request.arrayBuffer()),
      authorization: request.headers.get('authorization'),
      signal: request.signal,
    })
    const headers = new Headers({ 'content-type': 'application/json' })
    if (answer.retryAfter !== undefined) {
      headers.set('retry-after', String(Math.ceil(answer.retryAfter / 1_000)))
    }
    return new Response(answer.body, { status: answer.status, headers })
  }
  return {
    url,
    fetch: answering,
    gateway,
    tasks: createTaskClient({ gateway: { url, fetch: answering }, reader: operators.reader }),
    close: gateway.close,
  }
}
