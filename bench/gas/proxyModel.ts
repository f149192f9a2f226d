/** A client's policy on the registries, beside the proxy-per-policy model, on one local chain. */
import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  type Client,
  createClient,
  encodeFunctionData,
  type Hex,
  http,
  type Transport,
  toHex,
  zeroAddress,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { sendTransaction, waitForTransactionReceipt } from 'viem/actions'
import { foundry } from 'viem/chains'
import { computeArtifactHash } from '../../src/core/artifact.js'
import { canonicalBytes } from '../../src/core/canonicalJson.js'
import * as registry from '../../src/registry/index.js'
import {
  proxyModelClientAbi,
  proxyModelClientBytecode,
} from '../../src/testing/artifacts/proxyModelClient.generated.js'
import {
  proxyModelFactoryAbi,
  proxyModelFactoryBytecode,
} from '../../src/testing/artifacts/proxyModelFactory.generated.js'
import {
  type DeployedContracts,
  deployContract,
  deployContracts,
  deployGuardedTransfer,
} from '../../src/testing/contracts.js'
import { startAnvil } from '../../src/testing/node/anvil.js'

/** Gas of one piece of work, by model. */
export type ProxyModelRow = { name: string; ours: number; plain: number; transparent: number }

type Sender = Client<Transport, Chain, Account>
type ProxyGas = Record<
  'deployPolicyData' | 'deployPolicy' | 'setPolicyAddress' | 'setPolicy',
  bigint
>
type OurGas = Awaited<ReturnType<typeof measureRegistries>>

const hash = (text: string): Hex => computeArtifactHash(new TextEncoder().encode(text))
// CIDv1 strings have 59 characters.
const cid = (name: string): string => `bafy${name.padEnd(55, '2')}`
const params = { list: 'x'.repeat(189) }
const changed = { list: 'y'.repeat(189) }
const bytes = canonicalBytes(params)

/** Measures all. */
export async function compareWithProxyModel(): Promise<ProxyModelRow[]> {
  const anvil = await startAnvil()
  const client: Sender = createClient({
    account: mnemonicToAccount('test test test test test test test test test test test junk'),
    chain: foundry,
    transport: http(anvil.url),
    pollingInterval: 10,
  })
  try {
    const addresses = await deployContracts(client)
    const plain = await measureProxies(client, false)
    const transparent = await measureProxies(client, true)
    const ours = await measureRegistries(client, addresses)
    return rowsOf(ours, { plain, transparent })
  } finally {
    await anvil.stop()
  }
}

function rowsOf(ours: OurGas, proxies: Record<'plain' | 'transparent', ProxyGas>): ProxyModelRow[] {
  const sum = (...values: bigint[]): number => Number(values.reduce((a, b) => a + b, 0n))
  const row = (name: string, gas: number, of: (proxy: ProxyGas) => number): ProxyModelRow => ({
    ...{ name, ours: gas },
    ...{ plain: of(proxies.plain), transparent: of(proxies.transparent) },
  })
  const all = (gas: ProxyGas): number => sum(...Object.values(gas))
  const { data, template, four, one, sponsored, change, two } = ours
  return [
    row('one more client uses a known policy with its data plugin', sum(one), all),
    row('the same, sent by a sponsor', sum(sponsored), all),
    row('the same in four transactions', sum(...four), all),
    row(
      'a new policy with a new data plugin, for its first client, in six transactions',
      sum(data, template, ...four),
      all,
    ),
    row('publish a policy', sum(template), (gas) => Number(gas.deployPolicy)),
    row('publish a data plugin', sum(data), (gas) => Number(gas.deployPolicyData)),
    row('change 200 bytes of params', sum(change), (gas) => Number(gas.setPolicy)),
    row('the same in two transactions', sum(...two), (gas) => Number(gas.setPolicy)),
  ]
}

// --- The proxy model ---

/** A second policy: what the first one pays for everybody is left out. */
async function measureProxies(client: Sender, transparent: boolean): Promise<ProxyGas> {
  const policyClient = await deployContract(client, {
    abi: proxyModelClientAbi,
    bytecode: proxyModelClientBytecode,
    args: [client.account.address],
    name: 'client',
  })
  const factory = await deployContract(client, {
    abi: proxyModelFactoryAbi,
    bytecode: proxyModelFactoryBytecode,
    args: [transparent],
    name: 'factory',
  })
  await deployProxies(client, { factory, policyClient, name: 'first' })
  return deployProxies(client, { factory, policyClient, name: 'second' })
}

async function deployProxies(
  client: Sender,
  { factory, policyClient, name }: { factory: Address; policyClient: Address; name: string },
): Promise<ProxyGas> {
  const me = client.account.address
  const make = (functionName: string, args: readonly unknown[]) =>
    send(client, { to: factory, abi: proxyModelFactoryAbi as Abi, functionName, args })
  const use = (functionName: string, args: readonly unknown[]) =>
    send(client, { to: policyClient, abi: proxyModelClientAbi as Abi, functionName, args })
  const secrets = [cid(`wasm${name}`), cid(`secrets${name}`), 600, cid(`meta${name}`), me]
  const data = await make('deployPolicyData', secrets)
  const policy = await make('deployPolicy', [
    'package_name.allow',
    cid(`rego${name}`),
    cid(`schema${name}`),
    [data.first],
    cid(`metadata${name}`),
    me,
    hash(name),
  ])
  const address = await use('setPolicyAddress', [policy.first])
  const set = await use('setPolicy', [{ policyParams: toHex(bytes), expireAfter: 600 }])
  return {
    deployPolicyData: data.gas,
    deployPolicy: policy.gas,
    setPolicyAddress: address.gas,
    setPolicy: set.gas,
  }
}

async function send(
  client: Sender,
  call: { to: Address; abi: Abi; functionName: string; args: readonly unknown[] },
): Promise<{ gas: bigint; first: Address | undefined }> {
  const { abi, functionName, args, to } = call
  const data = encodeFunctionData({ abi, functionName, args })
  const sent = await sendTransaction(client, { to, data })
  const { gasUsed, status, logs } = await waitForTransactionReceipt(client, { hash: sent })
  if (status !== 'success') throw new TypeError(`${functionName} reverted`)
  // A proxy's own `Upgraded` comes first.
  return { gas: gasUsed, first: logs[0]?.address }
}

// --- The registries ---

type Done = { receipt: { gasUsed: bigint } }
const gasOf = ({ receipt }: Done): bigint => receipt.gasUsed

/** One client deploys what another deployed before: the templates are there. */
async function measureRegistries(client: Sender, addresses: DeployedContracts) {
  const newClient = async (): Promise<Address> => {
    const next = await deployGuardedTransfer(client, addresses)
    await registry.registerClientSync(client, { addresses, client: next })
    return next
  }
  const data = await registry.registerPolicyDataTemplateSync(client, {
    addresses,
    wasmHash: hash('wasm'),
    paramsSchemaHash: hash('params'),
    secretsSchemaHash: hash('secrets'),
  })
  const template = await registry.registerPolicyTemplateSync(client, {
    addresses,
    regoHash: hash('rego'),
    paramsSchemaHash: hash('schema'),
    policyDataTemplateRefs: [data.id],
  })
  const ids = { data: data.id, policy: template.id }
  const steps = await stepByStep(client, { addresses, ids, policyClient: await newClient() })
  // The same for two more clients, each in one transaction: by its owner, and by a sponsor.
  const known = (next: Address): registry.PolicyDeploymentInput => ({
    client: next,
    policyDataInstances: [{ templateId: data.id, expireAfter: 600 }],
    policyInstance: { templateId: template.id, params, expireAfter: 600 },
  })
  const second = await newClient()
  const one = await registry.deployPolicySync(client, { addresses, ...known(second) })
  const { deployment, authorization } = await registry.signDeployment(client, {
    ...{ addresses, ...known(await newClient()) },
    ...{ sponsor: zeroAddress, deadline: 1n << 40n },
  })
  const sponsored = await registry.deployPolicySync(client, {
    ...{ addresses, ...deployment, authorization },
  })
  const change = await registry.deployPolicySync(client, {
    ...{ addresses, client: second },
    policyInstance: { templateId: template.id, params: changed, expireAfter: 600 },
  })
  return {
    ...{ data: gasOf(data), template: gasOf(template), ...steps },
    ...{ one: gasOf(one), sponsored: gasOf(sponsored), change: gasOf(change) },
  }
}

async function stepByStep(
  client: Sender,
  parts: {
    addresses: DeployedContracts
    ids: { data: Hex; policy: Hex }
    policyClient: Address
  },
): Promise<{ four: bigint[]; two: bigint[] }> {
  const { addresses, ids, policyClient } = parts
  const of = { addresses, client: policyClient, expireAfter: 600 }
  const dataInstance = await registry.deployPolicyDataInstanceSync(client, {
    ...of,
    templateId: ids.data,
  })
  const deploy = (content: typeof params) =>
    registry.deployPolicyInstanceSync(client, { ...of, templateId: ids.policy, params: content })
  const move = ({ id }: { id: Hex }) =>
    registry.setCurrentPolicyInstanceSync(client, {
      ...{ addresses, client: policyClient, instanceId: id },
    })
  const instance = await deploy(params)
  const setData = await registry.setCurrentPolicyDataInstanceSync(client, {
    ...{ addresses, client: policyClient, templateId: ids.data, instanceId: dataInstance.id },
  })
  const four = [dataInstance, instance, setData, await move(instance)]
  const again = await deploy(changed)
  return { four: four.map(gasOf), two: [again, await move(again)].map(gasOf) }
}
