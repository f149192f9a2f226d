/** A gateway over its HTTP server: what it takes, what it keeps, what it answers, and who believes it. */
import { readFileSync } from 'node:fs'
import { fromHex, type Hex, toHex } from 'viem'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { verifyTaskAttestation } from '../../src/attestation/index.js'
import { decodeDigestPreimage, encodeDigestPreimage } from '../../src/core/digest.js'
import { encodeEvaluationResult, evaluateResult } from '../../src/core/evaluationResult.js'
import type { ResponseSink } from '../../src/core/index.js'
import { createMetricsRegistry } from '../../src/core/metrics.js'
import { computeMessageHash, decodeResponse, encodeResponse } from '../../src/core/response.js'
import { decodeTask, encodeTask } from '../../src/core/task.js'
import {
  anyCaller,
  apiKeyCallers,
  createGateway,
  createTaskClient,
  type EvaluateAndSignParams,
  type GatewayParameters,
  type GatewayStore,
  hashApiKey,
  memoryGatewayStore,
  OperatorRpcError,
  type RpcFault,
  type StoredTask,
  type TaskClient,
  type TaskProgress,
  type TaskRequest,
  watchGateway,
} from '../../src/operator/index.js'
import { listenGateway } from '../../src/operator/node/index.js'
import { ContractRevertError, RpcError } from '../../src/registry/index.js'
import { address, client, pcr0, word } from '../support/attestationWorld.js'
import { createGatewayWorld, operatorOf } from '../support/gatewayWorld.js'

vi.setConfig({ testTimeout: 120_000 })

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Waits as long as a slow machine needs. */
const poll: typeof expect.poll = (read) => expect.poll(read, { timeout: 60_000 })

type Started = ReturnType<typeof createGatewayWorld> & { url: string; tasks: TaskClient }

async function start(change: Partial<GatewayParameters> = {}): Promise<Started> {
  const made = createGatewayWorld(change)
  closers.push(made.gateway.close)
  const server = await listenGateway({ gateway: made.gateway })
  closers.push(() => server.close(1_000))
  const url = `${server.url}/rpc`
  const tasks = createTaskClient({ gateway: { url }, reader: made.world.reader })
  return { ...made, url, tasks }
}

const request: TaskRequest = {
  policyClient: client,
  intent: {
    from: address(5),
    to: address(6),
    value: 7n,
    data: '0x',
    chainId: 31_337n,
    functionSignature: '0x',
  },
  timeout: 60_000,
}
const wire = {
  policy_client: client,
  intent: {
    ...{ from: address(5), to: address(6), value: '0x7', data: '0x' },
    ...{ chain_id: '0x7a69', function_signature: '0x' },
  },
}

async function call(
  url: string,
  { method = 'newt_sendTask', params = wire as object, headers = {}, body = '' } = {},
): Promise<{ status: number; result?: never; error?: { code: number; data: object } }> {
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: body || JSON.stringify({ jsonrpc: '2.0', id: 'a', method, params }),
  })
  return { status: response.status, ...((await response.json()) as object) }
}

describe('createTaskClient', () => {
  test('default: a task from its request to a decision that was verified down to a re-run', async () => {
    const { tasks, store } = await start({ pcr0Commitment: pcr0 })
    const task = await tasks.createTask({ ...request, wasmArgs: '0x7b7d' })
    expect(task).toMatchObject({ allowed: true, state: 'signed', task: { wasmArgs: '0x7b7d' } })
    expect(task.signers.length).toBeGreaterThanOrEqual(3)
    expect(task.response.pcr0Commitment).toBe(pcr0)
    expect(await store.count()).toEqual({ signed: 1 })
  })

  test('behavior: a deny is a decision', async () => {
    const { tasks, world, operators } = await start()
    for (const index of operators.keys())
      operators[index] = operatorOf(world, index, { scores: [99, 1] })
    expect(await tasks.createTask(request)).toMatchObject({ allowed: false })
  })

  test('behavior: a task is sent, watched and waited for', async () => {
    const { tasks } = await start()
    const sent = await tasks.sendTask(request)
    const seen: TaskProgress[] = []
    await new Promise<void>((resolve, reject) => {
      tasks.watchTask({
        sent,
        onProgress: (progress) => {
          seen.push(progress)
          if (progress.state === 'signed') resolve()
        },
        onError: reject,
      })
    })
    expect(seen.at(-1)).toMatchObject({ state: 'signed', result: { allowed: true } })
    expect(await tasks.waitForTask(sent)).toMatchObject({ taskId: sent.taskId, allowed: true })
  })

  test('error: INVALID_INPUT for what was kept of a task and lost a part, however it did', async () => {
    const { tasks } = await start()
    const sent = await tasks.sendTask(request)
    const { since: _since, ...without } = sent
    const kept = JSON.parse(
      JSON.stringify(sent, (_name, value) => (typeof value === 'bigint' ? String(value) : value)),
    )
    const sinces = [undefined, null, Number.NaN, 0, 110, '', 'abc', '110', {}, [], true, -1n]
    const broken: unknown[] = [
      ...[undefined, null, {}, 'text', 7, without, kept, { ...sent, request: undefined }],
      ...sinces.map((since) => ({ ...sent, since })),
      ...[undefined, null, '0x', 7, '0x12'].map((taskId) => ({ ...sent, taskId })),
      ...[null, {}, { ...request, intent: null }, { ...request, policyClient: 7 }].map((one) => ({
        ...sent,
        request: one,
      })),
    ]
    const refused = { code: 'INVALID_INPUT' }
    for (const one of broken) {
      const given = one as typeof sent
      await expect(tasks.waitForTask(given)).rejects.toMatchObject(refused)
      await expect(tasks.waitForAnswer(given)).rejects.toMatchObject(refused)
      const watch = () =>
        tasks.watchTask({ sent: given, onProgress: () => undefined, onError: () => undefined })
      expect(watch).toThrow(expect.objectContaining(refused))
    }
    for (const none of [undefined, null, {}, '0x', 7]) {
      const given = none as never
      await expect(tasks.getAnswer(given)).rejects.toMatchObject(refused)
      await expect(tasks.readTask(given)).rejects.toMatchObject(refused)
      await expect(tasks.sendTask(given)).rejects.toMatchObject(refused)
      expect(() => tasks.createTask(given)).toThrow(expect.objectContaining(refused))
      expect(() => tasks.watchTask(given)).toThrow(expect.objectContaining(refused))
    }
    // Too old for when it was asked for, and what is whole.
    const late = tasks.waitForTask({ ...sent, since: sent.since + 100_000n })
    await expect(late).rejects.toMatchObject({ code: 'GATEWAY_ANSWER' })
    const taskId = `0x${sent.taskId.slice(2).toUpperCase()}` as const
    expect(await tasks.waitForTask({ ...sent, taskId })).toMatchObject({ allowed: true })
  })

  test('behavior: a watcher is told of a failure, and of nothing after it was stopped', async () => {
    const { tasks, world, operators } = await start()
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, { scores: [index, 1] })
    }
    const sent = await tasks.sendTask(request)
    const failed = await new Promise<TaskProgress>((resolve, reject) => {
      tasks.watchTask({
        sent,
        onProgress: (progress) => {
          if (progress.state === 'failed') resolve(progress)
        },
        onError: reject,
      })
    })
    expect(failed).toMatchObject({ error: { fault: 'INPUTS_DIVERGE' } })
    const stop = tasks.watchTask({
      sent,
      onProgress: () => expect.unreachable(),
      onError: () => expect.unreachable(),
    })
    stop()
    await expect(tasks.waitForTask(sent)).rejects.toMatchObject({ fault: 'INPUTS_DIVERGE' })
  })

  /** A gateway that answers with what `change` makes of the honest status. */
  async function lying(change: (status: Record<string, unknown>) => unknown): Promise<TaskClient> {
    const { url, world } = await start()
    return createTaskClient({
      reader: world.reader,
      gateway: {
        url,
        fetch: async (...asked) => {
          const response = await fetch(...asked)
          const { result, ...rest } = (await response.json()) as { result: Record<string, unknown> }
          return new Response(JSON.stringify({ ...rest, result: change(result) }))
        },
      },
    })
  }

  test('error: GATEWAY_ANSWER for what is no answer, or one to another request', async () => {
    const { tasks } = await start()
    const other = await tasks.createTask({ ...request, intent: { ...request.intent, value: 1n } })
    const lies: [string, (status: Record<string, unknown>) => unknown][] = [
      ['a number', () => 7],
      ['no such state', (status) => ({ ...status, state: 'done' })],
      ['a failure without its reason', (status) => ({ ...status, state: 'failed' })],
      [
        'a failure of a decision',
        (status) => ({
          ...status,
          failure: { code: 1, name: 'NO_QUORUM', message: 'few', retryable: true },
        }),
      ],
      ['no answer', ({ answer: _, ...status }) => status],
      [
        'the task of somebody else',
        (status) => ({
          ...status,
          answer: { ...(status['answer'] as object), task: encodeTask(other.task) },
        }),
      ],
      ['a member too many', (status) => ({ ...status, verified: true })],
    ]
    for (const [name, change] of lies) {
      const liar = await lying(change)
      await expect(liar.createTask(request), name).rejects.toMatchObject({ code: 'GATEWAY_ANSWER' })
    }
  })

  test('error: NOT_READY where the policy is younger than the reference block, and not that there is none', async () => {
    // The policy is current since block 40, and the head is block 110.
    const { tasks } = await start({ referenceDelay: 80n })
    await expect(tasks.createTask(request)).rejects.toMatchObject({
      ...{ fault: 'NOT_READY', retryable: true },
      message: expect.stringContaining('became current after block 30'),
    })
  })

  test('error: GATEWAY_ANSWER for a reference block that was old when it was asked', async () => {
    const { tasks, world } = await start({ referenceDelay: 50n })
    world.state.head = 200n
    await expect(tasks.createTask(request)).rejects.toMatchObject({
      code: 'GATEWAY_ANSWER',
      message: expect.stringContaining('too old'),
    })
  })

  test('error: ATTESTATION_NOT_VALID for a decision that nobody signed', async () => {
    const liar = await lying((status) => {
      const answer = status['answer'] as { response: Hex }
      const signed = decodeResponse(answer.response)
      const response = encodeResponse({
        ...signed,
        evaluationResult: encodeEvaluationResult(!evaluateResult(signed.evaluationResult)),
      })
      return { ...status, answer: { ...answer, response } }
    })
    await expect(liar.createTask(request)).rejects.toMatchObject({ code: 'ATTESTATION_NOT_VALID' })
  })

  test('behavior: reasons and signers of a verified answer are not the gateway’s to tell', async () => {
    const { tasks } = await start()
    const honest = await tasks.createTask(request)
    const liar = await lying((status) => ({
      ...status,
      answer: {
        ...(status['answer'] as object),
        ...{ reasons: ['approved: see http://evil.example'], signers: [0] },
      },
    }))
    const verified = await liar.createTask(request)
    expect(verified.reasons).toEqual(honest.reasons)
    expect(verified.signers).toEqual(honest.signers)
    expect(verified.signers.length).toBeGreaterThan(1)
    const preimage = await lying((status) => {
      const answer = status['answer'] as { preimage: Hex }
      const changed = decodeDigestPreimage(fromHex(answer.preimage, 'bytes'))
      const policyInstanceId = `0x${'ee'.repeat(32)}` as const
      const bytes = encodeDigestPreimage({ ...changed, policyInstanceId })
      return { ...status, answer: { ...answer, preimage: toHex(bytes) } }
    })
    await expect(preimage.createTask(request)).rejects.toMatchObject({
      ...{ code: 'GATEWAY_ANSWER', message: expect.stringContaining('preimage') },
    })
  })

  test('behavior: an answer is had unverified, where it is the answer to what was asked', async () => {
    const { tasks, world } = await start()
    const honest = await tasks.createTask(request)
    const forged = encodeResponse({ ...honest.response, inputsHash: `0x${'07'.repeat(32)}` })
    const liar = await lying((status) =>
      'answer' in status
        ? { ...status, answer: { ...(status['answer'] as object), response: forged } }
        : status,
    )
    const answer = await liar.waitForAnswer(await liar.sendTask(request))
    expect('allowed' in answer).toBe(false)
    expect(await verifyTaskAttestation({ reader: world.reader, ...answer })).toMatchObject({
      status: 'reject',
    })
    const other = await tasks.sendTask({ ...request, intent: { ...request.intent, value: 1n } })
    await expect(tasks.waitForAnswer({ ...other, request })).rejects.toMatchObject({
      code: 'GATEWAY_ANSWER',
    })
  })

  test('behavior: an answer is had by the id of its task alone, and no other is taken for it', async () => {
    const { tasks } = await start()
    const { taskId, response } = await tasks.createTask(request)
    expect(await tasks.getAnswer(taskId)).toMatchObject({ taskId, response, state: 'signed' })
    await expect(tasks.getAnswer(word(9))).rejects.toMatchObject({ fault: 'UNKNOWN_TASK' })
    let swapped: Hex | undefined
    const liar = await lying((status) =>
      swapped === undefined
        ? status
        : { ...status, answer: { ...(status['answer'] as object), task: swapped } },
    )
    const asked = await liar.createTask(request)
    const other = await liar.createTask({ ...request, intent: { ...request.intent, value: 1n } })
    swapped = encodeTask(other.task)
    await expect(liar.getAnswer(asked.taskId)).rejects.toMatchObject({
      code: 'GATEWAY_ANSWER',
      message: expect.stringContaining('another task'),
    })
  })

  test('error: INVALID_INPUT for a reader that cannot re-run, and for a request that is none', async () => {
    const { tasks, world, url } = await start()
    for (const part of ['artifacts', 'certificates', 'replayer']) {
      const reader = { ...world.reader, [part]: undefined }
      expect(() => createTaskClient({ gateway: { url }, reader })).toThrow(`reader.${part}`)
    }
    const misspelled = { gateway: { url }, reader: world.reader, maxReferenceAges: 5n }
    expect(() => createTaskClient(misspelled)).toThrow('maxReferenceAges')
    const documents = { verifyDocument: async () => ({ status: 'valid' }) as never }
    expect(() =>
      createTaskClient({ gateway: { url }, reader: { ...world.reader, documents } }),
    ).toThrow('tables')
    for (const change of [{ timeout: 1 }, { requestId: 'a b' }, { policyClient: '0x12' as Hex }]) {
      expect(() => tasks.createTask({ ...request, ...change })).toThrow(/is not valid/)
    }
  })

  test('behavior: an answer that is lost makes no second task', async () => {
    const { url, world, store } = await start()
    let lost = 0
    const tasks = createTaskClient({
      reader: world.reader,
      gateway: {
        url,
        fetch: async (...asked) => {
          const response = await fetch(...asked)
          if (lost++ === 0) throw new TypeError('the connection was lost')
          return response
        },
      },
    })
    expect(await tasks.createTask(request)).toMatchObject({ allowed: true })
    expect(await store.count()).toEqual({ signed: 1 })
  })
})

describe('createGateway', () => {
  const calls = {
    'a body that is no JSON': [400, 'PARSE_ERROR', { body: '{' }],
    'no JSON-RPC': [400, 'INVALID_REQUEST', { body: '{"id":"a"}' }],
    'an unknown method': [404, 'METHOD_NOT_FOUND', { method: 'newt_drain' }],
    'a member too many': [400, 'INVALID_PARAMS', { params: { ...wire, quorum_number: '00' } }],
    'an intent without a member': [400, 'INVALID_PARAMS', { params: { ...wire, intent: {} } }],
    'a quantity with a leading zero': [
      400,
      'INVALID_PARAMS',
      { params: { ...wire, intent: { ...wire.intent, value: '0x07' } } },
    ],
    'a timeout of an hour': [400, 'INVALID_PARAMS', { params: { ...wire, timeout: 3_600 } }],
    'a body that is too large': [413, 'TOO_LARGE', { body: ' '.repeat(1_048_577) }],
    'an intent for another chain': [
      200,
      'FOREIGN_CHAIN',
      { params: { ...wire, intent: { ...wire.intent, chain_id: '0x1' } } },
    ],
    'a task that it does not have': [
      200,
      'UNKNOWN_TASK',
      { method: 'newt_getTask', params: { task_id: word(1) } },
    ],
    'a wait of an hour': [
      400,
      'INVALID_PARAMS',
      { method: 'newt_getTask', params: { task_id: word(1), wait: 3_600 } },
    ],
    'a client without a policy': [
      200,
      'EVALUATION_FAILED',
      { params: { ...wire, policy_client: address(0xc2) } },
    ],
  } as const
  test('error: each bad call has its code and its name', async () => {
    const { url, events } = await start()
    for (const [name, [status, fault, change]] of Object.entries(calls)) {
      const answer = await call(url, change)
      expect({ name, status: answer.status, data: answer.error?.data }).toMatchObject({
        name,
        status,
        data: { name: fault },
      })
      expect(events.at(-1)).toMatchObject({ type: 'gateway.call', outcome: fault })
    }
  })

  test('error: what no operator could decide is answered before any is asked', async () => {
    const { url, world, operators } = await start()
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, { before: () => expect.unreachable() })
    }
    const data = (answer: Awaited<ReturnType<typeof call>>) => answer.error?.data
    const params = { ...wire, policy_client: address(0xc2) }
    expect(data(await call(url, { params }))).toMatchObject({
      code: 'POLICY_NOT_DEPLOYED_ON_CHAIN',
    })
    world.state.enclaveRequired = true
    expect(data(await call(url))).toMatchObject({ name: 'ENCLAVE_MISSING' })
    world.registry.getClient = async () => ({ owner: address(9), active: false })
    expect(data(await call(url))).toMatchObject({ name: 'CLIENT_NOT_ACTIVE', retryable: false })
    world.registry.getClient = async () => null
    expect(data(await call(url))).toMatchObject({ name: 'CLIENT_NOT_ACTIVE' })
  })

  test('error: ENCLAVE_MISSING for a build that is not whitelisted', async () => {
    const { url, world } = await start({ pcr0Commitment: pcr0 })
    world.whitelist.clear()
    expect((await call(url)).error?.data).toMatchObject({ name: 'ENCLAVE_MISSING' })
  })

  test('error: UNAUTHENTICATED without a key, UNKNOWN_TASK with the key of somebody else', async () => {
    const { url } = await start({
      callers: apiKeyCallers({ a: [hashApiKey('key a')], b: [hashApiKey('key b')] }),
    })
    const as = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })
    for (const headers of [{}, as('key c').headers, { authorization: 'key a' }]) {
      expect(await call(url, { headers })).toMatchObject({ status: 401, error: { code: -32_002 } })
    }
    const { result } = await call(url, as('key a'))
    const get = {
      method: 'newt_getTask',
      params: { task_id: (result as unknown as { task_id: Hex }).task_id },
    }
    expect((await call(url, { ...get, ...as('key a') })).error).toBeUndefined()
    expect((await call(url, { ...get, ...as('key b') })).error?.data).toMatchObject({
      name: 'UNKNOWN_TASK',
    })
    expect(() => apiKeyCallers({ a: ['0x12'] })).toThrow('keys.a')
    expect(() => apiKeyCallers({ a: [word(1)], b: [word(1)] })).toThrow('keys.b')
  })

  test('behavior: one request id is one task, and with other content an error', async () => {
    const { url, store } = await start()
    const params = { ...wire, request_id: 'order-7' }
    const [one, two] = await Promise.all([call(url, { params }), call(url, { params })])
    const id = (answer: { result?: never }) =>
      (answer.result as unknown as { task_id: Hex }).task_id
    expect(id(one)).toBe(id(two))
    const other = await call(url, { params: { ...params, wasm_args: '7b7d' } })
    expect(other.error?.data).toMatchObject({ name: 'REQUEST_REUSED', retryable: false })
    expect(Object.values(await store.count())).toEqual([1])
  })

  test('behavior: two requests of one content without a name are two tasks, of nonces of their own', async () => {
    const { gateway, store } = await start()
    const sent = await Promise.all(
      Array.from({ length: 8 }, () => gateway.send(request, { caller: 'anyone' })),
    )
    const nonces = sent.map(({ task }) => decodeTask(task).nonce)
    expect(new Set(sent.map(({ taskId }) => taskId)).size).toBe(8)
    expect(new Set(nonces).size).toBe(8)
    for (const nonce of nonces) expect(nonce).toBeLessThan(2n ** 63n)
    // With names, of the same caller or of another one, they are as many as there are names.
    const named = (caller: string, requestId: string) =>
      gateway.send({ ...request, requestId }, { caller })
    const [one, again, other, theirs] = await Promise.all([
      ...[named('a', 'x'), named('a', 'x'), named('a', 'y'), named('b', 'x')],
    ])
    expect(again?.taskId).toBe(one?.taskId)
    expect(new Set([one, other, theirs].map((task) => task?.taskId)).size).toBe(3)
    const all = Object.values(await store.count()).reduce((sum, count) => sum + count, 0)
    expect(all).toBe(11)
  })

  test('behavior: a nonce that is taken is drawn again, and a source that gives one nonce is told', async () => {
    const drawn = [1, 1, 2]
    const { gateway } = await start({
      randomBytes: (length) => new Uint8Array(length).fill(drawn.shift() ?? 9),
      owner: 'me',
    })
    const first = await gateway.send(request, { caller: 'anyone' })
    const second = await gateway.send(request, { caller: 'anyone' })
    expect(second.taskId).not.toBe(first.taskId)
    await gateway.send(request, { caller: 'anyone' })
    await expect(gateway.send(request, { caller: 'anyone' })).rejects.toMatchObject({
      fault: 'INTERNAL',
    })
  })

  test('behavior: a name that is known is its task, whatever has become of the policy and the gateway', async () => {
    const { gateway, world } = await start({ concurrent: 1 })
    const asked = { ...request, requestId: 'once' }
    const first = await gateway.send(asked, { caller: 'a' })
    world.registry.getClient = async () => null
    expect((await gateway.send(asked, { caller: 'a' })).taskId).toBe(first.taskId)
    await expect(gateway.send({ ...asked, broadcast: true }, { caller: 'a' })).rejects.toThrow()
    await expect(
      gateway.send({ ...asked, wasmArgs: '0x7b7d' }, { caller: 'a' }),
    ).rejects.toMatchObject({ fault: 'REQUEST_REUSED' })
  })

  test('behavior: pages of any origin may call', async () => {
    const { url } = await start()
    const asked = await fetch(url, { method: 'OPTIONS' })
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization')
    const answered = await fetch(url, { method: 'POST', body: '{}' })
    expect(answered.headers.get('access-control-allow-origin')).toBe('*')
  })

  test('error: OVERLOADED with a time, and never a queue', async () => {
    const { url, world, operators } = await start({ concurrent: 1 })
    let free = (): void => undefined
    const held = new Promise<void>((resolve) => {
      free = resolve
    })
    operators[0] = operatorOf(world, 0, { before: () => held })
    operators[1] = operatorOf(world, 1, { before: () => held })
    expect((await call(url)).error).toBeUndefined()
    expect(await call(url)).toMatchObject({ status: 429, error: { data: { name: 'OVERLOADED' } } })
    free()
  })

  test('error: NO_QUORUM names the failure; operators that may come back are asked again', async () => {
    const { tasks, world, operators, events } = await start()
    operators[0] = operatorOf(world, 0, { unreachable: true })
    let asked = 0
    operators[1] = operatorOf(world, 1, {
      before: async (method) => {
        if (method === 'newt_evaluateAndSign' && asked++ === 0) {
          operators[0] = operatorOf(world, 0)
          throw new TypeError('it fails once')
        }
      },
    })
    expect(await tasks.createTask(request)).toMatchObject({ allowed: true })
    expect(events.some((event) => event.type === 'task.ended' && event.outcome === 'signed')).toBe(
      true,
    )
    const wrong = (index: number) =>
      operatorOf(world, index, {
        response: (response) => ({ ...response, expirationBlock: 120n + BigInt(index) }),
      })
    for (const index of operators.keys()) operators[index] = wrong(index)
    await expect(tasks.createTask(request)).rejects.toMatchObject({ fault: 'NO_QUORUM' })
  })

  test('behavior: a second response of one operator is kept as evidence, and counts in neither', async () => {
    const store = memoryGatewayStore()
    const first = createGatewayWorld({ store, owner: 'first', lease: 50 })
    // The first gateway hears one operator's first response, and is gone before the others answer.
    const never = new Promise<void>(() => undefined)
    for (const index of [1, 2, 3]) {
      first.operators[index] = operatorOf(first.world, index, {
        before: (method) => (method === 'newt_evaluateAndSign' ? never : Promise.resolve()),
      })
    }
    first.operators[0] = operatorOf(first.world, 0, {
      response: (response) => ({ ...response, expirationBlock: 139n }),
    })
    const { taskId } = await first.gateway.send(
      { ...request, timeout: 20_000 },
      { caller: 'anyone' },
    )
    await poll(async () => (await store.shares(taskId)).length).toBe(1)
    await first.gateway.close()

    const second = await start({ store, owner: 'second' })
    await poll(async () => (await store.find(taskId))?.state).toBe('signed')
    const { answer } = (await second.gateway.status(taskId, { caller: 'anyone' })) as {
      answer: { signers: number[] }
    }
    expect(answer.signers).toEqual([1, 2, 3])
    const evidence = (await store.shares(taskId)).filter(
      ({ operator }) => operator === second.operators[0]?.operator,
    )
    expect(new Set(evidence.map(({ messageHash }) => messageHash)).size).toBe(2)
    expect(second.events).toContainEqual(
      expect.objectContaining({ type: 'operator.fault', fault: 'EQUIVOCATION' }),
    )
    // What is evidence outlives the task.
    await store.prune({ before: Number.MAX_SAFE_INTEGER })
    expect(await store.find(taskId)).toBeUndefined()
    expect((await store.shares(taskId)).length).toBeGreaterThanOrEqual(2)
  })

  const refusing = (made: Started, fault: RpcFault, only?: (method: string) => boolean) => {
    for (const [index, { operator }] of made.operators.entries()) {
      made.operators[index] = operatorOf(made.world, index, {
        before: async (method) => {
          if (only?.(method) === false) return
          throw new OperatorRpcError({ fault, detail: `${operator} says so` })
        },
      })
    }
  }

  test('error: REFERENCE_BLOCK_LOST long before the deadline, and the next task is answered', async () => {
    const made = await start()
    const { world, gateway, store, operators, tasks } = made
    refusing(made, 'BEHIND')
    const { taskId } = await gateway.send(request, { caller: 'anyone' })
    world.state.blockHashes.set(world.state.head, word(77))
    await poll(async () => (await store.find(taskId))?.state).toBe('failed')
    const failed = await store.find(taskId)
    expect(failed?.failure).toMatchObject({ fault: 'REFERENCE_BLOCK_LOST', code: 'TASK_FAILED' })
    expect((failed?.deadline ?? 0) - Date.now()).toBeGreaterThan(20_000)
    expect(await store.shares(taskId)).toEqual([])
    for (const index of operators.keys()) operators[index] = operatorOf(world, index)
    const answered = await tasks.createTask(request)
    expect(answered).toMatchObject({ allowed: true })
    expect(answered.taskId).not.toBe(taskId)
    expect(await store.answer(taskId)).toBeUndefined()
  })

  test('error: TASK_EXPIRED where an answer would come too late for the chain', async () => {
    const made = await start()
    refusing(made, 'NOT_READY')
    const { taskId } = await made.gateway.send(request, { caller: 'anyone' })
    made.world.state.head += 1_000_000n
    await poll(async () => (await made.store.find(taskId))?.failure?.fault).toBe('TASK_EXPIRED')
  })

  test('error: NO_QUORUM at once where those that may come back are too few, and the end says why', async () => {
    const made = await start()
    refusing(made, 'BELOW_FLOOR')
    const { operators, world, gateway, store, events } = made
    operators[0] = operatorOf(world, 0, { unreachable: true })
    const { taskId } = await gateway.send(request, { caller: 'anyone' })
    await poll(async () => (await store.find(taskId))?.state).toBe('failed')
    const { failure } = (await store.find(taskId)) as StoredTask
    expect(failure).toMatchObject({ fault: 'NO_QUORUM' })
    expect(failure?.detail).toContain('3 BELOW_FLOOR, 1 OPERATOR_UNREACHABLE')
    // Whoever asked is told what, and not who.
    expect(failure?.detail).not.toContain(operators[1]?.operator)
    expect(events.filter(({ type }) => type === 'operator.fault')).toHaveLength(4)
  })

  test('behavior: operators that are behind for a moment end nothing, in either phase', async () => {
    for (const phase of ['newt_fetchPolicyData', 'newt_evaluateAndSign']) {
      const made = await start()
      let refused = 0
      refusing(made, 'BEHIND', (method) => method === phase && refused++ < 4)
      expect(await made.tasks.createTask(request)).toMatchObject({ allowed: true })
      expect(refused).toBeGreaterThanOrEqual(4)
    }
  })

  test('error: TIMED_OUT says what was in the way', async () => {
    const made = await start()
    const { operators, world, gateway, store } = made
    for (const index of operators.keys()) {
      operators[index] = operatorOf(world, index, {
        before: () => (index < 2 ? Promise.resolve() : new Promise<void>(() => undefined)),
      })
    }
    const { taskId } = await gateway.send({ ...request, timeout: 1_000 }, { caller: 'anyone' })
    await poll(async () => (await store.find(taskId))?.state).toBe('failed')
    const { failure } = (await store.find(taskId)) as StoredTask
    expect(failure).toMatchObject({ fault: 'TIMED_OUT', code: 'TASK_FAILED' })
    expect(failure?.detail).toContain('2 TIMED_OUT')
  })

  test('behavior: a commitment whose signature is bad is named, and is in no sum that operators are shown', async () => {
    const { tasks, world, operators, events } = await start()
    const shown: unknown[] = []
    for (const index of operators.keys()) {
      const honest = operatorOf(world, index, {
        commitment: (own) =>
          index === 2 ? { ...own, signature: world.keys[2]!.sign(word(9)) } : own,
        // All are waited for.
        before: async (method) => {
          if (method === 'newt_fetchPolicyData' && index !== 2) await new Promise(setImmediate)
        },
      })
      operators[index] = {
        ...honest,
        call: ((method: string, params: never) => {
          if (method === 'newt_evaluateAndSign') shown.push(params)
          return honest.call(method as never, params)
        }) as typeof honest.call,
      }
    }
    expect(await tasks.createTask(request)).toMatchObject({ allowed: true })
    expect(events).toContainEqual(
      expect.objectContaining({
        ...{ type: 'operator.fault', fault: 'SIGNATURE_INVALID' },
        operator: operators[2]?.operator,
      }),
    )
    expect(shown.length).toBeGreaterThanOrEqual(3)
    for (const { outputGroups } of shown as EvaluateAndSignParams[]) {
      expect(outputGroups).toHaveLength(1)
      expect(Number(outputGroups[0]?.signers) & 0b0100).toBe(0)
    }
  })

  test('behavior: a second commitment of one operator is kept as evidence, and counts in neither', async () => {
    const store = memoryGatewayStore()
    const first = createGatewayWorld({ store, owner: 'first', lease: 50 })
    const never = new Promise<void>(() => undefined)
    let committed = (): void => undefined
    const liar = new Promise<void>((resolve) => {
      committed = resolve
    })
    first.operators[0] = operatorOf(first.world, 0, {
      scores: [99, 1],
      commitment: (own) => {
        committed()
        return own
      },
    })
    for (const index of [1, 2, 3]) {
      first.operators[index] = operatorOf(first.world, index, {
        before: (method) => (method === 'newt_evaluateAndSign' ? never : liar),
      })
    }
    const { taskId } = await first.gateway.send(
      { ...request, timeout: 20_000 },
      { caller: 'anyone' },
    )
    await poll(async () => (await store.commitments(taskId)).length).toBeGreaterThanOrEqual(3)
    await first.gateway.close()

    const second = await start({ store, owner: 'second' })
    await poll(async () => (await store.find(taskId))?.state).toBe('signed')
    const liars = second.operators[0]?.operator
    const evidence = (await store.commitments(taskId)).filter(({ operator }) => operator === liars)
    expect(new Set(evidence.map(({ name }) => name)).size).toBe(2)
    expect(second.events).toContainEqual(
      expect.objectContaining({ type: 'operator.fault', fault: 'EQUIVOCATION', operator: liars }),
    )
    await store.prune({ before: Number.MAX_SAFE_INTEGER })
    expect((await store.commitments(taskId)).length).toBeGreaterThanOrEqual(2)
  })

  test('error: TIMED_OUT at the deadline, and a closed gateway takes nothing', async () => {
    let clock = 1_000_000
    const { gateway, world, operators, store } = await start({ now: () => clock })
    for (const index of operators.keys())
      operators[index] = operatorOf(world, index, { unreachable: true })
    const { taskId } = await gateway.send(request, { caller: 'anyone' })
    clock += 100_000
    await expect
      .poll(async () => (await store.find(taskId))?.failure?.fault)
      .toMatch(/TIMED_OUT|INPUTS_DIVERGE/)
    await gateway.close()
    await expect(gateway.send(request, { caller: 'anyone' })).rejects.toMatchObject({
      fault: 'NOT_READY',
    })
  })

  test('error: options that are none', () => {
    for (const change of [
      { lease: 0 },
      { concurrent: Number.NaN },
      { pcr0Commitment: '0x12' as Hex },
    ]) {
      expect(() => createGatewayWorld(change)).toThrow(/is not valid/)
    }
    const slips = {
      'parameters.referenceDelay': [{ referenceDelay: 5 }, { referenceDelay: -1n }],
      'parameters.owner': [{ owner: '' }, { owner: 5 }],
      'parameters.auditors': [{ auditors: 'abc' }],
      'parameters.auditors[1]': [{ auditors: ['a', 5] }],
      'parameters.leese': [{ leese: 5 }],
      'limits.perSecnd': [{ limits: { perSecnd: 1 } }],
      'limits.perSecond': [{ limits: { perSecond: Number.NaN } }, { limits: { perSecond: -1 } }],
      'limits.timeout': [{ limits: { timeout: 2 ** 31 } }],
    }
    for (const [field, changes] of Object.entries(slips)) {
      for (const change of changes) {
        const message = `\`${field}\` is not valid`
        expect(() => createGatewayWorld(change as never)).toThrow(message)
      }
    }
  })

  test('behavior: a store that fails is told to the owner, and the gateway goes on', async () => {
    const store = memoryGatewayStore()
    let broken = true
    const claim = store.claim.bind(store)
    store.claim = (parameters) =>
      broken ? Promise.reject(new TypeError('the disk is gone')) : claim(parameters)
    const { events, tasks } = await start({ store })
    await poll(() => events.some(({ type }) => type === 'store.failed')).toBe(true)
    broken = false
    expect(await tasks.createTask(request)).toMatchObject({ allowed: true })
  })

  /** A chain that accepts what it is given, and may be told otherwise. */
  function fakeSink() {
    const chain = {
      accepted: undefined as Hex | undefined,
      final: false,
      refusals: [] as string[],
      sent: [] as Hex[],
      previous: [] as (readonly Hex[])[],
    }
    const sink: ResponseSink = {
      async acceptResponse({ response }, options) {
        chain.previous.push(options?.previous ?? [])
        const hash = word(0x1000 + chain.previous.length)
        await options?.onTransactionHash?.(hash)
        chain.sent.push(hash)
        const errorName = chain.refusals.shift()
        if (errorName === 'node') throw new RpcError('the sending')
        if (errorName !== undefined)
          throw new ContractRevertError({ errorName, args: [], raw: '0x' })
        chain.accepted = computeMessageHash(response)
        return { transactionHash: hash }
      },
      acceptedResponse: async () =>
        chain.accepted === undefined ? null : { messageHash: chain.accepted, final: chain.final },
    }
    return { chain, sink }
  }
  const broadcast = { ...request, broadcast: true }
  const stateOf = (store: Started['store'], taskId: Hex) => async () =>
    (await store.find(taskId))?.state

  test('behavior: an answer is landed, and followed until it is final, also back', async () => {
    const { chain, sink } = fakeSink()
    const { tasks, store } = await start({ sink, landingInterval: 20 })
    const states: string[] = []
    const sent = await tasks.sendTask(broadcast)
    const ended = new Promise<void>((resolve, reject) => {
      tasks.watchTask({
        sent,
        onProgress: ({ state }) => {
          states.push(state)
          if (state === 'final') resolve()
        },
        onError: reject,
      })
    })
    await poll(stateOf(store, sent.taskId)).toBe('landed')
    const { accepted } = chain
    chain.refusals.push('ReferenceBlockNotMined')
    chain.accepted = undefined
    await poll(() => chain.sent.length).toBeGreaterThanOrEqual(2)
    await poll(() => chain.accepted).toBe(accepted)
    chain.final = true
    await ended
    expect(states.at(-1)).toBe('final')
    // What was sent before is known to every later sending.
    expect(chain.previous[0]).toEqual([])
    expect(chain.previous.at(-1)).toEqual(chain.sent.slice(0, -1))
    expect(await store.transactions(sent.taskId)).toEqual(chain.sent)
    const { length } = chain.sent
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(chain.sent).toHaveLength(length)
  })

  test('behavior: a node that fails leaves the answer signed, and it is landed later', async () => {
    const { chain, sink } = fakeSink()
    chain.refusals.push('node', 'node')
    chain.final = true
    const { tasks, store, events } = await start({ sink, landingInterval: 20 })
    const { taskId, allowed } = await tasks.createTask(broadcast)
    expect(allowed).toBe(true)
    await poll(stateOf(store, taskId)).toBe('final')
    expect(events.filter(({ type }) => type === 'landing.failed')).toHaveLength(2)
  })

  test.each([
    ['PolicyInstanceSuperseded', 'superseded', undefined],
    ['ReferenceBlockTooOld', 'failed', 'NOT_LANDED'],
  ])('behavior: %s ends the task as %s', async (refusal, state, fault) => {
    const { chain, sink } = fakeSink()
    chain.refusals.push(refusal)
    const { tasks, store } = await start({ sink, landingInterval: 20 })
    const sent = await tasks.sendTask(broadcast)
    await poll(stateOf(store, sent.taskId)).toBe(state)
    expect((await store.find(sent.taskId))?.failure?.fault).toBe(fault)
    // The answer stays: it was signed.
    expect(await store.answer(sent.taskId)).toBeDefined()
  })

  test('error: EQUIVOCATION where the chain has accepted another response, with ours kept', async () => {
    const { chain, sink } = fakeSink()
    chain.accepted = word(9)
    const { tasks, store } = await start({ sink, landingInterval: 20 })
    const sent = await tasks.sendTask(broadcast)
    await poll(stateOf(store, sent.taskId)).toBe('failed')
    expect(await store.find(sent.taskId)).toMatchObject({ failure: { fault: 'EQUIVOCATION' } })
    expect(chain.sent).toEqual([])
    expect((await store.answer(sent.taskId))?.messageHash).not.toBe(word(9))
  })

  test('error: INVALID_PARAMS for a landing that this gateway does not do', async () => {
    const { tasks } = await start()
    await expect(tasks.sendTask(broadcast)).rejects.toMatchObject({ fault: 'INVALID_PARAMS' })
  })

  test('behavior: a process that stands still longer than its lease does not take up its own task anew', async () => {
    const store = memoryGatewayStore()
    let claimed = 0
    const counting: GatewayStore = {
      ...store,
      claim: async (parameters) => {
        const tasks = await store.claim(parameters)
        claimed += tasks.length
        return tasks
      },
    }
    const { gateway, operators, world } = createGatewayWorld({
      ...{ store: counting, lease: 60, pollInterval: 10 },
    })
    closers.push(gateway.close)
    let stood = 0
    operators.forEach((_, index) => {
      operators[index] = operatorOf(world, index, {
        before: async () => {
          await new Promise((resolve) => setTimeout(resolve, 5))
          const until = performance.now() + 90
          while (performance.now() < until);
          stood++
        },
      })
    })
    const { taskId } = (await gateway.send(request, { caller: 'anyone' })) as StoredTask
    await expect
      .poll(async () => (await store.find(taskId))?.state, { timeout: 20_000 })
      .toBe('signed')
    expect(stood).toBe(8)
    expect(claimed).toBe(0)
  })

  test('behavior: a gateway that was paused past its lease changes nothing', async () => {
    const { store, gateway } = await start({ lease: 60_000 })
    const { taskId } = (await gateway.send(request, { caller: 'anyone' })) as StoredTask
    await poll(async () => (await store.find(taskId))?.state).toBe('signed')
    const stale = { taskId, fence: 0 }
    expect(await store.advance(stale, { state: 'failed' })).toBe(false)
    expect(await store.renew(stale, 1_000)).toBe(false)
    expect(await store.saveAnswer(stale, { messageHash: word(1), answer: '{}' })).toBe('lost')
    const held = { taskId, fence: 1 }
    expect(await store.saveAnswer(held, { messageHash: word(1), answer: '{}' })).toBe('exists')
    expect((await store.find(taskId))?.state).toBe('signed')
  })
})

describe('watchGateway', () => {
  test('default: a server shows what the gateway did, and whether it can go on', async () => {
    const { world, operators, store, tables } = createGatewayWorld({ pollInterval: 60_000 })
    const addresses = operators.map(({ operator }) => operator)
    let clock = Number((await world.registry.getLatestBlock()).timestamp) * 1_000
    const heard: string[] = []
    const watch = watchGateway({
      ...{ store, registry: world.registry, operators: addresses, now: () => clock },
      onEvent: ({ type }) => heard.push(type),
    })
    const gateway = createGateway({
      ...{ registry: world.registry, tables, store, callers: anyCaller() },
      operators: () => operators,
      onEvent: watch.onEvent,
    })
    closers.push(gateway.close)
    const { metrics, ready } = watch
    const server = await listenGateway({ gateway, metrics, ready })
    closers.push(() => server.close(1_000))
    const gatewayOptions = { url: `${server.url}/rpc` }
    const tasks = createTaskClient({ gateway: gatewayOptions, reader: world.reader })
    operators[3] = operatorOf(world, 3, { unreachable: true })
    await tasks.createTask(request)
    await call(`${server.url}/rpc`, { method: 'newt_drain' })
    const text = await (await fetch(`${server.url}/metrics`)).text()
    for (const line of [
      'gateway_tasks{state="signed"} 1',
      'gateway_tasks{state="failed"} 0',
      'gateway_tasks_ended_total{outcome="signed"} 1',
      'gateway_task_seconds_count 1',
      'rpc_calls_total{method="newt_createTask",outcome="ok"} 1',
      'rpc_calls_total{method="other",outcome="METHOD_NOT_FOUND"} 1',
      'gateway_shares_refused_total{fault="OPERATOR_UNREACHABLE",operator="3"}',
    ]) {
      expect(text).toContain(line)
    }
    expect(heard).toContain('task.ended')
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)

    clock += 301_000
    store.count = () => Promise.reject(new TypeError('the disk is gone'))
    // What was said before is said for a moment more.
    const answer = await vi.waitFor(
      async () => {
        const response = await fetch(`${server.url}/readyz`)
        expect(response.status).toBe(503)
        return response
      },
      { timeout: 10_000 },
    )
    expect(await answer.json()).toEqual({
      ready: false,
      lacks: ['the store does not answer', 'the chain does not answer, or its newest block is old'],
    })
    // A page of metrics that cannot be made says nothing of why.
    expect(await (await fetch(`${server.url}/metrics`)).text()).toBe('it failed')
    watch.onEvent({ type: 'store.failed', error: undefined })
    watch.onEvent({ type: 'landing.failed', taskId: word(1), error: undefined })
  })

  test('behavior: each alert is about a metric that there is, and has its page', async () => {
    const rules = readFileSync('docs/operations/alerts.yml', 'utf8')
    const pages = ['gateway', 'alerts'].map((name) => `docs/operations/${name}.md`)
    const text = pages.map((path) => readFileSync(path, 'utf8')).join('\n')
    const { world, store } = createGatewayWorld({ pollInterval: 60_000 })
    const metrics = createMetricsRegistry()
    watchGateway({ store, registry: world.registry, operators: [], metrics })
    const known = metrics.text()
    const names = [...rules.matchAll(/(gateway_[a-z_]+)/g)].map(([, name]) => name as string)
    expect(names.length).toBeGreaterThan(5)
    for (const name of names) expect(known).toContain(`# TYPE ${name.replace(/_bucket$/, '')} `)
    for (const [, alert] of rules.matchAll(/alert: (\w+)/g))
      expect(text).toContain(`### ${alert}\n`)
  })
})
