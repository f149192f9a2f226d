/** `state`: the root that operators commit, and its history. */
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import type { ChainEvent } from '../../core/index.js'
import { createChainEvents } from '../../registry/index.js'
import { type ChainTarget, chainArgs, chainOf } from '../config/chain.js'
import { UsageError } from '../errors.js'
import { command, group } from '../terminal/command.js'
import { exitCodes, printProgress, type Terminal } from '../terminal/output.js'

type Commit = Extract<ChainEvent, { type: 'StateRootCommitted' }>

async function commitsOf(
  terminal: Terminal,
  { target, signal }: { target: ChainTarget; signal: AbortSignal },
): Promise<Commit[]> {
  const { client, addresses, fromBlock } = target
  const events = await createChainEvents({ client, addresses })
  const { number: toBlock } = await events.getLatestBlock({ signal })
  const found: Commit[] = []
  for (let block = fromBlock; block <= toBlock; block += STEP) {
    printProgress(terminal, `reading events: block ${block} of ${toBlock}`)
    const last = block + STEP - 1n < toBlock ? block + STEP - 1n : toBlock
    const range = { fromBlock: block, toBlock: last, types: ['StateRootCommitted'] as const }
    for (const event of await events.getEvents(range, { signal })) {
      if (event.type === 'StateRootCommitted') found.push(event)
    }
  }
  printProgress(terminal)
  return found
}

/** Blocks of one read. */
const STEP = 10_000n

const shown = (commit: Commit) => ({
  sequenceNo: commit.sequenceNo,
  root: commit.newStateRoot,
  previousRoot: commit.prevStateRoot,
  timestamp: commit.timestamp,
  block: commit.blockNumber,
  pcr0Commitment: commit.pcr0Commitment,
  deltaHash: commit.daCertHash,
})

const root = command({
  name: 'root',
  example: 'newton-policy state root --chain devnet',
  description: 'Print the state root that the operators committed last',
  args: chainArgs,
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const last = (await commitsOf(terminal, { target, signal })).at(-1)
    if (last === undefined) {
      return { data: { commit: null }, text: 'no commit yet', exitCode: exitCodes.notFound }
    }
    const { sequenceNo, timestamp } = last
    terminal.stderr(
      `commit ${sequenceNo} of ${new Date(Number(timestamp) * 1_000).toISOString()}\n`,
    )
    return { data: { commit: shown(last) }, text: last.newStateRoot }
  },
})

const commits = command({
  name: 'commits',
  example: 'newton-policy state commits --last 5',
  description: 'List the commits of state roots, newest last',
  args: {
    ...chainArgs,
    last: { type: 'string', description: 'How many', default: '10', valueHint: 'count' },
  },
  run: async ({ args, terminal, signal }) => {
    if (!/^[1-9]\d{0,6}$/.test(args.last)) {
      throw new UsageError(`--last is a number, not ${JSON.stringify(args.last)}.`)
    }
    const target = await chainOf(terminal, args)
    const list = (await commitsOf(terminal, { target, signal }))
      .slice(-Number(args.last))
      .map(shown)
    const line = (commit: { sequenceNo: bigint; root: Hex; timestamp: bigint; block: bigint }) =>
      `${commit.sequenceNo}  ${commit.root}  ${new Date(Number(commit.timestamp) * 1_000).toISOString()}  block ${commit.block}`
    return { data: { commits: list }, text: list.map(line).join('\n') || 'no commit yet' }
  },
})

/** The commands of the state tree. */
export const state: CommandDef = group('state', 'The tree whose root operators commit', {
  root: async () => root,
  commits: async () => commits,
})
