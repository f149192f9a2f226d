/** What the commands of roles share: settings from file, environment and flags, keys, logs, the end. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ArgsDef, CommandDef } from 'citty'
import type { LocalAccount } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { MissingPeerError } from '../../errors/common.js'
import { createRemoteSigner, type OperatorSigner } from '../../operator/index.js'
import {
  flagOf,
  type LogEntry,
  type LogHook,
  openBlsKeystore,
  type RunningRole,
  readSettings,
  type replicaSettings,
  type SettingsOf,
  type SettingsTable,
  variableOf,
} from '../../operator/node/index.js'
import { hasKeyForm } from '../config/config.js'
import { decryptKey } from '../config/keystore.js'
import { FileAccessError, UsageError } from '../errors.js'
import { command } from '../terminal/command.js'
import type { CommandResult, Terminal } from '../terminal/output.js'
import { promptOf } from '../terminal/prompt.js'

/** Every setting of a role as a flag, and the file that has the rest. */
export function settingsArgs(table: SettingsTable): ArgsDef {
  const flags = Object.entries(table).map(([path, { description, kind }]) => [
    flagOf(path),
    {
      type: 'string' as const,
      description: `${description} (${variableOf(path)})`,
      valueHint: kind.hint,
    },
  ])
  return {
    config: { type: 'string', description: 'TOML file of the settings', valueHint: 'file' },
    ...(Object.fromEntries(flags) as ArgsDef),
  }
}

/** Reads the settings of a role: flags, then `NEWTON_*`, then the file. */
export function settingsOf<const table extends SettingsTable>(
  terminal: Terminal,
  table: table,
  args: Readonly<Record<string, unknown>>,
): Promise<SettingsOf<table>> {
  const named = args['config'] ?? terminal.env['NEWTON_ROLE_CONFIG']
  const flags = Object.fromEntries(
    Object.keys(table).flatMap((path) => {
      const value = args[flagOf(path)]
      return typeof value === 'string' ? [[flagOf(path), value]] : []
    }),
  )
  return readSettings(table, {
    file: typeof named === 'string' ? resolve(terminal.cwd, named) : undefined,
    env: terminal.env,
    flags,
  })
}

/** Reads a password: from a file, from the environment, else it is asked for. */
export async function passwordOf(
  terminal: Terminal,
  from: { file: string | undefined; variable: string; what: string },
): Promise<string> {
  if (from.file !== undefined) return (await readText(from.file)).replace(/\r?\n$/, '')
  const password =
    terminal.env[from.variable] ?? (await promptOf(terminal)?.secret(`Password of ${from.what}`))
  if (password !== undefined) return password
  throw new UsageError(`${from.what} needs its password.`, {
    metaMessages: [`Name a file with it in the settings, or set ${from.variable}.`],
  })
}

/** The account of a role. */
export async function accountOf(
  terminal: Terminal,
  settings: {
    'account.keystore': string
    'account.password_file'?: string | undefined
  },
): Promise<LocalAccount> {
  const path = settings['account.keystore']
  const password = await passwordOf(terminal, {
    file: settings['account.password_file'],
    variable: 'NEWTON_ACCOUNT_PASSWORD',
    what: path,
  })
  const key = decryptKey(await readText(path), password, path)
  if (!hasKeyForm(key)) throw new UsageError(`${path} does not hold the key of an account.`)
  return privateKeyToAccount(key)
}

/** The BLS key of an operator: a key file, or a remote signer. Exactly one. */
export async function signerOf(
  terminal: Terminal,
  settings: {
    'key.keystore'?: string | undefined
    'key.password_file'?: string | undefined
    'key.remote_url'?: string | undefined
    'key.remote_token_file'?: string | undefined
  },
): Promise<OperatorSigner> {
  const { 'key.keystore': path, 'key.remote_url': url } = settings
  if ((path === undefined) === (url === undefined)) {
    throw new UsageError('An operator has key.keystore or key.remote_url, and not both.')
  }
  if (url !== undefined) {
    const file = settings['key.remote_token_file']
    const token = file === undefined ? undefined : (await readText(file)).trim()
    return createRemoteSigner({ url, token })
  }
  const password = await passwordOf(terminal, {
    file: settings['key.password_file'],
    variable: 'NEWTON_KEY_PASSWORD',
    what: path as string,
  })
  return openBlsKeystore(path as string, password)
}

/** Lines of the log as JSON on stdout, through `pino`. */
async function logOf(level: LogEntry['level']): Promise<LogHook> {
  const { pino, destination, stdTimeFunctions } = await import('pino').catch((cause: unknown) => {
    throw new MissingPeerError({ peer: 'pino', needed: 'The log of a role' }, { cause })
  })
  // Synchronous: lines that were written outlive a kill.
  const logger = pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime },
    destination({ fd: 1, sync: true }),
  )
  return ({ level: at, event, ...fields }) => logger[at](fields, event)
}

/** What every role has among its settings. */
type OwnSettings = Pick<SettingsOf<typeof replicaSettings>, 'log.level' | 'shutdown_grace'>

/** Declares the command that runs a role from its settings. */
export function runCommand<const table extends SettingsTable>(definition: {
  role: 'operator' | 'gateway' | 'challenger' | 'replica'
  description: string
  table: table
  start: (parts: {
    settings: SettingsOf<table>
    terminal: Terminal
    log: LogHook
  }) => Promise<RunningRole>
}): CommandDef {
  const { role, description, table, start } = definition
  return command({
    name: 'run',
    serves: true,
    example: `newton-policy ${role} run --config ${role}.toml`,
    description,
    args: settingsArgs(table),
    run: async ({ args, terminal, signal }) => {
      const settings = await settingsOf(terminal, table, args)
      const { 'log.level': level, shutdown_grace: grace } = settings as unknown as OwnSettings
      const log = await logOf(level)
      return runRole(() => start({ settings, terminal, log }), { signal, log, grace })
    },
  })
}

/** Runs a role until the signal fires, then lets it end. A second signal ends the process at once. */
async function runRole(
  start: () => Promise<RunningRole>,
  { signal, grace, log }: { signal: AbortSignal; grace: number; log: LogHook },
): Promise<CommandResult> {
  const running = await start()
  await new Promise<void>((end) => {
    signal.addEventListener('abort', () => end(), { once: true })
    if (signal.aborted) end()
  })
  log({ level: 'info', event: `${running.role}.stopping`, grace })
  await running.close(grace * 1_000)
  log({ level: 'info', event: `${running.role}.stopped` })
  return { data: { role: running.role }, text: '', printed: true }
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new FileAccessError({ path, action: 'read' }, { cause })
  })
}
