/**
 * What a command prints, and the exit code it ends with.
 *
 * Results go to stdout, everything else to stderr, so that `id=$(newton-policy …)` works. With
 * `--json` there is one envelope on stdout and nothing else.
 */
import { isPolicySdkError } from '../../errors/index.js'
import { commandFor, hintsOf, shownFix } from './commandHints.js'

/** Exit codes. Part of the API. */
export const exitCodes = {
  done: 0,
  failure: 1,
  usage: 2,
  denied: 3,
  notFound: 4,
  tryAgain: 5,
  interrupted: 130,
} as const

/** How a person is asked. Injected, so that tests can answer. Ctrl-C rejects with an `AbortError`. */
export type Prompt = {
  /** What was typed, without echo; `undefined` for nothing. */
  secret(question: string): Promise<string | undefined>
  /** Yes or no. */
  confirm(question: string): Promise<boolean>
}

/** Where a command reads its surroundings from and writes to. Injected, so that tests can. */
export type Terminal = {
  stdout: (text: string) => void
  stderr: (text: string) => void
  env: Readonly<Record<string, string | undefined>>
  /** Whether stderr is a terminal: progress, colour and questions only where it is. */
  interactive: boolean
  cwd: string
  home: string
  /** How a person is asked, where there is one. */
  prompt?: Prompt | undefined
  /** Fires on Ctrl-C. Commands have it, and all that they call. */
  signal?: AbortSignal | undefined
}

/** What a command hands back. */
export type CommandResult = {
  /** For `--json`. Bigints become decimal strings. */
  data: unknown
  /** For people, without a trailing newline. */
  text: string
  /** Other than 0 where the answer is "no" (3), or there is none (1, 4, 5). */
  exitCode?: number | undefined
  /** Of an exit code without an answer: what `--json` says of it, where the text is not enough. */
  problem?: { message: string; hint?: string | undefined } | undefined
  /** The text has colours, and nothing in it that a stranger wrote. */
  styled?: boolean | undefined
  /** The command printed its result itself, when it was there. */
  printed?: boolean | undefined
}

const denied = new Set(['POLICY_DENIED', 'VERIFICATION_FAILED', 'NOT_VERIFIED'])
const unknownFaults = new Set(['UNKNOWN_TASK'])
const notFound = /(?:^|_)NOT_(?:FOUND|REGISTERED|DEPLOYED)(?:_|$)|ARTIFACT_UNAVAILABLE|MISSING_ROW/

/** Exit code of an error. */
export function exitCodeOf(error: unknown): number {
  if (isAbort(error)) return exitCodes.interrupted
  if (!isPolicySdkError(error)) return exitCodes.failure
  if (error.code === 'USAGE' || error.code === 'INVALID_INPUT') return exitCodes.usage
  // A document that is refused has a code for each reason.
  if (denied.has(error.code) || error.name === 'NitroAttestationError') return exitCodes.denied
  const { fault } = error as { fault?: unknown }
  if (notFound.test(error.code) || unknownFaults.has(String(fault)) || isMissingFile(error)) {
    return exitCodes.notFound
  }
  return error.retryable ? exitCodes.tryAgain : exitCodes.failure
}

const problems: Readonly<Record<number, string>> = {
  [exitCodes.failure]: 'FAILED',
  [exitCodes.usage]: 'USAGE',
  [exitCodes.notFound]: 'NOT_FOUND',
  [exitCodes.tryAgain]: 'TRY_AGAIN',
}

/** One envelope: `ok` says that there is an answer, which a "no" (exit code 3) is too. */
function envelopeOf(result: CommandResult, meta: { command: string; exitCode: number }): object {
  const { data, text, problem } = result
  const code = problems[meta.exitCode]
  if (code === undefined) return { ok: true, data, meta }
  const message = problem?.message ?? text.split('\n')[0]
  const retryable = meta.exitCode === exitCodes.tryAgain
  return { ok: false, error: { code, message, hint: problem?.hint ?? '', retryable }, data, meta }
}

/** Prints a result. Returns the exit code. */
export function printResult(
  terminal: Terminal,
  result: CommandResult,
  { json, command }: { json: boolean; command: string },
): number {
  const exitCode = result.exitCode ?? exitCodes.done
  if (result.printed === true) return exitCode
  if (json) {
    terminal.stdout(`${toJson(envelopeOf(result, { command, exitCode }))}\n`)
  } else {
    if (result.text !== '')
      terminal.stdout(`${result.styled ? result.text : printable(result.text)}\n`)
    const hint = Object.hasOwn(problems, exitCode) ? result.problem?.hint : undefined
    if (hint) terminal.stderr(`${printable(hint)}\n`)
  }
  return exitCode
}

/** Prints an error. Returns the exit code. */
export function printError(
  terminal: Terminal,
  error: unknown,
  at: {
    json: boolean
    command: string
    hide?: ((text: string) => string) | undefined
    /** More to say about it. */
    hints?: readonly string[] | undefined
  },
): number {
  const { json, command, hide = (text) => text, hints = [] } = at
  const exitCode = exitCodeOf(error)
  const known = isPolicySdkError(error) ? error : undefined
  const code = known?.code ?? (isAbort(error) ? 'INTERRUPTED' : 'UNEXPECTED')
  const message = hide(
    known?.shortMessage ?? (error instanceof Error ? error.message : String(error)),
  )
  const hint = hide([...hintsOf(error), ...hints].join('\n'))
  if (json) {
    const body = { code, message, hint, retryable: known?.retryable ?? false }
    terminal.stdout(`${toJson({ ok: false, error: body, meta: { command, exitCode } })}\n`)
    return exitCode
  }
  const lines = [`error: ${message}`]
  if (hint !== '') lines.push(hint)
  const details = known?.details === undefined ? undefined : hide(known.details)
  // A cause that says the same says nothing.
  if (details !== undefined && details !== message) lines.push(`details: ${details}`)
  lines.push(`code: ${code}`)
  terminal.stderr(`${printable(lines.join('\n'))}\n`)
  return exitCode
}

/**
 * Text for a terminal. What strangers wrote is in many texts, on chain and in files: it moves no cursor,
 * colours nothing and turns no direction.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
}

/** One check as lines: what was looked at, what was found, and what to do where it failed. */
export function checkLines(
  check: {
    ok: boolean
    level: 'error' | 'warning'
    rule: string
    detail: string
    fix: string
  },
  action = '',
): string {
  const { ok, level, rule, detail, fix } = check
  const mark = ok ? 'ok     ' : level === 'error' ? 'FAILED ' : 'warning'
  const line = `${mark} ${rule}: ${detail}`
  if (ok) return line
  const run = commandFor(check, action)
  const said = shownFix(fix, run)
  const more = [...(said === '' ? [] : [`fix: ${said}`]), ...(run === undefined ? [] : [run])]
  return [line, ...more].join('\n        ')
}

/** A line that the next one replaces, on a terminal only; without a text it goes. */
export function printProgress(terminal: Terminal, text = '\u001b[K'): void {
  if (terminal.interactive) terminal.stderr(`\r${text}`)
}

/** JSON with bigints as decimal strings and bytes as hex. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, member: unknown) => {
      if (typeof member === 'bigint') return member.toString()
      if (member instanceof Uint8Array) return `0x${Buffer.from(member).toString('hex')}`
      return member
    },
    indent,
  )
}

// `missing` is that of a FileAccessError, also of another copy of the package.
function isMissingFile(error: object): boolean {
  return (error as { missing?: unknown }).missing === true
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
