/** Where everything of a devnet is, for people, for scripts and as a profile. */
import { join } from 'node:path'
import { bytesToHex, type Hex } from 'viem'
import { type HDAccount, mnemonicToAccount } from 'viem/accounts'
import { encodeG2 } from '../../../core/bn254/index.js'
import type { Devnet } from '../../../testing/node/index.js'
import { loadConfig, type Profile, saveConfig } from '../../config/config.js'
import type { Terminal } from '../../terminal/output.js'

/** The words that anvil's accounts are made of; everybody knows them. */
const mnemonic = 'test test test test test test test test test test test junk'

type Account = { address: Hex; privateKey: Hex }

/** Where everything is. All keys are public knowledge: they are worth nothing elsewhere. */
export type Description = {
  rpcUrl: string
  gatewayUrl: string
  chainId: number
  client: Hex
  contracts: Record<string, string>
  fromBlock: bigint
  pcr0Commitment: Hex
  /** SHA-256 of the roots of the simulated enclaves: nobody else believes them. */
  enclaveRoots: readonly Hex[]
  /** Directory of the artifacts. */
  artifacts: string
  /** The same over HTTP. */
  artifactsUrl: string
  operators: readonly (Account & { url: string; blsPublicKey: Hex })[]
  challengerUrl: string | undefined
  replicaUrl: string | undefined
  ledger: { url: string; name: string; module: string; logKey: string } | undefined
  accounts: readonly Account[]
}

/** Says where everything is. */
export function describeDevnet(network: Devnet, { client }: { client: Hex }): Description {
  const { anvil, chain, gatewayUrl, pcr0Commitment, operators, artifactsUrl } = network
  const { fromBlock, ...contracts } = network.contracts
  return {
    ...{ rpcUrl: anvil.url, gatewayUrl, chainId: chain.id, client, contracts, fromBlock },
    ...{ pcr0Commitment, artifacts: join(network.directory, 'artifacts'), artifactsUrl },
    accounts: [0, 1, 2].map((addressIndex) =>
      withKey(mnemonicToAccount(mnemonic, { addressIndex })),
    ),
    operators: operators.map(({ account, url, key }) => ({
      ...withKey(account as HDAccount),
      ...{ url, blsPublicKey: bytesToHex(encodeG2(key.publicKey.pubkeyG2)) },
    })),
    enclaveRoots: operators.flatMap(({ roots }) => roots.map(({ sha256 }) => sha256)),
    challengerUrl: network.challenger?.url,
    replicaUrl: network.replica?.url,
    ledger: describeLedger(network),
  }
}

function withKey(account: HDAccount): Account {
  const key = Buffer.from(account.getHdKey().privateKey as Uint8Array).toString('hex')
  return { address: account.address, privateKey: `0x${key}` }
}

function describeLedger({ ledger }: Devnet): Description['ledger'] {
  if (ledger === undefined) return undefined
  const { url, moduleId: module, logKey } = ledger
  return { url, name: ledger.ledger.ledger, module, logKey }
}

/** The same as lines. */
export function toText(data: Description): string {
  const line = (name: string, value: unknown): string => `${name.padEnd(24)} ${String(value)}`
  const account = (name: string, { address, privateKey }: Account, more = ''): string[] => [
    line(name, more === '' ? address : `${address} ${more}`),
    line('  its key', privateKey),
  ]
  return [
    line('RPC', data.rpcUrl),
    line('gateway', data.gatewayUrl),
    line('challenger', data.challengerUrl),
    line('replica', data.replicaUrl),
    line('ledger', data.ledger?.url),
    line('its log', data.ledger?.logKey),
    line('artifacts', data.artifacts),
    line('artifacts over HTTP', data.artifactsUrl),
    line('chain', data.chainId),
    line('client', data.client),
    ...data.accounts.flatMap((one, index) => account(`account ${index}`, one)),
    ...data.operators.flatMap((one, index) => account(`operator ${index}`, one, one.url)),
    ...Object.entries(data.contracts).map(([name, address]) => line(name, address)),
    line('PCR0 commitment', data.pcr0Commitment),
    ...data.enclaveRoots.map((root, index) => line(`root of enclave ${index}`, root)),
  ].join('\n')
}

/** Keeps the network as profile `devnet`. The keys of its accounts are public, so that one may lie in clear. */
export async function writeProfile(terminal: Terminal, data: Description): Promise<void> {
  const { rpcUrl, gatewayUrl, chainId, contracts, fromBlock, accounts, artifacts } = data
  const profile: Profile = {
    network: 'devnet',
    default_chain: 'devnet',
    gateway_url: gatewayUrl,
    da_directory: artifacts,
    insecure_roots: data.enclaveRoots.join(','),
    signer_key: accounts[0]?.privateKey as Hex,
    chains: {
      devnet: {
        chain_id: chainId,
        rpc_url: rpcUrl,
        from_block: Number(fromBlock),
        contracts,
      },
    },
  }
  const config = await loadConfig(terminal)
  const path = await saveConfig(terminal, {
    ...config,
    profile: config.profile ?? 'devnet',
    profiles: { ...config.profiles, devnet: profile },
  })
  const use = (config.profile ?? 'devnet') === 'devnet' ? '' : '; name it with --profile devnet'
  terminal.stderr(`profile devnet is in ${path}${use}\n`)
}
