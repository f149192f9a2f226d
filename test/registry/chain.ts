/** One local chain with all contracts, for the registry tests. */
import {
  type Account,
  type Chain,
  type Client,
  createClient,
  defineChain,
  type Hex,
  http,
  type Transport,
  toHex,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { ARTIFACT_ABSENT } from '../../src/core/artifact.js'
import {
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  registerClientSync,
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
} from '../../src/registry/index.js'
import {
  type DeployConfig,
  type DeployedContracts,
  deployContracts,
  deployGuardedTransfer,
} from '../../src/testing/contracts.js'
import { type Anvil, startAnvil } from '../../src/testing/node/anvil.js'

const mnemonic = 'test test test test test test test test test test test junk'

export type TestClient = Client<Transport, Chain, Account>

export type TestChain = {
  anvil: Anvil
  chain: Chain
  addresses: DeployedContracts
  /** Owner of the contracts. */
  owner: TestClient
  wallet: (index: number) => TestClient
  mine: (blocks?: number) => Promise<void>
  height: () => Promise<bigint>
  /** A registered client of `owner`. */
  policyClient: (wallet?: TestClient) => Promise<`0x${string}`>
}

export const word = (value: number | bigint): Hex => toHex(value, { size: 32 })

export async function startChain(
  options: { chainId?: number; config?: DeployConfig } = {},
): Promise<TestChain> {
  const { chainId = 31_337 } = options
  const anvil = await startAnvil({ chainId })
  const chain = defineChain({
    id: chainId,
    name: `test ${chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [anvil.url] } },
  })
  const wallet = (index: number): TestClient =>
    createClient({
      account: mnemonicToAccount(mnemonic, { addressIndex: index }),
      chain,
      transport: http(anvil.url, { retryCount: 0 }),
      pollingInterval: 10,
    }) as TestClient
  const owner = wallet(0)
  const addresses = await deployContracts(owner, options.config)
  return {
    anvil,
    chain,
    addresses,
    owner,
    wallet,
    mine: async (blocks = 1) => {
      await anvil.rpc('anvil_mine', [toHex(blocks)])
    },
    height: async () => BigInt((await anvil.rpc('eth_blockNumber')) as string),
    policyClient: async (who = owner) => {
      const client = await deployGuardedTransfer(who, addresses)
      await registerClientSync(who, { addresses, client })
      return client
    },
  }
}

/** A whole policy with one data template, current for a new client. */
export async function setUpPolicy(
  chain: TestChain,
  seed: number,
): Promise<{
  client: `0x${string}`
  dataTemplate: Hex
  template: Hex
  dataInstance: Hex
  instance: Hex
}> {
  const { owner, addresses } = chain
  const client = await chain.policyClient()
  const data = await registerPolicyDataTemplateSync(owner, {
    addresses,
    wasmHash: word(seed * 100 + 1),
    paramsSchemaHash: ARTIFACT_ABSENT,
    secretsSchemaHash: word(seed * 100 + 2),
  })
  const template = await registerPolicyTemplateSync(owner, {
    addresses,
    regoHash: word(seed * 100 + 3),
    paramsSchemaHash: word(seed * 100 + 4),
    policyDataTemplateRefs: [data.id],
  })
  const dataInstance = await deployPolicyDataInstanceSync(owner, {
    addresses,
    templateId: data.id,
    client,
    expireAfter: 10,
  })
  const instance = await deployPolicyInstanceSync(owner, {
    addresses,
    templateId: template.id,
    client,
    params: { limit: seed },
    expireAfter: 20,
  })
  await setCurrentPolicyDataInstanceSync(owner, {
    addresses,
    client,
    templateId: data.id,
    instanceId: dataInstance.id,
  })
  await setCurrentPolicyInstanceSync(owner, { addresses, client, instanceId: instance.id })
  return {
    client,
    dataTemplate: data.id,
    template: template.id,
    dataInstance: dataInstance.id,
    instance: instance.id,
  }
}
