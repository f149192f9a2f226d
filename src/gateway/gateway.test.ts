import { type Hex, stringToHex } from 'viem'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  failure,
  type GatewayServer,
  hangUp,
  json,
  result,
  silence,
  startGatewayServer,
  text,
} from '../../test/support/gatewayServer.js'
import { RESULT_ALLOW } from '../core/evaluationResult.js'
import { computeNewtonConsensusDigest } from '../core/newton/index.js'
import type { BaseError } from '../errors/base.js'
import {
  createGatewayClient,
  type GatewayClient,
  type GatewayOptions,
  GatewayTaskError,
} from './index.js'
import type { GatewayEvent } from './rpc.js'

const apiKey = 'sk-very+secret/key=1'
const client = '0x00000000000000000000000000000000000000c1'
const intent = {
  from: '0x0000000000000000000000000000000000000005',
  to: '0x0000000000000000000000000000000000000006',
  value: 1_000n,
  data: '0xa9059cbb',
  chainId: 11155111n,
  functionSignature: stringToHex('transfer(address,uint256)'),
} as const
const taskId: Hex = `0x${'ab'.repeat(32)}`
const policyId: Hex = `0x${'cd'.repeat(32)}`

let server: GatewayServer
let events: GatewayEvent[]
let gateway: GatewayClient
const connect = (options: Partial<GatewayOptions> = {}): GatewayClient =>
  createGatewayClient({
    url: server.url,
    apiKey,
    retryDelay: () => 1,
    onEvent: (event) => events.push(event),
    ...options,
  })
beforeEach(async () => {
  server = await startGatewayServer()
  events = []
  gateway = connect()
})
afterEach(() => server.close())

/** What `newt_createTask` answers, in the casing and encodings the gateway mixes. */
const created = {
  task_id: taskId,
  status: 'success',
  error: null,
  task: {
    taskId,
    policyClient: client,
    taskCreatedBlock: 12345678,
    quorumThresholdPercentage: 67,
    intent: { ...intent, value: '0x3e8', chainId: '0xaa36a7' },
    intentSignature: '0x',
    wasmArgs: '0x7b7d',
    quorumNumbers: '0x00',
    initializationTimestamp: '0x684ee180',
  },
  task_response: {
    task_id: taskId,
    policy_client: client,
    policy_id: policyId,
    policy_address: '0x00000000000000000000000000000000000000f1',
    intent: {
      from: intent.from,
      to: intent.to,
      value: '1000',
      data: 'a9059cbb',
      chain_id: 11155111,
      function_signature: intent.functionSignature,
    },
    intent_signature: [],
    evaluation_result: [...Array.from({ length: 31 }, () => 0), 1],
    policy_task_data: {
      policyId,
      policyAddress: '0x00000000000000000000000000000000000000f1',
      policy: '0x7061636b616765',
      policyData: [
        {
          wasm_args: '0x',
          data: [1, 2, 3],
          policyDataAddress: '0x00000000000000000000000000000000000000d1',
          expire_block: 9,
        },
      ],
    },
    policy_config: { policyParams: '0x', expireAfter: 100 },
    initialization_timestamp: 1_750_000_000,
  },
  signature_data: '0x1234',
  reference_block: 12345700,
  expiration: 12345800,
  timestamp: 1705123456,
}
const with_ = (changes: Record<string, unknown>): unknown => ({ ...created, ...changes })
const create = (): Promise<unknown> => gateway.createTask({ policyClient: client, intent })
const caught = async (work: Promise<unknown>): Promise<BaseError> => {
  try {
    await work
  } catch (error) {
    return error as BaseError
  }
  throw new Error('expected a failure')
}

describe('requests', () => {
  test('have a string id, the key in a header only, and the documented fields', async () => {
    server.answers.push(result(created))
    await gateway.createTask({
      policyClient: client,
      intent,
      quorumNumber: '0x00',
      wasmArgs: '0x7b7d',
      taskTimeout: 30,
      identityDomain: `0x${'11'.repeat(32)}`,
      includeValidateCalldata: true,
    })
    const [request] = server.requests
    expect(request?.id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4/)
    expect(request?.headers.authorization).toBe(`Bearer ${apiKey}`)
    expect(request?.params).toEqual({
      policy_client: client,
      intent: {
        from: intent.from,
        to: intent.to,
        value: '0x3e8',
        data: '0xa9059cbb',
        chain_id: '0xaa36a7',
        function_signature: intent.functionSignature,
      },
      quorum_number: '00',
      wasm_args: '7b7d',
      timeout: 30,
      direct_broadcast: true,
      identity_domain: `0x${'11'.repeat(32)}`,
      include_validate_calldata: true,
    })
    expect(JSON.stringify(events)).not.toContain('secret')
  })

  test('malformed parameters are refused before anything is sent', async () => {
    const signature: Hex = '0x'
    for (const [parameters, field] of [
      [{ policyClient: '0x1', intent }, 'policyClient'],
      [{ policyClient: client, intent: { ...intent, value: -1n } }, 'intent.value'],
      [{ policyClient: client, intent, quorumThresholdPercentage: 0 }, 'quorumThresholdPercentage'],
      [{ policyClient: client, intent, taskTimeout: 0 }, 'taskTimeout'],
      [{ policyClient: client, intent, wasmArgs: 'no' }, 'wasmArgs'],
    ] as const) {
      expect(await caught(gateway.createTask(parameters as never))).toMatchObject({ field })
    }
    expect(
      await caught(
        gateway.createTask({ policyClient: client, intent, intentSignature: signature }),
      ),
    ).toMatchObject({ code: 'INTENT_SIGNATURE' })
    const webhook = gateway.registerWebhook({ url: 'http://example.org' })
    expect(await caught(webhook)).toMatchObject({ field: 'url' })
    const huge = gateway.simulatePolicyData({ policyDataAddress: client, chainId: -1n })
    expect(await caught(huge)).toMatchObject({ field: 'chainId' })
    expect(server.requests).toHaveLength(0)
  })

  test.each([
    ['http://gateway.newton.xyz/rpc', 'url'],
    ['ftp://127.0.0.1/rpc', 'url'],
    ['https://user:pass@gateway.newton.xyz/rpc', 'url'],
    ['nothing', 'url'],
  ])('error: the URL %s', (url, field) => {
    expect(() => createGatewayClient({ url, apiKey })).toThrow(`\`${field}\``)
    expect(() =>
      createGatewayClient({ url: 'https://x.org/rpc', apiKey, webSocketUrl: 'ws://x.org/ws' }),
    ).toThrow('webSocketUrl')
    expect(() => createGatewayClient({ url: 'https://x.org/rpc', apiKey: 'a\nb' })).toThrow(
      'apiKey',
    )
  })

  test('error: options that it does not know', () => {
    const slip = { url: 'https://x.org/rpc', apikey: 'key' }
    expect(() => createGatewayClient(slip as never)).toThrow('`options.apikey`')
    expect(() => createGatewayClient(undefined as never)).toThrow('`options`')
  })
})

describe('createTask', () => {
  test('gives ABI-ready values and the decision as the contract reads it', async () => {
    server.answers.push(result(created))
    const task = await gateway.createTask({ policyClient: client, intent })
    expect(task).toMatchObject({
      taskId,
      allowed: true,
      signatureData: '0x1234',
      expiration: 12345800,
    })
    expect(task.task.intent).toEqual(intent)
    expect(task.task.initializationTimestamp).toBe(1_750_000_000n)
    expect(task.taskResponse.intent).toEqual(intent)
    expect(task.taskResponse.evaluationResult).toBe(RESULT_ALLOW)
    expect(task.taskResponse.policyTaskData.policyData[0]).toEqual({
      wasmArgs: '0x',
      data: '0x010203',
      policyDataAddress: '0x00000000000000000000000000000000000000d1',
      expireBlock: 9,
    })
    expect(task.consensusDigest).toBe(computeNewtonConsensusDigest(task.taskResponse))
    expect(task.validateCalldata).toBeUndefined()
  })

  test.each<[string, unknown]>([
    ['the text deny', [...Buffer.from('deny')]],
    [
      'the text false as an ABI string',
      `0x${'20'.padStart(64, '0')}${'5'.padStart(64, '0')}${'66616c7365'.padEnd(64, '0')}`,
    ],
    ['the number 2', `0x${'2'.padStart(64, '0')}`],
    ['nothing', []],
    ['a single 1', [1]],
  ])('%s is not allowed', async (_name, evaluation_result) => {
    server.answers.push(
      result(with_({ task_response: { ...created.task_response, evaluation_result } })),
    )
    expect(await gateway.createTask({ policyClient: client, intent })).toMatchObject({
      allowed: false,
    })
  })

  test.each<[string, unknown, Partial<GatewayTaskError>]>([
    [
      'failed',
      {
        task_id: taskId,
        status: 'failed',
        error: 'Policy evaluation failed: insufficient permissions',
        timestamp: 1,
      },
      { retryable: false },
    ],
    ['timeout', { task_id: taskId, status: 'timeout' }, { retryable: false }],
    ['an error beside success', with_({ error: 'Quorum not reached' }), {}],
    ['no status', { task_id: taskId }, {}],
    [
      'errors of operators that may pass',
      {
        task_id: taskId,
        status: 'failed',
        error: 'Quorum not reached',
        operator_errors: [
          { error: 'upstream 500', retryable: true },
          { message: 'busy', retryable: true },
        ],
      },
      {
        retryable: true,
        operatorErrors: [
          { message: 'upstream 500', retryable: true },
          { message: 'busy', retryable: true },
        ],
      },
    ],
    [
      'errors of operators that will not',
      {
        task_id: taskId,
        status: 'failed',
        error: 'Quorum not reached',
        operator_errors: ['bad policy', { retryable: true }],
      },
      {
        retryable: false,
        operatorErrors: [
          { message: 'bad policy', retryable: undefined },
          { message: 'no message', retryable: true },
        ],
      },
    ],
  ])('%s: no decision', async (_name, answer, expected) => {
    server.answers.push(result(answer))
    const error = await caught(create())
    expect(error).toBeInstanceOf(GatewayTaskError)
    expect(error).toMatchObject({ code: 'GATEWAY_TASK', ...expected })
  })

  test.each<[string, unknown, string]>([
    ['no response', with_({ task_response: null }), 'taskResponse'],
    [
      'another task inside',
      with_({ task: { ...created.task, taskId: policyId } }),
      'mixes the tasks',
    ],
    [
      'another client inside',
      with_({ task: { ...created.task, policyClient: intent.from } }),
      'two clients',
    ],
    ['a short id', with_({ task_id: '0x12' }), 'result.taskId'],
    ['a block that is no number', with_({ reference_block: 'soon' }), 'result.referenceBlock'],
    ['a block of 64 bits', with_({ reference_block: 2 ** 40 }), 'result.referenceBlock'],
    ['a fraction', with_({ reference_block: 1.5 }), 'result.referenceBlock'],
    [
      'bytes over 255',
      with_({ task_response: { ...created.task_response, evaluation_result: [256] } }),
      'result.taskResponse.evaluationResult',
    ],
    ['odd hex', with_({ signature_data: '0x123' }), 'result.signatureData'],
    ['no signature', with_({ signature_data: undefined }), 'result.signatureData'],
    [
      'data that is no list',
      with_({
        task_response: {
          ...created.task_response,
          policy_task_data: { ...created.task_response.policy_task_data, policyData: {} },
        },
      }),
      'policyData',
    ],
    ['null', null, 'result'],
    ['a list', [], 'result'],
  ])('error: %s', async (_name, answer, said) => {
    server.answers.push(result(answer))
    const error = await caught(create())
    expect(error.code).toBe('GATEWAY_RESPONSE')
    expect(error.message).toContain(said)
  })
})

describe('errors the gateway documents', () => {
  test.each<[number, string, string]>([
    [-32700, 'Parse error', 'GatewayRequestError'],
    [-32600, 'Invalid request', 'GatewayRequestError'],
    [-32601, 'Unknown Newton RPC method: newt_x', 'GatewayRequestError'],
    [-32602, 'Invalid params', 'GatewayRequestError'],
    [-32603, 'Internal error', 'GatewayUnavailableError'],
    [
      -32002,
      'Authorization failed: policy client 0x12 is owned by another user',
      'GatewayAuthError',
    ],
    [-32615, 'Rego evaluation failed: undefined rule', 'GatewayPolicyEvaluationError'],
    [-32615, 'Unauthorized: Invalid API key', 'GatewayAuthError'],
    [-32616, 'Contract read failed: execution reverted', 'GatewayContractError'],
    [-32617, 'operator is not registered', 'GatewayOperatorNotRegisteredError'],
    [-32618, 'policy version 0.1 below 0.2', 'GatewayPolicyVersionError'],
    [-32619, 'policy data version 0.1 below 0.2', 'GatewayPolicyDataVersionError'],
    [-32620, 'WASM execution failed: trap', 'GatewayDataProviderError'],
    [-32000, 'No operators available', 'GatewayUnavailableError'],
    [-32099, 'something new', 'GatewayRpcError'],
  ])('%i %s', async (code, message, name) => {
    server.answers.push(failure(code, message))
    const error = await caught(create())
    expect(error.name).toBe(name)
    if (name === 'GatewayRpcError') expect(error).toMatchObject({ rpcCode: code })
    expect(error.message).toContain(message.slice(0, 10))
    expect(server.requests).toHaveLength(1)
  })

  test('an error without code or id, keyed by its kind', async () => {
    server.answers.push(
      json({
        jsonrpc: '2.0',
        result: null,
        error: { ServiceUnavailable: 'No operators available' },
        id: null,
      }),
    )
    expect(await caught(create())).toMatchObject({
      name: 'GatewayUnavailableError',
      retryable: true,
    })
  })

  test.each<[string, Parameters<typeof text>, string]>([
    ['401', ['', 401], 'GatewayAuthError'],
    ['403', ['{"error":"RpcWrite permission required"}', 403], 'GatewayAuthError'],
    ['404 at the host root', ['<html>not found</html>', 404], 'GatewayRequestError'],
    ['422 for a bad id', ['Failed to deserialize the JSON body', 422], 'GatewayRequestError'],
    ['500', ['oops', 500], 'GatewayUnavailableError'],
    ['502 with HTML', ['<html>bad gateway</html>', 502], 'GatewayUnavailableError'],
    ['200 with HTML', ['<html>maintenance</html>', 200], 'GatewayResponseError'],
    ['200 with nothing', ['', 200], 'GatewayResponseError'],
    ['200 with a list', ['[]', 200], 'GatewayResponseError'],
    ['200 cut short', ['{"jsonrpc":"2.0","id":"1","res', 200], 'GatewayResponseError'],
    ['204', ['', 204], 'GatewayResponseError'],
    [
      'a redirect',
      ['', 302, { location: 'https://elsewhere.example/' }],
      'GatewayUnavailableError',
    ],
    ['an error that is text', ['{"error":"boom"}', 200], 'GatewayRpcError'],
    ['an error without a message', ['{"error":{"code":-32001}}', 200], 'GatewayRpcError'],
    ['an error that is a number', ['{"error":5}', 200], 'GatewayRpcError'],
  ])('%s', async (_name, [body, status, headers], name) => {
    server.answers.push(text(body, status, headers))
    expect((await caught(create())).name).toBe(name)
    expect(server.requests).toHaveLength(1)
  })

  test.each<[string, unknown]>([
    ['another id', { jsonrpc: '2.0', id: 'other', result: created }],
    ['the id as a number', { jsonrpc: '2.0', id: 1, result: created }],
    ['no id', { jsonrpc: '2.0', result: created }],
  ])('a result with %s is not taken', async (_name, body) => {
    server.answers.push(json(body))
    expect(await caught(create())).toMatchObject({ name: 'GatewayResponseError' })
  })

  test('neither result nor error', async () => {
    server.answers.push((request, response) =>
      json({ jsonrpc: '2.0', id: request.id })(request, response),
    )
    expect((await caught(create())).message).toContain('neither')
  })

  test('an answer without end is cut off', async () => {
    server.answers.push((_request, response) => {
      response.writeHead(200)
      const write = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', write)
      }
      write()
    })
    const error = await caught(connect({ maxResponseBytes: 100_000 }).getSecretsPublicKey())
    expect(error).toMatchObject({ name: 'GatewayResponseError' })
    expect(error.message).toContain('100000 bytes')
  })
})

describe('the API key', () => {
  const leaks = (error: unknown): boolean => {
    const seen: string[] = []
    for (let one: unknown = error; one instanceof Error; one = one.cause) {
      seen.push(one.message, one.stack ?? '', JSON.stringify(one), String(one))
    }
    return seen.some(
      (shown) => shown.includes(apiKey) || shown.includes(encodeURIComponent(apiKey)),
    )
  }

  test('is in no error, whatever the gateway or the platform says', async () => {
    const echo = `Invalid API key ${apiKey} (${encodeURIComponent(apiKey)})`
    for (const answer of [
      failure(-32000, echo),
      failure(-32002, echo),
      text(`{"error":"${echo}"}`, 401),
      text(echo, 500),
      json({ error: { [apiKey]: echo } }),
    ]) {
      server.answers.splice(0, server.answers.length, answer)
      const error = await caught(create())
      expect(leaks(error), error.message).toBe(false)
    }
    const cause = new Error(`inner ${apiKey}`)
    for (const thrown of [
      new Error(`could not send Bearer ${apiKey}`),
      new Error('outer', { cause }),
      Object.assign(new Error('with headers'), {
        request: { headers: { authorization: `Bearer ${apiKey}` } },
      }),
      apiKey,
    ]) {
      const fetch = () => Promise.reject(thrown)
      const error = await caught(
        connect({ fetch, retries: 0 }).createTask({ policyClient: client, intent }),
      )
      expect(error.name).toBe('GatewayUnavailableError')
      expect(leaks(error)).toBe(false)
    }
    const circular = new Error('round')
    Object.assign(circular, { circular })
    const fetch = () => Promise.reject(circular)
    const error = await caught(
      connect({ fetch, retries: 0 }).createTask({ policyClient: client, intent }),
    )
    expect(error.cause).not.toBe(circular)
  })
})

describe('retries', () => {
  const key = { public_key: 'aa'.repeat(32), key_type: 'x25519', encryption_suite: 'HPKE' }

  test('reads are tried again after what may pass', async () => {
    server.answers.push(hangUp, text('', 503), failure(-32603, 'Internal error'), result(key))
    expect(await gateway.getSecretsPublicKey()).toEqual({
      publicKey: `0x${'aa'.repeat(32)}`,
      keyType: 'x25519',
      encryptionSuite: 'HPKE',
    })
    expect(server.requests).toHaveLength(4)
    expect(new Set(server.requests.map((one) => one.id)).size).toBe(4)
    expect(events.filter((event) => event.type === 'retry').map((event) => event.code)).toEqual(
      Array.from({ length: 3 }, () => 'GATEWAY_UNAVAILABLE'),
    )
  })

  test('but not for ever, and not after what will not', async () => {
    server.answers.push(text('', 500))
    expect((await caught(gateway.getSecretsPublicKey())).name).toBe('GatewayUnavailableError')
    expect(server.requests).toHaveLength(4)
    server.answers.splice(0, 1, failure(-32602, 'Invalid params'))
    await caught(gateway.getSecretsPublicKey())
    expect(server.requests).toHaveLength(5)
  })

  test('tasks and writes are not sent twice when the answer is lost', async () => {
    const store = {
      policyClient: client,
      policyDataAddress: client,
      envelope: '{}',
      chainId: 1n,
    } as const
    for (const send of [
      () => gateway.createTask({ policyClient: client, intent }),
      () => gateway.sendTask({ policyClient: client, intent }),
      () => gateway.storeEncryptedSecrets(store),
      () => gateway.registerWebhook({ url: 'https://example.org/hook' }),
    ]) {
      for (const answer of [hangUp, text('', 502), failure(-32603, 'Internal error')]) {
        server.requests.length = 0
        server.answers.splice(0, server.answers.length, answer)
        const error = await caught(send())
        expect(error).toMatchObject({ name: 'GatewayUnavailableError', retryable: true })
        expect(server.requests).toHaveLength(1)
      }
    }
  })

  test('a rate limit was nobody’s start: all wait for it, as long as asked', async () => {
    server.answers.push(
      json({}, { status: 429, headers: { 'retry-after': '0.05' } }),
      result(created),
    )
    const started = performance.now()
    await create()
    expect(performance.now() - started).toBeGreaterThanOrEqual(45)
    server.answers.splice(0, 2, text('', 429))
    expect(await caught(create())).toMatchObject({
      name: 'GatewayRateLimitError',
      retryable: true,
      retryAfter: undefined,
    })
    expect(server.requests).toHaveLength(2 + 4)
  })

  test('a timeout ends a call and its retries', async () => {
    server.answers.push(silence)
    const error = await caught(
      gateway.createTask({ policyClient: client, intent }, { timeout: 30 }),
    )
    expect(error).toMatchObject({ name: 'TimeoutError', retryable: true })
    server.answers.splice(0, 1, text('', 429, { 'retry-after': '30' }))
    expect(await caught(gateway.getSecretsPublicKey({ timeout: 30 }))).toMatchObject({
      name: 'TimeoutError',
    })
  })

  test('a cancellation is the caller’s reason', async () => {
    server.answers.push(silence)
    const controller = new AbortController()
    const reason = new Error('user left')
    setTimeout(() => controller.abort(reason), 20)
    expect(
      await caught(
        gateway.createTask({ policyClient: client, intent }, { signal: controller.signal }),
      ),
    ).toBe(reason)
    expect(
      await caught(
        gateway.createTask({ policyClient: client, intent }, { signal: controller.signal }),
      ),
    ).toBe(reason)
  })
})

describe('other methods', () => {
  const call = async <value>(
    answer: unknown,
    work: () => Promise<value>,
  ): Promise<[value, unknown]> => {
    server.answers.splice(0, server.answers.length, result(answer))
    const value = await work()
    const request = server.requests.at(-1)
    return [value, { method: request?.method, params: request?.params }]
  }

  test('sendTask', async () => {
    const answer = {
      message: 'ok',
      subscription_topic: `newton.task.${taskId}`,
      task_id: taskId,
      timestamp: 5,
    }
    const [sent, request] = await call(answer, () =>
      gateway.sendTask({
        policyClient: client,
        intent: {
          ...intent,
          value: `0x${intent.value.toString(16)}`,
          chainId: Number(intent.chainId),
        },
      }),
    )
    expect(sent).toEqual({ taskId, topic: `newton.task.${taskId}`, message: 'ok', timestamp: 5n })
    expect(request).toMatchObject({ method: 'newt_sendTask' })
    // What 1.0.5 of the current SDK sends, without what it leaves out.
    expect((request as { params: object }).params).toEqual({
      policy_client: client,
      intent: {
        from: intent.from,
        to: intent.to,
        value: `0x${intent.value.toString(16)}`,
        data: intent.data,
        chain_id: `0x${intent.chainId.toString(16)}`,
        function_signature: intent.functionSignature,
      },
      direct_broadcast: true,
    })
    for (const extra of [{ identityDomain: '0x11' }, { includeValidateCalldata: true }]) {
      const given = { policyClient: client, intent, ...extra } as never
      expect(await caught(gateway.sendTask(given))).toMatchObject({
        code: 'INVALID_INPUT',
        field: Object.keys(extra)[0],
      })
    }
    server.answers.splice(0, 1, result({ ...answer, subscription_topic: 5 }))
    expect(await caught(gateway.sendTask({ policyClient: client, intent }))).toMatchObject({
      code: 'GATEWAY_RESPONSE',
    })
  })

  test('simulations', async () => {
    const policyTaskData = {
      policyId,
      policyAddress: client,
      policy: '0x',
      policyData: [],
    } as const
    expect(
      (
        await call({ success: true, result: { allow: true } }, () =>
          gateway.simulateTask({ intent, policyTaskData }),
        )
      )[0],
    ).toEqual({
      success: true,
      value: { allow: true },
    })
    const policy = {
      policyClient: client,
      policy: 'package x',
      intent,
      policyData: [{ policyDataAddress: client, wasmArgs: '0x7b7d' }],
      policyParams: { max: 5 },
    } as const
    const evaluation_result = {
      result: false,
      parsed_intent: {},
      policy_params_and_data: { params: {} },
      entrypoint: 'x.allow',
    }
    const [simulated, request] = await call({ success: true, evaluation_result }, () =>
      gateway.simulatePolicy(policy),
    )
    expect(simulated).toEqual({
      success: true,
      value: {
        result: false,
        parsedIntent: {},
        policyParamsAndData: { params: {} },
        entrypoint: 'x.allow',
      },
    })
    expect(request).toMatchObject({
      method: 'newt_simulatePolicy',
      params: {
        policy_data: [{ policy_data_address: client, wasm_args: '0x7b7d' }],
        policy_params: { max: 5 },
      },
    })
    const missing = {
      success: false,
      evaluation_result: null,
      error: 'Missing secrets for 1 PolicyData contract(s)',
      error_details: { missing_secrets: [] },
    }
    expect((await call(missing, () => gateway.simulatePolicy(policy)))[0]).toEqual({
      success: false,
      error: 'Missing secrets for 1 PolicyData contract(s)',
      details: { missing_secrets: [] },
    })
    const policy_data = { specifier: 'bafk', data: { price: 1 }, timestamp: 7 }
    const data = { success: true, value: { specifier: 'bafk', data: { price: 1 }, timestamp: 7n } }
    expect(
      (
        await call({ success: true, policy_data }, () =>
          gateway.simulatePolicyData({ policyDataAddress: client, chainId: 1n, wasmArgs: '0x' }),
        )
      )[0],
    ).toEqual(data)
    expect(
      (
        await call({ success: true, policy_data }, () =>
          gateway.simulatePolicyDataWithClient({ policyDataAddress: client, policyClient: client }),
        )
      )[0],
    ).toEqual(data)
    server.answers.splice(0, 1, result({ success: 'true', policy_data }))
    expect(
      await caught(
        gateway.simulatePolicyDataWithClient({ policyDataAddress: client, policyClient: client }),
      ),
    ).toMatchObject({ code: 'GATEWAY_RESPONSE' })
  })

  test('secrets, of a contract and of an instance', async () => {
    const base = { policyClient: client, envelope: '{"enc":"00"}', chainId: 11155111n } as const
    const [stored, first] = await call(
      { success: true, schema: { type: 'object' }, error: null },
      () => gateway.storeEncryptedSecrets({ ...base, policyDataAddress: client }),
    )
    expect(stored).toEqual({ success: true, value: { schema: { type: 'object' } } })
    expect(first).toEqual({
      method: 'newt_storeEncryptedSecrets',
      params: {
        policy_client: client,
        policy_data_address: client,
        envelope: '{"enc":"00"}',
        chain_id: 11155111,
      },
    })
    const [refused, second] = await call(
      { success: false, schema: null, error: 'policy_client is owned by a different user' },
      () =>
        gateway.storeEncryptedSecrets({
          ...base,
          policyDataInstanceId: policyId,
          ownerSignature: '0x11',
          sequence: 1n,
          deadline: 1_800_000_000n,
        }),
    )
    expect(refused).toMatchObject({
      success: false,
      error: 'policy_client is owned by a different user',
    })
    expect(second).toMatchObject({
      params: {
        policy_data_instance_id: policyId,
        owner_signature: '0x11',
        sequence: '1',
        deadline: '1800000000',
      },
    })
  })

  test('keys, identity, confidential data, webhooks', async () => {
    const key = { public_key: `0x${'aa'.repeat(32)}`, key_type: 'x25519', encryption_suite: 'HPKE' }
    expect((await call(key, () => gateway.getPrivacyPublicKey()))[1]).toEqual({
      method: 'newt_getPrivacyPublicKey',
      params: {},
    })
    server.answers.splice(0, 1, result({ ...key, public_key: '0x12' }))
    expect(await caught(gateway.getSecretsPublicKey())).toMatchObject({ code: 'GATEWAY_RESPONSE' })
    const upload = { data_ref_id: taskId, gateway_signature: '0x11', deadline: 9 }
    const identity = {
      identityOwner: client,
      identityOwnerSignature: '0x11',
      envelope: '{}',
      identityDomain: policyId,
      chainId: 1n,
    } as const
    expect((await call(upload, () => gateway.uploadIdentityEncrypted(identity)))[0]).toEqual({
      dataRefId: taskId,
      gatewaySignature: '0x11',
      deadline: 9n,
    })
    const held = {
      envelope: '{}',
      identity_domain: policyId,
      identity_owner: client,
      domain: policyId,
      provider: client,
    }
    expect(
      (await call(held, () => gateway.getIdentityEncrypted({ dataRefId: taskId })))[0],
    ).toEqual({ envelope: '{}', identityDomain: policyId, identityOwner: client })
    expect((await call(held, () => gateway.getConfidentialData({ dataRefId: taskId })))[0]).toEqual(
      { envelope: '{}', domain: policyId, provider: client },
    )
    const confidential = {
      provider: client,
      domain: policyId,
      envelope: '{}',
      chainId: 1n,
    } as const
    expect((await call(upload, () => gateway.uploadConfidentialData(confidential)))[0]).toEqual({
      dataRefId: taskId,
    })
    const [done, request] = await call({ success: true, message: 'registered' }, () =>
      gateway.registerWebhook({ url: 'https://example.org/hook' }),
    )
    expect(done).toEqual({ success: true, message: 'registered' })
    expect(request).toMatchObject({ params: { timeout_seconds: 10, max_retries: 3 } })
    expect((await call({ success: true }, () => gateway.unregisterWebhook()))[0]).toEqual({
      success: true,
      message: undefined,
    })
  })

  test('any method by name', async () => {
    expect(
      (await call({ a: 1 }, () => gateway.request({ method: 'newt_other', params: { b: 2 } })))[0],
    ).toEqual({ a: 1 })
  })
})
