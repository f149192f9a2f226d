/** The typed client of Newton's gateway. */
import type { Hex } from 'viem'
import type { Json } from '../core/canonicalJson.js'
import { InvalidInputError } from '../errors/common.js'
import type { IoOptions } from '../internal/deadline.js'
import type {
  GatewayClient,
  GatewayOptions,
  GatewayPublicKey,
  SentTask,
  SimulatedData,
  SimulatedPolicy,
  Simulation,
} from './clientTypes.js'
import {
  booleanField,
  type Fields,
  fieldsOf,
  member,
  textField,
  textFields,
  uintField,
  wordField,
} from './fields.js'
import {
  writeAddress,
  writeBytes,
  writeChainId,
  writeSimulatePolicy,
  writeSimulateTask,
  writeStoreSecrets,
  writeTask,
  writeWebhook,
} from './requests.js'
import { callRpc, type RpcTransport } from './rpc.js'
import { type SubscriptionTransport, subscribeTask, waitForTaskUpdate } from './subscription.js'
import { readCreatedTask } from './taskResult.js'

/**
 * Creates a client of the gateway.
 *
 * @throws {InvalidInputError} for a URL that would send the key in the clear.
 * @example
 * ```ts
 * import { createGatewayClient } from '@newton/policy-sdk/gateway'
 *
 * const gateway = createGatewayClient({ url: 'https://gateway.testnet.newton.xyz/rpc', apiKey })
 * const { allowed, task, taskResponse, signatureData } = await gateway.createTask({ policyClient, intent })
 * ```
 */
export function createGatewayClient(options: GatewayOptions): GatewayClient {
  const transport = makeTransport(options)
  const sockets = makeSockets(options)
  const request: GatewayClient['request'] = ({ method, params, retry = 'write' }, io) =>
    callRpc(transport, { method, params, retry }, io)
  const read = async (method: string, params: Json, io?: IoOptions): Promise<Fields> =>
    fieldsOf(await request({ method, params, retry: 'read' }, io), { path: 'result', method })
  const write = async (method: string, params: Json, io?: IoOptions): Promise<Fields> =>
    fieldsOf(await request({ method, params, retry: 'write' }, io), { path: 'result', method })

  return {
    request,
    createTask: async (parameters, io) => {
      const method = 'newt_createTask'
      const params = writeTask(parameters)
      return readCreatedTask(await request({ method, params, retry: 'task' }, io), method)
    },
    sendTask: async (parameters, io) => {
      const method = 'newt_sendTask'
      const { includeValidateCalldata: _, ...rest } = parameters
      const result = await request({ method, params: writeTask(rest), retry: 'task' }, io)
      return readSentTask(fieldsOf(result, { path: 'result', method }))
    },
    subscribe: (parameters) => subscribeTask(sockets, parameters),
    waitForTask: (topic, io) => waitForTaskUpdate(sockets, topic, io),
    simulateTask: async (parameters, io) =>
      readSimulation(
        await read('newt_simulateTask', writeSimulateTask(parameters), io),
        (fields) => {
          return (member(fields, 'result') ?? null) as Json
        },
      ),
    simulatePolicy: async (parameters, io) =>
      readSimulation(
        await read('newt_simulatePolicy', writeSimulatePolicy(parameters), io),
        readPolicy,
      ),
    simulatePolicyData: async ({ policyDataAddress, chainId, secrets, wasmArgs }, io) => {
      const params = {
        policy_data_address: writeAddress(policyDataAddress, 'policyDataAddress'),
        chain_id: writeChainId(chainId),
        ...(secrets === undefined ? {} : { secrets }),
        ...wasm(wasmArgs),
      }
      return readSimulation(await read('newt_simulatePolicyData', params, io), readData)
    },
    simulatePolicyDataWithClient: async ({ policyDataAddress, policyClient, wasmArgs }, io) => {
      const params = {
        policy_data_address: writeAddress(policyDataAddress, 'policyDataAddress'),
        policy_client: writeAddress(policyClient, 'policyClient'),
        ...wasm(wasmArgs),
      }
      return readSimulation(await read('newt_simulatePolicyDataWithClient', params, io), readData)
    },
    getPrivacyPublicKey: async (io) => readKey(await read('newt_getPrivacyPublicKey', {}, io)),
    getSecretsPublicKey: async (io) => readKey(await read('newt_getSecretsPublicKey', {}, io)),
    storeEncryptedSecrets: async (parameters, io) =>
      readSimulation(
        await write('newt_storeEncryptedSecrets', writeStoreSecrets(parameters), io),
        (fields) => {
          return { schema: (member(fields, 'schema') ?? null) as Json }
        },
      ),
    uploadIdentityEncrypted: async (parameters, io) => {
      const { identityOwner, identityOwnerSignature, envelope, identityDomain, chainId } =
        parameters
      const fields = await write(
        'newt_uploadIdentityEncrypted',
        {
          identity_owner: writeAddress(identityOwner, 'identityOwner'),
          identity_owner_sig: writeBytes(identityOwnerSignature, 'identityOwnerSignature') as Hex,
          envelope,
          identity_domain: writeBytes(identityDomain, 'identityDomain') as Hex,
          chain_id: writeChainId(chainId),
        },
        io,
      )
      const texts = textFields(fields, ['dataRefId', 'gatewaySignature'])
      return { ...texts, deadline: uintField(fields, 'deadline') }
    },
    getIdentityEncrypted: async ({ dataRefId }, io) =>
      textFields(await read('newt_getIdentityEncrypted', { data_ref_id: dataRefId }, io), [
        'envelope',
        'identityDomain',
        'identityOwner',
      ]),
    uploadConfidentialData: async ({ provider, domain, envelope, chainId }, io) => {
      const params = {
        provider: writeAddress(provider, 'provider'),
        domain: writeBytes(domain, 'domain') as Hex,
        envelope,
        chain_id: writeChainId(chainId),
      }
      return textFields(await write('newt_uploadConfidentialData', params, io), ['dataRefId'])
    },
    getConfidentialData: async ({ dataRefId }, io) =>
      textFields(await read('newt_getConfidentialData', { data_ref_id: dataRefId }, io), [
        'envelope',
        'domain',
        'provider',
      ]),
    registerWebhook: async (parameters, io) =>
      readDone(await write('newt_registerWebhook', writeWebhook(parameters), io)),
    unregisterWebhook: async (io) => readDone(await write('newt_unregisterWebhook', {}, io)),
  }
}

function makeTransport(options: GatewayOptions): RpcTransport {
  const url = checkUrl(options.url, { field: 'url', protocols: ['https:', 'http:'] })
  const { apiKey } = options
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new InvalidInputError({ field: 'apiKey', reason: 'expected visible ASCII' })
  }
  return {
    url: url.href,
    apiKey,
    fetch: options.fetch ?? ((...call) => globalThis.fetch(...call)),
    headers: options.headers ?? {},
    timeout: options.timeout ?? 60_000,
    retries: options.retries ?? 3,
    retryDelay: options.retryDelay ?? ((attempt) => Math.min(200 * 2 ** (attempt - 1), 5_000)),
    newId: options.newId ?? (() => globalThis.crypto.randomUUID()),
    maxResponseBytes: options.maxResponseBytes ?? 16 * 1024 * 1024,
    onEvent: options.onEvent,
  }
}

function makeSockets(options: GatewayOptions): SubscriptionTransport {
  const url = new URL(options.url)
  const derived = new URL('/ws', url)
  derived.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  const chosen = checkUrl(options.webSocketUrl ?? derived.href, {
    field: 'webSocketUrl',
    protocols: ['wss:', 'ws:'],
  })
  return { url: chosen.href, apiKey: options.apiKey, create: options.webSocket ?? platformSocket }
}

function platformSocket(url: string): WebSocket {
  if (typeof globalThis.WebSocket !== 'function') {
    throw new InvalidInputError({
      field: 'webSocket',
      reason: 'this platform has no WebSocket',
      hint: 'Pass `webSocket: (url) => new WebSocket(url)` with that of a package such as ws.',
    })
  }
  return new globalThis.WebSocket(url)
}

/** Refuses what would send a key in the clear over a network. */
function checkUrl(
  text: string,
  { field, protocols }: { field: string; protocols: readonly string[] },
): URL {
  if (!URL.canParse(text)) throw new InvalidInputError({ field, reason: 'expected a URL' })
  const url = new URL(text)
  const [secure] = protocols
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (!protocols.includes(url.protocol) || (url.protocol !== secure && !local)) {
    throw new InvalidInputError({
      field,
      reason: `expected ${secure}//, which only this machine may do without`,
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInputError({
      field,
      reason: 'a URL must not hold credentials',
      hint: 'Pass `apiKey`.',
    })
  }
  return url
}

function readSimulation<value>(fields: Fields, read: (fields: Fields) => value): Simulation<value> {
  if (booleanField(fields, 'success')) return { success: true, value: read(fields) }
  const details = member(fields, 'errorDetails') ?? member(fields, 'details') ?? null
  return {
    success: false,
    error: textField(fields, 'error') ?? 'no reason given',
    details: details as Json,
  }
}

function readPolicy(fields: Fields): SimulatedPolicy {
  const result = fieldsOf(member(fields, 'evaluationResult'), {
    path: 'result.evaluation_result',
    method: fields.method,
  })
  return {
    result: (member(result, 'result') ?? null) as Json,
    parsedIntent: (member(result, 'parsedIntent') ?? null) as Json,
    policyParamsAndData: (member(result, 'policyParamsAndData') ?? null) as Json,
    entrypoint: textField(result, 'entrypoint'),
  }
}

function readData(fields: Fields): SimulatedData {
  const path = 'result.policy_data'
  const data = fieldsOf(member(fields, 'policyData'), { path, method: fields.method })
  return {
    specifier: textField(data, 'specifier'),
    data: (member(data, 'data') ?? null) as Json,
    timestamp: uintField(data, 'timestamp'),
  }
}

function readKey(fields: Fields): GatewayPublicKey {
  const { keyType, encryptionSuite } = textFields(fields, ['keyType', 'encryptionSuite'])
  return { publicKey: wordField(fields, 'publicKey'), keyType, encryptionSuite }
}

function readSentTask(fields: Fields): SentTask {
  const { subscriptionTopic: topic } = textFields(fields, ['subscriptionTopic'])
  const taskId = wordField(fields, 'taskId')
  return {
    taskId,
    topic,
    message: textField(fields, 'message'),
    timestamp: uintField(fields, 'timestamp'),
  }
}

function readDone(fields: Fields): { success: boolean; message: string | undefined } {
  return { success: booleanField(fields, 'success'), message: textField(fields, 'message') }
}

function wasm(wasmArgs: Hex | undefined): { wasm_args?: Hex } {
  const bytes = writeBytes(wasmArgs, 'wasmArgs')
  return bytes === undefined ? {} : { wasm_args: bytes }
}
