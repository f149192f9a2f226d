import { type ArgDef, type ArgsDef, type CommandDef, renderUsage, runCommand } from 'citty'
import { rootCommand } from './commands/index.js'
import { UsageError } from './errors.js'
import { didYouMean } from './terminal/didYouMean.js'
import {
  type CommandResult,
  exitCodes,
  printError,
  printResult,
  type Terminal,
} from './terminal/output.js'

/**
 * Runs one command line and returns its exit code. Prints only through `terminal`.
 *
 * @param argv - The words after the program's name.
 */
export async function run(
  argv: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const json = argv.includes('--json')
  let name = 'newton-policy'
  try {
    const found = await findCommand(argv)
    name = found.path.join(' ')
    if (found.path.length === 1 && (argv.includes('--version') || argv.includes('-v'))) {
      return printResult(terminal, await version(), { json, command: name })
    }
    const help = argv.includes('--help') || argv.includes('-h')
    if (help || found.command.run === undefined) {
      const usage = await usageOf(found, terminal)
      // Asked for, help is the result; otherwise it is what went wrong.
      if (help)
        return printResult(terminal, { data: { usage }, text: usage }, { json, command: name })
      throw new UsageError(`${name} needs a command.`, { metaMessages: [usage] })
    }
    await assertOptions(found.command, found.rest)
    const { result } = await runCommand(found.command, {
      rawArgs: [...found.rest],
      data: { terminal, signal },
    }).catch((error: unknown) => {
      if (error instanceof Error && error.name === 'CLIError') {
        throw new UsageError(error.message, { cause: error, metaMessages: [`See ${name} --help.`] })
      }
      throw error
    })
    return printResult(terminal, result as CommandResult, { json, command: name })
  } catch (error) {
    if (signal.aborted) {
      printError(terminal, signal.reason, { json, command: name })
      return exitCodes.interrupted
    }
    return printError(terminal, error, { json, command: name })
  }
}

type Found = { command: CommandDef; path: string[]; rest: string[] }

async function findCommand(argv: readonly string[]): Promise<Found> {
  let command = rootCommand
  const path = ['newton-policy']
  const rest = [...argv]
  for (;;) {
    const subCommands = (await resolve(command.subCommands)) ?? {}
    const word = rest[0]
    if (word === undefined || word.startsWith('-') || Object.keys(subCommands).length === 0) break
    const next = subCommands[word]
    if (!Object.hasOwn(subCommands, word) || next === undefined) {
      const names = Object.keys(subCommands)
      throw new UsageError(`${path.join(' ')} has no command ${JSON.stringify(word)}.`, {
        metaMessages: [...didYouMean(word, names), `Commands: ${names.join(', ')}.`],
      })
    }
    command = (await resolve(next)) as CommandDef
    path.push(word)
    rest.shift()
  }
  return { command, path, rest }
}

// An option that is misspelled must not be ignored: `--dryrun` would then write.
async function assertOptions(command: CommandDef, words: readonly string[]): Promise<void> {
  const args = ((await resolve(command.args)) ?? {}) as ArgsDef
  const { negatable = [] } = ((await resolve(command.meta)) ?? {}) as { negatable?: string[] }
  const known = new Map<string, ArgDef>()
  for (const [name, definition] of Object.entries(args)) {
    if (definition.type === 'positional') continue
    known.set(name, definition)
    known.set(
      name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
      definition,
    )
    const { alias } = definition as { alias?: string | string[] }
    for (const other of [alias ?? []].flat()) known.set(other, definition)
  }
  for (const [index, word] of words.entries()) {
    if (word === '--') return
    const match = /^--?([A-Za-z][\w-]*)(?:=|$)/.exec(word)
    if (match === null) continue
    const name = match[1] as string
    const definition = known.get(name)
    // An empty variable of a shell: the next option would be taken for the value.
    if (definition !== undefined && definition.type !== 'boolean' && !word.includes('=')) {
      const next = words[index + 1]
      const isOption = next !== undefined && known.has(/^--([A-Za-z][\w-]*)/.exec(next)?.[1] ?? '')
      if (next === undefined || isOption) throw new UsageError(`${word} needs a value.`)
    }
    const positive =
      name.startsWith('no-') &&
      (known.get(name.slice(3))?.type === 'boolean' || negatable.includes(name.slice(3)))
    if (!known.has(name) && !positive) {
      const options = Object.entries(args)
        .filter(([, { type }]) => type !== 'positional')
        .map(([option]) => `--${option}`)
      // Without its value: a key may stand behind a slip of the hand.
      throw new UsageError(`There is no option --${name}.`, {
        metaMessages: [...didYouMean(`--${name}`, options), `Options: ${options.join(', ')}.`],
      })
    }
  }
}

async function version(): Promise<CommandResult> {
  const { packageVersion } = await import('./version.js')
  const text = await packageVersion()
  return { data: { version: text }, text }
}

async function resolve<value>(
  value: value | Promise<value> | (() => value | Promise<value>),
): Promise<value> {
  return typeof value === 'function' ? (value as () => value | Promise<value>)() : value
}

// citty names a command by its own word and its parent's: the whole path is what can be typed.
async function usageOf({ command, path }: Found, terminal: Terminal): Promise<string> {
  const meta = { ...(await resolve(command.meta)), name: path.join(' ') }
  const rendered = (await renderUsage({ ...command, meta })).trimEnd()
  const { example } = meta as { example?: string }
  // Padding at the ends of lines is noise where the text is kept.
  const trimmed = rendered.replace(/[ \t]+$/gm, '')
  const usage = example === undefined ? trimmed : `${trimmed}\n\nEXAMPLE\n\n  ${example}`
  return terminal.interactive && !terminal.env['NO_COLOR'] ? usage : plain(usage)
}

function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours start with ESC
  return text.replace(/\u001b\[\d+(?:;\d+)*m/g, '')
}
