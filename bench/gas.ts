/**
 * Gas of deploying a policy for a client: the registries beside the proxy-per-policy model, on one
 * local chain. `--json` prints one object.
 */
import process from 'node:process'
import {
  type Abi,
  type Address,
  createClient,
  encodeFunctionData,
  type Hex,
  http,
  toHex,
  zeroAddress,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { sendTransaction, waitForTransactionReceipt } from 'viem/actions'
import { foundry } from 'viem/chains'
import { computeArtifactHash } from '../src/core/artifact.js'
import { canonicalBytes } from '../src/core/canonicalJson.js'
import * as registry from '../src/registry/index.js'
import {
  proxyModelClientAbi,
  proxyModelClientBytecode,
} from '../src/testing/artifacts/proxyModelClient.generated.js'
import {
  proxyModelFactoryAbi,
  proxyModelFactoryBytecode,
} from '../src/testing/artifacts/proxyModelFactory.generated.js'
import { deployContract, deployContracts, deployGuardedTransfer } from '../src/testing/contracts.js'
import { startAnvil } from '../src/testing/node/anvil.js'

type ProxyGas = Record<
  'deployPolicyData' | 'deployPolicy' | 'setPolicyAddress' | 'setPolicy',
  bigint
>
type Row = { name: string; ours: number; plain: number; transparent: number }

const anvil = await startAnvil()
const client = createClient({
  account: mnemonicToAccount('test test test test test test test test test test test junk'),
  chain: foundry,
  transport: http(anvil.url),
  pollingInterval: 10,
})
const hash = (text: string): Hex => computeArtifactHash(new TextEncoder().encode(text))
// CIDv1 strings have 59 characters.
const cid = (name: string): string => `bafy${name.padEnd(55, '2')}`
const params = { list: 'x'.repeat(189) }
const bytes = canonicalBytes(params)

async function send(call: {
  to: Address
  abi: Abi
  functionName: string
  args: readonly unknown[]
}): Promise<{ gas: bigint; logs: readonly { address: Address }[] }> {
  const { abi, functionName, args, to } = call
  const data = encodeFunctionData({ abi, functionName, args })
  const sent = await sendTransaction(client, { to, data })
  const { gasUsed, status, logs } = await waitForTransactionReceipt(client, { hash: sent })
  if (status !== 'success') throw new TypeError(`${functionName} reverted`)
  return { gas: gasUsed, logs }
}

try {
  const addresses = await deployContracts(client)
  const me = client.account.address
  const gasOf = ({ receipt }: { receipt: { gasUsed: bigint } }): bigint => receipt.gasUsed

  // The proxy model.
  const factoryAbi = proxyModelFactoryAbi as Abi
  const oldClient = await deployContract(client, {
    abi: proxyModelClientAbi,
    bytecode: proxyModelClientBytecode,
    args: [me],
    name: 'client',
  })
  const factoryOf = (transparent: boolean): Promise<Address> =>
    deployContract(client, {
      abi: factoryAbi,
      bytecode: proxyModelFactoryBytecode,
      args: [transparent],
      name: 'factory',
    })
  const deployed = (result: { logs: readonly { address: Address }[] }): Address =>
    // The proxy's own `Upgraded` comes first.
    result.logs[0]?.address as Address
  const old = async (factory: Address, name: string): Promise<ProxyGas> => {
    const data = await send({
      to: factory,
      abi: factoryAbi,
      functionName: 'deployPolicyData',
      args: [cid(`wasm${name}`), cid(`secrets${name}`), 600, cid(`meta${name}`), me],
    })
    const policy = await send({
      to: factory,
      abi: factoryAbi,
      functionName: 'deployPolicy',
      args: [
        'package_name.allow',
        cid(`rego${name}`),
        cid(`schema${name}`),
        [deployed(data)],
        cid(`metadata${name}`),
        me,
        hash(name),
      ],
    })
    const abi = proxyModelClientAbi as Abi
    const address = await send({
      to: oldClient,
      abi,
      functionName: 'setPolicyAddress',
      args: [deployed(policy)],
    })
    const set = await send({
      to: oldClient,
      abi,
      functionName: 'setPolicy',
      args: [{ policyParams: toHex(bytes), expireAfter: 600 }],
    })
    return {
      deployPolicyData: data.gas,
      deployPolicy: policy.gas,
      setPolicyAddress: address.gas,
      setPolicy: set.gas,
    }
  }
  const [plainFactory, transparentFactory] = [await factoryOf(false), await factoryOf(true)]
  await old(plainFactory, 'first')
  const plain = await old(plainFactory, 'second')
  await old(transparentFactory, 'first')
  const transparent = await old(transparentFactory, 'second')

  // The registries. One client deploys what another deployed before: the templates are there.
  const policyClient = await deployGuardedTransfer(client, addresses)
  await registry.registerClientSync(client, { addresses, client: policyClient })
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
  const dataInstance = await registry.deployPolicyDataInstanceSync(client, {
    addresses,
    templateId: data.id,
    client: policyClient,
    expireAfter: 600,
  })
  const instance = await registry.deployPolicyInstanceSync(client, {
    addresses,
    templateId: template.id,
    client: policyClient,
    params,
    expireAfter: 600,
  })
  const setData = await registry.setCurrentPolicyDataInstanceSync(client, {
    addresses,
    client: policyClient,
    templateId: data.id,
    instanceId: dataInstance.id,
  })
  const set = await registry.setCurrentPolicyInstanceSync(client, {
    addresses,
    client: policyClient,
    instanceId: instance.id,
  })
  const again = await registry.deployPolicyInstanceSync(client, {
    addresses,
    templateId: template.id,
    client: policyClient,
    params: { list: 'y'.repeat(189) },
    expireAfter: 600,
  })
  const move = await registry.setCurrentPolicyInstanceSync(client, {
    addresses,
    client: policyClient,
    instanceId: again.id,
  })

  // The same for two more clients, each in one transaction: by its owner, and by a sponsor.
  const newClient = async (): Promise<Address> => {
    const next = await deployGuardedTransfer(client, addresses)
    await registry.registerClientSync(client, { addresses, client: next })
    return next
  }
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
  const changed = await registry.deployPolicySync(client, {
    addresses,
    client: second,
    policyInstance: {
      templateId: template.id,
      params: { list: 'y'.repeat(189) },
      expireAfter: 600,
    },
  })

  const sum = (...values: bigint[]): number => Number(values.reduce((a, b) => a + b, 0n))
  const all = (gas: ProxyGas): number => sum(...Object.values(gas))
  const row = (name: string, ours: number, of: (gas: ProxyGas) => number): Row => ({
    name,
    ours,
    plain: of(plain),
    transparent: of(transparent),
  })
  const forClient = [gasOf(dataInstance), gasOf(instance), gasOf(setData), gasOf(set)]
  const rows = [
    row('one more client uses a known policy with its data plugin', sum(gasOf(one)), all),
    row('the same, sent by a sponsor', sum(gasOf(sponsored)), all),
    row('the same in four transactions', sum(...forClient), all),
    row(
      'a new policy with a new data plugin, for its first client, in six transactions',
      sum(gasOf(data), gasOf(template), ...forClient),
      all,
    ),
    row('publish a policy', sum(gasOf(template)), (gas) => Number(gas.deployPolicy)),
    row('publish a data plugin', sum(gasOf(data)), (gas) => Number(gas.deployPolicyData)),
    row('change 200 bytes of params', sum(gasOf(changed)), (gas) => Number(gas.setPolicy)),
    row('the same in two transactions', sum(gasOf(again), gasOf(move)), (gas) =>
      Number(gas.setPolicy),
    ),
  ]

  if (process.argv.includes('--json')) {
    console.log(
      JSON.stringify({
        area: 'gas',
        rows: rows.map(({ name, ours, plain, transparent }) => ({
          name,
          ours,
          unit: 'gas',
          better: 'lower',
          peers: { 'plain proxies': plain, 'transparent proxies': transparent },
        })),
      }),
    )
  } else {
    const text = (value: number): string => value.toLocaleString('en')
    console.log('| work | registries | plain proxies | ratio | transparent proxies | ratio |')
    console.log('|---|---:|---:|---:|---:|---:|')
    for (const { name, ours, plain, transparent } of rows) {
      const [low, high] = [(plain / ours).toFixed(1), (transparent / ours).toFixed(1)]
      console.log(
        `| ${name} | ${text(ours)} | ${text(plain)} | ${low} | ${text(transparent)} | ${high} |`,
      )
    }
  }
} finally {
  await anvil.stop()
}
