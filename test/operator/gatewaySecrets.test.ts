/** A gateway's methods for secrets, where some operators are silent or down. */
import { afterEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../src/internal/bytes.js'
import {
  type GatewayParameters,
  type OperatorClient,
  OperatorRpcError,
  OperatorUnreachableError,
} from '../../src/operator/index.js'
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
  const { gateway } = createGatewayWorld({ operators, ...change })
  closers.push(gateway.close)
  const started = performance.now()
  const { body } = await gateway.rpc.handle({
    body: utf8(JSON.stringify({ jsonrpc: '2.0', id: '1', method, params })),
    authorization: null,
  })
  const { result, error } = JSON.parse(body)
  return { result, error, asked, ended, milliseconds: performance.now() - started }
}

const upload = {
  ...{ policy_client: address(2), chain_id: 31_337, policy_data_instance_id: word(3) },
  ...{ envelope: 'x', owner_signature: '0x11', sequence: '1', deadline: '1896078870' },
}

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

  test('error: NO_QUORUM where all fail, and where there is none', async () => {
    for (const answers of [[down, down, down], []]) {
      const { error, asked } = await ask(answers, 'newt_getSecretsPublicKey')
      expect(error.data).toMatchObject({ name: 'NO_QUORUM' })
      expect(asked).toHaveLength(answers.length)
    }
  })
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
