import { type Address, type Hex, hashTypedData, zeroAddress } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ARTIFACT_ABSENT, ZERO_HASH } from '../../src/core/artifact.js'
import { computePolicyDataTemplateId, computePolicyTemplateId } from '../../src/core/ids.js'
import * as registry from '../../src/registry/index.js'
import { startChain, type TestChain, type TestClient, word } from './chain.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain?.anvil.stop())

const DEADLINE = 4_000_000_000n

const rejection = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new TypeError('it was expected to fail')
}

/** The contract's own word: no checks before it. */
const reverts = async (promise: Promise<unknown>, errorName: string): Promise<void> => {
  expect(await rejection(promise)).toMatchObject({ name: 'ContractRevertError', errorName })
}

/** The failed rules of a pre-flight; each says what to do. */
const failedRules = async (promise: Promise<unknown>): Promise<string[]> => {
  const error = (await rejection(promise)) as registry.PreflightError
  expect(error.name).toBe('PreflightError')
  for (const { ok, fix } of error.checks) expect(ok || fix.length > 0).toBe(true)
  return error.checks.filter(({ ok, level }) => !ok && level === 'error').map(({ rule }) => rule)
}

/** A policy with one data template, nothing of it on chain. */
function newPolicy(
  seed: number,
  client: Address,
): { input: registry.PolicyDeploymentInput; dataId: Hex; templateId: Hex } {
  const data = {
    wasmHash: word(seed * 10 + 1),
    paramsSchemaHash: word(seed * 10 + 2),
    secretsSchemaHash: ARTIFACT_ABSENT,
  }
  const dataId = computePolicyDataTemplateId(data)
  const policyTemplate = {
    regoHash: word(seed * 10 + 3),
    paramsSchemaHash: word(seed * 10 + 4),
    policyDataTemplateRefs: [dataId],
    locators: { rego: { kind: 'keccakStore', name: 'x' } as const },
  }
  const templateId = computePolicyTemplateId(policyTemplate)
  return {
    dataId,
    templateId,
    input: {
      client,
      policyTemplate,
      policyDataTemplates: [data],
      policyDataInstances: [{ templateId: dataId, params: { feed: 'a' }, expireAfter: 300 }],
      policyInstance: { templateId, params: { limit: 5 }, expireAfter: 600n },
    },
  }
}

const sign = (
  owner: TestClient,
  input: registry.PolicyDeploymentInput,
  terms: { sponsor?: Address; deadline?: bigint; deploymentNonce?: bigint } = {},
): Promise<registry.SignedDeployment> =>
  registry.signDeployment(owner, {
    ...{ addresses: chain.addresses, sponsor: zeroAddress, deadline: DEADLINE },
    ...terms,
    ...input,
  })

describe('deployPolicy', () => {
  test('default: the owner sets a client up in one transaction, and again for new params', async () => {
    const { owner, addresses } = chain
    const client = await chain.policyClient()
    const { input, dataId, templateId } = newPolicy(1, client)
    const dry = await registry.dryRunDeployPolicy(owner, { ...input, addresses })
    expect(dry).toMatchObject({ ok: true, action: 'deployPolicy' })
    const simulated = await registry.simulateDeployPolicy(owner, { ...input, addresses })
    expect(simulated.request).toEqual({
      to: addresses.policyDeployer,
      data: dry.transaction.data,
    })
    const done = await registry.deployPolicySync(owner, { ...input, addresses })
    expect(done).toMatchObject({
      client,
      account: owner.account.address,
      policyInstanceId: dry.ids['id'],
      policyDataInstanceIds: [dry.ids['policyDataInstances[0]']],
      revocation: null,
    })
    expect(done).toMatchObject(simulated.result)
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    expect(await reader.getPolicyTemplate(templateId)).toMatchObject({
      author: owner.account.address,
    })
    expect(await registry.getCurrentPolicyInstance(owner, { addresses, client })).toBe(
      done.policyInstanceId,
    )

    // What is there is not asked for again, and slots that are not named stay.
    const again = await registry.deployPolicySync(owner, {
      addresses,
      client,
      policyInstance: { templateId, params: { limit: 6 }, expireAfter: 600n },
    })
    expect(again.policyDataInstanceIds).toEqual([])
    expect(again.policyInstanceId).not.toBe(done.policyInstanceId)
    expect(
      await registry.getCurrentPolicyDataInstance(owner, { addresses, client, templateId: dataId }),
    ).toBe(done.policyDataInstanceIds[0])
  })

  test('behavior: a second run of the same deployment changes nothing', async () => {
    const { owner, addresses } = chain
    const client = await chain.policyClient()
    const { input } = newPolicy(2, client)
    const first = await registry.deployPolicySync(owner, { ...input, addresses })
    const second = await registry.deployPolicySync(owner, { ...input, addresses })
    expect(second.policyInstanceId).toBe(first.policyInstanceId)
    expect(second.revocation).toBe(null)
    // Three events less: neither templates nor instances are new.
    expect(second.receipt.logs.length).toBe(first.receipt.logs.length - 5)
  })

  test('behavior: a new data instance under the same policy revokes what was allowed before', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient()
    const { input, dataId } = newPolicy(3, client)
    await registry.deployPolicySync(owner, { ...input, addresses })
    const change: registry.PolicyDeploymentInput = {
      client,
      policyDataInstances: [{ templateId: dataId, params: { feed: 'b' }, expireAfter: 300 }],
      policyInstance: input.policyInstance,
    }
    const signed = await sign(owner, change)
    expect(
      await failedRules(
        registry.deployPolicySync(wallet(1), {
          ...{ addresses, ...signed.deployment, authorization: signed.authorization },
        }),
      ),
    ).toEqual(['AcceptedResponsesKept'])
    const done = await registry.deployPolicySync(owner, { ...change, addresses })
    expect(done.revocation).toMatchObject({ blockNumber: done.receipt.blockNumber - 1n })
    const kept = await registry.deployPolicySync(owner, {
      ...change,
      policyDataInstances: [{ templateId: dataId, params: { feed: 'c' }, expireAfter: 300 }],
      addresses,
      keepAccepted: true,
    })
    expect(kept.revocation).toBe(null)
  })

  test('behavior: a slot that moved meanwhile stops it', async () => {
    const { owner, addresses } = chain
    const client = await chain.policyClient()
    const { input } = newPolicy(4, client)
    const stale = { ...input, policyInstance: { ...input.policyInstance, replaces: word(9) } }
    expect(await failedRules(registry.deployPolicy(owner, { ...stale, addresses }))).toEqual([
      'SlotMoved',
    ])
    await reverts(
      registry.deployPolicy(owner, { ...stale, addresses, preflight: false }),
      'SlotMoved',
    )
  })

  test('error: every broken precondition, in pre-flight and on chain', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient()
    const { input, dataId, templateId } = newPolicy(5, client)
    const { policyTemplate: _template, ...noTemplate } = input
    const { policyDataTemplates: _data, ...noDataTemplate } = input
    const missing = { ...input, policyDataInstances: [] }
    const cases: [registry.DeployPolicyInput, TestClient, string, string?][] = [
      [input, wallet(1), 'NotClientOwner'],
      [{ ...input, client: wallet(7).account.address }, owner, 'ClientNotRegistered'],
      [noTemplate, owner, 'TemplateNotRegistered'],
      [noDataTemplate, owner, 'TemplateNotRegistered'],
      [missing, owner, 'PolicyDataInstanceMissing'],
      [
        { ...input, policyInstance: { ...input.policyInstance, expireAfter: 36_001n } },
        owner,
        'ExpireAfterTooLarge',
      ],
    ]
    for (const [broken, sender, rule] of cases) {
      expect(await failedRules(registry.deployPolicy(sender, { ...broken, addresses }))).toContain(
        rule,
      )
      await reverts(registry.deployPolicy(sender, { ...broken, addresses, preflight: false }), rule)
    }
    const short = { ...input, policyInstance: { ...input.policyInstance, expireAfter: 4n } }
    expect(await failedRules(registry.deployPolicy(owner, { ...short, addresses }))).toEqual([
      'ExpireAfterTooSmall',
    ])
    const other = { ...addresses, policyDeployer: addresses.artifactProofs }
    expect(await failedRules(registry.deployPolicy(owner, { ...input, addresses: other }))).toEqual(
      ['NotPolicyDeployer'],
    )

    for (const [bad, field] of [
      [
        { ...input, policyInstance: { ...input.policyInstance, templateId: dataId } },
        'policyInstance.templateId',
      ],
      [
        {
          ...input,
          policyDataInstances: [
            ...(input.policyDataInstances ?? []),
            { templateId: dataId, expireAfter: 1 },
          ],
        },
        'policyDataInstances[1]',
      ],
      [
        { ...input, policyInstance: { ...input.policyInstance, replaces: '0x12' as Hex } },
        'replaces',
      ],
      [{ ...input, keepAccepted: 1 as never }, 'keepAccepted'],
      [{ ...input, previous: [templateId] }, 'replaces'],
    ] as const) {
      const error = await rejection(registry.deployPolicySync(owner, { ...bad, addresses }))
      expect(error).toMatchObject({ code: 'INVALID_INPUT', field: expect.stringContaining(field) })
    }
  })

  test('behavior: gates are those of the account that it acts for', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient(wallet(2))
    const { input } = newPolicy(6, client)
    const gates = async (permissionless: boolean): Promise<void> => {
      for (const kind of ['policy', 'policyData'] as const) {
        const gate = { addresses, registry: kind, permissionless }
        await registry.setTemplateRegistrationPermissionlessSync(owner, gate)
        await registry.setInstanceDeploymentPermissionlessSync(owner, gate)
      }
    }
    await gates(false)
    try {
      const rules = await failedRules(registry.deployPolicy(wallet(2), { ...input, addresses }))
      expect(new Set(rules)).toEqual(
        new Set(['UnauthorizedTemplateAuthor', 'UnauthorizedInstanceDeployer']),
      )
      await reverts(
        registry.deployPolicy(wallet(2), { ...input, addresses, preflight: false }),
        'UnauthorizedTemplateAuthor',
      )
      // The sponsor is listed, which is of no help to the owner.
      for (const kind of ['policy', 'policyData'] as const) {
        const listed = wallet(3).account.address
        const list = { addresses, registry: kind, allowed: true }
        await registry.setTemplateAuthorSync(owner, { ...list, author: listed })
        await registry.setInstanceDeployerSync(owner, { ...list, deployer: listed })
      }
      const signed = await registry.signDeployment(wallet(2), {
        ...{ addresses, sponsor: zeroAddress, deadline: DEADLINE, preflight: false },
        ...input,
      })
      await reverts(
        registry.deployPolicy(wallet(3), {
          ...{ addresses, preflight: false },
          ...{ ...signed.deployment, authorization: signed.authorization },
        }),
        'UnauthorizedTemplateAuthor',
      )
    } finally {
      await gates(true)
    }
  })
})

describe('signDeployment', () => {
  test('default: a sponsor sends what the owner signed, once', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient()
    const { input, templateId } = newPolicy(11, client)
    const sponsor = wallet(4)
    const dry = await registry.dryRunSignDeployment(owner, {
      ...{
        ...input,
        addresses,
        sponsor: sponsor.account.address,
        deadline: DEADLINE,
        deploymentNonce: 5n,
      },
    })
    expect(dry).toMatchObject({ ok: true, action: 'signDeployment' })
    expect(dry.deployment.policyInstance.replaces).toBe(ZERO_HASH)
    const { deployment, authorization } = await sign(owner, input, {
      ...{ sponsor: sponsor.account.address, deploymentNonce: 5n },
    })
    const send = { addresses, ...deployment, authorization }
    const done = await registry.deployPolicySync(sponsor, send)
    expect(done).toMatchObject({
      account: owner.account.address,
      policyInstanceId: dry.ids['id'],
    })
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    expect(await reader.getPolicyTemplate(templateId)).toMatchObject({
      author: owner.account.address,
    })
    // Again: the nonce is used, and the slots hold something else.
    expect(new Set(await failedRules(registry.deployPolicy(sponsor, send)))).toEqual(
      new Set(['DeploymentNonceUsed', 'SlotMoved']),
    )
    await reverts(
      registry.deployPolicy(sponsor, { ...send, preflight: false }),
      'DeploymentNonceUsed',
    )
  })

  test('behavior: an owner that is a contract signs in its own way', async () => {
    const { owner, addresses, wallet, anvil } = chain
    const client = await chain.policyClient()
    const smart = wallet(8).account.address
    // Answers every call with the magic value of EIP-1271.
    await anvil.rpc('anvil_setCode', [smart, '0x631626ba7e60e01b60005260206000f3'])
    await registry.setClientOwnerSync(owner, { addresses, client, newOwner: smart })
    const { input } = newPolicy(12, client)
    const dry = await registry.dryRunSignDeployment(wallet(8), {
      ...{ ...input, addresses, sponsor: zeroAddress, deadline: DEADLINE },
    })
    expect(hashTypedData(dry.typedData as never)).toMatch(/^0x[0-9a-f]{64}$/)
    const { sponsor, nonce, deadline } = dry.typedData.message
    const done = await registry.deployPolicySync(wallet(5), {
      ...{ addresses, ...dry.deployment },
      authorization: { sponsor, nonce, deadline, signature: '0x00' },
    })
    expect(done.account).toBe(smart)
  })

  test('error: every broken term, in pre-flight and on chain', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient()
    const { input } = newPolicy(13, client)
    const signed = await sign(owner, input, {
      sponsor: wallet(4).account.address,
      deploymentNonce: 1n,
    })
    const { deployment, authorization } = signed
    const expired = await registry.signDeployment(owner, {
      ...{
        ...input,
        addresses,
        sponsor: zeroAddress,
        deadline: 1n,
        deploymentNonce: 2n,
        preflight: false,
      },
    })
    // Signed by somebody who is not the owner.
    const foreign = await registry.signDeployment(wallet(6), {
      ...{ ...input, addresses, sponsor: zeroAddress, deadline: DEADLINE, preflight: false },
    })
    const changed = {
      ...deployment,
      policyInstance: { ...deployment.policyInstance, expireAfter: 601n },
    }
    const cases: [registry.DeployPolicyInput, TestClient, string][] = [
      [{ ...deployment, authorization }, wallet(5), 'NotSponsor'],
      [
        { ...expired.deployment, authorization: expired.authorization },
        wallet(5),
        'DeploymentExpired',
      ],
      [
        { ...foreign.deployment, authorization: foreign.authorization },
        wallet(5),
        'InvalidDeploymentSignature',
      ],
      [{ ...changed, authorization }, wallet(4), 'InvalidDeploymentSignature'],
      [
        { ...deployment, authorization: { ...authorization, signature: '0x1234' } },
        wallet(4),
        'InvalidDeploymentSignature',
      ],
    ]
    for (const [broken, sender, rule] of cases) {
      expect(await failedRules(registry.deployPolicy(sender, { ...broken, addresses }))).toEqual([
        rule,
      ])
      await reverts(registry.deployPolicy(sender, { ...broken, addresses, preflight: false }), rule)
    }
    expect(
      await failedRules(
        registry.signDeployment(owner, {
          ...{ ...input, addresses, sponsor: zeroAddress, deadline: 1n },
        }),
      ),
    ).toEqual(['DeploymentExpired'])
    expect(
      await failedRules(
        registry.signDeployment(wallet(6), {
          ...{ ...input, addresses, sponsor: zeroAddress, deadline: DEADLINE },
        }),
      ),
    ).toEqual(['NotClientOwner'])

    for (const [bad, field] of [
      [{ ...authorization, signature: '0x' as Hex }, 'authorization.signature'],
      [{ ...authorization, nonce: -1n }, 'nonce'],
      [{ ...authorization, deadline: 1 as never }, 'deadline'],
      [{ ...authorization, sponsor: '0x12' as Address }, 'sponsor'],
    ] as const) {
      const error = await rejection(
        registry.deployPolicy(owner, { ...deployment, authorization: bad, addresses }),
      )
      expect(error).toMatchObject({ code: 'INVALID_INPUT', field })
    }
    const error = await rejection(
      registry.deployPolicy(owner, { ...input, authorization, addresses }),
    )
    expect(error).toMatchObject({ code: 'INVALID_INPUT', field: 'replaces' })
  })

  test('cancelDeployment: what was signed is useless', async () => {
    const { owner, addresses, wallet } = chain
    const client = await chain.policyClient()
    const { input } = newPolicy(14, client)
    const { deployment, authorization } = await sign(owner, input)
    const { nonce } = authorization
    expect(
      await registry.cancelDeploymentSync(owner, { addresses, deploymentNonce: nonce }),
    ).toMatchObject({
      signer: owner.account.address,
      nonce,
    })
    expect(
      await failedRules(registry.cancelDeployment(owner, { addresses, deploymentNonce: nonce })),
    ).toEqual(['DeploymentNonceUsed'])
    await reverts(
      registry.cancelDeployment(owner, { addresses, deploymentNonce: nonce, preflight: false }),
      'DeploymentNonceUsed',
    )
    const send = { addresses, ...deployment, authorization }
    expect(await failedRules(registry.deployPolicy(wallet(5), send))).toEqual([
      'DeploymentNonceUsed',
    ])
    // Random numbers do not meet.
    const next = await sign(owner, input)
    expect(next.authorization.nonce).not.toBe(nonce)
  })
})
