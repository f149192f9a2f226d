/** Webhooks of a gateway over real sockets: what is told, how often, to whom never, and what it costs others. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { guardedFetch } from '../../src/da/node/index.js'
import { createGatewayClient, verifyWebhook } from '../../src/gateway/index.js'
import {
  anyCaller,
  apiKeyCallers,
  createGateway,
  createTaskClient,
  type GatewayEvent,
  type GatewayParameters,
  hashApiKey,
  memoryGatewayStore,
  type TaskRequest,
  watchGateway,
} from '../../src/operator/index.js'
import { listenGateway } from '../../src/operator/node/index.js'
import { address, client } from '../support/attestationWorld.js'
import { newTask } from '../support/gatewayStoreSuite.js'
import { createGatewayWorld, operatorOf } from '../support/gatewayWorld.js'

vi.setConfig({ testTimeout: 60_000 })

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
const poll: typeof expect.poll = (read) => expect.poll(read, { timeout: 30_000 })

const secret = 'a-secret-of-the-shop'
const callers = apiKeyCallers({
  shop: [hashApiKey('key-of-shop')],
  bank: [hashApiKey('key-of-bank')],
})
const request: TaskRequest = {
  policyClient: client,
  intent: {
    ...{ from: address(5), to: address(6), value: 7n, data: '0x' },
    ...{ chainId: 31_337n, functionSignature: '0x' },
  },
}

type Told = { path: string; body: string; headers: IncomingMessage['headers'] }

/** A server of a caller, and the way to it: the name of a public host that leads here. */
async function receiver(answer: (told: Told, response: ServerResponse) => void) {
  const told: Told[] = []
  const server = createServer((asked, response) => {
    const parts: Buffer[] = []
    asked.on('data', (part: Buffer) => parts.push(part))
    asked.on('end', () => {
      const body = Buffer.concat(parts).toString()
      const one = { path: asked.url ?? '', body, headers: asked.headers }
      told.push(one)
      answer(one, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const loose = guardedFetch({ isForbidden: () => false })
  const fetch = (url: string, init: RequestInit): Promise<Response> =>
    loose(`http://127.0.0.1:${port}${new URL(url).pathname}`, init)
  return { told, fetch, port }
}

type Hooks = NonNullable<GatewayParameters['webhooks']>

async function start(webhooks: Hooks, change: Partial<GatewayParameters> = {}) {
  const events: GatewayEvent[] = []
  const made = createGatewayWorld({
    callers,
    webhooks: { pollInterval: 20, ...webhooks },
    onEvent: (event) => events.push(event),
    ...change,
  })
  closers.push(made.gateway.close)
  const server = await listenGateway({ gateway: made.gateway })
  closers.push(() => server.close(1_000))
  const url = `${server.url}/rpc`
  const of = (apiKey: string) => ({
    hooks: createGatewayClient({ url, apiKey, retries: 0 }),
    tasks: createTaskClient({ gateway: { url, apiKey }, reader: made.world.reader }),
  })
  const attempts = () => events.filter((event) => event.type === 'webhook.attempt')
  return { ...made, url, events, attempts, of, ...of('key-of-shop') }
}

const register = { url: 'https://shop.example/hook', secret }

describe('a webhook', () => {
  test('default: a decision is told as newt_getTask tells it, signed, once', async () => {
    const { told, fetch } = await receiver((_, response) => response.writeHead(204).end())
    const { hooks, tasks, attempts } = await start({ fetch })
    expect(await hooks.registerWebhook(register)).toMatchObject({ success: true })
    const { taskId } = await tasks.createTask(request)
    await poll(() => attempts().length).toBe(1)
    expect(told).toHaveLength(1)
    const { body, headers, path } = told[0] as Told
    expect(path).toBe('/hook')
    expect(headers['x-newton-delivery']).toBe(`${taskId}:signed`)
    const signature = String(headers['x-newton-signature'])
    expect(await verifyWebhook({ body, signature, secret })).toBe(true)
    expect(await verifyWebhook({ body: `${body} `, signature, secret })).toBe(false)
    expect(await verifyWebhook({ body, signature, secret: `${secret}x` })).toBe(false)
    for (const bad of [null, undefined, '', 'sha256=', signature.slice(7), `${signature}00`]) {
      expect(await verifyWebhook({ body, signature: bad, secret })).toBe(false)
    }
    const asked = await hooks.request({
      ...{ method: 'newt_getTask', params: { task_id: taskId }, retry: 'read' },
    })
    expect(JSON.parse(body)).toMatchObject({ event: 'success', task_id: taskId, data: asked })
    // What it says is not believed, and can be verified by its id.
    expect(await tasks.readTask(JSON.parse(body).task_id)).toMatchObject({
      result: { allowed: true },
    })
  })

  test('behavior: failures are told by fault, and nothing after it was taken back', async () => {
    const { told, fetch } = await receiver((_, response) => response.end())
    const { hooks, tasks, operators, world, attempts } = await start({ fetch })
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, { scores: [index, 1] })
    }
    const fails = () =>
      expect(tasks.createTask(request)).rejects.toMatchObject({ fault: 'INPUTS_DIVERGE' })
    await hooks.registerWebhook({ ...register, failureTypes: ['NO_QUORUM'] })
    await fails()
    await hooks.registerWebhook({ ...register, failureTypes: ['NO_QUORUM', 'INPUTS_DIVERGE'] })
    await fails()
    await poll(() => attempts().length).toBe(1)
    expect(JSON.parse((told[0] as Told).body)).toMatchObject({
      ...{ event: 'failed', data: { state: 'failed', failure: { name: 'INPUTS_DIVERGE' } } },
    })
    expect(await hooks.unregisterWebhook()).toMatchObject({ success: true })
    expect(await hooks.unregisterWebhook()).toMatchObject({ success: false })
    await fails()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(told).toHaveLength(1)
  })

  test('behavior: what is not taken comes again with the same bytes, up to an end', async () => {
    const { told, fetch } = await receiver(({ path }, response) => {
      response.writeHead(path === '/gone' ? 410 : told.length < 2 ? 500 : 200).end()
    })
    const { hooks, tasks, attempts, store } = await start({ fetch })
    await hooks.registerWebhook(register)
    await tasks.createTask(request)
    await poll(() => attempts().map(({ outcome }) => outcome)).toEqual(['retried', 'delivered'])
    expect(new Set(told.map(({ body }) => body)).size).toBe(1)
    expect(new Set(told.map(({ headers }) => headers['x-newton-signature'])).size).toBe(1)
    await hooks.registerWebhook({ ...register, url: 'https://shop.example/gone' })
    await tasks.createTask(request)
    await poll(() => attempts().at(-1)).toMatchObject({ outcome: 'failed', status: 410 })
    expect(await store.webhooks.count()).toEqual({ waiting: 0, failed: 1 })
  })

  test('behavior: what was to be told when a gateway ended is told by the next one', async () => {
    const shared = memoryGatewayStore()
    const store = { ...shared, close: async () => undefined }
    const { told, fetch } = await receiver((_, response) => response.end())
    const cut = async (): Promise<never> => {
      throw new TypeError('no connection')
    }
    const first = await start({ fetch: cut }, { store })
    await first.hooks.registerWebhook(register)
    await first.tasks.createTask(request)
    await poll(() => first.attempts().length).toBe(1)
    await first.gateway.close()
    await start({ fetch }, { store })
    await poll(() => told.length).toBe(1)
  })

  test('behavior: redirects are not followed, and a receiver that never ends its answer is left', async () => {
    const other = await receiver((_, response) => response.end())
    const { told, fetch } = await receiver(({ path }, response) => {
      if (path === '/endless') {
        response.writeHead(200)
        response.write('x'.repeat(100_000))
      } else response.writeHead(302, { location: `http://127.0.0.1:${other.port}/` }).end()
    })
    const { hooks, tasks, attempts } = await start({ fetch })
    await hooks.registerWebhook({ ...register, maxRetries: 0 })
    await tasks.createTask(request)
    await poll(() => attempts().at(-1)).toMatchObject({ outcome: 'failed', status: 302 })
    expect([told.length, other.told.length]).toEqual([1, 0])
    await hooks.registerWebhook({ ...register, url: 'https://shop.example/endless' })
    await tasks.createTask(request)
    await poll(() => attempts().at(-1)).toMatchObject({ outcome: 'delivered', status: 200 })
  })

  test('error: what leads to this machine or its network is never connected to', async () => {
    const { told, port } = await receiver((_, response) => response.end())
    const fetch = guardedFetch({ resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
    const { hooks, tasks, attempts } = await start({ fetch, ports: [port, 443] })
    await hooks.registerWebhook({
      ...register,
      url: `https://inside.example:${port}/`,
      maxRetries: 0,
    })
    await tasks.createTask(request)
    await poll(() => attempts().at(-1)).toMatchObject({ outcome: 'failed', status: undefined })
    expect(told).toEqual([])
    for (const url of [
      'https://127.0.0.1/',
      'https://10.0.0.1/',
      'https://[::1]/',
      'https://[::ffff:10.0.0.1]/',
      'https://169.254.169.254/latest',
    ]) {
      await expect(hooks.registerWebhook({ ...register, url }), url).rejects.toMatchObject({
        message: expect.stringContaining('public address'),
      })
    }
  })

  test('behavior: a receiver that is slow holds up neither tasks nor others', async () => {
    const { told, fetch } = await receiver(({ path }, response) => {
      // It answers once: from then on its caller has two at a time.
      if (path !== '/slow' || told.length === 1) response.end()
    })
    const { hooks, tasks, of, attempts } = await start({ fetch, concurrent: 8, perCaller: 2 })
    await hooks.registerWebhook({
      ...register,
      url: 'https://shop.example/slow',
      timeoutSeconds: 30,
    })
    await tasks.createTask(request)
    await poll(() => attempts().map(({ caller }) => caller)).toEqual(['shop'])
    const bank = of('key-of-bank')
    await bank.hooks.registerWebhook({ ...register, url: 'https://bank.example/quick' })
    for (let nth = 0; nth < 4; nth++)
      expect(await tasks.createTask(request)).toMatchObject({ allowed: true })
    await bank.tasks.createTask(request)
    await poll(() => attempts().map(({ caller }) => caller)).toEqual(['shop', 'bank'])
    expect(told.filter(({ path }) => path === '/slow')).toHaveLength(1 + 2)
  })

  test('behavior: many receivers that never answer hold up nobody whose receiver does', async () => {
    const warnings: string[] = []
    const warn = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', warn)
    closers.push(async () => void process.off('warning', warn))
    const { told, fetch } = await receiver(({ path }, response) => {
      if (path !== '/silent') response.end()
    })
    const names = Array.from({ length: 12 }, (_, nth) => `caller-${nth}`)
    const many = apiKeyCallers(
      Object.fromEntries([...names, 'quick'].map((name) => [name, [hashApiKey(name)]])),
    )
    const { store, attempts } = await start({ fetch }, { callers: many })
    const fail = async (caller: string, times: number): Promise<void> => {
      const failure = { fault: 'NO_QUORUM', detail: 'none' } as const
      await store.webhooks.set(caller, {
        ...{ url: `https://a.example/${caller === 'quick' ? caller : 'silent'}`, secret },
        ...{ timeout: 30_000, retries: 12, failures: undefined },
        ...{ keyHash: hashApiKey(caller), registeredAt: 1 },
      })
      for (let nth = 0; nth < times; nth++) {
        const task = newTask({ caller })
        await store.insert(task, { owner: 'me', lease: 60_000 })
        await store.advance({ taskId: task.taskId, fence: 1 }, { state: 'failed', failure })
      }
    }
    for (const name of names) await fail(name, 8)
    await poll(() => told.length).toBe(12)
    await fail('quick', 20)
    await poll(() => attempts().length).toBe(20)
    expect(attempts().every(({ caller }) => caller === 'quick')).toBe(true)
    expect(told.filter(({ path }) => path === '/silent')).toHaveLength(12)
    expect(warnings).toEqual([])
  })

  test('behavior: a webhook ends with the key that registered it', async () => {
    const store = memoryGatewayStore()
    const { told, fetch } = await receiver((_, response) => response.end())
    const keys = (...shop: string[]) =>
      apiKeyCallers({ shop: shop.map(hashApiKey), bank: [hashApiKey('key-of-bank')] })
    const leaked = await start({ fetch }, { store, callers: keys('leaked', 'other') })
    await leaked.of('other').hooks.registerWebhook(register)
    await leaked.of('leaked').hooks.registerWebhook({ ...register, url: 'https://thief.example/' })
    const of = (made: typeof leaked, key: string) => (method: string) =>
      made.of(key).hooks.request({ method, params: {}, retry: 'read' } as never)
    expect(await of(leaked, 'other')('newt_getWebhook')).toEqual({
      webhook: {
        ...{ url: 'https://thief.example/', timeout_seconds: 10, max_retries: 3 },
        registered_at: expect.any(Number),
      },
    })
    expect(await of(leaked, 'key-of-bank')('newt_getWebhook')).toEqual({ webhook: null })
    const registrations = (made: typeof leaked) =>
      made.events.flatMap((one) => (one.type === 'webhook.registration' ? one.outcome : []))
    expect(registrations(leaked)).toEqual(['registered', 'replaced'])
    await leaked.gateway.close()
    // The key is another caller's now: that is no key of this one.
    for (const callers of [
      keys('other', 'new'),
      apiKeyCallers({ shop: [hashApiKey('new')], bank: [hashApiKey('leaked')] }),
    ]) {
      const held = { url: 'https://thief.example/', secret, timeout: 1_000, retries: 0 }
      const of = { failures: undefined, keyHash: hashApiKey('leaked'), registeredAt: 1 }
      await store.webhooks.set('shop', { ...held, ...of })
      const mended = await start({ fetch, keyGrace: 1 }, { store, callers })
      await mended.of('new').tasks.createTask(request)
      await poll(() => registrations(mended)).toEqual(['ended'])
      expect(await store.webhooks.find('shop')).toBeUndefined()
      expect(await store.webhooks.count()).toEqual({ waiting: 0, failed: 0 })
      await mended.gateway.close()
    }
    expect(told).toEqual([])
    // What is registered with a key that stays is told; what is kept without one is not.
    const { hooks, tasks, attempts } = await start({ fetch }, { store })
    await hooks.registerWebhook({ ...register, failureTypes: ['NO_QUORUM'] })
    const own = await hooks.request({ method: 'newt_getWebhook', params: {}, retry: 'read' })
    expect(own).toMatchObject({ webhook: { url: register.url, failure_types: ['NO_QUORUM'] } })
    expect(JSON.stringify(own)).not.toContain(secret)
    await tasks.createTask(request)
    await poll(() => attempts().map(({ outcome }) => outcome)).toEqual(['delivered'])
    const webhook = await store.webhooks.find('shop')
    expect(webhook).toMatchObject({ keyHash: hashApiKey('key-of-shop') })
    await store.webhooks.set('shop', { ...webhook, keyHash: undefined } as never)
    expect(await hooks.request({ method: 'newt_getWebhook', params: {}, retry: 'read' })).toEqual({
      webhook: null,
    })
    expect(await store.webhooks.find('shop')).toBeUndefined()
  })

  test('behavior: keys that are given to gateways one after another end no webhook', async () => {
    const store = { ...memoryGatewayStore(), close: async () => undefined }
    const { told, fetch } = await receiver((_, response) => response.end())
    const keys = (...shop: string[]) => apiKeyCallers({ shop: shop.map(hashApiKey) })
    const registrations = (made: Awaited<ReturnType<typeof start>>) =>
      made.events.flatMap((one) => (one.type === 'webhook.registration' ? one.outcome : []))
    // The next one has the new key alone; this one does not know it yet.
    const next = await start({ fetch, concurrent: 1 }, { store, callers: keys('new') })
    const old = await start({ fetch: async () => new Response() }, { store, callers: keys('old') })
    await next.of('new').hooks.registerWebhook({ ...register, maxRetries: 0 })
    for (let nth = 0; nth < 5; nth++) await old.of('old').tasks.createTask(request)
    await poll(() => told.length).toBe(5)
    expect([registrations(old), old.attempts()]).toEqual([[], []])
    const own = { method: 'newt_getWebhook', params: {}, retry: 'read' } as const
    expect(await old.of('old').hooks.request(own)).toEqual({ webhook: null })
    expect(await next.of('new').hooks.request(own)).toMatchObject({
      webhook: { url: register.url },
    })
    expect(await store.webhooks.find('shop')).not.toHaveProperty('doubtedAt')
    // Known by nobody any more, it is told by nobody, and ends after the time for it.
    await next.gateway.close()
    await old.gateway.close()
    const last = await start({ fetch }, { store, callers: keys('last') })
    await last.of('last').tasks.createTask(request)
    await poll(async () => (await store.webhooks.find('shop'))?.doubtedAt).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(registrations(last)).toEqual([])
    await last.gateway.close()
    const hours = { now: () => Date.now() + 3_600_001 }
    const ending = await start({ fetch }, { store, callers: keys('last'), ...hours })
    await poll(() => registrations(ending)).toEqual(['ended'])
    expect(told).toHaveLength(5)
  })

  test('error: callers that let anybody in, or cannot say what became of a key, have no webhooks', async () => {
    const webhooks = { fetch: async () => new Response() }
    const refused = (given: unknown, field: string): void => {
      const parts = { callers: given as typeof callers, webhooks }
      expect(() => createGatewayWorld(parts)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', field }),
      )
    }
    refused(anyCaller(), 'webhooks')
    // What is around a check says nothing of it any more.
    for (const inner of [callers, anyCaller()]) {
      refused((given: string | null | undefined) => inner(given), 'callers.holds')
      refused(inner.bind(undefined), 'callers.holds')
    }
    for (const holds of [undefined, null, true, 'yes', {}]) {
      refused(
        Object.assign(() => 'shop', { holds }),
        'callers.holds',
      )
    }
    expect(() => createGatewayWorld({ callers: () => 'shop', webhooks })).toThrow(
      /Object\.assign\(own, \{ holds: keys\.holds \}\)/,
    )
    await createGatewayWorld({ callers: () => 'shop' }).gateway.close()
  })

  test('behavior: a check of one’s own hands on what it is around; what says no plain yes ends', async () => {
    const { told, fetch } = await receiver((_, response) => response.end())
    const own = Object.assign((given: string | null | undefined) => callers(given), {
      holds: callers.holds,
    })
    const { hooks, tasks, store } = await start({ fetch }, { callers: own })
    await hooks.registerWebhook(register)
    expect(await store.webhooks.find('shop')).toMatchObject({ keyHash: hashApiKey('key-of-shop') })
    await tasks.createTask(request)
    await poll(() => told.length).toBe(1)
    for (const answer of ['yes', 1, {}, undefined]) {
      const vague = Object.assign(callers.bind(undefined), { holds: () => answer as never })
      const made = await start({ fetch, keyGrace: 1 }, { callers: vague })
      await made.hooks.registerWebhook(register)
      await made.tasks.createTask(request)
      await poll(() => made.store.webhooks.find('shop')).toBeUndefined()
    }
    expect(told).toHaveLength(1)
  })

  test('behavior: a check of another kind of header is asked by the hash of all of it', async () => {
    const { told, fetch } = await receiver((_, response) => response.end())
    const asked: string[] = []
    const known = new Set(['Basic c2hvcDpr'])
    const basic = Object.assign(
      (given: string | null | undefined) => (known.has(given ?? '') ? 'shop' : undefined),
      {
        holds: async (_caller: string, keyHash: string) => {
          asked.push(keyHash)
          return [...known].some((one) => hashApiKey(one) === keyHash)
        },
      },
    )
    const { url, store, gateway } = await start({ fetch, keyGrace: 1 }, { callers: basic })
    const call = (method: string, params: object) =>
      globalThis.fetch(url, {
        method: 'POST',
        headers: { authorization: 'Basic c2hvcDpr', 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: '1', method, params }),
      })
    await call('newt_registerWebhook', register)
    expect(await store.webhooks.find('shop')).toBeDefined()
    await gateway.send(request, { caller: 'shop' })
    await poll(() => told.length).toBe(1)
    expect(new Set(asked)).toEqual(new Set([hashApiKey('Basic c2hvcDpr')]))
    known.clear()
    await gateway.send(request, { caller: 'shop' })
    await poll(() => store.webhooks.find('shop')).toBeUndefined()
    expect(told).toHaveLength(1)
  })

  test('error: a URL names a port that the gateway tells on, looked at again before each attempt', async () => {
    const { told, fetch } = await receiver((_, response) => response.end())
    const plain = await start({ fetch })
    const at = (port: string) => ({ ...register, url: `https://shop.example${port}/hook` })
    for (const port of ['', ':443', ':8443']) await plain.hooks.registerWebhook(at(port))
    for (const port of [':80', ':22', ':25', ':442', ':65535', ':0']) {
      await expect(plain.hooks.registerWebhook(at(port)), port).rejects.toMatchObject({
        rpcCode: -32_602,
      })
    }
    await expect(plain.hooks.registerWebhook(at(':25'))).rejects.toThrow(/port 443, 8443/)
    await plain.gateway.close()
    // Allowed once, and no more: nothing is connected to, and the delivery has failed at once.
    const store = memoryGatewayStore()
    const wide = await start({ fetch, ports: [9_443] }, { store })
    await expect(wide.hooks.registerWebhook(at(''))).rejects.toThrow(/port 9443/)
    await wide.hooks.registerWebhook(at(':9443'))
    await wide.tasks.createTask(request)
    await poll(() => told.length).toBe(1)
    await wide.gateway.close()
    const narrow = await start({ fetch }, { store })
    await narrow.tasks.createTask(request)
    await poll(() => narrow.attempts()).toMatchObject([{ outcome: 'failed', status: undefined }])
    expect(told).toHaveLength(1)
    for (const ports of [[], [0], [65_536], [1.5], ['443'], 443, Array(65).fill(443)]) {
      expect(() => createGatewayWorld({ callers, webhooks: { fetch, ports } as never })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })

  test('error: webhooks that are none are refused by member; nobody without a key has one', async () => {
    const { fetch } = await receiver((_, response) => response.end())
    const { hooks, of, store } = await start({ fetch })
    const params = { url: register.url, secret }
    const bad: [string, object][] = [
      ['url', { ...params, url: 'http://shop.example/' }],
      ['url', { ...params, url: 'https://user:word@shop.example/' }],
      ['url', { ...params, url: `https://shop.example/${'x'.repeat(2_100)}` }],
      ['url', { ...params, url: 7 }],
      ['url', { ...params, url: `https://shop.example/${'ü'.repeat(1_000)}` }],
      ['secret', { ...params, secret: 'short' }],
      ['secret', { url: register.url }],
      ['timeout_seconds', { ...params, timeout_seconds: 31 }],
      ['max_retries', { ...params, max_retries: 1.5 }],
      ['max_retries', { ...params, max_retries: 13 }],
      ['failure_types', { ...params, failure_types: ['constructor'] }],
      ['failure_types', { ...params, failure_types: 'NO_QUORUM' }],
      ['more', { ...params, more: 1 }],
    ]
    for (const [member, given] of bad) {
      const asked = hooks.request({ method: 'newt_registerWebhook', params: given as never })
      await expect(asked, JSON.stringify(given)).rejects.toMatchObject({
        ...{ rpcCode: -32_602, message: expect.stringContaining(member) },
        message: expect.not.stringContaining(secret),
      })
    }
    await expect(of('another').hooks.registerWebhook(register)).rejects.toMatchObject({
      code: 'GATEWAY_AUTH',
    })
    expect(await store.webhooks.remove('shop')).toBe(false)
  })

  test('behavior: a gateway that sends none has no such method; attempts are counted', async () => {
    const { fetch } = await receiver((_, response) => response.end())
    const made = createGatewayWorld({ callers })
    closers.push(made.gateway.close)
    const server = await listenGateway({ gateway: made.gateway })
    closers.push(() => server.close(1_000))
    const hooks = createGatewayClient({ url: `${server.url}/rpc`, apiKey: 'key-of-shop' })
    await expect(hooks.registerWebhook(register)).rejects.toMatchObject({ rpcCode: -32_601 })
    for (const change of [{ concurrent: 0 }, { fetch: 7 }, { retries: 3 }]) {
      expect(() =>
        createGateway({ ...made.parameters, webhooks: { fetch, ...change } as never }),
      ).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    }
    const store = memoryGatewayStore()
    const watch = watchGateway({ store, registry: made.world.registry, operators: [] })
    const started = await start({ fetch }, { store, onEvent: watch.onEvent })
    await started.hooks.registerWebhook(register)
    await started.tasks.createTask(request)
    await poll(watch.metrics).toMatch(/^gateway_webhooks_total\{outcome="delivered"\} 1$/m)
    expect(await watch.metrics()).toMatch(/^gateway_webhooks_waiting 0$/m)
  })
})
