import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type GatewayServer, startGatewayServer } from '../../test/support/gatewayServer.js'
import {
  createGatewayClient,
  type GatewayClient,
  type SubscribeParameters,
  type TaskUpdate,
  type WebSocketLike,
} from './index.js'

const apiKey = 'sk-very+secret/key=1'
const topic = `newton.task.0x${'ab'.repeat(32)}`
const update = (event: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    type: 'update',
    subscription: 'sub-1',
    result: { event, task_id: '0xab', timestamp: 1, data: null, ...more },
  })

let server: GatewayServer
let gateway: GatewayClient
beforeEach(async () => {
  server = await startGatewayServer()
  gateway = createGatewayClient({
    url: server.url,
    apiKey,
    webSocket: (url) => new WebSocket(url) as unknown as WebSocketLike,
  })
})
afterEach(() => server.close())

/** Follows the topic until it ends, and gives all that was seen. */
function follow(
  parameters: Partial<SubscribeParameters> = {},
): Promise<{ updates: TaskUpdate[]; events: string[]; error: unknown }> {
  const updates: TaskUpdate[] = []
  const events: string[] = []
  return new Promise((resolve) => {
    gateway.subscribe({
      topic,
      reconnectDelay: () => 1,
      onUpdate: (one) => {
        updates.push(one)
        if (['success', 'failed', 'failure', 'timeout'].includes(one.event))
          resolve({ updates, events, error: undefined })
      },
      onEvent: (event) => events.push(event.type),
      onError: (error) => resolve({ updates, events, error }),
      ...parameters,
    })
  })
}

describe('subscriptions', () => {
  test('subscribe to the topic, keep the port, and end with the task', async () => {
    const frames: unknown[] = []
    server.sockets.push((socket) => {
      socket.on('message', (data) => {
        frames.push(JSON.parse(String(data)))
        socket.send(update('processing', { data: { progress: 50 } }))
        socket.send(update('success', { timestamp: 2 }))
        socket.send(update('late'))
      })
    })
    const { updates, events } = await follow()
    expect(frames).toEqual([{ type: 'subscribe', id: 'sub-1', method: topic, params: null }])
    expect(updates).toEqual([
      { event: 'processing', taskId: '0xab', timestamp: 1, data: { progress: 50 } },
      { event: 'success', taskId: '0xab', timestamp: 2, data: null },
    ])
    expect(events).toEqual(['connected'])
    const url = new URL(server.connections[0]?.url as string, 'ws://x')
    expect(url.pathname).toBe('/ws')
    expect(url.searchParams.get('api_key')).toBe(apiKey)
  })

  test('come back after a lost connection, and tell it', async () => {
    server.sockets.push(
      (socket) =>
        socket.on('message', () => {
          socket.send(update('processing'))
          socket.terminate()
        }),
      (socket) => socket.close(1011),
      (socket) =>
        socket.on('message', () => {
          socket.send(update('processing'))
          socket.send(update('success'))
        }),
    )
    const { updates, events } = await follow()
    // What the gateway repeats after a reconnection is told once.
    expect(updates.map((one) => one.event)).toEqual(['processing', 'success'])
    expect(events.filter((event) => event === 'disconnected')).toHaveLength(2)
    expect(events.at(-1)).toBe('reconnected')
    expect(server.connections).toHaveLength(3)
  })

  test('take silence for a dead connection', async () => {
    server.sockets.push(
      () => undefined,
      (socket) => socket.on('message', () => socket.send(update('success'))),
    )
    const { updates } = await follow({ idleTimeout: 40 })
    expect(updates).toHaveLength(1)
    expect(server.connections).toHaveLength(2)
  })

  test('read past frames that are not theirs', async () => {
    server.sockets.push((socket) => {
      socket.on('message', () => {
        for (const frame of [
          'not json',
          '5',
          'null',
          '{}',
          JSON.stringify({ type: 'ping' }),
          'x'.repeat(1_000_001),
        ])
          socket.send(frame)
        socket.send(update('success').replace('sub-1', 'sub-2'))
        socket.send(JSON.stringify({ type: 'update', subscription: 'sub-1', result: { event: 5 } }))
        socket.send(JSON.stringify({ type: 'update', subscription: 'sub-1' }))
        socket.send(Buffer.from([1, 2, 3]))
        socket.send(update('failed'))
      })
    })
    const { updates, events } = await follow()
    expect(updates.map((one) => one.event)).toEqual(['failed'])
    expect(events.filter((event) => event === 'unreadable')).toHaveLength(7)
  })

  test.each<[string, (server: GatewayServer) => void, string]>([
    ['a refused key', (s) => s.sockets.push((socket) => socket.close(1008)), 'API key'],
    [
      'an error frame',
      (s) =>
        s.sockets.push((socket) =>
          socket.on('message', () =>
            socket.send(JSON.stringify({ type: 'error', message: apiKey })),
          ),
        ),
      'refused',
    ],
    [
      'a server that always hangs up',
      (s) => s.sockets.push((socket) => socket.terminate()),
      'closed',
    ],
  ])('error: %s', async (_name, misbehave, said) => {
    misbehave(server)
    const { error } = await follow({ maxFailures: 3 })
    expect(error).toMatchObject({
      name: 'GatewaySubscriptionError',
      code: 'GATEWAY_SUBSCRIPTION',
      retryable: true,
    })
    expect((error as Error).message).toContain(said)
    expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('secret')
  })

  test('error: nobody there, or a platform that cannot', async () => {
    const refuse = (): WebSocketLike => {
      throw new SyntaxError(`bad URL with ${apiKey}`)
    }
    for (const webSocket of [
      refuse,
      () => new WebSocket('ws://127.0.0.1:1/ws') as unknown as WebSocketLike,
    ]) {
      gateway = createGatewayClient({ url: server.url, apiKey, webSocket })
      const { error } = await follow({ maxFailures: 2 })
      expect(error).toMatchObject({ name: 'GatewaySubscriptionError' })
      expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('secret')
    }
  })

  test('a run of failures starts anew once the gateway answers', async () => {
    let connections = 0
    server.sockets.push((socket) => {
      socket.on('message', () => {
        socket.send(update('processing', { timestamp: ++connections }))
        if (connections === 6) socket.send(update('success'))
        else setTimeout(() => socket.terminate(), 5)
      })
    })
    const { updates } = await follow({ maxFailures: 3 })
    expect(updates).toHaveLength(7)
  })

  test('stopping stops: no update, no error, no connection', async () => {
    const seen: unknown[] = []
    server.sockets.push((socket) =>
      socket.on('message', () => setTimeout(() => socket.send(update('success')), 20)),
    )
    const stop = gateway.subscribe({
      topic,
      onUpdate: (one) => seen.push(one),
      onError: (error) => seen.push(error),
    })
    setTimeout(stop, 10)
    await new Promise((resolve) => setTimeout(resolve, 60))
    stop()
    expect(seen).toEqual([])
    expect(server.connections.length).toBeLessThanOrEqual(1)
  })
})

describe('waitForTask', () => {
  test('gives the update that ends the task', async () => {
    server.sockets.push((socket) =>
      socket.on('message', () => {
        socket.send(update('processing'))
        socket.send(update('timeout'))
      }),
    )
    expect(await gateway.waitForTask(topic)).toMatchObject({ event: 'timeout' })
  })

  test('error: a timeout, a cancellation, a refusal', async () => {
    server.sockets.push(() => undefined)
    await expect(gateway.waitForTask(topic, { timeout: 30 })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    const reason = new Error('user left')
    await expect(gateway.waitForTask(topic, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 10)
    await expect(gateway.waitForTask(topic, { signal: controller.signal })).rejects.toBe(reason)
    server.sockets.splice(0, 1, (socket) => socket.close(1008))
    await expect(gateway.waitForTask(topic)).rejects.toMatchObject({
      name: 'GatewaySubscriptionError',
    })
  })

  test('error: a platform without sockets', async () => {
    gateway = createGatewayClient({ url: server.url, apiKey })
    const saved = globalThis.WebSocket
    Reflect.deleteProperty(globalThis, 'WebSocket')
    try {
      await expect(gateway.waitForTask(topic)).rejects.toMatchObject({ field: 'webSocket' })
      expect(() => gateway.subscribe({ topic, onUpdate: () => undefined })).toThrow('webSocket')
    } finally {
      if (saved !== undefined) globalThis.WebSocket = saved
    }
  })
})
