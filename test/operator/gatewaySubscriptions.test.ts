/** Updates of tasks over real sockets: what is told, to whom, how much, and what becomes of whoever takes nothing. */
import { connect } from 'node:net'
import type { Hex } from 'viem'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { createGatewayClient, type TaskUpdate } from '../../src/gateway/index.js'
import {
  apiKeyCallers,
  createTaskClient,
  type GatewayParameters,
  hashApiKey,
  type TaskClient,
  type TaskProgress,
  type TaskRequest,
  watchGateway,
} from '../../src/operator/index.js'
import { listenGateway } from '../../src/operator/node/index.js'
import { address, client, word } from '../support/attestationWorld.js'
import { createGatewayWorld, operatorOf } from '../support/gatewayWorld.js'

vi.setConfig({ testTimeout: 60_000 })

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

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

async function start(change: Partial<GatewayParameters> = {}, server: { heartbeat?: number } = {}) {
  const made = createGatewayWorld({ callers, ...change })
  closers.push(made.gateway.close)
  const listening = await listenGateway({ gateway: made.gateway, ...server })
  closers.push(() => listening.close(1_000))
  const url = `${listening.url}/rpc`
  const options = (apiKey: string) => ({
    ...{ url, apiKey },
    webSocket: (to: string) => new WebSocket(to) as never,
  })
  const reader = made.world.reader
  const clientOf = (apiKey: string, subscribe = true): TaskClient =>
    createTaskClient({ gateway: options(apiKey), reader, subscribe })
  return { ...made, ...{ listening, url, clientOf, options }, tasks: clientOf('key-of-shop') }
}

/** Waits as long as a slow machine needs. */
const poll: typeof expect.poll = (read) => expect.poll(read, { timeout: 30_000 })

/** A connection that keeps what it is told. */
async function open(url: string, key = 'key-of-shop') {
  const socket = new WebSocket(`${url.replace('http', 'ws').replace('/rpc', '/ws')}?api_key=${key}`)
  const frames: Record<string, never>[] = []
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('error', () => undefined)
  socket.on('message', (data) => frames.push(JSON.parse(String(data))))
  await new Promise((resolve) => socket.on('open', resolve))
  closers.push(async () => socket.terminate())
  const told = (count: number) => poll(() => frames.length).toBeGreaterThanOrEqual(count)
  return { socket, frames, closed, told }
}

const subscribe = (taskId: string, id = 'sub-1'): string =>
  JSON.stringify({ type: 'subscribe', id, method: `newton.task.${taskId}`, params: null })

describe('updates of a task', () => {
  test('default: the client of the current protocol is told of the decision, as newt_getTask tells it', async () => {
    const { tasks, options } = await start()
    const sent = await tasks.sendTask(request)
    const gateway = createGatewayClient(options('key-of-shop'))
    const update = await gateway.waitForTask(`newton.task.${sent.taskId}`)
    const asked = await gateway.request({
      method: 'newt_getTask',
      params: { task_id: sent.taskId },
      retry: 'read',
    })
    expect(update).toMatchObject({ event: 'success', taskId: sent.taskId, data: asked })
    expect(asked).toMatchObject({ state: 'signed', answer: { signers: expect.any(Array) } })
  })

  test('behavior: a watcher is told over the connection, and verifies what it is told', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { tasks, operators, world, gateway } = await start()
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, { before: () => held })
    }
    const sent = await tasks.sendTask(request)
    const seen: TaskProgress[] = []
    const done = new Promise<void>((resolve, reject) => {
      tasks.watchTask({
        sent,
        onProgress: (progress) => {
          seen.push(progress)
          if (progress.state === 'signed') resolve()
        },
        onError: reject,
      })
    })
    await poll(() => gateway.subscriptions.counts()).toEqual({ connections: 1, tasks: 1 })
    release()
    await done
    expect(seen.at(-1)).toMatchObject({ state: 'signed', result: { allowed: true } })
    await poll(() => gateway.subscriptions.counts()).toEqual({ connections: 0, tasks: 0 })
  })

  test('behavior: a failure is told with its fault', async () => {
    const { tasks, operators, world, options } = await start()
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, { scores: [index, 1] })
    }
    const sent = await tasks.sendTask(request)
    const update: TaskUpdate = await createGatewayClient(options('key-of-shop')).waitForTask(
      `newton.task.${sent.taskId}`,
    )
    expect(update).toMatchObject({ event: 'failed', data: { failure: { name: 'INPUTS_DIVERGE' } } })
  })

  test('behavior: on the way to the chain each state is told, the answer once', async () => {
    const chain: { accepted: { messageHash: Hex; final: boolean } | null } = { accepted: null }
    const sink = {
      acceptedResponse: async () => chain.accepted,
      acceptResponse: async () => undefined,
    } as never
    const { tasks, url, store } = await start({ sink, landingInterval: 20 })
    const task = await tasks.sendTask({ ...request, broadcast: true })
    const { socket, frames } = await open(url)
    socket.send(subscribe(task.taskId))
    const event = (name: string) =>
      poll(() => frames.some(({ result }) => result?.['event'] === name)).toBe(true)
    await event('success')
    const { messageHash } = (await store.answer(task.taskId)) as { messageHash: Hex }
    chain.accepted = { messageHash, final: false }
    await event('landed')
    chain.accepted = { messageHash, final: true }
    await event('final')
    const updates = frames.filter(({ result }) => result !== undefined)
    const results = updates.map(
      ({ result }) => result as unknown as { event: string; data: object },
    )
    expect(results.map(({ event }) => event).slice(-2)).toEqual(['landed', 'final'])
    expect(results.filter(({ data }) => 'answer' in data)).toHaveLength(1)
  })

  test('behavior: where there are no sockets, a watcher asks', async () => {
    const made = createGatewayWorld({ callers })
    closers.push(made.gateway.close)
    const listening = await listenGateway({ gateway: made.gateway, sockets: false })
    closers.push(() => listening.close(1_000))
    const gateway = {
      ...{ url: `${listening.url}/rpc`, apiKey: 'key-of-shop' },
      webSocket: (to: string) => new WebSocket(to) as never,
    }
    const tasks = createTaskClient({ gateway, reader: made.world.reader, subscribe: true })
    const sent = await tasks.sendTask(request)
    const { state } = await new Promise<TaskProgress>((resolve, reject) => {
      tasks.watchTask({
        ...{ sent, onError: reject },
        onProgress: (progress) => {
          if (progress.state === 'signed') resolve(progress)
        },
      })
    })
    expect(state).toBe('signed')
  })

  test('error: a watcher takes no answer of another task, and none that does not verify', async () => {
    const { tasks, url, world } = await start()
    const other = await tasks.createTask(request)
    const sent = await tasks.sendTask(request)
    const changes: [string, (text: string) => string][] = [
      ['GATEWAY_ANSWER', (text) => text.replaceAll(sent.taskId, other.taskId)],
      ['GATEWAY_ANSWER', (text) => text.replace('"state":"signed"', '"state":"done"')],
      [
        'ATTESTATION_NOT_VALID',
        (text) =>
          text.replace(/"response":"0x[0-9a-f]+"/, (r) =>
            r.replace(/.{40}"$/, `${'ab'.repeat(20)}"`),
          ),
      ],
    ]
    await tasks.waitForTask(sent)
    for (const [code, change] of changes) {
      let asked = 0
      const liar = createTaskClient({
        reader: world.reader,
        subscribe: true,
        gateway: {
          ...{ url, apiKey: 'key-of-shop' },
          // The first look says that it is not decided yet: all else comes over the connection.
          fetch: async () => {
            asked++
            const id = asked
            const status = {
              ...{ task_id: sent.taskId, state: 'signing' },
              subscription_topic: `newton.task.${sent.taskId}`,
            }
            return new Response(JSON.stringify({ jsonrpc: '2.0', id: String(id), result: status }))
          },
          newId: () => String(asked + 1),
          webSocket: (to) => {
            const socket = new WebSocket(to)
            const like = { send: (text: string) => socket.send(text), close: () => socket.close() }
            const made = Object.assign(like, { onopen: null, onmessage: null } as never) as never
            const at = made as { [name: string]: ((event: unknown) => void) | null }
            socket.on('open', () => at['onopen']?.({}))
            socket.on('message', (data) => at['onmessage']?.({ data: change(String(data)) }))
            socket.on('close', (code) => at['onclose']?.({ code }))
            socket.on('error', () => undefined)
            return made
          },
        },
      })
      const error = await new Promise((resolve, reject) => {
        liar.watchTask({
          ...{ sent, onError: resolve },
          onProgress: ({ state }) => state === 'signed' && reject(new Error('it was believed')),
        })
      })
      expect(error).toMatchObject({ code })
    }
  })
})

describe('who may follow what', () => {
  test('error: a key that is none is refused for good, and so is the task of somebody else', async () => {
    const { tasks, url, options } = await start()
    const { closed } = await open(url, 'another')
    expect(await closed).toBe(4_401)
    const { taskId } = await tasks.sendTask(request)
    const ended = await new Promise((resolve) => {
      createGatewayClient(options('another')).subscribe({
        topic: `newton.task.${taskId}`,
        onUpdate: () => undefined,
        onError: resolve,
      })
    })
    expect(ended).toMatchObject({ code: 'GATEWAY_SUBSCRIPTION' })
    const bank = await open(url, 'key-of-bank')
    bank.socket.send(subscribe(taskId))
    bank.socket.send(subscribe(word(77), 'sub-2'))
    await bank.told(2)
    for (const frame of bank.frames) {
      expect(frame).toMatchObject({ type: 'error', error: { name: 'UNKNOWN_TASK', code: -32_643 } })
    }
  })

  test('behavior: an auditor follows the tasks of all', async () => {
    const { tasks, url } = await start({ auditors: ['bank'] })
    const { taskId } = await tasks.createTask(request)
    const { socket, frames, told } = await open(url, 'key-of-bank')
    socket.send(subscribe(taskId))
    await told(1)
    expect(frames[0]).toMatchObject({ type: 'update', result: { event: 'success' } })
  })

  test('error: frames that are none are answered, and change nothing', async () => {
    const { tasks, url } = await start()
    const { taskId } = await tasks.createTask(request)
    const { socket, frames, told } = await open(url)
    const bad = [
      '{',
      '[]',
      '7',
      '{"type":"subscribe","type":"subscribe","id":"a"}',
      subscribe(taskId.toUpperCase()),
      subscribe('0x12'),
      subscribe(taskId, ''),
      JSON.stringify({ type: 'publish', id: 'a' }),
      JSON.stringify({ ...JSON.parse(subscribe(taskId)), more: 1 }),
      JSON.stringify({ ...JSON.parse(subscribe(taskId)), params: {} }),
    ]
    for (const frame of bad) socket.send(frame)
    socket.send(Buffer.from(subscribe(taskId)), { binary: true })
    await told(bad.length + 1)
    for (const frame of frames) {
      expect(frame).toMatchObject({ type: 'error' })
      expect(JSON.stringify(frame)).toMatch(/PARSE_ERROR|INVALID_REQUEST/)
      expect(JSON.stringify(frame)).not.toMatch(/\bat .*:\d+:\d+|node_modules/)
    }
    socket.send(subscribe(taskId))
    await told(bad.length + 2)
    expect(frames.at(-1)).toMatchObject({ type: 'update' })
    // A frame that is too large ends the connection.
    const large = await open(url)
    large.socket.send('x'.repeat(5_000))
    expect(await large.closed).toBe(1_009)
  })

  test('behavior: a subscription ends when it is taken back', async () => {
    const { tasks, url, gateway, operators, world } = await start()
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, { before: () => new Promise(() => undefined) })
    }
    const { taskId } = await tasks.sendTask({ ...request, timeout: 5_000 })
    const { socket, frames, told } = await open(url)
    socket.send(subscribe(taskId))
    await told(1)
    socket.send(subscribe(taskId))
    await told(2)
    expect(frames[1]).toMatchObject({ error: { name: 'INVALID_REQUEST' } })
    socket.send(JSON.stringify({ type: 'unsubscribe', id: 'sub-1' }))
    await poll(() => gateway.subscriptions.counts().tasks).toBe(0)
  })
})

describe('bounds', () => {
  const held = () => {
    const made = createGatewayWorld()
    const slow = [0, 1, 2, 3].map((index) =>
      operatorOf(made.world, index, { before: () => new Promise(() => undefined) }),
    )
    closers.push(made.gateway.close)
    return slow
  }

  test('error: connections and subscriptions over the bound are refused, of one caller and of all', async () => {
    const subscriptionLimits = {
      ...{ connectionsInAll: 3, connectionsPerCaller: 2, tasksInAll: 3, tasksPerCaller: 2 },
    }
    const { tasks, url, clientOf, gateway } = await start({ subscriptionLimits, operators: held() })
    const refused = (key: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const to = `${url.replace('http', 'ws').replace('/rpc', '/ws')}?api_key=${key}`
        const socket = new WebSocket(to)
        socket.on('error', () => undefined)
        socket.on('unexpected-response', (_, response) => resolve(response.statusCode))
        socket.on('open', () => reject(new Error('it was taken')))
      })
    const first = await open(url)
    await open(url)
    expect(await refused('key-of-shop')).toBe(503)
    const bank = await open(url, 'key-of-bank')
    expect(await refused('key-of-bank')).toBe(503)
    const { taskId } = await tasks.sendTask({ ...request, timeout: 5_000 })
    for (const id of ['a', 'b', 'c']) first.socket.send(subscribe(taskId, id))
    await first.told(3)
    expect(first.frames.filter(({ type }) => type === ('error' as never))).toEqual([
      expect.objectContaining({ error: expect.objectContaining({ name: 'OVERLOADED' }) }),
    ])
    const own = await clientOf('key-of-bank').sendTask({ ...request, timeout: 5_000 })
    for (const id of ['a', 'b']) bank.socket.send(subscribe(own.taskId, id))
    await bank.told(2)
    expect(bank.frames.map(({ type }) => type).sort()).toEqual(['error', 'update'])
    // What is given back can be had again.
    first.socket.close()
    await poll(() => gateway.subscriptions.counts()).toEqual({ connections: 2, tasks: 1 })
    await open(url)
  })

  test('behavior: whoever has no key holds no place of those who have one', async () => {
    const subscriptionLimits = { connectionsInAll: 2 }
    const { url, gateway } = await start({ subscriptionLimits })
    const stranger = (): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
          const asked = 'upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n'
          const key = `sec-websocket-key: ${Buffer.alloc(16).toString('base64')}`
          socket.write(`GET /ws?api_key=bad HTTP/1.1\r\nhost: a\r\n${asked}${key}\r\n\r\n`)
        })
        // It closes nothing itself.
        let text = ''
        socket.on('data', (data) => {
          text += data
        })
        socket.on('close', () => resolve(text.slice(9, 12)))
        socket.on('error', () => undefined)
        closers.push(async () => void socket.destroy())
      })
    const strangers = Array.from({ length: 100 }, stranger)
    const both = [await open(url), await open(url, 'key-of-bank')]
    expect(gateway.subscriptions.counts().connections).toBe(2)
    const answers = await Promise.all(strangers)
    expect(new Set(answers)).toEqual(new Set(['101', '401']))
    // They have left: who comes now is told why by a close code again, as pages need it.
    const { closed } = await open(url, 'another')
    expect(await closed).toBe(4_401)
    expect(both.map(({ socket }) => socket.readyState)).toEqual([1, 1])
    expect(gateway.subscriptions.counts().connections).toBe(2)
  })

  test('error: who sends too much, or takes too little, is cut; others go on', async () => {
    const watched: string[] = []
    const { tasks, url, world, operators, gateway } = await start({
      subscriptionLimits: { perSecond: 1, burst: 70, waitingBytes: 200_000 },
      onEvent: (event) => {
        if (event.type === 'subscriptions.connection') watched.push(event.outcome)
      },
    })
    for (const index of operators.keys()) {
      const answer = { bytes: `0x${'d0'.repeat(60_000)}` as const }
      operators[index] = operatorOf(world, index, {
        answer: (signed) => ({ ...signed, document: { ...answer, signature: signed.signature } }),
      })
    }
    const { taskId } = await tasks.createTask(request)
    const greedy = await open(url)
    greedy.socket.pause()
    for (let id = 0; id < 60; id++) greedy.socket.send(subscribe(taskId, String(id)))
    await poll(() => watched.includes('slow')).toBe(true)
    await poll(() => gateway.subscriptions.counts().connections).toBe(0)
    const noisy = await open(url)
    // More than the burst: what came back meanwhile, a frame a second, is too little on any machine.
    for (let frame = 0; frame < 200; frame++) noisy.socket.send('{')
    expect(await noisy.closed).toBe(1_013)
    expect(watched).toContain('busy')
    expect((await tasks.createTask(request)).allowed).toBe(true)
  })

  test('behavior: heartbeats keep a connection, and end one that does not answer', async () => {
    const { url, gateway } = await start({}, { heartbeat: 200 })
    const { frames, told } = await open(url)
    const deaf = await open(url)
    // A client whose other end is gone: it takes no more frames, so it answers no ping.
    deaf.socket.pause()
    await told(4)
    expect(frames[0]).toEqual({ type: 'heartbeat' })
    await poll(() => gateway.subscriptions.counts().connections).toBe(1)
  })

  test('behavior: a gateway that closes ends its connections, also those that do not answer', async () => {
    const { url, gateway, listening } = await start()
    const { closed } = await open(url)
    const deaf = await open(url)
    deaf.socket.pause()
    const began = Date.now()
    await gateway.close()
    await listening.close(10_000)
    expect(await closed).toBe(1_001)
    expect(Date.now() - began).toBeLessThan(5_000)
  })

  test('behavior: other upgrades are refused, and requests that are half one are ended', async () => {
    const { url } = await start()
    const answer = (path: string, more = ''): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
          socket.write(
            `GET ${path} HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n${more}\r\n`,
          )
        })
        let text = ''
        socket.on('data', (data) => {
          text += data
        })
        socket.on('close', () => resolve(text))
        socket.on('error', () => undefined)
      })
    expect(await answer('/other')).toMatch(/^HTTP\/1\.1 404 /)
    expect(await answer('/ws?api_key=key-of-shop')).toMatch(/^HTTP\/1\.1 4/)
    expect(await answer('//', 'sec-websocket-version: 13\r\n')).toMatch(/^(HTTP\/1\.1 404 |$)/)
  })

  test('behavior: what goes on is counted', async () => {
    const made = createGatewayWorld()
    closers.push(made.gateway.close)
    const watch = watchGateway({ store: made.store, registry: made.world.registry, operators: [] })
    const { tasks, url } = await start({ onEvent: watch.onEvent })
    const { taskId } = await tasks.createTask(request)
    const { socket, told } = await open(url)
    socket.send(subscribe(taskId))
    socket.send(subscribe(word(9), 'b'))
    await told(2)
    const text = await watch.metrics()
    expect(text).toMatch(/^gateway_connections 1$/m)
    expect(text).toMatch(/^gateway_connections_total\{outcome="opened"\} 1$/m)
    expect(text).toMatch(/^gateway_subscriptions_total\{outcome="followed"\} 2$/m)
    expect(text).toMatch(/^gateway_subscriptions_total\{outcome="UNKNOWN_TASK"\} 1$/m)
  })

  test('error: INVALID_INPUT for bounds that are none', () => {
    for (const limits of [{ tasksInAll: 0 }, { connections: 5 }, { burst: Number.NaN }]) {
      expect(() => createGatewayWorld({ subscriptionLimits: limits as never })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })
})
