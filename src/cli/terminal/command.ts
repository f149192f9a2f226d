/** How commands are declared: citty's definitions, with a result in place of printing. */
import {
  type ArgsDef,
  type CommandDef,
  type CommandMeta,
  defineCommand,
  type ParsedArgs,
} from 'citty'
import type { CommandResult, Terminal } from './output.js'

/** What a command gets besides its arguments. */
export type CommandInput<args extends ArgsDef> = {
  args: ParsedArgs<args>
  terminal: Terminal
  signal: AbortSignal
}

/** Options that every command has. */
export const commonArgs = {
  json: { type: 'boolean', description: 'Print one JSON envelope on stdout', default: false },
} as const satisfies ArgsDef

/** Declares a command that returns what to print. */
export function command<const args extends ArgsDef>(definition: {
  name: string
  description: string
  /** One line that can be typed, shown by `--help`. */
  example: string
  args: args
  /** Options that are not switches and may be said to be none, as in `--no-params`. */
  negatable?: readonly string[] | undefined
  /** What `--json` does, where it is more than one envelope. */
  json?: string | undefined
  /** Most words besides the declared ones, which `args._` has. */
  extra?: number | undefined
  /** Whether it runs until Ctrl-C, which is then its end and no interruption. */
  serves?: boolean | undefined
  run: (input: CommandInput<args & typeof commonArgs>) => Promise<CommandResult> | CommandResult
}): CommandDef {
  const { name, description, example, args, negatable, extra, serves, run } = definition
  const json = { ...commonArgs.json, description: definition.json ?? commonArgs.json.description }
  return defineCommand({
    meta: { name, description, example, negatable, extra, serves } as CommandMeta,
    args: { ...args, json },
    run: (context) => {
      const { terminal, signal } = context.data as { terminal: Terminal; signal: AbortSignal }
      return run({
        args: context.args as ParsedArgs<args & typeof commonArgs>,
        // What reads, asks, signs and sends hears of an interruption from here.
        terminal: { ...terminal, signal },
        signal,
      })
    },
  }) as unknown as CommandDef
}

/** Declares a group of commands, each loaded only when it is called. */
export function group(
  name: string,
  description: string,
  subCommands: Record<string, () => Promise<CommandDef>>,
): CommandDef {
  return defineCommand({ meta: { name, description }, subCommands }) as unknown as CommandDef
}
