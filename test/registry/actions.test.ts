import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ARTIFACT_ABSENT, ZERO_HASH } from '../../src/core/artifact.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../src/core/ids.js'
import { encodeParams } from '../../src/core/params.js'
import * as registry from '../../src/registry/index.js'
import { type PreflightError, policyActions } from '../../src/registry/index.js'
import { setUpPolicy, startChain, type TestChain, word } from './chain.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain?.anvil.stop())

const rejection = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new TypeError('it was expected to fail')
}

/** The contract's own word: no checks before it. */
const reverts = async (
  promise: Promise<unknown>,
  errorName: string,
): Promise<readonly unknown[]> => {
  const error = (await rejection(promise)) as registry.ContractRevertError
  expect(error.name).toBe('ContractRevertError')
  expect(error.errorName).toBe(errorName)
  expect(error.raw.length).toBeGreaterThanOrEqual(10)
  return error.args
}

/** The failed rules of a pre-flight. */
const failedRules = async (promise: Promise<unknown>): Promise<string[]> => {
  const error = (await rejection(promise)) as PreflightError
  expect(error.name).toBe('PreflightError')
  for (const { ok, fix } of error.checks) expect(ok || fix.length > 0).toBe(true)
  return error.checks.filter(({ ok, level }) => !ok && level === 'error').map(({ rule }) => rule)
}

describe('templates', () => {
  const template = {
    regoHash: word(1),
    paramsSchemaHash: ARTIFACT_ABSENT,
    policyDataTemplateRefs: [word(7), word(8)],
  }

  test('register, simulate, dry run and ensure agree on the id', async () => {
    const { owner, addresses } = chain
    const id = computePolicyTemplateId(template)
    const simulated = await registry.simulateRegisterPolicyTemplate(owner, {
      ...template,
      addresses,
    })
    expect(simulated.result).toEqual({ id })
    const dry = await registry.dryRunRegisterPolicyTemplate(owner, { ...template, addresses })
    expect(dry).toMatchObject({ ok: true, ids: { id }, action: 'registerPolicyTemplate' })
    expect(dry.transaction).toEqual({
      chainId: 31_337,
      from: owner.account.address,
      to: addresses.policyRegistry,
      data: simulated.request.data,
    })
    const done = await registry.registerPolicyTemplateSync(owner, {
      ...template,
      addresses,
      locators: { rego: { kind: 'keccakStore', name: 'x' } },
    })
    expect(done).toMatchObject({
      id,
      author: owner.account.address,
      refs: template.policyDataTemplateRefs,
    })
    expect(done.receipt.logs).toHaveLength(2)
    const ensured = await registry.ensurePolicyTemplateSync(owner, { ...template, addresses })
    expect(ensured).toMatchObject({ id, created: false })
    const hash = await registry.ensurePolicyTemplate(owner, {
      ...template,
      regoHash: word(2),
      addresses,
    })
    expect(hash).toMatch(/^0x[0-9a-f]{64}$/)
  })

  test('error: every revert, decoded', async () => {
    const { owner, addresses } = chain
    const bare = { addresses, preflight: false }
    const id = computePolicyTemplateId(template)
    expect(
      await reverts(
        registry.registerPolicyTemplate(owner, { ...template, ...bare }),
        'TemplateAlreadyRegistered',
      ),
    ).toEqual([id])
    expect(
      await failedRules(registry.registerPolicyTemplate(owner, { ...template, addresses })),
    ).toEqual(['TemplateAlreadyRegistered'])
  })

  test('error: malformed input never reaches the chain', async () => {
    const { owner, addresses } = chain
    for (const [bad, field] of [
      [{ ...template, regoHash: ZERO_HASH }, 'regoHash'],
      [{ ...template, regoHash: ARTIFACT_ABSENT }, 'regoHash'],
      [{ ...template, paramsSchemaHash: '0x12' as const }, 'paramsSchemaHash'],
      [{ ...template, policyDataTemplateRefs: [word(8), word(7)] }, 'policyDataTemplateRefs[1]'],
      [
        { ...template, locators: { paramsSchema: { kind: 'keccakStore', name: '' } as const } },
        'locators.paramsSchema',
      ],
    ] as const) {
      const error = await rejection(registry.registerPolicyTemplate(owner, { ...bad, addresses }))
      expect(error).toMatchObject({ code: 'INVALID_INPUT' })
      expect((error as Error & { field: string }).field).toContain(field)
    }
  })

  test('gates', async () => {
    const { owner, addresses, wallet } = chain
    const stranger = wallet(1)
    await registry.setTemplateRegistrationPermissionlessSync(owner, {
      addresses,
      registry: 'policy',
      permissionless: false,
    })
    const other = { ...template, regoHash: word(99), addresses }
    expect(await failedRules(registry.registerPolicyTemplate(stranger, other))).toEqual([
      'UnauthorizedTemplateAuthor',
    ])
    expect(
      await reverts(
        registry.registerPolicyTemplate(stranger, { ...other, preflight: false }),
        'UnauthorizedTemplateAuthor',
      ),
    ).toEqual([stranger.account.address])
    const listed = await registry.setTemplateAuthorSync(owner, {
      addresses,
      registry: 'policy',
      author: stranger.account.address,
      allowed: true,
    })
    expect(listed).toMatchObject({ author: stranger.account.address, allowed: true })
    await registry.registerPolicyTemplateSync(stranger, other)
    await registry.setTemplateRegistrationPermissionlessSync(owner, {
      addresses,
      registry: 'policy',
      permissionless: true,
    })
    await reverts(
      registry.setTemplateAuthor(stranger, {
        addresses,
        preflight: false,
        registry: 'policy',
        author: stranger.account.address,
        allowed: true,
      }),
      'OwnableUnauthorizedAccount',
    )
  })

  test('announceArtifact', async () => {
    const { owner, addresses } = chain
    const templateId = computePolicyTemplateId(template)
    const locator = { kind: 'https', url: 'https://example.com/a' } as const
    expect(
      await registry.announceArtifactSync(owner, { addresses, templateId, namespace: 4, locator }),
    ).toMatchObject({ hash: template.regoHash, namespace: 4, announcer: owner.account.address })
    expect(
      await reverts(
        registry.announceArtifact(owner, { addresses, templateId, namespace: 5, locator }),
        'UnknownArtifact',
      ),
    ).toEqual([templateId, 5])
    const dry = await registry.dryRunAnnounceArtifact(owner, {
      addresses,
      templateId,
      namespace: 6,
      locator,
    })
    expect(dry).toMatchObject({ ok: false, checks: [{ rule: 'UnknownArtifact' }] })
  })
})

describe('instances and slots', () => {
  test('ids of random input equal the contracts’', async () => {
    const { owner, addresses } = chain
    const client = await chain.policyClient()
    for (let i = 0; i < 6; i++) {
      const bytes = (): `0x${string}` =>
        `0x${[...crypto.getRandomValues(new Uint8Array(32))].map((b) => b.toString(16).padStart(2, '0')).join('')}`
      const data = { wasmHash: bytes(), paramsSchemaHash: bytes(), secretsSchemaHash: bytes() }
      const id = computePolicyDataTemplateId(data)
      const made = await registry.registerPolicyDataTemplateSync(owner, { ...data, addresses })
      expect(made.id).toBe(id)
      const params = { n: i, text: bytes(), list: [true, null, { ключ: 'ü' }] }
      const expireAfter = BigInt(1 + Math.floor(Math.random() * 36_000))
      const instance = await registry.deployPolicyDataInstanceSync(owner, {
        addresses,
        templateId: id,
        client,
        params,
        expireAfter,
      })
      const paramsHash = computeParamsHash({ expireAfter, params: encodeParams(params) })
      const key = { chainId: 31_337, client, templateId: id, paramsHash }
      expect(instance).toMatchObject({
        id: computePolicyDataInstanceId(key),
        paramsHash,
        expireAfter,
      })
      const template = {
        regoHash: bytes(),
        paramsSchemaHash: bytes(),
        policyDataTemplateRefs: [id],
      }
      const policy = await registry.registerPolicyTemplateSync(owner, { ...template, addresses })
      const deployed = await registry.deployPolicyInstanceSync(owner, {
        addresses,
        templateId: policy.id,
        client,
        params,
        expireAfter,
      })
      expect(deployed.id).toBe(computePolicyInstanceId({ ...key, templateId: policy.id }))
    }
  })

  test('error: every broken precondition, in pre-flight and on chain', async () => {
    const { owner, addresses, wallet } = chain
    const stranger = wallet(1)
    const policy = await setUpPolicy(chain, 5)
    const { client, template, dataTemplate, instance, dataInstance } = policy
    const deploy = { addresses, templateId: template, client, expireAfter: 30 }
    const cases: [string, () => Promise<unknown>, () => Promise<unknown>][] = []
    const both = <parameters extends object>(
      rule: string,
      action: (client: never, parameters: never) => Promise<unknown>,
      parameters: parameters,
      sender = owner,
    ): void => {
      cases.push([
        rule,
        () => action(sender as never, parameters as never),
        () => action(sender as never, { ...parameters, preflight: false } as never),
      ])
    }
    const needing = {
      ...{ addresses, regoHash: word(501), paramsSchemaHash: ARTIFACT_ABSENT },
      policyDataTemplateRefs: [word(777)],
    }
    // The contract takes it; that nothing can be deployed from it is said before.
    const warned = await registry.dryRunRegisterPolicyTemplate(owner, needing)
    expect(warned).toMatchObject({ ok: true })
    expect(warned.checks.filter(({ level }) => level === 'warning')).toContainEqual(
      expect.objectContaining({ rule: 'PolicyDataTemplateNotRegistered', ok: false }),
    )
    const orphan = await registry.registerPolicyTemplateSync(owner, needing)
    const second = await chain.policyClient()
    const foreign = await registry.deployPolicyInstanceSync(owner, { ...deploy, client: second })
    const otherData = await registry.registerPolicyDataTemplateSync(owner, {
      addresses,
      wasmHash: word(502),
      paramsSchemaHash: ARTIFACT_ABSENT,
      secretsSchemaHash: ARTIFACT_ABSENT,
    })
    both('TemplateNotRegistered', registry.deployPolicyInstance, { ...deploy, templateId: word(9) })
    both('PolicyDataTemplateNotRegistered', registry.deployPolicyInstance, {
      ...deploy,
      templateId: orphan.id,
    })
    both('ClientNotRegistered', registry.deployPolicyInstance, {
      ...deploy,
      client: stranger.account.address,
    })
    both('InstanceAlreadyDeployed', registry.deployPolicyInstance, {
      ...deploy,
      params: { limit: 5 },
      expireAfter: 20,
    })
    both('ParamsNotAllowed', registry.deployPolicyDataInstance, {
      ...deploy,
      templateId: dataTemplate,
      params: { a: 1 },
    })
    both(
      'NotClientOwner',
      registry.setCurrentPolicyInstance,
      { addresses, client, instanceId: instance },
      stranger,
    )
    both('InstanceNotDeployed', registry.setCurrentPolicyInstance, {
      addresses,
      client,
      instanceId: word(3),
    })
    both('InstanceClientMismatch', registry.setCurrentPolicyInstance, {
      addresses,
      client,
      instanceId: foreign.id,
    })
    both('PolicyDataInstanceMissing', registry.setCurrentPolicyInstance, {
      addresses,
      client: second,
      instanceId: foreign.id,
    })
    both('InstanceTemplateMismatch', registry.setCurrentPolicyDataInstance, {
      addresses,
      client,
      templateId: otherData.id,
      instanceId: dataInstance,
    })
    for (const [rule, checked, bare] of cases) {
      expect(await failedRules(checked())).toContain(rule)
      await reverts(bare(), rule)
    }
    await registry.deactivateClientSync(owner, { addresses, client: second })
    expect(
      await failedRules(
        registry.deployPolicyInstance(owner, { ...deploy, client: second, expireAfter: 7 }),
      ),
    ).toEqual(['ClientNotRegistered'])
    await registry.activateClientSync(owner, { addresses, client: second })
    await registry.setInstanceDeploymentPermissionlessSync(owner, {
      addresses,
      registry: 'policyData',
      permissionless: false,
    })
    const data = { ...deploy, templateId: dataTemplate }
    expect(await failedRules(registry.deployPolicyDataInstance(stranger, data))).toEqual([
      'UnauthorizedInstanceDeployer',
    ])
    await registry.setInstanceDeployerSync(owner, {
      addresses,
      registry: 'policyData',
      deployer: stranger.account.address,
      allowed: true,
    })
    await registry.deployPolicyDataInstanceSync(stranger, data)
    await registry.setInstanceDeploymentPermissionlessSync(owner, {
      addresses,
      registry: 'policyData',
      permissionless: true,
    })
    const again = await registry.ensurePolicyDataInstanceSync(stranger, data)
    expect(again.created).toBe(false)
    const fresh = await registry.ensurePolicyInstanceSync(owner, { ...deploy, expireAfter: 6 })
    expect(fresh.created).toBe(true)
  })

  test('error: limits are refused before signing', async () => {
    const { owner, addresses } = chain
    const { client, template } = await setUpPolicy(chain, 6)
    const base = { addresses, templateId: template, client }
    const long = { ...base, expireAfter: 36_001 }
    expect(await rejection(registry.deployPolicyInstance(owner, long))).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringContaining('36000') as string,
    })
    await reverts(
      registry.deployPolicyInstance(owner, { ...long, preflight: false }),
      'ExpireAfterTooLarge',
    )
    // A minute of blocks of 12 s: what ends before could not land.
    const short = { ...base, expireAfter: 4, params: { limit: 6 } }
    expect(await rejection(registry.deployPolicyInstance(owner, short))).toMatchObject({
      code: 'PREFLIGHT_FAILED',
      message: expect.stringMatching(
        /ExpireAfterTooSmall[\s\S]*valid for 4 blocks[\s\S]*to 5 or more/,
      ) as string,
    })
    await registry.deployPolicyInstanceSync(owner, { ...short, expireAfter: 5 })
    await registry.deployPolicyInstanceSync(owner, { ...short, preflight: false })
    for (const [parameters, field] of [
      [{ expireAfter: 0 }, 'expireAfter'],
      [{ expireAfter: 2n ** 32n }, 'expireAfter'],
      [{ expireAfter: 1, params: { x: 'y'.repeat(8200) } }, 'params'],
      [{ expireAfter: 1, client: '0x12' as const }, 'client'],
    ] as const) {
      expect(
        await rejection(registry.deployPolicyInstance(owner, { ...base, ...parameters })),
      ).toMatchObject({ code: 'INVALID_INPUT', field: expect.stringContaining(field) as string })
    }
    expect(
      await rejection(
        registry.deployPolicyInstance(owner, {
          ...base,
          expireAfter: 1,
          params: new TextEncoder().encode('{ "a": 1 }'),
        }),
      ),
    ).toMatchObject({ code: 'PARAMS_NOT_CANONICAL' })
  })

  test('clients and owners', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient()
    expect(await registry.getPolicyClient(owner, { addresses, client })).toEqual({
      owner: owner.account.address,
      active: true,
    })
    const moved = await registry.setClientOwnerSync(owner, {
      addresses,
      client,
      newOwner: wallet(2).account.address,
    })
    expect(moved).toMatchObject({ newOwner: wallet(2).account.address })
    await reverts(
      registry.deactivateClient(owner, { addresses, preflight: false, client }),
      'NotClientOwner',
    )
    expect((await registry.deactivateClientSync(wallet(2), { addresses, client })).owner).toBe(
      wallet(2).account.address,
    )
    await reverts(
      registry.registerClient(owner, { addresses, preflight: false, client }),
      'ClientAlreadyRegistered',
    )
    await reverts(
      registry.registerClient(owner, {
        addresses,
        preflight: false,
        client: wallet(3).account.address,
      }),
      'NotPolicyClient',
    )
  })

  test('enclave requirement and builds', async () => {
    const { owner, addresses, wallet } = chain
    expect(
      await registry.setEnclaveRequiredSync(owner, { addresses, required: true }),
    ).toMatchObject({
      required: true,
    })
    const pcr0Hash = word(0xabc)
    await registry.activateEnclaveVersionSync(owner, { addresses, pcr0Hash, label: 'v1' })
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    const block = await chain.height()
    expect(await reader.enclaveRequiredAt(block)).toBe(true)
    expect(await reader.isEnclaveWhitelistedAt({ pcr0Commitment: pcr0Hash, block })).toBe(true)
    expect(await reader.isEnclaveWhitelistedAt({ pcr0Commitment: word(1), block })).toBe(false)
    await registry.deprecateEnclaveVersionSync(owner, { addresses, pcr0Hash })
    const after = await chain.height()
    expect(await reader.isEnclaveWhitelistedAt({ pcr0Commitment: pcr0Hash, block: after })).toBe(
      false,
    )
    expect(await reader.isEnclaveWhitelistedAt({ pcr0Commitment: pcr0Hash, block })).toBe(true)
    await reverts(
      registry.activateEnclaveVersion(wallet(1), {
        addresses,
        preflight: false,
        pcr0Hash: word(2),
        label: '',
      }),
      'NotTaskGenerator',
    )
    await reverts(
      registry.activateEnclaveVersion(owner, { addresses, preflight: false, pcr0Hash, label: '' }),
      'VersionAlreadyRegistered',
    )
    await registry.setEnclaveRequiredSync(owner, { addresses, required: false })
  })
})

describe('policyActions', () => {
  test('adds one key with every action, addresses filled in', async () => {
    const { owner, addresses } = chain
    const client = owner.extend(policyActions({ addresses }))
    const { id } = await client.policy.registerPolicyTemplateSync({
      regoHash: word(1234),
      paramsSchemaHash: ARTIFACT_ABSENT,
      policyDataTemplateRefs: [],
    })
    expect(await client.policy.getPolicyTemplate({ id })).toMatchObject({ regoHash: word(1234) })
    expect(await client.policy.getPolicyTemplate({ id: word(1) })).toBe(null)
    for (const name of [
      'describe',
      'importNewtonPolicy',
      'simulateDeployPolicyInstance',
      'acceptResponse',
    ]) {
      expect(client.policy).toHaveProperty(name)
    }
    // Every action of the entry is there, in every form.
    const actions = Object.keys(registry).filter((name) =>
      Object.keys(registry).includes(`${name}Sync`),
    )
    expect(actions.length).toBeGreaterThan(20)
    for (const name of actions) {
      expect(Object.keys(client.policy)).toEqual(
        expect.arrayContaining([
          name,
          `${name}Sync`,
          `simulate${name[0]?.toUpperCase()}${name.slice(1)}`,
        ]),
      )
    }
  })
})
