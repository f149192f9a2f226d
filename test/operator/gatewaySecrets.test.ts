/** A gateway's methods for secrets, where some operators are silent or down. */
import type { Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, describe, expect, test } from 'vitest'
import type { RegistryReader } from '../../src/core/interfaces/registryReader.js'
import { createDecryptionKey, pinnedRecipient, sealSecrets } from '../../src/enclave/index.js'
import { secretsUploadTypedData } from '../../src/enclave/secrets/upload.js'
import { fromUtf8, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import {
  type GatewayParameters,
  type OperatorClient,
  OperatorRpcError,
  OperatorUnreachableError,
} from '../../src/operator/index.js'
import { RpcError } from '../../src/registry/index.js'
import { address, word } from '../support/attestationWorld.js'
import { createGatewayWorld } from '../support/gatewayWorld.js'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

type Answer = (method: string, signal: AbortSignal | undefined) => Promise<unknown>
const silent: Answer = () => new Promise(() => undefined)
const down: Answer = () =>
  Promise.reject(new OperatorUnreachableError({ operator: address(1), reason: 'it is cut off' }))
const refusing: Answer = () =>
  Promise.reject(new OperatorRpcError({ fault: 'SECRETS_REFUSED', detail: 'no such slot' }))
const good: Answer = async (method) =>
  method === 'newt_putEnvelope'
    ? { envelopeHash: word(7) }
    : { publicKey: word(1), epoch: 3n, document: '0xd0' }

/** Asks a gateway whose operators answer so; with each method that an operator was asked, by time. */
async function ask(
  answers: readonly Answer[],
  method: string,
  { params = {}, ...change }: Partial<GatewayParameters> & { params?: object } = {},
) {
  const asked: string[] = []
  const ended: string[] = []
  const operators = answers.map((answer, index) => ({
    operator: address(index + 1),
    url: `http://operator-${index}/rpc`,
    call: (name: string, _: object, options?: { signal?: AbortSignal }) => {
      asked.push(name)
      options?.signal?.addEventListener('abort', () => ended.push(name))
      return answer(name, options?.signal)
    },
  })) as unknown as OperatorClient[]
  const { gateway } = createGatewayWorld({ operators, registry, ...change })
  closers.push(gateway.close)
  const started = performance.now()
  const { body } = await gateway.rpc.handle({
    body: utf8(JSON.stringify({ jsonrpc: '2.0', id: '1', method, params })),
    authorization: null,
  })
  const { result, error } = JSON.parse(body)
  return { result, error, asked, ended, milliseconds: performance.now() - started }
}

const owner = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const stranger = privateKeyToAccount(`0x${'12'.repeat(32)}`)
const client = address(2)
const key = await createDecryptionKey({ secret: new Uint8Array(32).fill(7) })
const onChain = { chainId: 31_337n, policyDataRegistry: address(0xa2) }
const registry = {
  ...onChain,
  getPolicyDataInstance: async (id: Hex) =>
    id === word(3) ? { client, templateId: word(4) } : null,
  getPolicyDataTemplate: async () => ({ secretsSchemaHash: word(5) }),
  getClient: async () => ({ owner: owner.address, active: true }),
} as unknown as RegistryReader

async function uploadOf(
  change: { signer?: typeof owner; of?: Hex; instance?: Hex; seconds?: number } = {},
): Promise<Record<string, unknown>> {
  const { signer = owner, of = client, instance = word(3), seconds = 600 } = change
  const { envelope } = await sealSecrets({
    recipient: pinnedRecipient({ publicKey: key.publicKey }),
    ...{ secrets: { apiKey: 'k' }, validation: 'skip', chainId: 31_337n, client: of },
    ...{ sequence: 1n, policyDataInstanceId: instance },
  })
  const deadline = BigInt(Math.floor(Date.now() / 1_000) + seconds)
  const signature = await signer.signTypedData(
    secretsUploadTypedData({
      ...onChain,
      ...{ policyDataInstanceId: instance, sequence: 1n, deadline },
      envelopeHash: keccakHex(envelope),
    }),
  )
  return {
    ...{ policy_client: client, chain_id: 31_337, policy_data_instance_id: instance },
    ...{ envelope: fromUtf8(envelope), owner_signature: signature },
    ...{ sequence: '1', deadline: deadline.toString() },
  }
}
const upload = await uploadOf()

describe('secrets methods of a gateway', () => {
  test.each([
    ['newt_getSecretsPublicKey', {}],
    ['newt_getSecretsMetadata', { policy_data_instance_id: word(3) }],
    ['newt_storeEncryptedSecrets', upload],
  ])('error: %s ends with its own time where all are silent', async (method, params) => {
    const limits = { timeout: 300 }
    const told = await ask([silent, silent, silent, silent], method, { params, limits })
    expect(told.error.data).toMatchObject({ name: 'TIMED_OUT' })
    expect(told.milliseconds).toBeLessThan(5_000)
  })

  test('behavior: silent operators are waited for once, together', async () => {
    const told = await ask([silent, silent, silent, silent, good], 'newt_getSecretsPublicKey')
    expect(told.result).toMatchObject({ public_key: word(1), epoch: '3' })
    // One after the other would be ten seconds each.
    expect(told.milliseconds).toBeLessThan(5_000)
    // Where the good one was first by chance, nobody else was asked.
    expect([1, 5]).toContain(told.asked.length)
    expect(told.ended).toHaveLength(told.asked.length)
  })

  test('behavior: the others are asked at once where the first one fails', async () => {
    const told = await ask([down, down, down, good], 'newt_getSecretsPublicKey')
    expect(told.result).toMatchObject({ public_key: word(1) })
    expect(told.milliseconds).toBeLessThan(900)
  })

  test('behavior: an upload is handed to all, and no refusal of its content is asked over', async () => {
    const taken = await ask([good, good, good], 'newt_storeEncryptedSecrets', { params: upload })
    expect(taken.result).toMatchObject({ success: true, envelope_hash: word(7), holders: 3 })
    expect(taken.asked).toHaveLength(4)
    const answers = [refusing, refusing, refusing]
    const told = await ask(answers, 'newt_storeEncryptedSecrets', { params: upload })
    expect(told.result).toMatchObject({ success: false })
    expect(told.asked).toHaveLength(1)
  })

  test('error: what the chain says is wrong of an upload is told before any operator is asked', async () => {
    const cases: [string, Record<string, unknown>, Partial<GatewayParameters>?][] = [
      ['the instance’s is', { ...upload, policy_client: address(8) }],
      ['of another client', await uploadOf({ of: address(8) })],
      ['no such policy-data instance', await uploadOf({ instance: word(9) })],
      ['another instance or sequence', { ...upload, sequence: '2' }],
      ['no envelope of version 2', { ...upload, envelope: 'x' }],
      ['has passed', await uploadOf({ seconds: -5 })],
      ['seconds ahead', await uploadOf({ seconds: 90_000 })],
      [
        'not that of the client’s owner',
        await uploadOf({ signer: stranger }),
        { isValidContractSignature: async () => false },
      ],
      [
        'takes no secrets',
        upload,
        { registry: { ...registry, getPolicyDataTemplate: async () => null } },
      ],
      ['not registered', upload, { registry: { ...registry, getClient: async () => null } }],
    ]
    for (const [reason, params, change] of cases) {
      const told = await ask([good], 'newt_storeEncryptedSecrets', { ...change, params })
      expect(told.result, reason).toMatchObject({ success: false, schema: null })
      expect(told.result.error).toContain(reason)
      expect(told.result.error).toMatch(/^The gateway refuses the call \(SECRETS_REFUSED\)/)
      expect(told.asked).toEqual([])
    }
    for (const policy_client of ['0x12', 7, null]) {
      const params = { ...upload, policy_client }
      const told = await ask([good], 'newt_storeEncryptedSecrets', { params })
      expect(told.error.data).toMatchObject({ name: 'INVALID_PARAMS' })
      expect(told.asked).toEqual([])
    }
    const failing = { ...registry, getClient: () => Promise.reject(new RpcError('the chain')) }
    const cut = await ask([good], 'newt_storeEncryptedSecrets', {
      ...{ params: upload, registry: failing },
    })
    expect(cut.error.data).toMatchObject({ name: 'CONTRACT_READ_FAILED', retryable: true })
    expect(cut.asked).toEqual([])
  })

  test('behavior: an owner that is a contract is asked, by operators where the gateway cannot', async () => {
    const params = await uploadOf({ signer: stranger })
    for (const change of [{}, { isValidContractSignature: async () => true }]) {
      const told = await ask([good], 'newt_storeEncryptedSecrets', { params, ...change })
      expect(told.result).toMatchObject({ success: true })
    }
    const letters = { ...upload, policy_client: client.toUpperCase().replace('0X', '0x') }
    const told = await ask([good], 'newt_storeEncryptedSecrets', { params: letters })
    expect(told.result).toMatchObject({ success: true })
  })

  test('error: NO_QUORUM where all fail, and where there is none', async () => {
    for (const answers of [[down, down, down], []]) {
      const { error, asked } = await ask(answers, 'newt_getSecretsPublicKey')
      expect(error.data).toMatchObject({ name: 'NO_QUORUM' })
      expect(asked).toHaveLength(answers.length)
    }
  })
})

test('error: INVALID_PARAMS for a chain that is neither a number nor text, whatever it would be as text', async () => {
  const chains: unknown[] = [
    { toString: 1 },
    { valueOf: 1 },
    [31_337],
    ['31337'],
    [],
    {},
    null,
    true,
  ]
  for (const chain of chains) {
    const params = { policy_data_instance_id: word(3), chain_id: chain }
    const { error, asked } = await ask([], 'newt_getSecretsMetadata', { params })
    expect(error.data, JSON.stringify(chain)).toMatchObject({ name: 'INVALID_PARAMS' })
    expect(asked).toEqual([])
  }
  for (const chain of [1, '0x1', 'abc', '31337.0', 31_337.5, -1]) {
    const params = { policy_data_instance_id: word(3), chain_id: chain }
    const { error } = await ask([], 'newt_getSecretsMetadata', { params })
    expect(error.data, String(chain)).toMatchObject({ name: 'FOREIGN_CHAIN' })
  }
})

test('error: who refuses a malformed or hasty call of a gateway is the gateway', async () => {
  const { gateway } = createGatewayWorld({ limits: { burst: 6, perSecond: 0.001 } })
  closers.push(gateway.close)
  const bodies = ['{', '[]', '{}', '{"jsonrpc":"2.0"}', '{"jsonrpc":"2.0","id":"1"}']
  bodies.push('{"jsonrpc":"2.0","id":"1","method":"x","params":[]}', '{}')
  for (const body of bodies) {
    const answer = await gateway.rpc.handle({ body: utf8(body), authorization: null })
    expect(JSON.parse(answer.body).error.message).toMatch(/^The gateway refuses the call \(/)
  }
})
