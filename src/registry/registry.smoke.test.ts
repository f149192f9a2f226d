import { createWalletClient, type Hex, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ARTIFACT_ABSENT } from '../core/artifact.js'
import {
  type DeployedContracts,
  deployContracts,
  deployGuardedTransfer,
} from '../testing/contracts.js'
import { type Anvil, startAnvil } from '../testing/node/anvil.js'
import { registerClientSync } from './actions/clients.js'
import {
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
} from './actions/instances.js'
import { registerPolicyDataTemplateSync, registerPolicyTemplateSync } from './actions/templates.js'
import { createRegistryReader } from './reader.js'

let anvil: Anvil
let addresses: DeployedContracts
const account = privateKeyToAccount(
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
)
const client = () =>
  createWalletClient({ account, chain: foundry, transport: http(anvil.url), pollingInterval: 20 })

beforeAll(async () => {
  anvil = await startAnvil()
  addresses = await deployContracts(client())
})
afterAll(() => anvil?.stop())

test('thread', async () => {
  const wallet = client()
  const hash = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
  const policyClient = await deployGuardedTransfer(wallet, addresses)
  await registerClientSync(wallet, { client: policyClient, addresses })
  const data = await registerPolicyDataTemplateSync(wallet, {
    addresses,
    wasmHash: hash(1),
    paramsSchemaHash: ARTIFACT_ABSENT,
    secretsSchemaHash: hash(3),
    locators: { wasm: { kind: 'keccakStore', name: '' } },
  })
  const template = await registerPolicyTemplateSync(wallet, {
    addresses,
    regoHash: hash(4),
    paramsSchemaHash: hash(5),
    policyDataTemplateRefs: [data.id],
  })
  const dataInstance = await deployPolicyDataInstanceSync(wallet, {
    addresses,
    templateId: data.id,
    client: policyClient,
    expireAfter: 10,
  })
  const instance = await deployPolicyInstanceSync(wallet, {
    addresses,
    templateId: template.id,
    client: policyClient,
    params: { b: 1, a: 'x' },
    expireAfter: 100n,
  })
  await setCurrentPolicyDataInstanceSync(wallet, {
    addresses,
    client: policyClient,
    templateId: data.id,
    instanceId: dataInstance.id,
  })
  const set = await setCurrentPolicyInstanceSync(wallet, {
    addresses,
    client: policyClient,
    instanceId: instance.id,
  })
  expect(set.current).toBe(instance.id)
  const reader = await createRegistryReader({ client: wallet, addresses })
  const block = set.receipt.blockNumber
  const now = await reader.snapshot({ client: policyClient, block })
  await anvil.rpc('anvil_mine', ['0x3'])
  const later = await reader.snapshot({ client: policyClient, block })
  expect(later).toEqual(now)
  expect(now.data[0]?.instanceId).toBe(dataInstance.id)
  expect(now.policyInstance?.params).toBe('0x7b2261223a2278222c2262223a317d')
  const before = await reader.snapshot({ client: policyClient, block: block - 1n })
  expect(before.policyInstanceId).toBe(null)
})
