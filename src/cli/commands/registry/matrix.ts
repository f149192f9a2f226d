/** One question to several chains: each answers for itself, and one that cannot is shown with its reason. */
import { isPolicySdkError } from '../../../errors/index.js'
import type { ChainTarget, UnopenedChain } from '../../config/chain.js'
import { hintsOf } from '../../terminal/commandHints.js'
import { type CommandResult, exitCodeOf, exitCodes, type Terminal } from '../../terminal/output.js'

/** What every row of a matrix has. */
export type Cell = { chain: string; chainId: number }

/** Asks every chain that could be opened. What fails is told apart. */
export async function onEach<answer extends object>(
  { targets, unopened }: { targets: readonly ChainTarget[]; unopened: readonly UnopenedChain[] },
  ask: (target: ChainTarget) => Promise<answer>,
): Promise<{ rows: (Cell & answer)[]; failures: UnopenedChain[] }> {
  const asked = await Promise.allSettled(targets.map(ask))
  const rows: (Cell & answer)[] = []
  const failures = [...unopened]
  for (const [index, one] of asked.entries()) {
    const { name, chain } = targets[index] as ChainTarget
    if (one.status === 'fulfilled') rows.push({ chain: name, chainId: chain.id, ...one.value })
    else failures.push({ name, error: one.reason as Error })
  }
  return { rows, failures }
}

/** A chain that could not be asked, as data. */
export function failureRow({ name, error }: UnopenedChain): {
  chain: string
  error: { code: string; message: string; hint: string }
} {
  const known = isPolicySdkError(error) ? error : undefined
  const message = known?.shortMessage ?? error.message
  const hint = hintsOf(error).join('\n')
  return { chain: name, error: { code: known?.code ?? 'UNEXPECTED', message, hint } }
}

/** The result of a matrix: chains that failed are in it, and make the exit code. */
export function matrixResult(
  terminal: Terminal,
  parameters: {
    failures: readonly UnopenedChain[]
    data: object
    lines: readonly string[]
    /** Set where no chain has it. */
    missing: { message: string; hint: string } | undefined
  },
): CommandResult {
  const { failures, data, lines, missing } = parameters
  const rows = failures.map(failureRow)
  for (const { chain, error } of rows) {
    const hint = error.hint === '' ? '' : `\n  ${error.hint.split('\n').join('\n  ')}`
    terminal.stderr(`${chain}: ${error.code}: ${error.message}${hint}\n`)
  }
  const text = [...lines, ...rows.map(({ chain, error }) => `${chain}: not known (${error.code})`)]
  const [first] = failures
  if (first === undefined) {
    const exitCode = missing === undefined ? exitCodes.done : exitCodes.notFound
    return { data, text: text.join('\n'), exitCode, problem: missing }
  }
  const names = failures.map(({ name }) => name).join(', ')
  return {
    data,
    text: text.join('\n'),
    // What one chain has, another one that was not asked may lack: the whole question is not answered.
    exitCode: exitCodeOf(first.error),
    problem: {
      message: `${names} could not be asked; the rest is in \`data\`.`,
      // People were told with each chain.
      hint: '',
    },
  }
}
