import { connect } from 'node:net'
import type { Address, Hex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { AbstainError, type OutputCommitment } from '../../attestation/index.js'
import { blsKeyFromSeed } from '../../core/bn254/index.js'
import type { Json } from '../../core/canonicalJson.js'
import { computeTaskId, encodeTask, type Task } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { EquivocationRefusedError } from '../errors.js'
import { computeParamsDigest, type OperatorRpcCall, signCall } from '../rpc/auth.js'
import { createOperatorClient, type OperatorClient } from '../rpc/client.js'
import { type RpcFault, rpcFaults } from '../rpc/faults.js'
import { createOperatorRpc, type OperatorRpcParameters, type RpcEvent } from '../rpc/server.js'
import { listenOperator, type OperatorRoutes, type OperatorServer } from './listen.js'

const operator: Address = '0x00000000000000000000000000000000000000b1'
const policyRegistry: Address = '0x00000000000000000000000000000000000000aa'
const chainId = 31_337n
const gateway = privateKeyToAccount(generatePrivateKey())
const word = (text: string): Hex => keccakHex(utf8(text))
const template = word('template')

const task: Task = {
  chainId,
  policyRegistry,
  policyClient: '0x00000000000000000000000000000000000000cc',
  intent: {
    from: '0x00000000000000000000000000000000000000f1',
    to: '0x00000000000000000000000000000000000000f2',
    value: 1n,
    data: '0x',
    chainId,
    functionSignature: '0x',
  },
  wasmArgs: '0x',
  referenceBlock: 10n,
  referenceBlockHash: word('block'),
  nonce: 1n,
}
const commitment: OutputCommitment = {
  operator,
  taskId: word('task'),
  hashes: { [template]: word('output') },
  signature: blsKeyFromSeed(utf8('key')).sign(word('digest')),
}

const servers: OperatorServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(1_000)
})

async function start(
  change: Partial<OperatorRpcParameters> = {},
  routes: Partial<OperatorRoutes> = {},
): Promise<{ url: string; events: RpcEvent[]; client: OperatorClient }> {
  const events: RpcEvent[] = []
  const rpc = createOperatorRpc({
    operator,
    chainId,
    policyRegistry,
    handlers: { newt_fetchPolicyData: async () => commitment },
    allow: ({ caller }) => caller === gateway.address.toLowerCase(),
    onEvent: (event) => events.push(event),
    ...change,
  })
  const server = await listenOperator({ rpc, ...routes })
  servers.push(server)
  const client = clientOf(server.url)
  return { url: server.url, events, client }
}

const clientOf = (
  url: string,
  change: Partial<Parameters<typeof createOperatorClient>[0]> = {},
): OperatorClient =>
  createOperatorClient({
    operator,
    url: `${url}/rpc`,
    account: gateway,
    chainId,
    policyRegistry,
    ...change,
  })

type Raw = { status: number; fault: string; code: number; text: string; retryAfter: string | null }

/** Sends whatever is asked for, signed as asked. */
async function raw(
  url: string,
  options: {
    body?: string | Uint8Array
    params?: Json
    method?: string
    call?: Partial<OperatorRpcCall>
    authorization?: string
    account?: typeof gateway
  } = {},
): Promise<Raw> {
  const params = options.params ?? { task: encodeTask(task) }
  const method = options.method ?? 'newt_fetchPolicyData'
  const call: OperatorRpcCall = {
    operator,
    method,
    paramsHash: computeParamsDigest(params),
    nonce: word(`nonce ${Math.random()}`),
    expiresAt: BigInt(Math.floor(Date.now() / 1_000) + 30),
    ...options.call,
  }
  const authorization =
    options.authorization ??
    (await signCall(options.account ?? gateway, call, { chainId, policyRegistry }))
  const response = await fetch(`${url}/rpc`, {
    method: 'POST',
    headers: authorization === '' ? {} : { authorization },
    body: (options.body ?? JSON.stringify({ jsonrpc: '2.0', id: 'a', method, params })) as string,
  })
  const text = await response.text()
  const { error } = JSON.parse(text) as { error?: { code: number; data: { name: string } } }
  return {
    status: response.status,
    fault: error?.data.name ?? 'ok',
    code: error?.code ?? 0,
    text,
    retryAfter: response.headers.get('retry-after'),
  }
}

const refusedWith = (fault: RpcFault) => ({
  fault,
  code: rpcFaults[fault].code,
  status: rpcFaults[fault].status,
})

describe('listenOperator', () => {
  test('default: a signed call is answered, over a real socket', async () => {
    const seen: unknown[] = []
    const { client, events } = await start({
      handlers: {
        newt_fetchPolicyData: async (params, { caller }) => {
          seen.push(computeTaskId(params.task), caller)
          return commitment
        },
      },
    })
    expect(await client.call('newt_fetchPolicyData', { task })).toEqual(commitment)
    expect(seen).toEqual([computeTaskId(task), gateway.address.toLowerCase()])
    expect(events).toMatchObject([{ method: 'newt_fetchPolicyData', outcome: 'ok' }])
  })

  test('behavior: health, readiness, metrics, deltas', async () => {
    const lacks: string[] = []
    const hash = word('delta')
    const { url } = await start(
      {},
      {
        ready: () => lacks,
        metrics: () => 'tasks 1\n',
        delta: async (asked) => (asked === hash ? utf8('bytes') : undefined),
      },
    )
    const get = async (path: string): Promise<[number, string]> => {
      const response = await fetch(url + path)
      return [response.status, await response.text()]
    }
    expect(await get('/healthz')).toEqual([200, 'ok'])
    expect(await get('/readyz')).toEqual([200, '{"ready":true,"lacks":[]}'])
    lacks.push('the index is behind')
    // An answer is everybody's for a moment.
    await vi.waitFor(
      async () =>
        expect(await get('/readyz')).toEqual([
          503,
          '{"ready":false,"lacks":["the index is behind"]}',
        ]),
      { timeout: 10_000 },
    )
    expect(await get('/metrics')).toEqual([200, 'tasks 1\n'])
    expect(await get(`/deltas/${hash}`)).toEqual([200, 'bytes'])
    expect((await get(`/deltas/${word('other')}`))[0]).toBe(404)
    expect((await get('/deltas/..%2fetc'))[0]).toBe(400)
    expect((await get('/'))[0]).toBe(404)
  })

  test('behavior: a body over the bound is refused, also without a length', async () => {
    const { url } = await start({ limits: { bodyBytes: 2_000 } })
    const large = 'x'.repeat(3_000)
    expect(await raw(url, { body: large })).toMatchObject(refusedWith('TOO_LARGE'))
    // Of a caller it is read up to the bound, of a stranger not at all.
    const call = {
      ...{ operator, method: 'newt_fetchPolicyData', paramsHash: word('params') },
      ...{ nonce: word('nonce'), expiresAt: BigInt(Math.floor(Date.now() / 1_000) + 30) },
    }
    const authorization = await signCall(gateway, call, { chainId, policyRegistry })
    const statuses = []
    for (const headers of [{ authorization }, {}] as Record<string, string>[]) {
      const stream = new ReadableStream({
        pull: (controller) => controller.enqueue(utf8('x'.repeat(1_000))),
      })
      const init = { method: 'POST', body: stream, duplex: 'half', headers } as RequestInit
      statuses.push((await fetch(`${url}/rpc`, init)).status)
    }
    expect(statuses).toEqual([413, 401])
  })

  test('behavior: strangers’ bodies are not read, whatever their header is', async () => {
    const rpc = createOperatorRpc({
      ...{ operator, chainId, policyRegistry },
      handlers: { newt_fetchPolicyData: async () => commitment },
      allow: ({ caller, method }) =>
        caller === gateway.address.toLowerCase() || (method === 'newt_signedRead' && 'guest'),
    })
    const stranger = privateKeyToAccount(generatePrivateKey())
    const sign = (account: typeof gateway, change: Partial<OperatorRpcCall> = {}) =>
      signCall(
        account,
        {
          ...{ operator, method: 'newt_fetchPolicyData', paramsHash: word('params') },
          ...{ nonce: word('nonce'), expiresAt: BigInt(Math.floor(Date.now() / 1_000) + 30) },
          ...change,
        },
        { chainId, policyRegistry },
      )
    let reads = 0
    const outcomeOf = async (authorization: string | undefined, length?: number) => {
      const body = {
        length,
        read: async () => {
          reads++
          return utf8('{}')
        },
      }
      const answer = JSON.parse((await rpc.handle({ body, authorization })).body)
      return answer.error.data.name
    }
    const own = await sign(gateway)
    const foreign = [
      [undefined, 'UNAUTHENTICATED'],
      ['Bearer key', 'UNAUTHENTICATED'],
      // As it was before it named the call.
      [own.split('.').slice(0, 3).join('.'), 'UNAUTHENTICATED'],
      [`OperatorRpcCall 0x${'11'.repeat(64)}1b.${own.split('.').slice(1).join('.')}`],
      [await sign(stranger), 'UNAUTHENTICATED'],
      [await sign(gateway, { operator: policyRegistry }), 'UNAUTHENTICATED'],
      [await sign(gateway, { expiresAt: 1n }), 'CALL_EXPIRED'],
      [own.replace('newt_fetchPolicyData', 'newt_getOutputs'), 'UNAUTHENTICATED'],
      [own.replace(word('params'), word('others')), 'UNAUTHENTICATED'],
      [await sign(stranger, { method: 'constructor' }), 'METHOD_NOT_FOUND'],
    ] as const
    for (const [authorization, fault = 'UNAUTHENTICATED'] of foreign) {
      expect(await outcomeOf(authorization), authorization).toBe(fault)
    }
    // A guest's is read where it is as small as such calls are.
    const guest = await sign(stranger, { method: 'newt_signedRead' })
    expect(await outcomeOf(guest, 4_097)).toBe('TOO_LARGE')
    expect(await outcomeOf(own, 1_048_577)).toBe('TOO_LARGE')
    expect(await outcomeOf(own, Number.NaN)).toBe('TOO_LARGE')
    expect(reads).toBe(0)
    expect(await outcomeOf(guest, 4_096)).toBe('INVALID_REQUEST')
    expect(reads).toBe(1)
  })

  test('behavior: callers’ bodies have room in bytes, too, until they are parsed', async () => {
    const rpc = createOperatorRpc({
      ...{ operator, chainId, policyRegistry },
      handlers: { newt_fetchPolicyData: async () => commitment },
      allow: () => true,
      limits: { bodyBytes: 600, bodyBytesInAll: 1_000 },
    })
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const call = async (length?: number): Promise<string> => {
      const expiresAt = BigInt(Math.floor(Date.now() / 1_000) + 30)
      const signed = { operator, method: 'newt_fetchPolicyData', paramsHash: word('params') }
      const authorization = await signCall(
        gateway,
        { ...signed, nonce: word('nonce'), expiresAt },
        { chainId, policyRegistry },
      )
      const body = { length, read: () => held.then(() => utf8('{}')) }
      return JSON.parse((await rpc.handle({ body, authorization })).body).error.data.name
    }
    // One of 600 that says nothing, one of 400: the third has no room.
    const first = [call(), call(400)]
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await call(1)).toBe('OVERLOADED')
    release()
    expect(await Promise.all(first)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    expect(await call()).toBe('INVALID_REQUEST')
  })

  test('behavior: strangers who ask for readiness and metrics share one answer for a moment', async () => {
    let [asked, measured] = [0, 0]
    const { url } = await start(
      {},
      {
        ready: async () => {
          asked++
          await new Promise((resolve) => setTimeout(resolve, 30))
          if (asked === 1) throw new Error('the database is away')
          return []
        },
        metrics: () => `asked ${++measured}\n`,
      },
    )
    const all = (path: string) =>
      Promise.all(Array.from({ length: 20 }, async () => (await fetch(url + path)).status))
    // A failure is told to those who asked meanwhile, and kept for nobody.
    expect(new Set(await all('/readyz'))).toContain(500)
    const before = asked
    await vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200))
    expect(new Set(await all('/readyz'))).toEqual(new Set([200]))
    expect(asked).toBeLessThan(before + 20)
    await all('/metrics')
    expect(measured).toBeLessThan(20)
  })

  test('behavior: a client that sends half a request is cut', async () => {
    const { url } = await start()
    const started = Date.now()
    await new Promise<void>((resolve) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
        socket.write('POST /rpc HTTP/1.1\r\nhost: a\r\n')
      })
      socket.on('close', () => resolve())
      socket.on('error', () => undefined)
      socket.resume()
    })
    expect(Date.now() - started).toBeLessThan(12_000)
  }, 20_000)

  test('behavior: close waits for a call that runs, and ends one that takes too long', async () => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const handlers = {
      newt_fetchPolicyData: async () => {
        await held
        return commitment
      },
    }
    const { client } = await start({ handlers })
    const call = client.call('newt_fetchPolicyData', { task })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const closing = servers[0]?.close(5_000)
    release()
    expect(await call).toEqual(commitment)
    await closing
    await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
      code: 'OPERATOR_UNREACHABLE',
      retryable: true,
    })
  })

  test('error: INVALID_INPUT for an address that is taken', async () => {
    const { url } = await start()
    const rpc = createOperatorRpc({
      operator,
      chainId,
      policyRegistry,
      handlers: {},
      allow: () => false,
    })
    await expect(listenOperator({ rpc, port: Number(new URL(url).port) })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'port',
    })
  })
})

describe('a call that is refused', () => {
  test.each<[string, Parameters<typeof raw>[1], RpcFault]>([
    ['no JSON', { body: '{' }, 'PARSE_ERROR'],
    ['two members of one name', { body: '{"id":"a","id":"b"}' }, 'PARSE_ERROR'],
    ['no UTF-8', { body: Uint8Array.of(0xff, 0xfe) }, 'PARSE_ERROR'],
    ['a batch', { body: '[]' }, 'INVALID_REQUEST'],
    [
      'another version',
      { body: '{"jsonrpc":"1.0","id":"a","method":"m","params":{}}' },
      'INVALID_REQUEST',
    ],
    [
      'a number for an id',
      { body: '{"jsonrpc":"2.0","id":1,"method":"m","params":{}}' },
      'INVALID_REQUEST',
    ],
    ['a notification', { body: '{"jsonrpc":"2.0","method":"m","params":{}}' }, 'INVALID_REQUEST'],
    [
      'parameters by place',
      { body: '{"jsonrpc":"2.0","id":"a","method":"m","params":[]}' },
      'INVALID_REQUEST',
    ],
    [
      'an unknown member',
      { body: '{"jsonrpc":"2.0","id":"a","method":"m","params":{},"x":1}' },
      'INVALID_REQUEST',
    ],
    ['an unknown method', { method: 'newt_other' }, 'METHOD_NOT_FOUND'],
    ['a name of every object', { method: 'constructor' }, 'METHOD_NOT_FOUND'],
    ['a method that is not offered', { method: 'newt_getOutputs' }, 'METHOD_NOT_FOUND'],
    ['no header', { authorization: '' }, 'UNAUTHENTICATED'],
    ['a header of another kind', { authorization: 'Bearer token' }, 'UNAUTHENTICATED'],
    ['a stranger', { account: privateKeyToAccount(generatePrivateKey()) }, 'UNAUTHENTICATED'],
    ['a call for another operator', { call: { operator: policyRegistry } }, 'UNAUTHENTICATED'],
    ['a call of another method', { call: { method: 'newt_getOutputs' } }, 'UNAUTHENTICATED'],
    ['other parameters', { call: { paramsHash: word('other') } }, 'UNAUTHENTICATED'],
    [
      'one that expired',
      { call: { expiresAt: BigInt(Math.floor(Date.now() / 1_000) - 1) } },
      'CALL_EXPIRED',
    ],
    [
      'one that is valid too long',
      { call: { expiresAt: BigInt(Math.floor(Date.now() / 1_000) + 200) } },
      'CALL_EXPIRED',
    ],
    ['a missing parameter', { params: {} }, 'INVALID_PARAMS'],
    ['an unknown parameter', { params: { task: encodeTask(task), more: 1 } }, 'INVALID_PARAMS'],
    ['a task that is none', { params: { task: '0x1234' } }, 'INVALID_PARAMS'],
    [
      'a task in upper case',
      { params: { task: encodeTask(task).toUpperCase().replace('0X', '0x') } },
      'INVALID_PARAMS',
    ],
    ['a task that is a number', { params: { task: 1 } }, 'INVALID_PARAMS'],
  ])('error: %s', async (_name, options, fault) => {
    const { url } = await start()
    const refused = await raw(url, options)
    expect(refused).toMatchObject(refusedWith(fault))
    expect(refused.text).not.toMatch(/\bat .*:\d+:\d+|node_modules/)
  })

  test('error: a call of another chain or registry is nobody’s', async () => {
    const { url } = await start()
    for (const change of [{ chainId: 1n }, { policyRegistry: operator }]) {
      const client = clientOf(url, change)
      await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
        code: 'OPERATOR_RPC',
        fault: 'UNAUTHENTICATED',
        retryable: false,
      })
    }
  })

  test('error: CALL_REPLAYED for a nonce with other content; the same content is let through', async () => {
    const { url, events } = await start()
    const nonce = word('nonce')
    expect((await raw(url, { call: { nonce } })).fault).toBe('ok')
    expect((await raw(url, { call: { nonce } })).fault).toBe('ok')
    const other = { task: encodeTask({ ...task, nonce: 2n }) }
    expect(
      await raw(url, { call: { nonce, paramsHash: computeParamsDigest(other) }, params: other }),
    ).toMatchObject(refusedWith('CALL_REPLAYED'))
    expect(events.map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'CALL_REPLAYED'])
  })

  test('error: OVERLOADED per caller and in all, with a time, and never a queue', async () => {
    const { client, url } = await start({ limits: { perSecond: 1, burst: 2 } })
    await client.call('newt_fetchPolicyData', { task })
    await client.call('newt_fetchPolicyData', { task })
    await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
      fault: 'OVERLOADED',
      retryable: true,
      retryAfter: expect.any(Number),
    })
    expect((await raw(url)).retryAfter).toMatch(/^\d+$/)

    let running = 0
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const busy = await start({
      limits: { concurrent: 2 },
      handlers: {
        newt_fetchPolicyData: async () => {
          running++
          await held
          return commitment
        },
      },
    })
    const calls = [...Array(5).keys()].map(() => busy.client.call('newt_fetchPolicyData', { task }))
    const settled = Promise.allSettled(calls)
    let refused = 0
    for (const call of calls) {
      void call.catch(({ fault }) => {
        expect(fault).toBe('OVERLOADED')
        refused++
      })
    }
    await vi.waitFor(() => expect(refused).toBe(3), 10_000)
    expect(running).toBe(2)
    release()
    expect((await settled).filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    // The places are free again.
    await busy.client.call('newt_fetchPolicyData', { task })
  })

  test('behavior: guests share the budget of one caller, and nothing is remembered of them', async () => {
    const guests = [0, 1, 2].map(() => privateKeyToAccount(generatePrivateKey()))
    const { client, url } = await start({
      limits: { perSecond: 0.001, burst: 2, nonces: 1 },
      allow: ({ caller }) => caller === gateway.address.toLowerCase() || 'guest',
    })
    const outcomes: string[] = []
    for (const account of guests) outcomes.push((await raw(url, { account })).fault)
    expect(outcomes).toEqual(['ok', 'ok', 'OVERLOADED'])
    // The callers that are listed have their own, and the only nonce that is remembered.
    expect(await client.call('newt_fetchPolicyData', { task })).toEqual(commitment)
  })

  test('behavior: who calls too often fills no places that others are remembered in', async () => {
    const other = privateKeyToAccount(generatePrivateKey())
    const { client, url } = await start({
      limits: { perSecond: 0.001, burst: 2, nonces: 3 },
      allow: () => true,
    })
    const outcomes: string[] = []
    for (let nth = 0; nth < 6; nth++) outcomes.push((await raw(url, { account: other })).fault)
    expect(outcomes).toEqual(['ok', 'ok', ...Array(4).fill('OVERLOADED')])
    expect(await client.call('newt_fetchPolicyData', { task })).toEqual(commitment)
  })

  test('error: TIMED_OUT for a handler that hangs, which is told', async () => {
    let aborted = false
    const { client } = await start({
      limits: { timeout: 100 },
      handlers: {
        newt_fetchPolicyData: (_params, { signal }) =>
          new Promise(() => {
            signal.addEventListener('abort', () => {
              aborted = true
            })
          }),
      },
    })
    await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
      fault: 'TIMED_OUT',
    })
    expect(aborted).toBe(true)
  })

  test('behavior: a caller that goes away is no fault of the operator', async () => {
    let begun = (): void => undefined
    const running = new Promise<void>((resolve) => {
      begun = resolve
    })
    const { client, events } = await start({
      handlers: {
        newt_fetchPolicyData: (_params, { signal }) =>
          new Promise((_, reject) => {
            begun()
            signal.addEventListener('abort', () => reject(signal.reason))
          }),
      },
    })
    const leaving = new AbortController()
    const asked = client.call('newt_fetchPolicyData', { task }, { signal: leaving.signal })
    await running
    leaving.abort()
    await expect(asked).rejects.toThrow()
    await expect.poll(() => events, { timeout: 10_000 }).toHaveLength(1)
    expect(events[0]).toMatchObject({ type: 'rpc.call', outcome: 'TIMED_OUT' })
    expect(events[0]).not.toHaveProperty('error')
  })

  test('error: what a handler throws has its fault; what has none is INTERNAL and says nothing', async () => {
    const errors: [unknown, RpcFault][] = [
      [
        new EquivocationRefusedError({
          kind: 'response',
          key: word('k'),
          recorded: word('a'),
          asked: word('b'),
        }),
        'EQUIVOCATION_REFUSED',
      ],
      [new AbstainError({ templates: [template] }), 'INPUTS_DIVERGE'],
      [new InvalidInputError({ field: '/home/operator/key', reason: 'secret' }), 'INTERNAL'],
      [new TypeError('secret'), 'INTERNAL'],
      ['secret', 'INTERNAL'],
    ]
    for (const [error, fault] of errors) {
      const { url, events } = await start({
        handlers: { newt_fetchPolicyData: () => Promise.reject(error) },
      })
      const refused = await raw(url)
      expect(refused).toMatchObject(refusedWith(fault))
      expect(refused.text).not.toContain('secret')
      expect(events[0]?.error).toBe(fault === 'INTERNAL' ? error : undefined)
    }
  })

  test('behavior: only true allows', async () => {
    for (const answer of [undefined, 'yes', 1, {}]) {
      const { url } = await start({ allow: () => answer as never })
      expect(await raw(url)).toMatchObject(refusedWith('UNAUTHENTICATED'))
    }
  })
})

describe('createOperatorClient', () => {
  const answering = (status: number, body: string | ((id: string) => string)): OperatorClient =>
    clientOf('http://127.0.0.1:1', {
      fetch: (async (_url: string, init: { body: string }) => {
        const { id } = JSON.parse(init.body) as { id: string }
        return new Response(typeof body === 'string' ? body : body(id), { status })
      }) as never,
    })

  test.each<[string, number, string | ((id: string) => string)]>([
    ['no JSON', 200, '<html>'],
    ['nothing', 200, ''],
    ['a list', 200, '[]'],
    ['another id', 200, '{"jsonrpc":"2.0","id":"x","result":{}}'],
    ['no result', 200, (id) => `{"jsonrpc":"2.0","id":"${id}"}`],
    ['a result of another shape', 200, (id) => `{"jsonrpc":"2.0","id":"${id}","result":{}}`],
    [
      'a result with a status of an error',
      500,
      (id) => `{"jsonrpc":"2.0","id":"${id}","result":{}}`,
    ],
    ['an error without a code', 200, (id) => `{"jsonrpc":"2.0","id":"${id}","error":{}}`],
    ['an unknown code', 200, (id) => `{"jsonrpc":"2.0","id":"${id}","error":{"code":-1}}`],
  ])('error: OPERATOR_ANSWER for %s', async (_name, status, body) => {
    await expect(
      answering(status, body).call('newt_fetchPolicyData', { task }),
    ).rejects.toMatchObject({ code: 'OPERATOR_ANSWER' })
  })

  test('error: OPERATOR_ANSWER for an answer without end', async () => {
    const client = clientOf('http://127.0.0.1:1', {
      maxResponseBytes: 10_000,
      fetch: (async () =>
        new Response(
          new ReadableStream({ pull: (controller) => controller.enqueue(utf8('x'.repeat(4_000))) }),
        )) as never,
    })
    await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
      code: 'OPERATOR_ANSWER',
    })
  })

  test('behavior: a connection that fails is tried once more, with the same call', async () => {
    const { url } = await start()
    const headers: string[] = []
    let fails = 1
    const client = clientOf(url, {
      fetch: (async (to: string, init: { headers: { authorization: string } }) => {
        headers.push(init.headers.authorization)
        if (fails-- > 0) throw new TypeError('socket hang up')
        return globalThis.fetch(to, init as never)
      }) as never,
    })
    expect(await client.call('newt_fetchPolicyData', { task })).toEqual(commitment)
    expect(headers[0]).toBe(headers[1])
    fails = 2
    await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
      code: 'OPERATOR_UNREACHABLE',
    })
  })

  test('behavior: a timeout, and the caller’s own reason', async () => {
    const { url } = await start({
      handlers: { newt_fetchPolicyData: () => new Promise(() => undefined) },
    })
    const client = clientOf(url, { timeout: 100 })
    await expect(client.call('newt_fetchPolicyData', { task })).rejects.toMatchObject({
      code: 'OPERATOR_UNREACHABLE',
    })
    const reason = new TypeError('enough')
    const signal = AbortSignal.abort(reason)
    await expect(client.call('newt_fetchPolicyData', { task }, { signal })).rejects.toBe(reason)
  })

  test.each(['ftp://a', 'nonsense', 'http://user:secret@a'])(
    'error: INVALID_INPUT for %s',
    (url) => {
      expect(() =>
        createOperatorClient({ operator, url, account: gateway, chainId, policyRegistry }),
      ).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    },
  )
})

test('error: a server is not created with options that are none', () => {
  const whole = { operator, chainId, policyRegistry, handlers: {}, allow: () => true }
  const slips = [
    ['limits.persecond', { limits: { persecond: 5 } }],
    ['limits', { limits: 5 }],
    ['limits.burst', { limits: { burst: Number.NaN } }],
    ['parameters.allow', { allow: undefined }],
    ['parameters.allow', { allow: true }],
    ['parameters.handlers', { handlers: undefined }],
  ] as const
  for (const [field, change] of slips) {
    const given = { ...whole, ...change } as unknown as OperatorRpcParameters
    expect(() => createOperatorRpc(given)).toThrow(`\`${field}\` is not valid`)
  }
})
