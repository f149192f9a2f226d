import { type ArgsDef, type CommandDef, renderUsage, runCommand } from 'citty'
import { rootCommand } from './commands/index.js'
import { fileErrorOf, UsageError } from './errors.js'
import { optionHint } from './terminal/commandHints.js'
import { didYouMean } from './terminal/didYouMean.js'
import { heed, interruptible } from './terminal/interrupt.js'
import { masked, secretsOf } from './terminal/masking.js'
import { type CommandResult, printError, printResult, type Terminal } from './terminal/output.js'
import { quotedWord } from './terminal/quoting.js'
import { assertWords, readWords, type WordRules } from './terminal/words.js'

/**
 * Runs one command line and returns its exit code. Prints only through `terminal`.
 *
 * @param words - What stands after the program's name.
 */
export async function run(
  words: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const argv = asOptions(words)
  const json = beforeDashes(argv).includes('--json')
  let name = 'newton-policy'
  let args: ArgsDef = {}
  let hide = hiderOf(args, argv, terminal)
  const said = (): Terminal => ({ ...terminal, stderr: (text) => terminal.stderr(hide(text)) })
  try {
    await heed(signal)
    const found = await findCommand(argv)
    name = found.path.join(' ')
    args = ((await resolve(found.command.args)) ?? {}) as ArgsDef
    hide = hiderOf(args, found.rest, terminal)
    if (found.path.length === 1 && (argv.includes('--version') || argv.includes('-v'))) {
      return printResult(terminal, await version(), { json, command: name })
    }
    const help = beforeDashes(argv).some((word) => word === '--help' || word === '-h')
    if (help || found.command.run === undefined) {
      // Asked for, help is the result; otherwise it is what went wrong, and errors have no colours.
      const usage = await usageOf(found, help ? terminal : { ...terminal, interactive: false })
      const result = { data: { usage }, text: usage, styled: true }
      if (help) return printResult(terminal, result, { json, command: name })
      throw new UsageError(`${name} needs a command.`, { metaMessages: [usage] })
    }
    const meta = ((await resolve(found.command.meta)) ?? {}) as WordRules & {
      serves?: boolean
      example?: string
    }
    assertWords(args, found.rest, meta)
    const work = runCommand(found.command, {
      rawArgs: [...found.rest],
      data: { terminal: said(), signal },
    }).catch((error: unknown) => {
      if (error instanceof Error && error.name === 'CLIError') {
        throw new UsageError(error.message, {
          cause: error,
          metaMessages: [`Such as: ${meta.example}`, `See ${name} --help.`],
        })
      }
      throw error
    })
    const { result } = await (meta.serves === true ? work : interruptible(work, signal))
    // What came while the loop was busy is heard before anything is called done.
    if (meta.serves !== true) await heed(signal)
    return printResult(terminal, result as CommandResult, { json, command: name })
  } catch (error) {
    return printError(terminal, signal.aborted ? signal.reason : fileErrorOf(error), {
      ...{ json, command: name, hide, hints: optionHint(error, args) },
    })
  }
}

/** `help policy lint` and `version`, as many programs have them. */
function asOptions(words: readonly string[]): readonly string[] {
  if (words[0] === 'help') return [...words.slice(1), '--help']
  return words[0] === 'version' ? ['--version', ...words.slice(1)] : words
}

function beforeDashes(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end === -1 ? argv : argv.slice(0, end)
}

/** What takes secrets out of a text before it is printed. */
function hiderOf(
  args: ArgsDef,
  words: readonly string[],
  { env }: Terminal,
): (text: string) => string {
  const secrets = secretsOf(readWords(args, words), env)
  return (text) => masked(text, secrets)
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
      throw new UsageError(`${path.join(' ')} has no command ${quotedWord(word)}.`, {
        metaMessages: [...didYouMean(word, names), `Commands: ${names.join(', ')}.`],
      })
    }
    command = (await resolve(next)) as CommandDef
    path.push(word)
    rest.shift()
  }
  return { command, path, rest }
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
  const isPlain = !terminal.interactive || Boolean(terminal.env['NO_COLOR'])
  // Padding at the ends of lines is noise where the text is kept, and every switch is off until it is said.
  const trimmed = (isPlain ? plain(rendered) : rendered)
    .replace(/\(Default: false\)/g, '')
    .replace(/[ \t]+$/gm, '')
  return example === undefined ? trimmed : `${trimmed}\n\nEXAMPLE\n\n  ${example}`
}

function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours start with ESC
  return text.replace(/\u001b\[\d+(?:;\d+)*m/g, '')
}
