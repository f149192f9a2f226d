import { encodeFunctionResult, type Hex, multicall3Abi } from 'viem'
import { getBlock } from 'viem/actions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyRegistryAbi } from '../../src/core/abi/policyRegistryAbi.js'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../src/core/artifact.js'
import type { PluginProvenance } from '../../src/core/interfaces/provenance.js'
import type { SchemaValidator } from '../../src/core/interfaces/schemaValidator.js'
import * as registry from '../../src/registry/index.js'
import { simulatedArbSysBytecode } from '../../src/testing/artifacts/simulatedArbSys.generated.js'
import { deployContract } from '../../src/testing/contracts.js'
import { setUpPolicy, startChain, type TestChain, word } from './chain.js'
import { FakeRpcError, fakeBlock, fakeClient } from './fakeNode.js'

let chain: TestChain
let other: TestChain
beforeAll(async () => {
  ;[chain, other] = await Promise.all([startChain(), startChain({ chainId: 4242 })])
})
afterAll(() => Promise.all([chain?.anvil.stop(), other?.anvil.stop()]))

describe('createRegistryReader', () => {
  test('the slot at the end of every block, current one included', async () => {
    const { owner, addresses } = chain
    const policy = await setUpPolicy(chain, 1)
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    const height = await chain.height()
    const request = { client: policy.client, block: height }
    expect(await reader.currentPolicyInstanceAt(request)).toBe(policy.instance)
    expect(await reader.currentPolicyInstanceAt({ ...request, block: height - 1n })).toBe(null)
    expect(
      await reader.currentPolicyDataInstanceAt({
        client: policy.client,
        templateId: policy.dataTemplate,
        block: height - 1n,
      }),
    ).toBe(policy.dataInstance)
    await expect(
      reader.currentPolicyInstanceAt({ ...request, block: height + 1n }),
    ).rejects.toMatchObject({ code: 'BLOCK_NOT_FOUND', retryable: true })
    expect(await reader.getClient(owner.account.address)).toBe(null)
  })

  test('error: addresses without code, of another contract, wired otherwise, none', async () => {
    const { owner, addresses } = chain
    const create = (change: object): Promise<unknown> =>
      registry.createRegistryReader({ client: owner, addresses: { ...addresses, ...change } })
    await expect(create({ policyRegistry: owner.account.address })).rejects.toMatchObject({
      code: 'CONTRACT_NOT_FOUND',
    })
    await expect(create({ policyRegistry: addresses.certificateVerifier })).rejects.toMatchObject({
      code: 'REGISTRY_MISMATCH',
    })
    await expect(create({ policyDataRegistry: addresses.policyRegistry })).rejects.toMatchObject({
      code: 'REGISTRY_MISMATCH',
    })
    await expect(create({ policyRegistry: 'nonsense' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    await expect(
      registry.createRegistryReader({ client: owner, addresses: {} }),
    ).rejects.toMatchObject({ code: 'ADDRESS_REQUIRED' })
  })

  test('error: a registry of another version', async () => {
    const client = lyingNode({ version: '2.0.0' })
    await expect(
      registry.createRegistryReader({ client, addresses: lyingAddresses }),
    ).rejects.toMatchObject({
      code: 'REGISTRY_MISMATCH',
      message: expect.stringContaining('2.0.0') as string,
    })
  })

  test('error: a contract of another kind', async () => {
    const client = lyingNode({ kind: 'StateCommitRegistry' })
    await expect(
      registry.createRegistryReader({ client, addresses: lyingAddresses }),
    ).rejects.toMatchObject({
      code: 'REGISTRY_MISMATCH',
      message: expect.stringContaining('StateCommitRegistry') as string,
    })
  })

  test('error: hostile rows and hostile bytes never become a row', async () => {
    const row = {
      regoHash: word(1),
      paramsSchemaHash: ARTIFACT_ABSENT,
      policyDataTemplateRefs: [],
      author: lyingAddresses.policyRegistry,
      registeredAt: 1n,
    }
    const forged = encodeFunctionResult({
      abi: policyRegistryAbi,
      functionName: 'getTemplate',
      result: row,
    })
    const reader = await registry.createRegistryReader({
      client: lyingNode({ template: forged }),
      addresses: lyingAddresses,
    })
    await expect(reader.getPolicyTemplate(word(9))).rejects.toMatchObject({ code: 'ROW_MISMATCH' })
    for (const bytes of ['0x12', `0x${'ff'.repeat(64)}`, forged.slice(0, -64)] as Hex[]) {
      const hostile = await registry.createRegistryReader({
        client: lyingNode({ template: bytes }),
        addresses: lyingAddresses,
      })
      await expect(hostile.getPolicyTemplate(word(9))).rejects.toMatchObject({
        code: expect.stringMatching(/MALFORMED_RETURN_DATA|ROW_MISMATCH/) as string,
      })
    }
    const garbled = await registry.createRegistryReader({
      client: lyingNode({ template: '0x12' }),
      addresses: lyingAddresses,
    })
    await expect(garbled.getPolicyTemplate(word(9))).rejects.toMatchObject({
      code: 'MALFORMED_RETURN_DATA',
    })
    const silent = await registry.createRegistryReader({
      client: lyingNode({ template: '0x' }),
      addresses: lyingAddresses,
    })
    await expect(silent.getPolicyTemplate(word(9))).rejects.toMatchObject({
      code: 'CONTRACT_NOT_FOUND',
    })
    // A revert that is not the contract's word for "no such row" is no missing row either.
    const reverting = await registry.createRegistryReader({
      client: lyingNode({ template: '0xdeadbeef', success: false }),
      addresses: lyingAddresses,
    })
    await expect(reverting.getPolicyTemplate(word(9))).rejects.toMatchObject({
      code: 'CONTRACT_REVERT',
      raw: '0xdeadbeef',
    })
  })

  test('error: a node that fails is an error, never a missing row', async () => {
    const failing = fakeClient(() => {
      throw new FakeRpcError(-32603, 'down')
    })
    await expect(
      registry.createRegistryReader({ client: failing, addresses: lyingAddresses }),
    ).rejects.toMatchObject({ code: 'RPC_FAILED', retryable: true })
  })

  test('reads name the block by its hash', async () => {
    const blocks: unknown[] = []
    const client = lyingNode({ onCall: (block) => blocks.push(block) })
    await registry.createRegistryReader({ client, addresses: lyingAddresses })
    expect(blocks).toEqual([{ blockHash: word(0xb10c), requireCanonical: true }])
  })
})

describe('two chains', () => {
  const template = {
    wasmHash: word(70),
    paramsSchemaHash: ARTIFACT_ABSENT,
    secretsSchemaHash: ARTIFACT_ABSENT,
  }

  test('registration converges, and says what happened where', async () => {
    const targets = [
      { client: chain.owner, addresses: chain.addresses },
      { client: other.owner, addresses: other.addresses },
    ]
    const broken = {
      client: other.owner,
      addresses: { ...other.addresses, policyDataRegistry: word(0).slice(0, 42) as Hex },
    }
    const first = await registry.registerPolicyDataTemplateOnChains({
      ...template,
      chains: [targets[0] as never, broken],
    })
    expect(first.map(({ chainId, status }) => [chainId, status])).toEqual([
      [31_337, 'registered'],
      [4242, 'failed'],
    ])
    const second = await registry.registerPolicyDataTemplateOnChains({
      ...template,
      chains: targets,
    })
    expect(second.map(({ status }) => status)).toEqual(['already there', 'registered'])
    const third = await registry.registerPolicyDataTemplateOnChains({
      ...template,
      chains: targets,
    })
    expect(third.map(({ status }) => status)).toEqual(['already there', 'already there'])
    expect(new Set(third.map(({ id }) => id)).size).toBe(1)
    const policy = await registry.registerPolicyTemplateOnChains({
      regoHash: word(71),
      paramsSchemaHash: ARTIFACT_ABSENT,
      policyDataTemplateRefs: [third[0]?.id as Hex],
      chains: targets,
    })
    expect(policy.map(({ status }) => status)).toEqual(['registered', 'registered'])
  })

  test('error: a chain whose receipts cannot be had says what was sent, and is there the next time', async () => {
    const input = { ...template, wasmHash: word(77) }
    let fails = true
    const request = (async (call: { method: string }, options?: object) => {
      if (fails && call.method === 'eth_getTransactionReceipt') throw new TypeError('reset')
      return other.owner.request(call as never, options)
    }) as typeof other.owner.request
    const chains = [
      { client: chain.owner, addresses: chain.addresses },
      { client: { ...other.owner, request }, addresses: other.addresses },
    ]
    const first = await registry.registerPolicyDataTemplateOnChains({
      ...{ ...input, chains, timeout: 2_000 },
    })
    expect(first.map(({ status }) => status)).toEqual(['registered', 'failed'])
    expect(first[1]).toMatchObject({
      error: { transactionHash: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string },
    })
    fails = false
    const second = await registry.registerPolicyDataTemplateOnChains({ ...input, chains })
    expect(second.map(({ status }) => status)).toEqual(['already there', 'already there'])
  })

  test('a receipt is waited for through failures of the node', async () => {
    let failures = 3
    const request = (async (call: { method: string }, options?: object) => {
      if (call.method === 'eth_getTransactionReceipt' && failures-- > 0)
        throw new TypeError('reset')
      return other.owner.request(call as never, options)
    }) as typeof other.owner.request
    const { transactionHash, id } = await registry.registerPolicyDataTemplateSync(
      { ...other.owner, request },
      { ...template, wasmHash: word(78), addresses: other.addresses },
    )
    expect(failures).toBeLessThan(1)
    expect(transactionHash).toMatch(/^0x[0-9a-f]{64}$/)
    const reader = await registry.createRegistryReader({
      ...{ client: other.owner, addresses: other.addresses },
    })
    expect(await reader.getPolicyDataTemplate(id)).not.toBe(null)
  })

  test('instance ids differ, template ids do not', async () => {
    const [here, there] = [await setUpPolicy(chain, 80), await setUpPolicy(other, 80)]
    expect(here.template).toBe(there.template)
    expect(here.instance).not.toBe(there.instance)
  })

  test('error: no chain, a chain twice, a node on another chain', async () => {
    await expect(
      registry.registerPolicyDataTemplateOnChains({ ...template, chains: [] }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const target = { client: chain.owner, addresses: chain.addresses }
    await expect(
      registry.registerPolicyDataTemplateOnChains({ ...template, chains: [target, target] }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const confused = { ...chain.owner, chain: { ...chain.owner.chain, id: 4242 } }
    await expect(
      registry.registerPolicyDataTemplate(confused, { ...template, addresses: chain.addresses }),
    ).rejects.toMatchObject({ code: 'CHAIN_MISMATCH' })
  })
})

describe('checks of the client side', () => {
  const rego = new TextEncoder().encode('package a\n')
  const schema = new TextEncoder().encode('{"type":"object"}')
  const store = new Map([rego, schema].map((bytes) => [computeArtifactHash(bytes), bytes]))
  const artifacts = {
    getArtifact: async ({ hash }: { hash: Hex }): Promise<Uint8Array> => {
      const bytes = store.get(hash)
      if (bytes === undefined) throw new TypeError('nobody has it')
      return bytes
    },
  }
  const schemas: SchemaValidator = {
    checkSchema: async () => ({ status: 'valid' }),
    validate: async ({ valueJson }) =>
      valueJson === '{"good":true}'
        ? { status: 'valid' }
        : {
            status: 'invalid',
            issues: [{ profile: 'operator', path: '/good', message: 'is missing' }],
          },
  }

  test('artifacts have to be retrievable, params valid', async () => {
    const { owner, addresses } = chain
    const template = {
      regoHash: computeArtifactHash(rego),
      paramsSchemaHash: word(404),
      policyDataTemplateRefs: [],
      addresses,
      checks: { artifacts, schemas },
    }
    const dry = await registry.dryRunRegisterPolicyTemplate(owner, template)
    expect(dry.ok).toBe(false)
    expect(dry.checks.filter(({ ok }) => !ok)).toMatchObject([
      {
        rule: 'ArtifactAvailable',
        level: 'error',
        detail: expect.stringContaining('nobody has it') as string,
      },
    ])
    await expect(registry.registerPolicyTemplate(owner, template)).rejects.toMatchObject({
      code: 'PREFLIGHT_FAILED',
    })
    const { id } = await registry.registerPolicyTemplateSync(owner, {
      ...template,
      paramsSchemaHash: computeArtifactHash(schema),
    })
    const deploy = {
      addresses,
      templateId: id,
      client: await chain.policyClient(),
      expireAfter: 5,
      checks: { artifacts, schemas },
    }
    const bad = await registry.dryRunDeployPolicyInstance(owner, {
      ...deploy,
      params: { good: false },
    })
    expect(bad.checks.find(({ rule }) => rule === 'ParamsMatchSchema')).toMatchObject({
      ok: false,
      detail: '/good is missing',
    })
    const good = await registry.dryRunDeployPolicyInstance(owner, {
      ...deploy,
      params: { good: true },
    })
    expect(good.ok).toBe(true)
    // What cannot be known is a warning, never a pass.
    const blind = await registry.dryRunDeployPolicyInstance(owner, {
      ...deploy,
      params: { good: true },
      checks: {},
    })
    expect(blind.checks.find(({ rule }) => rule === 'ParamsMatchSchema')).toMatchObject({
      ok: false,
      level: 'warning',
    })
    expect(blind.ok).toBe(true)
    store.set(word(405), rego)
    const lying = await registry.dryRunRegisterPolicyTemplate(owner, {
      ...template,
      paramsSchemaHash: word(405),
    })
    expect(lying.checks.at(-1)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('other bytes') as string,
    })
  })

  test('error: what cannot be deployed is found dry, with what to do', async () => {
    const { owner, addresses } = chain
    const bare = { paramsSchemaHash: ARTIFACT_ABSENT, policyDataTemplateRefs: [], addresses }
    await expect(
      registry.dryRunRegisterPolicyTemplate(owner, { ...bare, regoHash: word(0) }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('regoHash') })
    const input = { ...bare, regoHash: word(88) }
    const { id: templateId } = await registry.registerPolicyTemplateSync(owner, input)
    const client = await chain.policyClient()
    const deploy = { addresses, client, expireAfter: 10n }
    const unknown = await registry.dryRunDeployPolicyInstance(owner, {
      ...{ ...deploy, templateId: word(4), params: { a: 1 } },
    })
    const failed = unknown.checks.filter(({ ok, level }) => !ok && level === 'error')
    expect(failed).toMatchObject([
      { rule: 'TemplateNotRegistered', fix: expect.any(String) as string },
    ])
    // An amount in wei that no number holds is refused before anything is asked, with its path.
    const wei = { ...deploy, templateId, params: { max: 10 ** 18 } }
    for (const call of [registry.dryRunDeployPolicyInstance, registry.deployPolicyInstance]) {
      const error = await Promise.resolve()
        .then(() => call(owner, wei) as Promise<unknown>)
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'JSON_NOT_CANONICAL', path: '$.max' })
      expect(String(error)).toContain('decimal string')
    }
  })

  test('secrets: missing stops a policy slot, and only warns before', async () => {
    const { owner, addresses } = chain
    const policy = await setUpPolicy(chain, 30)
    const status = async (secrets: registry.SecretsStatus | 'fails', move: boolean) => {
      const checks = {
        secrets: {
          getSecretsStatus: async () => {
            if (secrets === 'fails') throw new TypeError('gateway is down')
            return secrets
          },
        },
      }
      const dry = move
        ? await registry.dryRunSetCurrentPolicyInstance(owner, {
            addresses,
            client: policy.client,
            instanceId: policy.instance,
            checks,
          })
        : await registry.dryRunSetCurrentPolicyDataInstance(owner, {
            addresses,
            client: policy.client,
            templateId: policy.dataTemplate,
            instanceId: policy.dataInstance,
            checks,
          })
      const check = dry.checks.find(({ rule }) => rule === 'SecretsPresent')
      return [dry.ok, check?.ok, check?.level]
    }
    expect(await status('present', true)).toEqual([true, true, 'error'])
    expect(await status('missing', true)).toEqual([false, false, 'error'])
    expect(await status('unknown', true)).toEqual([true, false, 'warning'])
    expect(await status('fails', true)).toEqual([true, false, 'warning'])
    expect(await status('missing', false)).toEqual([true, false, 'warning'])
  })

  test('describe walks the graph and names the next command', async () => {
    const { owner, addresses } = chain
    const policy = await setUpPolicy(chain, 31)
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    const nodes = async (target: registry.DescribeTarget): Promise<registry.DescribeNode[]> =>
      registry.flattenNodes(
        await registry.describePolicy({
          ...target,
          reader,
          checks: {
            artifacts: { ...artifacts, hasArtifact: async ({ hash }) => hash !== word(3103) },
            committed: { isCommittedAt: async ({ hash }) => hash !== word(3101) },
            secrets: { getSecretsStatus: async () => 'missing' },
          },
        }),
      )
    const whole = await nodes({ client: policy.client })
    expect(whole.map(({ kind, label, status }) => `${kind} ${label} ${status}`)).toEqual([
      'client policy client ok',
      'policyInstance policy instance ok',
      'policyTemplate policy template ok',
      'artifact Rego missing',
      'artifact params schema ok',
      'policyDataInstance policy-data instance ok',
      'policyDataTemplate policy-data template ok',
      'artifact plugin pending',
      'artifact secrets schema ok',
      'secrets sealed secrets missing',
    ])
    for (const { status, next } of whole) expect(status === 'ok' || next !== undefined).toBe(true)
    expect((await nodes({ policyTemplate: word(12_345) }))[0]).toMatchObject({ status: 'missing' })
    expect((await nodes({ policyInstance: word(12_345) }))[0]).toMatchObject({ status: 'missing' })
    expect((await nodes({ client: owner.account.address }))[0]).toMatchObject({ status: 'missing' })
    const sourceNode = async (verdict: object | Error): Promise<registry.DescribeNode[]> => {
      const provenance: PluginProvenance = {
        getProvenance: async (wasmHash) => {
          if (verdict instanceof Error) throw verdict
          const nobody = { image: 'trusted' as const, agreeing: [owner.account.address] }
          return { wasmHash, status: 'verified', ...nobody, disagreeing: [], ...verdict }
        },
      }
      const described = { client: policy.client, reader, checks: { provenance } }
      const all = registry.flattenNodes(await registry.describePolicy(described))
      return all.filter(({ kind }) => kind === 'provenance')
    }
    expect(await sourceNode({})).toMatchObject([{ status: 'ok', label: 'source' }])
    const notGood = [
      [{ status: 'unverified' }, 'missing'],
      [{ status: 'disputed' }, 'disputed'],
      [{ status: 'mismatched' }, 'disputed'],
      // No verdict about this plugin, or none that is known.
      [{ wasmHash: word(1) }, 'missing'],
      [{ status: 'certainly' }, 'missing'],
      [new Error('down'), 'unavailable'],
    ] as const
    for (const [verdict, status] of notGood) {
      expect(await sourceNode(verdict)).toMatchObject([{ status }])
    }
    const old = await registry.deployPolicyInstanceSync(owner, {
      addresses,
      templateId: policy.template,
      client: policy.client,
      expireAfter: 77,
    })
    expect((await nodes({ policyInstance: old.id }))[0]).toMatchObject({
      status: 'stale',
      next: expect.stringContaining('set-current') as string,
    })
    const blind = await registry.describe(owner, { addresses, client: policy.client })
    const kinds = registry.flattenNodes(blind).filter(({ kind }) => kind === 'artifact')
    expect(new Set(kinds.map(({ status }) => status))).toEqual(new Set(['unavailable']))
    expect(kinds[0]?.detail).toBe('not looked for: no source was given')
    const down = { hasArtifact: () => Promise.reject(new TypeError('down')), ...artifacts }
    const target = { client: policy.client, reader, checks: { artifacts: down } }
    const silent = registry.flattenNodes(await registry.describePolicy(target))
    expect(silent.find(({ kind }) => kind === 'artifact')).toMatchObject({
      status: 'unavailable',
      detail: 'the source did not answer',
    })
    await expect(registry.describePolicy({ reader } as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })
})

describe('a chain whose block.number is another chain’s', () => {
  test('rows and slots carry the numbers of ArbSys', async () => {
    const { owner, anvil } = chain
    const deployed = await deployContract(owner, {
      abi: [],
      bytecode: simulatedArbSysBytecode,
      args: [],
      name: 'SimulatedArbSys',
    })
    const arbSys = '0x0000000000000000000000000000000000000064'
    await anvil.rpc('anvil_setCode', [arbSys, await anvil.rpc('eth_getCode', [deployed, 'latest'])])
    const setBlock = (number: number): Promise<unknown> =>
      anvil.rpc('anvil_setStorageAt', [arbSys, '0x0', word(number)])
    await setBlock(900_000)
    const { deployContracts } = await import('../../src/testing/contracts.js')
    const addresses = await deployContracts(owner, { blockKind: 'arbsys' })
    const { id } = await registry.registerPolicyTemplateSync(owner, {
      addresses,
      regoHash: word(1),
      paramsSchemaHash: ARTIFACT_ABSENT,
      policyDataTemplateRefs: [],
    })
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    expect(await reader.getPolicyTemplate(id)).toMatchObject({ registeredAt: 900_000n })
    const { number } = await getBlock(owner)
    expect(number).toBeLessThan(900_000n)
  })
})

const lyingAddresses = {
  policyRegistry: `0x${'a1'.repeat(20)}`,
  policyDataRegistry: `0x${'a2'.repeat(20)}`,
} as const

/** A node that answers what it is told, to batches of any size. */
function lyingNode(options: {
  version?: string
  kind?: string
  template?: Hex
  success?: boolean
  onCall?: (block: unknown) => void
}): ReturnType<typeof fakeClient> {
  const { version = '1.0.0', kind = 'PolicyRegistry', template = '0x', success = true } = options
  const textOf = (result: string): Hex =>
    encodeFunctionResult({ abi: policyRegistryAbi, functionName: 'version', result })
  const text = textOf(version)
  const address = (result: Hex): Hex =>
    encodeFunctionResult({ abi: policyRegistryAbi, functionName: 'clientRegistry', result })
  const wiring = [
    text,
    text,
    address(lyingAddresses.policyDataRegistry),
    address(word(5).slice(0, 42) as Hex),
    address(word(5).slice(0, 42) as Hex),
    textOf(kind),
    textOf('PolicyDataRegistry'),
  ]
  let calls = 0
  return fakeClient(({ method, params }) => {
    if (method === 'eth_getBlockByNumber') return fakeBlock(100n, word(0xb10c))
    if (method !== 'eth_call') throw new FakeRpcError(-32601, `no ${method}`)
    options.onCall?.(params[1])
    const returned = calls++ === 0 ? wiring : [template]
    return encodeFunctionResult({
      abi: multicall3Abi,
      functionName: 'aggregate3',
      result: returned.map((returnData) => ({
        success: calls === 1 || success,
        returnData,
      })),
    })
  })
}
