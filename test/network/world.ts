/**
 * A network as its operators would set it up: a chain, contracts, keys in files, a configuration for each
 * process. Nothing of it runs in this process but the chain.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { type Address, createPublicClient, createWalletClient, type Hex, http, toHex } from 'viem'
import { generatePrivateKey, mnemonicToAccount, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { encryptKey } from '../../src/cli/config/keystore.js'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../src/core/artifact.js'
import { createBlsKey } from '../../src/core/bn254/index.js'
import { fileDa } from '../../src/da/node/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import {
  encryptBlsKey,
  randomBlsSecret,
  simulatedPcr0Commitment,
} from '../../src/operator/node/index.js'
import type { WriteClient } from '../../src/registry/chain/client.js'
import {
  activateEnclaveVersionSync,
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  registerClientSync,
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
} from '../../src/registry/index.js'
import { enlist } from '../../src/testing/enlist.js'
import {
  type DeployedContracts,
  deployContracts,
  deployGuardedTransfer,
} from '../../src/testing/index.js'
import { freePort, startAnvil } from '../../src/testing/node/index.js'

/** Cost of key files: kills restart processes all the time. */
const COST = 1_024
const PASSWORD = 'a password of tests'
const mnemonic = 'test test test test test test test test test test test junk'

/** One process: its role, its configuration, where it listens. */
export type Member = { name: string; role: string; config: string; url: string; directory: string }

export type NetworkWorld = Awaited<ReturnType<typeof createNetworkWorld>>

export type NetworkOptions = {
  directory: string
  operators?: number
  gateways?: number
  /** A Postgres that the gateways share. */
  database?: string | undefined
  /** Seconds of a commit window. */
  window?: number
  /** A data plugin: `pluggedClient` has a policy that reads what it gives. */
  plugin?: Uint8Array | undefined
  /** What operators are reached through, by name: such as a proxy that can be cut. */
  linkOf?: (name: string, url: string) => Promise<string>
}

export async function createNetworkWorld(options: NetworkOptions) {
  const { directory, operators: count = 4, gateways = 1, window = 10 } = options
  const anvil = await startAnvil({ args: ['--block-time', '1', '--mixed-mining'] })
  try {
    const chain = { ...foundry, rpcUrls: { default: { http: [anvil.url] } } }
    const transport = http(anvil.url)
    const client = createPublicClient({ chain, transport, pollingInterval: 50 })
    const wallet = (index: number): WriteClient =>
      createWalletClient({
        account: mnemonicToAccount(mnemonic, { addressIndex: index }),
        ...{ chain, transport, pollingInterval: 50 },
      })
    const owner = wallet(0)
    const contracts = await deployContracts(owner)
    const da = fileDa({ directory: join(directory, 'da') })
    const members = await makeMembers({
      ...options,
      count,
      gateways,
      window,
      anvil,
      contracts,
      owner,
    })
    const pcr0Hash = simulatedPcr0Commitment()
    await activateEnclaveVersionSync(owner, { pcr0Hash, label: 'simulator', addresses: contracts })
    const policyClient = await deployPolicy({ owner: wallet(1), contracts, da })
    const { plugin } = options
    const pluggedClient =
      plugin && (await deployPolicy({ owner: wallet(2), contracts, da, plugin }))
    return {
      ...{ anvil, chain, client, contracts, da, directory, owner, policyClient, pluggedClient },
      ...members,
      wallet,
      pcr0Commitment: pcr0Hash,
      stop: anvil.stop,
    }
  } catch (error) {
    await anvil.stop()
    throw error
  }
}

async function deployPolicy(parts: {
  owner: WriteClient
  contracts: DeployedContracts
  da: ReturnType<typeof fileDa>
  plugin?: Uint8Array | undefined
}): Promise<Address> {
  const { owner, contracts: addresses, da, plugin } = parts
  const policyClient = await deployGuardedTransfer(owner, {
    responseRegistry: addresses.responseRegistry,
  })
  await registerClientSync(owner, { client: policyClient, addresses })
  const rego = utf8(`package limit
default allow := false
deny contains "over the limit" if input.value > 5
allow if count(deny) == 0${plugin === undefined ? '' : '\ndeny contains "no data" if not data.wasm'}`)
  await da.put(rego)
  const policyDataTemplateRefs =
    plugin === undefined ? [] : [await deployData({ owner, addresses, da, plugin, policyClient })]
  const { id: templateId } = await registerPolicyTemplateSync(owner, {
    regoHash: computeArtifactHash(rego),
    paramsSchemaHash: ARTIFACT_ABSENT,
    policyDataTemplateRefs,
    locators: { rego: { kind: 'keccakStore', name: '' } },
    addresses,
  })
  const { id: instanceId } = await deployPolicyInstanceSync(owner, {
    ...{ client: policyClient, templateId, expireAfter: 300n, addresses },
  })
  await setCurrentPolicyInstanceSync(owner, { client: policyClient, instanceId, addresses })
  return policyClient
}

/** A plugin without params or secrets, and its instance for a client. Returns the template's id. */
async function deployData(parts: {
  owner: WriteClient
  addresses: DeployedContracts
  da: ReturnType<typeof fileDa>
  plugin: Uint8Array
  policyClient: Address
}): Promise<Hex> {
  const { owner, addresses, da, plugin, policyClient: client } = parts
  await da.put(plugin)
  const { id: templateId } = await registerPolicyDataTemplateSync(owner, {
    ...{ wasmHash: computeArtifactHash(plugin), addresses },
    ...{ paramsSchemaHash: ARTIFACT_ABSENT, secretsSchemaHash: ARTIFACT_ABSENT },
    locators: { wasm: { kind: 'keccakStore', name: '' } },
  })
  const { id: instanceId } = await deployPolicyDataInstanceSync(owner, {
    ...{ client, templateId, expireAfter: 300n, addresses },
  })
  await setCurrentPolicyDataInstanceSync(owner, { client, templateId, instanceId, addresses })
  return templateId
}

type Funded = {
  address: Address
  privateKey: Hex
  settings: { keystore: string; password_file: string }
}
type Operator = Funded & {
  name: string
  bls: { keystore: string; password_file: string }
  key: ReturnType<typeof createBlsKey>
  port: number
  /** What others reach it through. */
  link: string
}
type Parts = NetworkOptions & {
  count: number
  gateways: number
  window: number
  anvil: Awaited<ReturnType<typeof startAnvil>>
  contracts: DeployedContracts
  owner: WriteClient
}

/** Keys, accounts and configurations; the operators are in the table at the end. */
async function makeMembers(parts: Parts) {
  const { directory, count, owner, contracts, anvil } = parts
  const secrets = join(directory, 'keys')
  await mkdir(secrets, { recursive: true })
  const password = join(secrets, 'password')
  await writeFile(password, `${PASSWORD}\n`)
  const secretsKey = join(secrets, 'enclave')
  await writeFile(secretsKey, toHex(utf8('the secret of these enclaves 123')))
  const account = async (name: string): Promise<Funded> => {
    const privateKey = generatePrivateKey()
    const { address } = privateKeyToAccount(privateKey)
    await anvil.rpc('anvil_setBalance', [address, '0x56bc75e2d63100000'])
    const keystore = join(secrets, `${name}.json`)
    await writeFile(keystore, encryptKey(privateKey, PASSWORD, COST))
    return { address, privateKey, settings: { keystore, password_file: password } }
  }
  const operators: Operator[] = []
  for (let index = 0; index < count; index++) {
    const name = `operator-${index}`
    const secret = randomBlsSecret()
    const key = createBlsKey(secret)
    const keystore = join(secrets, `${name}-bls.json`)
    await writeFile(keystore, await encryptBlsKey({ secret, password: PASSWORD, cost: COST }))
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const link = (await parts.linkOf?.(name, url)) ?? url
    const bls = { keystore, password_file: password }
    operators.push({ ...(await account(name)), name, key, port, link, bls })
  }
  const ordered = [...operators].sort((a, b) =>
    a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1,
  )
  const { table } = await enlist({
    operators: ordered.map(({ address, key, privateKey }) => {
      return { address, key, account: privateKeyToAccount(privateKey) }
    }),
    ...{ owner, contracts },
    client: createPublicClient({
      ...{ chain: owner.chain, transport: http(anvil.url), pollingInterval: 50 },
    }),
  })
  return {
    ...{ table, operators },
    members: await writeConfigs(parts, { operators, account, secretsKey }),
  }
}

async function writeConfigs(
  { directory, anvil, contracts, gateways, window, database }: Parts,
  made: { operators: Operator[]; account: (name: string) => Promise<Funded>; secretsKey: string },
): Promise<Member[]> {
  const { operators, account, secretsKey } = made
  const { fromBlock, ...addresses } = contracts
  const chain = {
    id: anvil.chainId,
    rpc_urls: [anvil.url],
    from_block: Number(fromBlock),
    ...{ finality: 'latest', confirmations: 0, poll_seconds: 0.5 },
    contracts: Object.fromEntries(
      Object.entries(addresses).filter(([, value]) => typeof value === 'string'),
    ),
  }
  const da = { directory: join(directory, 'da') }
  const peers = Object.fromEntries(operators.map(({ address, link }) => [address, link]))
  const members: Member[] = []
  const write = async (
    { name, role, port }: { name: string; role: string; port: number },
    settings: object,
  ): Promise<void> => {
    const data = join(directory, name)
    const config = join(directory, `${name}.toml`)
    const listen = { host: '127.0.0.1', port }
    const file = { ...settings, chain, listen, data: { directory: data } }
    await writeFile(config, stringify(file))
    members.push({ name, role, config, url: `http://127.0.0.1:${port}`, directory: data })
  }
  const paying: Funded[] = []
  for (let index = 0; index < gateways; index++) paying.push(await account(`gateway-${index}`))
  const replicaPort = await freePort()
  for (const { name, port, settings, bls } of operators) {
    await write(
      { name, role: 'operator', port },
      {
        gateways: paying.map(({ address }) => address),
        operators: peers,
        da: { ...da, bootnodes: [`http://127.0.0.1:${replicaPort}`] },
        account: settings,
        key: bls,
        enclave: { kind: 'simulator', secrets_key_file: secretsKey },
        journal: { witness: join(directory, 'witness', name) },
        commits: { window_seconds: window },
      },
    )
  }
  for (const [index, { settings }] of paying.entries()) {
    await write(
      { name: `gateway-${index}`, role: 'gateway', port: await freePort() },
      {
        operators: peers,
        account: settings,
        ...(database === undefined ? {} : { database: { url: database } }),
        callers: { anyone: true, auditors: ['anyone'] },
        enclave: { pcr0_commitment: simulatedPcr0Commitment() },
        reference_delay: 2,
      },
    )
  }
  const gateway = members.find(({ role }) => role === 'gateway')?.url
  const { settings } = await account('challenger')
  await write(
    { name: 'challenger', role: 'challenger', port: await freePort() },
    { da, account: settings, gateway: { url: `${gateway}/rpc` }, file: { finality_depth: 4 } },
  )
  await write(
    { name: 'replica', role: 'replica', port: replicaPort },
    { da, operators: peers, serve: true, commits: { window_seconds: window } },
  )
  return members
}
