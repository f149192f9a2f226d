/** How a command writes to a chain: checks shown, nothing signed where one fails or on a dry run. */
import type { Hex } from 'viem'
import {
  type DryRun,
  type PreflightCheck,
  PreflightError,
  type WriteClient,
} from '../registry/index.js'
import { type ChainTarget, writeClientOf } from './config/chain.js'
import { signerArgs, signerOf } from './config/credentials.js'
import { UsageError } from './errors.js'
import { heed } from './terminal/interrupt.js'
import { checkLines, type Terminal } from './terminal/output.js'
import { promptOf } from './terminal/prompt.js'

/** Options of commands that write. */
export const writeArgs = {
  ...signerArgs,
  'dry-run': {
    type: 'boolean',
    description: 'Print the checks, the id and the transaction; sign nothing',
    default: false,
  },
  yes: { type: 'boolean', description: 'Do not ask before writing to a mainnet', default: false },
} as const

/** Arguments of {@link writeArgs}, as a command has them. */
export type WriteArgs = {
  'signer-key'?: string | undefined
  keystore?: string | undefined
  'dry-run'?: boolean | undefined
  yes?: boolean | undefined
}

/** The signing clients of one or several chains, with one account. */
export async function signersFor(
  terminal: Terminal,
  { targets, args }: { targets: readonly ChainTarget[]; args: WriteArgs },
): Promise<WriteClient[]> {
  const { profile } = targets[0] as ChainTarget
  const account = await signerOf(terminal, { args, profile })
  return targets.map((target) => writeClientOf(terminal, { target, account }))
}

/**
 * Asks before the first write to a mainnet: a chain that is one, a profile that says so, or a chain of which
 * nothing says that it is a test network.
 *
 * @throws {UsageError} where nobody can be asked, or the answer is no.
 */
export async function confirmMainnet(
  terminal: Terminal,
  { targets, args }: { targets: readonly ChainTarget[]; args: WriteArgs },
): Promise<void> {
  const asked = targets.filter((target) => realValue(target) !== 'no')
  if (asked.length === 0 || args.yes === true || args['dry-run'] === true) return
  const names = asked.map(({ name }) => name).join(', ')
  const isKnown = asked.every((target) => realValue(target) === 'yes')
  const prompt = promptOf(terminal)
  if (prompt === undefined) {
    throw new UsageError(
      isKnown
        ? `${names}: this writes to a mainnet.`
        : `${names}: nothing says that this is not a mainnet.`,
      {
        metaMessages: [
          'Say so with --yes; see what it would do with --dry-run.',
          ...(isKnown ? [] : ['Of a test network: newton-policy config set network testnet']),
        ],
      },
    )
  }
  const what = isKnown ? 'a mainnet' : 'which may be a mainnet'
  if (!(await prompt.confirm(`Write to ${names}, ${what}?`))) {
    throw new UsageError('Nothing was written.')
  }
}

/** Chains that move real value. */
export const mainnets: ReadonlySet<number> = new Set([1, 10, 8453, 42_161])
/** Chains that do not; 1337 and 31337 are those of local nodes. */
export const testNetworks: ReadonlySet<number> = new Set([
  ...[11_155_111, 560_048, 84_532, 11_155_420, 421_614],
  ...[1_337, 31_337],
])

/** Whether value is at stake on a chain. What nobody knows is asked about. */
function realValue({ profile, chain }: ChainTarget): 'yes' | 'no' | 'unknown' {
  if (profile.network === 'mainnet' || mainnets.has(chain.id)) return 'yes'
  return profile.network !== undefined || testNetworks.has(chain.id) ? 'no' : 'unknown'
}

/** Prints each check of a write on stderr. */
export function printChecks(
  terminal: Terminal,
  { checks, action }: { checks: readonly PreflightCheck[]; action: string },
): void {
  for (const check of checks) terminal.stderr(`${checkLines(check, action)}\n`)
}

/** One write of a command. */
export type Write<result> = {
  dryRun: () => Promise<DryRun>
  /** Whether the chain has it already: then nothing is sent. */
  done?: (dryRun: DryRun) => Promise<boolean>
  /** Sends and waits; the checks were made. */
  send: (hooks: { onTransactionHash: (hash: Hex) => void }) => Promise<result>
}

/**
 * Makes the checks of a write, shows them, and sends it where all pass.
 *
 * @returns `undefined` for `result` on a dry run, and where there was nothing to do.
 * @throws {PreflightError} where a check failed; nothing was signed.
 */
export async function performWrite<result>(
  terminal: Terminal,
  { write, args }: { write: Write<result>; args: WriteArgs },
): Promise<{ dryRun: DryRun; result: result | undefined }> {
  const dryRun = await write.dryRun()
  printChecks(terminal, dryRun)
  if (!dryRun.ok) throw new PreflightError({ action: dryRun.action, checks: dryRun.checks })
  if (args['dry-run'] === true) {
    sayWouldSend(terminal, dryRun)
    return { dryRun, result: undefined }
  }
  if (await write.done?.(dryRun)) return { dryRun, result: undefined }
  await heed(terminal.signal)
  const result = await write.send({
    onTransactionHash: sentLine(terminal, dryRun.action),
  })
  return { dryRun, result }
}

/** What a dry run prints in place of a transaction. */
export function sayWouldSend(terminal: Terminal, { action, transaction }: DryRun): void {
  const { to, data } = transaction
  terminal.stderr(`would send ${action}: to ${to}, data ${data}\n`)
}

/** What is printed once a transaction is on its way: it counts from here, whatever comes after. */
export function sentLine(terminal: Terminal, what: string): (hash: Hex) => void {
  return (hash) => terminal.stderr(`sent    ${what}: ${hash}\n`)
}
