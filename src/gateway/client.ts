/** The typed client of Newton's gateway. */
import type { Hex } from 'viem'
import type { Json } from '../core/canonicalJson.js'
import { assertKnown, assertObject } from '../internal/options.js'
import type { GatewayClient, GatewayOptions, GatewayPublicKey, SentTask } from './clientTypes.js'
import { makeSockets, makeTransport } from './endpoints.js'
import {
  booleanField,
  type Fields,
  type FieldsCall,
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
  writeSentTask,
  writeStoreSecrets,
  writeTask,
  writeWebhook,
} from './requests.js'
import { callRpc } from './rpc.js'
import { readSimulation, simulationMethods } from './simulations.js'
import { type SubscriptionTransport, subscribeTask, waitForTaskUpdate } from './subscription.js'
import { readCreatedTask } from './taskResult.js'

const optionNames = [
  'url',
  'apiKey',
  'fetch',
  'webSocket',
  'webSocketUrl',
  'headers',
  'timeout',
  'retries',
  'retryDelay',
  'newId',
  'maxResponseBytes',
  'onEvent',
] as const satisfies readonly (keyof GatewayOptions)[]

/**
 * Creates a client of the gateway.
 *
 * @throws {InvalidInputError} for an option that it does not know, and for a URL that would send the key
 * in the clear.
 * @example
 * ```ts
 * import { createGatewayClient } from '@newton/policy-sdk/gateway'
 *
 * const gateway = createGatewayClient({ url: 'https://gateway.testnet.newton.xyz/rpc', apiKey })
 * const { allowed, task, taskResponse, signatureData } = await gateway.createTask({ policyClient, intent })
 * ```
 */
export function createGatewayClient(options: GatewayOptions): GatewayClient {
  assertObject('options', options)
  assertKnown('options', options, optionNames)
  const transport = makeTransport(options)
  const sockets = makeSockets(options)
  const request: GatewayClient['request'] = ({ method, params, retry = 'write' }, io) =>
    callRpc(transport, { method, params, retry }, io)
  const read: FieldsCall = async (method, params, io) =>
    fieldsOf(await request({ method, params, retry: 'read' }, io), { path: 'result', method })
  const write: FieldsCall = async (method, params, io) =>
    fieldsOf(await request({ method, params, retry: 'write' }, io), { path: 'result', method })

  return {
    request,
    ...taskMethods(request, sockets),
    ...simulationMethods(read),
    ...secretMethods(read, write),
    ...dataMethods(read, write),
    registerWebhook: async (parameters, io) =>
      readDone(await write('newt_registerWebhook', writeWebhook(parameters), io)),
    unregisterWebhook: async (io) => readDone(await write('newt_unregisterWebhook', {}, io)),
  }
}

/** Tasks: made, and followed until they end. */
function taskMethods(
  request: GatewayClient['request'],
  sockets: SubscriptionTransport,
): Pick<GatewayClient, 'createTask' | 'sendTask' | 'subscribe' | 'waitForTask'> {
  return {
    createTask: async (parameters, io) => {
      const method = 'newt_createTask'
      const params = writeTask(parameters)
      return readCreatedTask(await request({ method, params, retry: 'task' }, io), method)
    },
    sendTask: async (parameters, io) => {
      const method = 'newt_sendTask'
      const params = writeSentTask(parameters)
      const result = await request({ method, params, retry: 'task' }, io)
      return readSentTask(fieldsOf(result, { path: 'result', method }))
    },
    subscribe: (parameters) => subscribeTask(sockets, parameters),
    waitForTask: (topic, io) => waitForTaskUpdate(sockets, topic, io),
  }
}

/** Keys to seal to, and secrets sealed to them. */
function secretMethods(
  read: FieldsCall,
  write: FieldsCall,
): Pick<GatewayClient, 'getPrivacyPublicKey' | 'getSecretsPublicKey' | 'storeEncryptedSecrets'> {
  return {
    getPrivacyPublicKey: async (io) => readKey(await read('newt_getPrivacyPublicKey', {}, io)),
    getSecretsPublicKey: async (io) => readKey(await read('newt_getSecretsPublicKey', {}, io)),
    storeEncryptedSecrets: async (parameters, io) =>
      readSimulation(
        await write('newt_storeEncryptedSecrets', writeStoreSecrets(parameters), io),
        (fields) => {
          return { schema: (member(fields, 'schema') ?? null) as Json }
        },
      ),
  }
}

/** Sealed data of identities and of providers. */
function dataMethods(
  read: FieldsCall,
  write: FieldsCall,
): Pick<
  GatewayClient,
  | 'uploadIdentityEncrypted'
  | 'getIdentityEncrypted'
  | 'uploadConfidentialData'
  | 'getConfidentialData'
> {
  return {
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
  }
}

function readKey(fields: Fields): GatewayPublicKey {
  const { keyType, encryptionSuite } = textFields(fields, ['keyType', 'encryptionSuite'])
  const document = textField(fields, 'document')
  const attested =
    document !== undefined && /^0x([0-9a-f]{2})+$/.test(document)
      ? { document: document as Hex, epoch: uintField(fields, 'epoch') }
      : {}
  return { publicKey: wordField(fields, 'publicKey'), keyType, encryptionSuite, ...attested }
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
