/** `register` of templates of both kinds: one upload, and each chain for itself. */
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { type ArtifactSource, computeArtifactHash, type DaLocator } from '../../../core/index.js'
import { isPolicySdkError } from '../../../errors/index.js'
import {
  type ChainOutcome,
  type DryRun,
  PreflightError,
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
import {
  type ChainTarget,
  chainArgs,
  chainOf,
  openChains,
  type UnopenedChain,
} from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal } from '../../terminal/output.js'
import { confirmMainnet, printChecks, signersFor, writeArgs } from '../../writing.js'
import type { Files, TemplateKind } from './templateKind.js'

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

/** `register`. */
export function registerTemplate<input>(kind: TemplateKind<input>): CommandDef {
  return command({
    name: 'register',
    example: `newton-policy ${kind.words} register ${kind.fileWords} --chain devnet`,
    description: `Publish a ${kind.label} and register it; prints its id.`,
    args: { ...kind.args, ...registerArgs },
    extra: kind.words === 'policy template' ? 2 : 3,
    run: async ({ args, terminal, signal }) => {
      const files = await kind.files(args, terminal)
      const id = kind.id(kind.input(files, args, {}))
      const { targets, unopened } =
        args.chains === undefined
          ? { targets: [await chainOf(terminal, args)], unopened: [] }
          : await openChains(terminal, { names: args.chains, args })
      if (targets.length === 0 && unopened[0] !== undefined) throw unopened[0].error
      await confirmMainnet(terminal, { targets, args })
      const clients = await signersFor(terminal, { targets, args })
      const { checked, failed } = await checkOn(terminal, {
        ...{ kind, targets, clients },
        input: kind.input(files, args, {}),
        files,
      })
      const failures = [...unopened, ...failed]
      if (checked.length === 0 && failures[0] !== undefined) throw failures[0].error
      const dryRuns = checked.map(({ dryRun }) => dryRun)
      if (args['dry-run']) {
        const done = failures.length === 0 && dryRuns.every(({ ok }) => ok)
        return {
          data: { id, chains: dryRuns, failed: failures.map(failedRow) },
          text: id,
          exitCode: done ? exitCodes.done : exitCodes.failure,
          problem: { message: 'A check failed, or a chain could not be asked: see `data`.' },
        }
      }
      const [first] = dryRuns
      if (first !== undefined && dryRuns.every(({ ok }) => !ok)) {
        throw new PreflightError({ action: first.action, checks: first.checks })
      }
      const there = checked.map(({ target }) => target)
      const { profile } = there[0] as ChainTarget
      const operators = operatorUrls(terminal, { args, profile })
      const artifacts = Object.values(files).filter((bytes) => bytes !== undefined)
      const { locators, source } = await publishAll(terminal, { args, files, targets: there })
      const outcomes = await kind.register({
        ...kind.input(files, args, locators),
        chains: checked.map(({ target: { addresses }, client }) => ({ client, addresses })),
        checks: { artifacts: source },
        signal,
        push: operators.length === 0 ? undefined : { operators, artifacts },
      })
      return outcomeOf(terminal, { id, targets: there, outcomes, failures })
    },
  })
}

type Checked = { target: ChainTarget; client: WriteClient; dryRun: DryRun }

/** Makes the checks on every chain and shows them; a chain that cannot be asked is told, and alone. */
async function checkOn<input>(
  terminal: Terminal,
  parameters: {
    kind: TemplateKind<input>
    input: input
    files: Files
    targets: readonly ChainTarget[]
    clients: readonly WriteClient[]
  },
): Promise<{ checked: Checked[]; failed: UnopenedChain[] }> {
  const { kind, input, files, targets, clients } = parameters
  // The checks see the files themselves: what fails must not have been paid for.
  const checks = { artifacts: localSource(files) }
  const tried = await Promise.allSettled(
    targets.map(({ addresses }, index) =>
      kind.dryRun(clients[index] as WriteClient, {
        ...{ ...input, addresses, checks, signal: terminal.signal },
      }),
    ),
  )
  terminal.signal?.throwIfAborted()
  const checked: Checked[] = []
  const failed: UnopenedChain[] = []
  for (const [index, one] of tried.entries()) {
    const [target, client] = [targets[index] as ChainTarget, clients[index] as WriteClient]
    if (one.status === 'rejected') {
      failed.push({ name: target.name, error: one.reason as Error })
      continue
    }
    terminal.stderr(`${target.name}\n`)
    printChecks(terminal, one.value)
    checked.push({ target, client, dryRun: one.value })
  }
  return { checked, failed }
}

type Row = {
  chain: string
  chainId: number | null
  status: 'registered' | 'already registered' | 'failed'
  transactionHash: Hex | null
  error: string | null
  code: string | null
  pushed: readonly { hash: Hex; results: readonly { url: string; status: string }[] }[]
}

function failedRow({ name, error }: UnopenedChain, chainId: number | null = null): Row {
  return {
    ...{ chain: name, chainId, status: 'failed', transactionHash: null, pushed: [] },
    error: isPolicySdkError(error)
      ? [error.shortMessage, ...(error.metaMessages ?? [])].join('\n')
      : error.message,
    code: isPolicySdkError(error) ? error.code : 'UNEXPECTED',
  }
}

function rowOf(name: string, outcome: ChainOutcome): Row {
  const { chainId } = outcome
  if (outcome.status === 'failed') return failedRow({ name, error: outcome.error }, chainId)
  const registered = outcome.status === 'registered' ? outcome : undefined
  return {
    ...{ chain: name, chainId, error: null, code: null },
    status: registered === undefined ? 'already registered' : 'registered',
    transactionHash: registered?.transactionHash ?? null,
    pushed: registered?.pushed ?? [],
  }
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
  parameters: {
    id: Hex
    targets: readonly ChainTarget[]
    outcomes: readonly ChainOutcome[]
    failures: readonly UnopenedChain[]
  },
): CommandResult {
  const { id, targets, outcomes, failures } = parameters
  // One chain that fails is that chain's error; of several, the others are done.
  const [only] = outcomes
  if (outcomes.length === 1 && failures.length === 0 && only?.status === 'failed') throw only.error
  const chains = [
    ...outcomes.map((outcome, index) => rowOf((targets[index] as ChainTarget).name, outcome)),
    ...failures.map((failure) => failedRow(failure)),
  ]
  for (const { chain, status, transactionHash, error, pushed } of chains) {
    terminal.stderr(`${chain}: ${status}${transactionHash ? `, ${transactionHash}` : ''}\n`)
    if (error !== null) terminal.stderr(`  ${error.split('\n').join('\n  ')}\n`)
    for (const { hash, results } of pushed) {
      const said = results.map(({ url, status: what }) => `${url} ${what}`).join(', ')
      terminal.stderr(`  ${hash}: ${said}\n`)
    }
  }
  const isDone = chains.every(({ status }) => status !== 'failed')
  const names = chains.filter(({ status }) => status === 'failed').map(({ chain }) => chain)
  if (!isDone) terminal.stderr('run it again for the chains that failed\n')
  return {
    data: { id, chains },
    text: id,
    exitCode: isDone ? exitCodes.done : exitCodes.failure,
    problem: {
      message: `failed on ${names.join(', ')}; the other chains have it`,
      hint: 'Run it again for the chains that failed.',
    },
  }
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
