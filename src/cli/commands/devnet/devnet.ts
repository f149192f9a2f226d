import { readFile, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import { type Hex, isAddress } from 'viem'
import { pause } from '../../../internal/pause.js'
import { registerClientSync } from '../../../registry/index.js'
import { deployGuardedTransfer } from '../../../testing/index.js'
import { createDevnet, type Devnet } from '../../../testing/node/index.js'
import { UsageError } from '../../errors.js'
import { command } from '../../terminal/command.js'
import { heed } from '../../terminal/interrupt.js'
import { printResult, type Terminal } from '../../terminal/output.js'
import { quotedWord } from '../../terminal/quoting.js'
import { describeDevnet, toText, writeProfile } from './describe.js'
import { commitLine, endOf, tellHappenings } from './happenings.js'

/** What the client has to pay out. */
const FUNDS = 10n ** 20n

/** `devnet`: a whole network in one process, until Ctrl-C. */
export const devnet: CommandDef = command({
  name: 'devnet',
  serves: true,
  example: 'newton-policy devnet --state devnet',
  description:
    'Run a local network: chain, contracts, store of artifacts, four operators with simulated enclaves, gateway, challenger, replica, a funded client',
  args: {
    port: { type: 'string', description: 'Port of the chain’s RPC', default: '8545' },
    state: {
      type: 'string',
      description:
        'Directory to keep all of it in: chain, tree, secrets, tasks, ledger, artifacts; what is there goes on',
      valueHint: 'dir',
    },
    window: { type: 'string', description: 'Seconds of real time between commits', default: '5' },
    'write-profile': {
      type: 'boolean',
      description: 'Keep the network as profile devnet, so that other commands find it',
      default: true,
    },
  },
  run: async ({ args, terminal, signal }) => {
    const { seconds, port } = checked(args)
    const directory = await directoryOf(terminal, args.state)
    terminal.stderr('starting…\n')
    const told = (): void => terminal.stderr('ending what was started; Ctrl-C again ends at once\n')
    signal.addEventListener('abort', told, { once: true })
    const network = await createDevnet({ port, directory, signal })
    signal.removeEventListener('abort', told)
    try {
      // Ctrl-C while it starts: it ends as cleanly, and was interrupted.
      await heed(signal)
      const client = await clientOf(network, directory)
      const data = describeDevnet(network, { client })
      if (args['write-profile']) await writeProfile(terminal, data)
      const cursor = await endOf(network)
      if (network.continued) terminal.stderr(`goes on from ${directory}\n`)
      // Scripts start from this line; the network goes on.
      const text = toText(data)
      printResult(terminal, { data, text }, { json: args.json, command: 'newton-policy devnet' })
      terminal.stderr('Ctrl-C ends\n')
      await Promise.all([
        commitUntilAborted(network, { terminal, signal, seconds }),
        tellHappenings(network, { terminal, signal, cursor }),
      ])
      terminal.stderr('ending…\n')
      return { data, text: '', printed: true }
    } finally {
      await network.stop()
    }
  },
})

async function directoryOf(
  terminal: Terminal,
  state: string | undefined,
): Promise<string | undefined> {
  if (state === undefined) return undefined
  const directory = resolve(terminal.cwd, state)
  const found = await stat(directory).catch(() => undefined)
  if (found?.isDirectory() === false) {
    throw new UsageError(`--state is a directory, and ${directory} is none.`)
  }
  return directory
}

function checked(args: { window: string; port: string }): { seconds: number; port: number } {
  const seconds = Number(args.window)
  if (!(seconds > 0)) {
    throw new UsageError(`--window is a number of seconds above 0, not ${quotedWord(args.window)}.`)
  }
  const port = Number(args.port)
  if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw new UsageError(`--port is a number from 1 to 65535, not ${quotedWord(args.port)}.`)
  }
  return { seconds, port }
}

/** The client of a network that goes on, else one that is deployed for it. */
async function clientOf(network: Devnet, directory: string | undefined): Promise<Hex> {
  const file = directory === undefined ? undefined : join(directory, 'client')
  if (file !== undefined && network.continued) {
    const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
    if (isAddress(kept) && (await network.client.getCode({ address: kept })) !== undefined) {
      return kept
    }
  }
  const client = await deployClient(network)
  if (file !== undefined) await writeFile(file, `${client}\n`)
  return client
}

// A client that pays out what the policy allows, owned by the first account and funded.
async function deployClient({ owner, contracts, anvil }: Devnet): Promise<Hex> {
  const client = await deployGuardedTransfer(owner, contracts)
  await registerClientSync(owner, { client, addresses: contracts })
  await anvil.rpc('anvil_setBalance', [client, `0x${FUNDS.toString(16)}`])
  return client
}

async function commitUntilAborted(
  network: Devnet,
  { terminal, signal, seconds }: { terminal: Terminal; signal: AbortSignal; seconds: number },
): Promise<void> {
  while (!signal.aborted) {
    await pause(seconds * 1_000, signal)
    if (signal.aborted) return
    const commit = await network.commit()
    const line = commit && commitLine(commit)
    if (line !== undefined) terminal.stderr(`${line}\n`)
  }
}
