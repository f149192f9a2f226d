import { join, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { pause } from '../../internal/pause.js'
import { registerClientSync } from '../../registry/index.js'
import { deployGuardedTransfer } from '../../testing/index.js'
import { createDevnet, type Devnet } from '../../testing/node/index.js'
import { loadConfig, type Profile, saveConfig } from '../config/config.js'
import { UsageError } from '../errors.js'
import { command } from '../terminal/command.js'
import { printResult, type Terminal } from '../terminal/output.js'

/** The words that anvil's accounts are made of; everybody knows them. */
const mnemonic = 'test test test test test test test test test test test junk'
/** What the client has to pay out. */
const FUNDS = 10n ** 20n

/** `devnet`: a whole network in one process, until Ctrl-C. */
export const devnet: CommandDef = command({
  name: 'devnet',
  example: 'newton-policy devnet --window 5',
  description:
    'Run a local network: chain, contracts, store of artifacts, four operators with simulated enclaves, gateway, challenger, replica, a funded client',
  args: {
    port: { type: 'string', description: 'Port of the chain’s RPC', default: '8545' },
    state: { type: 'string', description: 'Directory to keep artifacts in', valueHint: 'dir' },
    window: { type: 'string', description: 'Seconds of real time between commits', default: '5' },
    'write-profile': {
      type: 'boolean',
      description: 'Keep the network as profile devnet, so that other commands find it',
      default: true,
    },
  },
  run: async ({ args, terminal, signal }) => {
    const { seconds, port } = checked(args)
    terminal.stderr('starting…\n')
    const directory = args.state === undefined ? undefined : resolve(terminal.cwd, args.state)
    const network = await createDevnet({ port, directory })
    try {
      const client = await deployClient(network)
      const data = describe(network, { client })
      if (args['write-profile']) await writeProfile(terminal, data)
      // Scripts start from this line; the network goes on.
      const text = toText(data)
      printResult(terminal, { data, text }, { json: args.json, command: 'newton-policy devnet' })
      terminal.stderr('Ctrl-C ends\n')
      await commitUntilAborted(network, { terminal, signal, seconds })
      return { data, text: '', printed: true }
    } finally {
      await network.stop()
    }
  },
})

function checked(args: { window: string; port: string }): { seconds: number; port: number } {
  const seconds = Number(args.window)
  if (!(seconds > 0)) {
    throw new UsageError(`--window is a number of seconds, not ${JSON.stringify(args.window)}.`)
  }
  const port = Number(args.port)
  if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new UsageError(`--port is a port, not ${JSON.stringify(args.port)}.`)
  }
  return { seconds, port }
}

// A client that pays out what the policy allows, owned by the first account and funded.
async function deployClient({ owner, contracts, anvil }: Devnet): Promise<Hex> {
  const client = await deployGuardedTransfer(owner, contracts)
  await registerClientSync(owner, { client, addresses: contracts })
  await anvil.rpc('anvil_setBalance', [client, `0x${FUNDS.toString(16)}`])
  return client
}

type Description = {
  rpcUrl: string
  gatewayUrl: string
  chainId: number
  client: Hex
  contracts: Record<string, string>
  fromBlock: bigint
  pcr0Commitment: Hex
  artifacts: string
  operators: readonly { address: Hex; url: string }[]
  challengerUrl: string | undefined
  replicaUrl: string | undefined
  ledger: { url: string; name: string; module: string; logKey: string } | undefined
  accounts: readonly { address: Hex; privateKey: Hex }[]
}

function describe(network: Devnet, { client }: { client: Hex }): Description {
  const { anvil, chain, gatewayUrl, pcr0Commitment, operators } = network
  const { fromBlock, ...contracts } = network.contracts
  const accounts = [0, 1, 2].map((addressIndex) => {
    const account = mnemonicToAccount(mnemonic, { addressIndex })
    const key = Buffer.from(account.getHdKey().privateKey as Uint8Array).toString('hex')
    return { address: account.address, privateKey: `0x${key}` as Hex }
  })
  return {
    ...{ rpcUrl: anvil.url, gatewayUrl, chainId: chain.id, client, contracts, fromBlock },
    ...{ pcr0Commitment, artifacts: join(network.directory, 'artifacts'), accounts },
    operators: operators.map(({ address, url }) => ({ address, url })),
    challengerUrl: network.challenger?.url,
    replicaUrl: network.replica?.url,
    ledger: describeLedger(network),
  }
}

function describeLedger({ ledger }: Devnet): Description['ledger'] {
  if (ledger === undefined) return undefined
  const { url, moduleId: module, logKey } = ledger
  return { url, name: ledger.ledger.ledger, module, logKey }
}

function toText(data: Description): string {
  const line = (name: string, value: unknown): string => `${name.padEnd(24)} ${String(value)}`
  return [
    line('RPC', data.rpcUrl),
    line('gateway', data.gatewayUrl),
    line('challenger', data.challengerUrl),
    line('replica', data.replicaUrl),
    line('ledger', data.ledger?.url),
    line('its log', data.ledger?.logKey),
    line('chain', data.chainId),
    line('client', data.client),
    line('artifacts', data.artifacts),
    ...data.accounts.map(({ address }, index) => line(`account ${index}`, address)),
    ...data.operators.map(({ address, url }, index) =>
      line(`operator ${index}`, `${address} ${url}`),
    ),
    ...Object.entries(data.contracts).map(([name, address]) => line(name, address)),
    line('PCR0 commitment', data.pcr0Commitment),
  ].join('\n')
}

// The keys of anvil's accounts are public, so that this one may lie in clear.
async function writeProfile(terminal: Terminal, data: Description): Promise<void> {
  const { rpcUrl, gatewayUrl, chainId, contracts, fromBlock, accounts, artifacts } = data
  const profile: Profile = {
    network: 'devnet',
    default_chain: 'devnet',
    gateway_url: gatewayUrl,
    da_directory: artifacts,
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

async function commitUntilAborted(
  network: Devnet,
  { terminal, signal, seconds }: { terminal: Terminal; signal: AbortSignal; seconds: number },
): Promise<void> {
  while (!signal.aborted) {
    await pause(seconds * 1_000, signal)
    if (signal.aborted) return
    const commit = await network.commit()
    // A window in which nothing was written is nothing to tell.
    if (commit === undefined || (commit.included === 0 && commit.foreign === 0)) continue
    terminal.stderr(`commit ${commit.sequenceNo}: ${commit.root}, ${commit.included} artifacts\n`)
  }
}
