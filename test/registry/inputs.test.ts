/** What callers get wrong is named before a node is asked. */
import { createWalletClient, http } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ARTIFACT_ABSENT } from '../../src/core/artifact.js'
import {
  createCommitSink,
  createRegistryReader,
  deactivateClientSync,
  dryRunDeactivateClient,
  getCurrentPolicyInstance,
  getPolicyTemplate,
  policyActions,
  registerPolicyTemplateOnChains,
  setCurrentPolicyDataInstanceSync,
  simulateActivateClient,
} from '../../src/registry/index.js'
import { startChain, type TestChain, word } from './chain.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
})
afterAll(() => chain?.anvil.stop())

const malformedIds = ['0x1234', `0x${'11'.repeat(33)}`, 'abc', undefined, 5, null, {}]
const malformedAddresses = ['0x22', `0x${'11'.repeat(32)}`, 'abc', undefined, 5]
const invalid = { code: 'INVALID_INPUT' }

describe('reads', () => {
  test('error: INVALID_INPUT for a malformed id, whatever is read', async () => {
    const { owner, addresses } = chain
    const reader = await createRegistryReader({ client: owner, addresses })
    const client = owner.account.address
    for (const malformed of malformedIds) {
      const id = malformed as `0x${string}`
      await expect(getPolicyTemplate(owner, { addresses, id })).rejects.toMatchObject(invalid)
      for (const read of [
        () => reader.getPolicyTemplate(id),
        () => reader.getPolicyDataTemplate(id),
        () => reader.getPolicyInstance(id),
        () => reader.getPolicyDataInstance(id),
        () => reader.currentPolicyDataInstanceAt({ client, templateId: id, block: 0n }),
        () => reader.isEnclaveWhitelistedAt({ pcr0Commitment: id, block: 0n }),
      ]) {
        await expect(read()).rejects.toMatchObject(invalid)
      }
    }
  })

  test('error: INVALID_INPUT for a malformed address or block', async () => {
    const { owner, addresses } = chain
    const reader = await createRegistryReader({ client: owner, addresses })
    for (const malformed of malformedAddresses) {
      const client = malformed as `0x${string}`
      await expect(getCurrentPolicyInstance(owner, { addresses, client })).rejects.toMatchObject(
        invalid,
      )
      for (const read of [
        () => reader.getClient(client),
        () => reader.currentPolicyInstanceAt({ client, block: 0n }),
        () => reader.currentPolicyDataInstanceAt({ client, templateId: word(1), block: 0n }),
        () => reader.snapshot({ client, block: 0n }),
      ]) {
        await expect(read()).rejects.toMatchObject(invalid)
      }
    }
    for (const malformed of [-1n, 5, undefined, '5']) {
      const block = malformed as bigint
      const client = owner.account.address
      for (const read of [
        () => reader.getBlock(block),
        () => reader.enclaveRequiredAt(block),
        () => reader.snapshot({ client, block }),
        () => reader.currentPolicyInstanceAt({ client, block }),
      ]) {
        await expect(read()).rejects.toMatchObject(invalid)
      }
    }
  })
})

describe('writes', () => {
  const account = mnemonicToAccount('test test test test test test test test test test test junk')

  test('behavior: account and chain come with the call, as viem has them', async () => {
    const { addresses, anvil } = chain
    const client = await chain.policyClient()
    const bare = createWalletClient({ transport: http(anvil.url), pollingInterval: 10 })
    const per = { addresses, client, account, chain: chain.chain }
    const dryRun = await dryRunDeactivateClient(bare, per)
    expect(dryRun).toMatchObject({ ok: true, transaction: { from: account.address } })
    expect(await deactivateClientSync(bare, per)).toMatchObject({ owner: account.address })
    // An address alone is an account of the node.
    await simulateActivateClient(bare, { ...per, account: account.address })
    // What comes with the call wins over what the client has.
    const stranger = chain.wallet(3)
    const activated = await stranger
      .extend(policyActions({ addresses }))
      .policy.activateClientSync({ client, account })
    expect(activated).toMatchObject({ owner: account.address })
  })

  test('error: ACCOUNT_REQUIRED and CHAIN_REQUIRED name the action and what to give', async () => {
    const { addresses, anvil } = chain
    const bare = createWalletClient({ transport: http(anvil.url) }) as never
    const client = account.address
    const slot = { addresses, client, templateId: word(1), instanceId: word(2) }
    for (const call of [
      () => deactivateClientSync(bare, { addresses, client }),
      () => dryRunDeactivateClient(bare, { addresses, client }),
      () => simulateActivateClient(bare, { addresses, client }),
      () => setCurrentPolicyDataInstanceSync(bare, slot),
      async () => createCommitSink({ client: bare }),
      () =>
        registerPolicyTemplateOnChains({
          regoHash: word(1),
          paramsSchemaHash: ARTIFACT_ABSENT,
          policyDataTemplateRefs: [],
          chains: [{ client: bare, addresses }],
        }),
    ]) {
      const refused = call()
      await expect(refused).rejects.toMatchObject({
        name: 'AccountRequiredError',
        code: 'ACCOUNT_REQUIRED',
      })
    }
    await expect(
      deactivateClientSync(bare, { addresses, client, account } as never),
    ).rejects.toMatchObject({
      name: 'ChainRequiredError',
      code: 'CHAIN_REQUIRED',
      shortMessage: expect.stringContaining('`deactivateClient`') as string,
    })
  })
})
