import type { CommandDef } from 'citty'
import { createDevnet } from '../../testing/node/index.js'
import { command } from '../command.js'
import { UsageError } from '../errors.js'

/** `devnet`: a whole network in one process, until Ctrl-C. */
export const devnet: CommandDef = command({
  name: 'devnet',
  example: 'newton-policy devnet --state ./devnet',
  description:
    'Run a local network: chain, contracts, file DA, four operators with simulated enclaves',
  args: {
    port: { type: 'string', description: 'Port of the chain’s RPC', default: '8545' },
    state: { type: 'string', description: 'Directory to keep artifacts in', valueHint: 'dir' },
    window: { type: 'string', description: 'Seconds of real time between commits', default: '5' },
  },
  run: async ({ args, terminal, signal }) => {
    const seconds = Number(args.window)
    if (!(seconds > 0))
      throw new UsageError(`--window is a number of seconds, not ${JSON.stringify(args.window)}.`)
    const port = Number(args.port)
    if (!(Number.isInteger(port) && port > 0 && port < 65_536)) {
      throw new UsageError(`--port is a port, not ${JSON.stringify(args.port)}.`)
    }
    terminal.stderr('starting…\n')
    const network = await createDevnet({ port, directory: args.state })
    try {
      const { anvil, contracts, chain, pcr0Commitment } = network
      terminal.stderr(`ready: ${anvil.url}, chain ${chain.id}\n`)
      for (const [name, address] of Object.entries(contracts))
        terminal.stderr(`  ${name.padEnd(24)} ${String(address)}\n`)
      terminal.stderr(`  ${'PCR0 commitment'.padEnd(24)} ${pcr0Commitment}\n`)
      terminal.stderr('funded accounts: those of anvil’s test mnemonic; Ctrl-C ends\n')
      while (!signal.aborted) {
        await pause(seconds * 1_000, signal)
        if (signal.aborted) break
        const commit = await network.commit()
        if (commit !== undefined) {
          terminal.stderr(
            `commit ${commit.sequenceNo}: ${commit.root}, ${commit.included} artifacts\n`,
          )
        }
      }
      return {
        data: { rpcUrl: anvil.url, chainId: chain.id, contracts, pcr0Commitment },
        text: 'stopped',
      }
    } finally {
      await network.stop()
    }
  },
})

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
