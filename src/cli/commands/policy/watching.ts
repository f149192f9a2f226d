/** Simulations that run again whenever a file changes, and what came out otherwise than before. */
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { isPolicySdkError } from '../../../errors/index.js'
import { pause } from '../../../internal/pause.js'
import {
  type CommandResult,
  printable,
  printError,
  printResult,
  type Terminal,
} from '../../terminal/output.js'

/** What a simulation ended in: a decision, or the error in its place. */
export type Outcome =
  | { status: 'decided'; allow: boolean; reasons: readonly string[]; outputs: string }
  | { status: 'failed'; code: string; message: string }

/** What differs between two outcomes, a line each; none where nothing does. */
export function differenceOf(before: Outcome, after: Outcome): string[] {
  const lines: string[] = []
  const [was, is] = [wordOf(before), wordOf(after)]
  if (was !== is) lines.push(`${was} → ${is}`)
  if (before.status !== 'decided' || after.status !== 'decided') return lines
  for (const reason of before.reasons) {
    if (!after.reasons.includes(reason)) lines.push(`  - ${reason}`)
  }
  for (const reason of after.reasons) {
    if (!before.reasons.includes(reason)) lines.push(`  + ${reason}`)
  }
  if (before.outputs !== after.outputs) {
    lines.push('  plugin outputs:', `  - ${before.outputs}`, `  + ${after.outputs}`)
  }
  return lines
}

function wordOf(outcome: Outcome): string {
  if (outcome.status === 'decided') return outcome.allow ? 'allow' : 'deny'
  return `no decision (${outcome.code}: ${outcome.message})`
}

/** Mistakes of the command line itself, which no change of a file mends. */
const hopeless = new Set(['USAGE', 'FILE_ACCESS'])

/**
 * Runs, and runs again after each change, until the signal fires.
 *
 * @throws what the first run throws where the command line itself is wrong.
 */
export async function repeat(
  once: () => Promise<CommandResult & { outcome: Outcome }>,
  at: { files: readonly string[]; terminal: Terminal; signal: AbortSignal; json: boolean },
): Promise<never> {
  const { files, terminal, signal, json } = at
  const command = 'newton-policy policy simulate'
  const changes = watchFiles(files, signal)
  let before: Outcome | undefined
  for (;;) {
    const [result, outcome] = await once().then(
      (done) => [done, done.outcome] as const,
      (error: unknown) => {
        signal.throwIfAborted()
        const known = isPolicySdkError(error) ? error : undefined
        if (before === undefined && hopeless.has(known?.code ?? '')) throw error
        const code = known?.code ?? 'UNEXPECTED'
        const message = known?.shortMessage ?? String(error)
        printError(terminal, error, { json, command })
        return [undefined, { status: 'failed', code, message }] as const
      },
    )
    const lines = before === undefined ? undefined : differenceOf(before, outcome)
    if (result !== undefined) {
      const data = { ...(result.data as object), ...(lines && { changes: lines }) }
      printResult(terminal, { ...result, data }, { json, command })
    }
    if (lines !== undefined)
      terminal.stderr(`${printable(lines.join('\n')) || 'the same as before'}\n`)
    before = outcome
    terminal.stderr('watching for changes; Ctrl-C ends\n')
    const changed = await changes.next()
    signal.throwIfAborted()
    terminal.stderr(`changed: ${changed.join(', ')}\n`)
  }
}

/** Milliseconds in which an editor's several steps are one change. */
const SETTLING = 100

// Folders are watched: an editor that puts a new file in the old one's place leaves nothing to watch.
function watchFiles(
  files: readonly string[],
  signal: AbortSignal,
): { next: () => Promise<string[]> } {
  const changed = new Set<string>()
  let wake = (): void => undefined
  signal.addEventListener('abort', () => wake(), { once: true })
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    const names = new Set(files.filter((file) => dirname(file) === folder).map((f) => basename(f)))
    watch(folder, { signal }, (_event, name) => {
      if (name === null || !names.has(name)) return
      changed.add(name)
      wake()
    }).on('error', () => undefined)
  }
  return {
    next: async () => {
      if (changed.size === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      await pause(SETTLING, signal)
      const names = [...changed].sort()
      changed.clear()
      return names
    },
  }
}
