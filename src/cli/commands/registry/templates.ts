/** The commands that templates of both kinds have: register, show, list, compute-id. */
import type { CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../../core/index.js'
import {
  createChainEvents,
  createRegistryReader,
  indexRegistry,
  type RegistryIndex,
} from '../../../registry/index.js'
import { type ChainTarget, chainArgs, chainOf, openChains } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { oneOf, readBytes } from '../../files.js'
import { command, group } from '../../terminal/command.js'
import { printProgress, type Terminal } from '../../terminal/output.js'
import { failureRow, matrixResult, onEach } from './matrix.js'
import { registerTemplate } from './registering.js'
import type { Args, TemplateKind } from './templateKind.js'

/** The group of commands of one kind of templates. */
export function templateCommands<input>(kind: TemplateKind<input>): CommandDef {
  return group('template', `${kind.label}s: content-addressed, the same id on every chain`, {
    register: async () => registerTemplate(kind),
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
    extra: kind.words === 'policy template' ? 2 : 3,
    run: async ({ args, terminal }) => {
      const input = kind.input(await kind.files(args, terminal), args, {})
      const id = kind.id(input)
      return { data: { id, ...input }, text: id }
    },
  })
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
    run: async ({ args, terminal, signal }) => {
      const id = args.id as Hex
      const opened = args['all-chains']
        ? await openChains(terminal, { names: undefined, args })
        : { targets: [await chainOf(terminal, args)], unopened: [] }
      const { rows, failures } = await onEach(opened, async ({ client, addresses }) => {
        const reader = await createRegistryReader({ client, addresses }, { signal })
        return { row: await kind.read(reader, id) }
      })
      signal.throwIfAborted()
      // One chain that was asked for is the whole question.
      if (rows.length === 0 && failures[0] !== undefined) throw failures[0].error
      const found = rows.find(({ row }) => row !== null)?.row ?? null
      const lines = rows.map(({ chain, row }) =>
        row === null
          ? `${chain}: not registered`
          : `${chain}: registered in block ${row.registeredAt} by ${row.author}`,
      )
      if (found !== null) lines.unshift(...rowLines(found))
      const register = `run: newton-policy ${kind.words} register ${kind.fileWords}`
      return matrixResult(terminal, {
        failures,
        data: { id, chains: [...rows, ...failures.map(failureRow)] },
        lines,
        missing: found === null ? { message: `no ${kind.label} ${id}`, hint: register } : undefined,
      })
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
  const path = oneOf(args, { option, position })
  if (path !== undefined) return readBytes(terminal, path)
  if (!required) return undefined
  throw new UsageError(`Missing required argument: --${option}`)
}
