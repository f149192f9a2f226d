/** The commands that templates of both kinds have: register, show, list, compute-id. */
import type { ArgsDef, CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import type { ArtifactSource } from '../../../core/index.js'
import { ARTIFACT_ABSENT, computeArtifactHash, type DaLocator } from '../../../core/index.js'
import {
  type ChainOutcome,
  createChainEvents,
  createRegistryReader,
  type DryRun,
  indexRegistry,
  PreflightError,
  type PushInput,
  type RegistryIndex,
  type WriteClient,
} from '../../../registry/index.js'
import {
  daArgs,
  operatorArgs,
  operatorUrls,
  publish,
  requireDa,
  sourceOf,
} from '../../config/artifactStore.js'
import { type ChainTarget, chainArgs, chainOf, chainsOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { command, group } from '../../terminal/command.js'
import {
  type CommandResult,
  exitCodes,
  printProgress,
  type Terminal,
} from '../../terminal/output.js'
import { confirmMainnet, printChecks, signersFor, writeArgs } from '../../writing.js'

/** The files of a template, by the name of their part. */
export type Files = Readonly<Record<string, Uint8Array | undefined>>

/** Arguments as a command gets them. */
export type Args = Readonly<Record<string, unknown>>

/** What differs between the two kinds of templates. */
export type TemplateKind<input> = {
  /** Such as `policy template`. */
  label: string
  /** Options that name the files. */
  args: ArgsDef
  /** The words that reach this group, and those of an example's files. */
  words: string
  fileWords: string
  files: (args: Args, terminal: Terminal) => Promise<Files>
  /** The template, with where its files are. */
  input: (files: Files, args: Args, locators: Record<string, DaLocator>) => input
  id: (input: input) => Hex
  dryRun: (
    client: WriteClient,
    parameters: input & { addresses: ChainTarget['addresses']; checks: object },
  ) => Promise<DryRun>
  register: (
    parameters: input & {
      chains: { client: WriteClient; addresses: object }[]
      checks: object
      push: PushInput | undefined
    },
  ) => Promise<ChainOutcome[]>
  read: (
    reader: Awaited<ReturnType<typeof createRegistryReader>>,
    id: Hex,
  ) => Promise<({ author: Address; registeredAt: bigint } & object) | null>
  list: (
    index: RegistryIndex,
    filter: { author?: Address | undefined },
  ) => { id: Hex; author: Address; registeredAt: bigint }[]
}

/** The group of commands of one kind of templates. */
export function templateCommands<input>(kind: TemplateKind<input>): CommandDef {
  return group('template', `${kind.label}s: content-addressed, the same id on every chain`, {
    register: async () => register(kind),
    show: async () => show(kind),
    list: async () => list(kind),
    'compute-id': async () => computeId(kind),
  })
}

function computeId<input>(kind: TemplateKind<input>): CommandDef {
  return command({
    name: 'compute-id',
    example: `newton-policy ${kind.words} compute-id ${kind.fileWords}`,
    description: `Compute the id of a ${kind.label} from its files, offline`,
    args: kind.args,
    run: async ({ args, terminal }) => {
      const input = kind.input(await kind.files(args, terminal), args, {})
      const id = kind.id(input)
      return { data: { id, ...input }, text: id }
    },
  })
}

const registerArgs = {
  ...daArgs,
  ...operatorArgs,
  ...chainArgs,
  chains: {
    type: 'string',
    description: 'Chains of the profile, separated by commas; can be run again at will',
    valueHint: 'names',
  },
  ...writeArgs,
} as const

function register<input>(kind: TemplateKind<input>): CommandDef {
  return command({
    name: 'register',
    example: `newton-policy ${kind.words} register ${kind.fileWords} --chain devnet`,
    description: `Publish a ${kind.label} and register it; prints its id.`,
    args: { ...kind.args, ...registerArgs },
    run: async ({ args, terminal }) => {
      const files = await kind.files(args, terminal)
      const id = kind.id(kind.input(files, args, {}))
      const targets =
        args.chains === undefined
          ? [await chainOf(terminal, args)]
          : await chainsOf(terminal, { names: args.chains, args })
      await confirmMainnet(terminal, { targets, args })
      const clients = await signersFor(terminal, { targets, args })
      // The checks see the files themselves: what fails must not have been paid for.
      const local = { artifacts: localSource(files) }
      const dryRuns = await Promise.all(
        targets.map((target, index) =>
          kind.dryRun(clients[index] as WriteClient, {
            ...kind.input(files, args, {}),
            ...{ addresses: target.addresses, checks: local },
          }),
        ),
      )
      for (const [index, { checks }] of dryRuns.entries()) {
        terminal.stderr(`${(targets[index] as ChainTarget).name}\n`)
        printChecks(terminal, checks)
      }
      if (args['dry-run']) {
        return { data: { id, chains: dryRuns }, text: id, exitCode: exitOf(dryRuns) }
      }
      const [first] = dryRuns
      if (first !== undefined && dryRuns.every(({ ok }) => !ok)) {
        throw new PreflightError({ action: first.action, checks: first.checks })
      }
      const { profile } = targets[0] as ChainTarget
      const operators = operatorUrls(terminal, { args, profile })
      const artifacts = Object.values(files).filter((bytes) => bytes !== undefined)
      const { locators, source } = await publishAll(terminal, { args, files, targets })
      const outcomes = await kind.register({
        ...kind.input(files, args, locators),
        chains: targets.map(({ addresses }, index) => ({
          client: clients[index] as WriteClient,
          addresses,
        })),
        checks: { artifacts: source },
        push: operators.length === 0 ? undefined : { operators, artifacts },
      })
      return outcomeOf(terminal, { id, targets, outcomes })
    },
  })
}

function exitOf(dryRuns: readonly DryRun[]): number {
  return dryRuns.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failure
}

// One upload for all chains.
async function publishAll(
  terminal: Terminal,
  parameters: { args: { da?: string | undefined }; files: Files; targets: readonly ChainTarget[] },
): Promise<{ locators: Record<string, DaLocator>; source: ArtifactSource | undefined }> {
  const { args, files, targets } = parameters
  const da = requireDa(terminal, { args, profile: (targets[0] as ChainTarget).profile })
  const locators: Record<string, DaLocator> = {}
  for (const [label, bytes] of Object.entries(files)) {
    if (bytes === undefined) continue
    locators[label] = (await publish(terminal, { da, bytes, label })).locator
  }
  return { locators, source: sourceOf(da) }
}

function outcomeOf(
  terminal: Terminal,
  parameters: { id: Hex; targets: readonly ChainTarget[]; outcomes: readonly ChainOutcome[] },
): CommandResult {
  const { id, targets, outcomes } = parameters
  const chains = outcomes.map((outcome, index) => ({
    chain: (targets[index] as ChainTarget).name,
    chainId: outcome.chainId,
    status: outcome.status === 'already there' ? 'already registered' : outcome.status,
    transactionHash: outcome.status === 'registered' ? outcome.transactionHash : null,
    error: outcome.status === 'failed' ? outcome.error.message : null,
    pushed: (outcome.status === 'registered' ? outcome.pushed : undefined) ?? [],
  }))
  for (const { chain, status, transactionHash, error, pushed } of chains) {
    terminal.stderr(`${chain}: ${status}${transactionHash ? `, ${transactionHash}` : ''}\n`)
    if (error !== null) terminal.stderr(`  ${error.split('\n').join('\n  ')}\n`)
    for (const { hash, results } of pushed) {
      const said = results.map(({ url, status: what }) => `${url} ${what}`).join(', ')
      terminal.stderr(`  ${hash}: ${said}\n`)
    }
  }
  const failures = outcomes.filter((outcome) => outcome.status === 'failed')
  // One chain that fails is that chain's error; of several, the others are done.
  if (outcomes.length === 1 && failures[0]?.status === 'failed') throw failures[0].error
  if (failures.length > 0) terminal.stderr('run it again for the chains that failed\n')
  return {
    data: { id, chains },
    text: id,
    exitCode: failures.length === 0 ? exitCodes.done : exitCodes.failure,
  }
}

function show<input>(kind: TemplateKind<input>): CommandDef {
  return command({
    name: 'show',
    example: `newton-policy ${kind.words} show 0x… --all-chains`,
    description: `Show a ${kind.label}; with --all-chains, on which chains of the profile it is`,
    args: {
      id: { type: 'positional', description: 'Its id', required: true },
      'all-chains': { type: 'boolean', description: 'All chains of the profile', default: false },
      ...chainArgs,
    },
    run: async ({ args, terminal }) => {
      const id = args.id as Hex
      const targets = args['all-chains']
        ? await chainsOf(terminal, { names: undefined, args })
        : [await chainOf(terminal, args)]
      const rows = await Promise.all(
        targets.map(async (target) => {
          const { client, addresses } = target
          const reader = await createRegistryReader({ client, addresses })
          return { chain: target.name, chainId: target.chain.id, row: await kind.read(reader, id) }
        }),
      )
      const found = rows.find(({ row }) => row !== null)?.row ?? null
      const lines = rows.map(({ chain, row }) =>
        row === null
          ? `${chain}: not registered`
          : `${chain}: registered in block ${row.registeredAt} by ${row.author}`,
      )
      if (found !== null) lines.unshift(...rowLines(found))
      return {
        data: { id, chains: rows },
        text: lines.join('\n'),
        exitCode: found === null ? exitCodes.notFound : exitCodes.done,
      }
    },
  })
}

/** The members of a row that are not the same on every chain are left to their chain's line. */
export function rowLines(row: object): string[] {
  return Object.entries(row)
    .filter(([name]) => name !== 'author' && name !== 'registeredAt')
    .map(([name, value]) => {
      const text = Array.isArray(value) ? value.join(', ') || 'none' : String(value)
      return `${name.padEnd(24)} ${text === ARTIFACT_ABSENT ? 'none' : text}`
    })
}

function list<input>(kind: TemplateKind<input>): CommandDef {
  return command({
    name: 'list',
    example: `newton-policy ${kind.words} list --author 0x…`,
    description: `List the ${kind.label}s of a chain, read from its events`,
    args: {
      author: { type: 'string', description: 'Only those of this account', valueHint: '0x…' },
      ...chainArgs,
    },
    run: async ({ args, terminal }) => {
      const index = await indexOf(terminal, await chainOf(terminal, args))
      const rows = kind.list(index, { author: args.author as Address | undefined })
      const lines = rows.map(
        ({ id, author, registeredAt }) => `${id}  block ${registeredAt}  ${author}`,
      )
      return { data: { templates: rows }, text: lines.join('\n') || 'none' }
    },
  })
}

/** Rows and slots of a chain from its events, with progress. */
export async function indexOf(terminal: Terminal, target: ChainTarget): Promise<RegistryIndex> {
  const { client, addresses, fromBlock } = target
  const events = await createChainEvents({ client, addresses })
  const index = await indexRegistry({
    events,
    fromBlock,
    confirmations: 0,
    onProgress: ({ block, target: last }) => {
      printProgress(terminal, `reading events: block ${block} of ${last}`)
    },
  })
  printProgress(terminal)
  return index
}

/** The bytes of a file that an option names, or that is given as the n-th word. */
export async function fileOf(
  terminal: Terminal,
  parameters: { args: Args; option: string; position: number; required: boolean },
): Promise<Uint8Array | undefined> {
  const { args, option, position, required } = parameters
  const words = args['_'] as string[]
  const path = (args[option] as string | undefined) ?? words[position]
  if (path !== undefined) return readBytes(terminal, path)
  if (!required) return undefined
  throw new UsageError(`Missing required argument: --${option}`)
}

// Nothing but the files themselves: what is checked is what will be published.
function localSource(files: Files): ArtifactSource {
  const byHash = new Map(
    Object.values(files)
      .filter((bytes) => bytes !== undefined)
      .map((bytes) => [computeArtifactHash(bytes), bytes]),
  )
  return {
    getArtifact: async ({ hash }) => {
      const bytes = byHash.get(hash)
      if (bytes === undefined) throw new UsageError(`${hash} is none of the files.`)
      return bytes
    },
  }
}
