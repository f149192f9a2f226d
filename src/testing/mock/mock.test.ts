/** Mocks are as strict as what they stand for: real contracts, operators, gateway, verifier. */
import { test as base, describe, expect, vi } from 'vitest'
import { verifyTaskAttestation } from '../../attestation/index.js'
import { createGatewayClient } from '../../gateway/index.js'
import { acceptResponseSync, setCurrentPolicyInstanceSync } from '../../registry/index.js'
import { type Dishonesty, dishonestKinds, mockEvaluator, simulatedEnclave } from '../index.js'
import { extendTest, policyMatchers } from '../vitest/index.js'

// A network is started once, in the time of the first test.
vi.setConfig({ testTimeout: 180_000 })
expect.extend(policyMatchers)
const test = extendTest(base)

describe('mockRegistries', () => {
  test('behavior: what the contracts refuse is refused', async ({ registries }) => {
    const { client, addresses } = registries
    const { policyClient, templateId } = await registries.addPolicy()
    const stranger = setCurrentPolicyInstanceSync(client.as(3), {
      ...{ client: policyClient, instanceId: templateId, addresses },
      preflight: false,
    })
    await expect(stranger).toRevertWith('NotClientOwner')
    const missing = setCurrentPolicyInstanceSync(client, {
      ...{ client: policyClient, instanceId: templateId, addresses },
      preflight: false,
    })
    await expect(missing).rejects.toMatchObject({ code: 'CONTRACT_REVERT' })
  })

  test('behavior: each test finds the chain as it was at the start', async ({ registries }) => {
    const { fromBlock } = registries.addresses
    const height = await registries.client.getBlockNumber({ cacheTime: 0 })
    expect(height).toBeLessThan(fromBlock + 60n)
    expect(registries.outputs.size).toBe(0)
  })
})

describe('mockEvaluator', () => {
  test('behavior: the policy decides, on the outputs that are given', async ({ registries }) => {
    const evaluator = mockEvaluator({ registries })
    const { policyClient, plugins } = await registries.addPolicy()
    const decide = async (value: bigint): Promise<unknown> => {
      const task = await registries.makeTask({ policyClient, intent: { value } })
      return evaluator.evaluate({ task, referenceTimestamp: 0 })
    }
    expect(await decide(1_000n)).toAllow()
    expect(await decide(1_001n)).toDeny('the amount is over the limit')
    const [plugin] = plugins
    if (plugin === undefined) throw new TypeError('a plugin is missing')
    registries.outputs.set(plugin.templateId, { score: 51 })
    expect(await decide(1n)).toDeny(/risk score/)
    registries.outputs.delete(plugin.templateId)
    await expect(decide(1n)).rejects.toThrow(/has no output/)
  })
})

describe('inputs of mockRegistries', () => {
  test('error: a slip of the pen is no default', async ({ registries }) => {
    await expect(registries.addPolicy({ parms: {} } as never)).rejects.toThrow('`policy.parms`')
    await expect(registries.makeTask(undefined as never)).rejects.toThrow('`task`')
    const slip = { policyClient: registries.addresses.policyRegistry, intent: { vlaue: 5n } }
    await expect(registries.makeTask(slip as never)).rejects.toThrow('`intent.vlaue`')
  })
})

describe('mockOperators', () => {
  test('behavior: an honest quorum is valid, and its answer is accepted', async ({
    registries,
    operators,
  }) => {
    const { policyClient } = await registries.addPolicy()
    const answer = await operators.evaluate(await registries.makeTask({ policyClient }))
    const { reader } = operators
    const outcome = await verifyTaskAttestation({ ...answer, reader, level: 'result' })
    expect(outcome).toBeValidAttestation('result')
    const { client, addresses } = registries
    await acceptResponseSync(client.as(4), { ...answer, addresses })
  })

  const reasons: Record<Dishonesty, string> = {
    falseResult: 'WRONG_RESULT',
    wrongPlugin: 'WRONG_DATA_ARTIFACT',
    wrongRego: 'WRONG_REGO',
    wrongParams: 'WRONG_PARAMS',
    wrongTemplate: 'WRONG_TEMPLATE',
    wrongInstance: 'WRONG_INSTANCE',
    wrongExpiration: 'WRONG_EXPIRATION',
    wrongEnclave: 'INVALID_TEE_ATTESTATION',
    otherChain: 'CROSS_CHAIN_REPLAY',
    otherTask: 'TASK_MISMATCH',
    badSignature: 'BAD_CERTIFICATE',
  }
  test('behavior: every kind of dishonest quorum is refused, each for its reason', async ({
    registries,
    operators,
  }) => {
    const { policyClient } = await registries.addPolicy()
    const task = await registries.makeTask({ policyClient })
    for (const kind of dishonestKinds) {
      const forged = await operators.collude(task, kind)
      const outcome = await verifyTaskAttestation({
        ...forged,
        reader: operators.reader,
        level: 'result',
      })
      expect(outcome, kind).toBeRefusedWith(reasons[kind])
    }
    await expect(operators.collude(task, 'other' as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('behavior: one that misbehaves changes nothing, two stop a quorum', async ({
    registries,
    operators,
  }) => {
    const { policyClient } = await registries.addPolicy()
    const verified = async (): Promise<unknown> => {
      const answer = await operators.evaluate(await registries.makeTask({ policyClient }), {
        timeout: 100_000,
      })
      expect(answer).toMatchObject({ signers: [0, 1, 2] })
      return verifyTaskAttestation({ ...answer, reader: operators.reader, level: 'result' })
    }
    for (const behaviour of ['unreachable', 'falseResult', 'badSignature'] as const) {
      operators.behave(behaviour, [3])
      expect(await verified(), behaviour).toBeValidAttestation('result')
    }
    operators.behave('falseResult', [2])
    await expect(verified()).rejects.toMatchObject({ code: 'TASK_FAILED' })
  })
})

describe('mockGateway', () => {
  test('behavior: a task goes through the calls, and comes back verified', async ({
    registries,
    gateway,
    operators,
  }) => {
    const { policyClient } = await registries.addPolicy()
    await registries.client.node.mine(2)
    const { intent } = await registries.makeTask({ policyClient, intent: { value: 4_000n } })
    const denied = await gateway.tasks.createTask({ policyClient, intent, timeout: 100_000 })
    expect(denied).toDeny('the amount is over the limit')
    operators.behave('unreachable')
    const failed = gateway.tasks.createTask({ policyClient, intent, timeout: 2_000 })
    await expect(failed).rejects.toMatchObject({ code: 'OPERATOR_RPC' })
  })

  test('error: another address, another method, a body that is none', async ({ gateway }) => {
    expect((await gateway.fetch('https://gateway.mock/other')).status).toBe(404)
    expect((await gateway.fetch(gateway.url)).status).toBe(405)
    const answer = await gateway.fetch(gateway.url, { method: 'POST', body: '{' })
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: {} }])
    const { url, fetch } = gateway
    const client = createGatewayClient({ url, fetch, retries: 0 })
    await expect(client.request({ method: 'newt_other', params: {} })).rejects.toThrow()
  })
})

describe('simulatedEnclave', () => {
  test('behavior: answers have documents that verify, and faults are refused', async ({
    registries,
  }) => {
    const inside = mockEvaluator({ registries })
    const { evaluator, simulator, close } = await simulatedEnclave({ evaluator: inside })
    const { policyClient } = await registries.addPolicy()
    const task = await registries.makeTask({ policyClient })
    const answer = await evaluator.evaluate({ task, referenceTimestamp: 0 })
    expect(answer).toMatchObject({ allow: true, assurance: 'simulator' })
    expect(answer.document?.length).toBeGreaterThan(1_000)
    expect(simulator.policy.insecureTrustRoot).toBe(true)
    await close()
  })
})

describe('matchers', () => {
  const said = (work: () => unknown): string => {
    try {
      work()
    } catch (error) {
      return (error as Error).message
    }
    return 'it passed'
  }
  base('error: they say what was found', async () => {
    const rejected = { status: 'reject', reason: 'EXPIRED', detail: 'at block 9' }
    expect(said(() => expect(rejected).toBeValidAttestation())).toContain('reason: EXPIRED')
    expect(said(() => expect(rejected).toBeRefusedWith('WRONG_REGO'))).toContain('at block 9')
    const inconclusive = { status: 'inconclusive', reason: 'TIMEOUT', detail: 'x' }
    expect(said(() => expect(inconclusive).toBeRefusedWith('TIMEOUT'))).not.toBe('it passed')
    const atQuorum = { status: 'valid', level: 'quorum' }
    expect(said(() => expect(atQuorum).toBeValidAttestation('result'))).not.toBe('it passed')
    expect(said(() => expect('no').toBeValidAttestation())).toContain('no outcome')
    expect(said(() => expect({ allow: true }).toDeny())).toContain('an allow')
    expect(said(() => expect({ allow: false, reasons: ['a'] }).toDeny('b'))).toContain('"a"')
    expect(said(() => expect(7).not.toAllow())).toBe('it passed')
    await expect(expect(Promise.resolve(1)).toRevertWith('X')).rejects.toThrow('no error')
    await expect(expect(Promise.reject(new TypeError('t'))).toRevertWith('X')).rejects.toThrow('t')
  })
})
