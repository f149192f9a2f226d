import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { address, createWorld, word } from '../../../../test/support/attestationWorld.js'
import { verifyTaskAttestation } from '../../../attestation/index.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import { EndpointsDisagreeError, StaleHeadError } from '../../chain/errors.js'
import { type CompareOptions, createComparingReader } from './comparing.js'

const client = address(0xc1)

/** Two endpoints of one world, the second of which says what `lies` says. */
function setup(
  lies: Partial<RegistryReader> = {},
  options: CompareOptions & { certificates?: object } = {},
) {
  const world = createWorld()
  const { certificates } = world.reader
  const compared = createComparingReader(
    [
      { name: 'ours', registry: world.registry, certificates },
      {
        name: 'theirs',
        registry: { ...world.registry, ...lies },
        certificates: { ...certificates, ...options.certificates } as typeof certificates,
      },
    ],
    options,
  )
  return { world, ...compared }
}

async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  return work().then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('createComparingReader', () => {
  test('default: what all say alike is the answer, and verifies', async () => {
    const { world, registry, certificates } = setup()
    const evaluation = world.evaluate(world.makeTask())
    const { task, response, preimage } = evaluation
    const outcome = await verifyTaskAttestation({
      reader: { ...world.reader, registry, certificates },
      task,
      response,
      preimage,
      certificate: world.sign(response),
    })
    expect(outcome).toEqual({ status: 'valid', level: 'quorum' })
    expect(await registry.getLatestBlock()).toEqual(await world.registry.getLatestBlock())
  })

  const reads: [string, Partial<RegistryReader>, (reader: RegistryReader) => Promise<unknown>][] = [
    [
      'currentPolicyInstanceAt',
      { currentPolicyInstanceAt: async () => word(66) },
      (r) => r.currentPolicyInstanceAt({ client, block: 100n }),
    ],
    [
      'currentPolicyDataInstanceAt',
      { currentPolicyDataInstanceAt: async () => null },
      (r) => r.currentPolicyDataInstanceAt({ client, templateId: refs[0] as Hex, block: 100n }),
    ],
    [
      'enclaveRequiredAt',
      { enclaveRequiredAt: async () => true },
      (r) => r.enclaveRequiredAt(100n),
    ],
    [
      'isEnclaveWhitelistedAt',
      { isEnclaveWhitelistedAt: async () => true },
      (r) => r.isEnclaveWhitelistedAt({ pcr0Commitment: word(4), block: 100n }),
    ],
    [
      'getPolicyTemplate',
      { getPolicyTemplate: async () => null },
      (r) => r.getPolicyTemplate(templateId),
    ],
    [
      'getPolicyDataTemplate',
      { getPolicyDataTemplate: async () => null },
      (r) => r.getPolicyDataTemplate(refs[0] as Hex),
    ],
    [
      'getPolicyInstance',
      { getPolicyInstance: async () => null },
      (r) => r.getPolicyInstance(instanceId),
    ],
    [
      'getPolicyDataInstance',
      { getPolicyDataInstance: async () => null },
      (r) => r.getPolicyDataInstance(dataInstanceId),
    ],
    ['getClient', { getClient: async () => null }, (r) => r.getClient(client)],
    [
      'snapshot',
      {
        snapshot: async (request) => ({
          ...(await plain.snapshot(request)),
          enclaveRequired: true,
        }),
      },
      (r) => r.snapshot({ client, block: 100n }),
    ],
    [
      'getBlock(90)',
      { getBlock: async (number) => ({ number, hash: word(9), timestamp: 1n }) },
      (r) => r.getBlock(90n),
    ],
  ]
  const { refs, templateId, registry: plain, policyInstanceId, dataInstanceIds } = createWorld()
  const instanceId = policyInstanceId
  const dataInstanceId = dataInstanceIds[0] as Hex

  test.each(reads)('error: ENDPOINTS_DISAGREE names both on %s', async (operation, lie, read) => {
    const error = await thrownBy(() => read(setup(lie).registry))
    expect(error).toBeInstanceOf(EndpointsDisagreeError)
    const { code, answers, retryable } = error as EndpointsDisagreeError
    expect([code, retryable]).toEqual(['ENDPOINTS_DISAGREE', true])
    expect((error as EndpointsDisagreeError).operation).toBe(operation)
    expect(answers.map(({ endpoint }) => endpoint)).toEqual(['ours', 'theirs'])
    expect(answers[0]?.answer).not.toBe(answers[1]?.answer)
    // An endpoint that says the same is no difference.
    await read(setup().registry)
  })

  test('error: ENDPOINTS_DISAGREE on an operator table or a certificate', async () => {
    const { world } = setup()
    const table = { referenceTimestamp: 1, quorumBps: 1, table: world.table.info }
    const one = setup({}, { certificates: { tableAt: async () => table } })
    expect(await thrownBy(async () => one.certificates?.tableAt(100n))).toMatchObject({
      operation: 'tableAt',
    })
    const two = setup({}, { certificates: { verifyCertificateAt: async () => false } })
    expect(
      await thrownBy(async () =>
        two.certificates?.verifyCertificateAt({ block: 100n, certificate: {} as never }),
      ),
    ).toMatchObject({ operation: 'verifyCertificateAt' })
  })

  test('behavior: a lie makes a verification inconclusive, never valid, never evidence', async () => {
    const { world, registry, certificates } = setup({
      snapshot: async (request) => {
        const honest = await world.registry.snapshot(request)
        return { ...honest, policyInstanceId: word(5) }
      },
    })
    const { task, response, preimage } = world.evaluate(world.makeTask())
    const outcome = await verifyTaskAttestation({
      reader: { ...world.reader, registry, certificates },
      task,
      response,
      preimage,
      certificate: world.sign(response),
    })
    expect(outcome).toMatchObject({ status: 'inconclusive', reason: 'RPC_FAILED' })
  })

  test('behavior: the newest block is the lowest of them, and all have it', async () => {
    const behind = setup({})
    const { head } = behind.world.state
    const lag = async (by: bigint, options?: CompareOptions) => {
      const { world, registry } = setup(
        { getLatestBlock: async () => world.registry.getBlock(head - by) as never },
        options,
      )
      return registry.getLatestBlock()
    }
    expect((await lag(5n)).number).toBe(head - 5n)
    expect(await thrownBy(() => lag(6n))).toMatchObject({ operation: 'getLatestBlock' })
    expect((await lag(6n, { maxHeadDistance: 6n })).number).toBe(head - 6n)
    // Its newest block is of another branch.
    const forked = setup({
      getLatestBlock: async () => ({ number: head - 1n, hash: word(1), timestamp: 1n }),
      getBlock: async (number) => ({ number, hash: word(1), timestamp: 1n }),
    })
    expect(await thrownBy(() => forked.registry.getLatestBlock())).toMatchObject({
      operation: `getBlock(${head - 1n})`,
    })
  })

  test('behavior: a block that one of them does not have yet is not mined', async () => {
    const { registry } = setup({ getBlock: async () => null })
    expect(await registry.getBlock(90n)).toBeNull()
  })

  test('behavior: an endpoint that fails is an error', async () => {
    const { registry } = setup({
      enclaveRequiredAt: async () => {
        throw new Error('connection reset')
      },
    })
    await expect(registry.enclaveRequiredAt(100n)).rejects.toThrow('connection reset')
  })

  test('error: STALE_HEAD where the newest block lies behind the clock', async () => {
    const { world } = setup()
    const head = await world.registry.getLatestBlock()
    const at = (seconds: number) => ({ now: () => (Number(head.timestamp) + seconds) * 1_000 })
    const fresh = setup({}, { maxHeadAge: 60_000, ...at(60) })
    expect(await fresh.registry.getLatestBlock()).toEqual(head)
    const stuck = setup({}, { maxHeadAge: 60_000, ...at(61) })
    const error = await thrownBy(() => stuck.registry.getLatestBlock())
    expect(error).toBeInstanceOf(StaleHeadError)
    expect(error).toMatchObject({ code: 'STALE_HEAD', block: head.number, age: 61_000 })
    expect(() => setup({}, { maxHeadAge: 0 })).toThrow('maxHeadAge')
  })

  test('error: INVALID_INPUT for endpoints that cannot be compared', () => {
    const { registry } = createWorld()
    const one = { name: 'a', registry }
    expect(() => createComparingReader([one])).toThrow('two or more')
    expect(() => createComparingReader([one, one])).toThrow('given twice')
    expect(() => createComparingReader([one, { ...one, name: '' }])).toThrow('expected a name')
    const foreign = { name: 'b', registry: { ...registry, chainId: 5n } }
    expect(() => createComparingReader([one, foreign])).toThrow('endpoints[1].registry.chainId')
    expect(createComparingReader([one, { ...one, name: 'b' }]).certificates).toBeUndefined()
  })
})
