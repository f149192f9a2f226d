/** `state`: the root that operators commit, and its history. */
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { type ChainEvent, type Namespace, namespaces } from '../../core/index.js'
import { createChainEvents } from '../../registry/index.js'
import {
  assertLeafReading,
  type LeafReading,
  readLeafReading,
  SnapshotError,
  snapshotClient,
  writeLeafReading,
} from '../../statetree/index.js'
import { type ChainTarget, chainArgs, chainOf } from '../config/chain.js'
import { UsageError } from '../errors.js'
import { readJsonObject, writeJson } from '../files.js'
import { command, group } from '../terminal/command.js'
import { type CommandResult, exitCodes, printProgress, type Terminal } from '../terminal/output.js'

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

const publicNamespaces = Object.entries(namespaces).filter(([, number]) => number >= 4)

function namespaceOf(text: string): Namespace {
  const found = publicNamespaces.find(([name, number]) => text === name || text === String(number))
  if (found !== undefined) return found[1]
  throw new UsageError(`--namespace is none of artifacts: ${JSON.stringify(text)}.`, {
    metaMessages: [`One of: ${publicNamespaces.map(([name]) => name).join(', ')}.`],
  })
}

const prove = command({
  name: 'prove',
  example:
    'newton-policy state prove 0x… --namespace rego --server https://bootnode.example --out proof.json',
  description:
    'Have a bootnode prove that an artifact is under a root that operators committed, or is not',
  args: {
    hash: { type: 'positional', description: 'Hash of the artifact', required: true },
    namespace: {
      type: 'string',
      description: `What it is: ${publicNamespaces.map(([name]) => name).join(', ')}`,
      required: true,
    },
    server: {
      type: 'string',
      description: 'URL of a bootnode, or of an operator that serves reads',
      required: true,
      valueHint: 'url',
    },
    root: {
      type: 'string',
      description: 'Committed root; the newest of the server where left out',
    },
    out: {
      type: 'string',
      description: 'Keep the proof, for state verify',
      valueHint: 'file.json',
    },
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const asked = { namespace: namespaceOf(args.namespace), name: args.hash as Hex }
    const server = snapshotClient({ url: args.server })
    const root = args.root as Hex | undefined
    const reading = await server.read({ ...asked, root }, { signal })
    await assertCommitted(terminal, { target, signal, commit: reading.commit })
    const proof = { ...asked, ...writeLeafReading(reading) }
    if (args.out !== undefined) await writeJson(terminal, args.out, proof)
    return shownReading(proof, reading)
  },
})

const verify = command({
  name: 'verify',
  example: 'newton-policy state verify proof.json --chain devnet',
  description:
    'Check a proof that state prove kept, against the roots on chain; exit code 3 where it fails',
  args: {
    file: { type: 'positional', description: 'The proof', required: true },
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const { namespace, name, ...proof } = await readJsonObject(terminal, args.file)
    if (typeof name !== 'string') throw new UsageError(`${args.file} holds no proof.`)
    const asked = { namespace: namespaceOf(String(namespace)), name: name as Hex }
    const reading = readLeafReading(proof)
    const target = await chainOf(terminal, args)
    try {
      assertLeafReading(asked, reading)
      await assertCommitted(terminal, { target, signal, commit: reading.commit })
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error
      return {
        data: { ...asked, verified: false, detail: error.shortMessage },
        text: `not verified: ${error.shortMessage}`,
        exitCode: exitCodes.denied,
      }
    }
    return shownReading({ ...asked, verified: true }, reading)
  },
})

// A proof is worth its root only: whether that was committed, and under which number, the chain says.
async function assertCommitted(
  terminal: Terminal,
  parameters: { target: ChainTarget; signal: AbortSignal; commit: LeafReading['commit'] },
): Promise<void> {
  const { commit, ...at } = parameters
  const { sequenceNo, root } = commit
  const landed = (await commitsOf(terminal, at)).find((one) => one.sequenceNo === sequenceNo)
  if (landed?.newStateRoot.toLowerCase() === root) return
  throw new SnapshotError({ reason: `the chain has no commit ${sequenceNo} of root ${root}` })
}

function shownReading(data: object, { valueHash, commit }: LeafReading): CommandResult {
  const is = valueHash === null ? 'is not' : 'is'
  return {
    data: { ...data, present: valueHash !== null },
    text: `${is} under root ${commit.root}, commit ${commit.sequenceNo}`,
    exitCode: valueHash === null ? exitCodes.notFound : exitCodes.done,
  }
}

/** The commands of the state tree. */
export const state: CommandDef = group('state', 'The tree whose root operators commit', {
  root: async () => root,
  commits: async () => commits,
  prove: async () => prove,
  verify: async () => verify,
})
