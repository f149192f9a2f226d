/**
 * Settings of a process, from three places: flags win over the environment, the environment over the
 * file. All that is wrong is found at once.
 */
import { readFile } from 'node:fs/promises'
import { parse } from 'smol-toml'
import { ConfigurationError, type ConfigurationFault } from '../../errors.js'
import { challengerSettings, gatewaySettings, operatorSettings, replicaSettings } from './roles.js'
import { faultOf, type Setting } from './values.js'

/** Settings by dotted path, such as `chain.rpc_urls`. */
export type SettingsTable = Readonly<Record<string, Setting>>

/** What the settings of a table are read to. */
export type SettingsOf<table extends SettingsTable> = {
  readonly [path in keyof table]: table[path] extends { optional: true }
    ? ValueOf<table[path]> | undefined
    : ValueOf<table[path]>
}
type ValueOf<setting> = setting extends Setting<infer value> ? value : never

/** Settings that need not be given. */
type Omittable<table extends SettingsTable> = {
  [path in keyof table]: table[path] extends { default: unknown } | { optional: true }
    ? path
    : never
}[keyof table]

/** Where settings come from. */
export type SettingsSources = {
  /** Path of the TOML file. */
  file?: string | undefined
  /** Environment variables: `NEWTON_CHAIN_RPC_URLS` is `chain.rpc_urls`. */
  env?: Readonly<Record<string, string | undefined>> | undefined
  /** Flags by name, without dashes in front: `chain-rpc-urls` is `chain.rpc_urls`. */
  flags?: Readonly<Record<string, string | undefined>> | undefined
}

/** The flag of a setting. */
export function flagOf(path: string): string {
  return path.replace(/[._]/g, '-')
}

/** The environment variable of a setting. */
export function variableOf(path: string): string {
  return `NEWTON_${path.replace(/\./g, '_').toUpperCase()}`
}

/**
 * Reads the settings of a role.
 *
 * @throws {ConfigurationError} naming every fault: settings that are missing, that are none, that are
 * not of this role.
 * @example
 * ```ts
 * import { operatorSettings, readSettings } from '@newton/policy-sdk/operator/node'
 *
 * const settings = await readSettings(operatorSettings, { file: 'operator.toml', env: process.env })
 * settings['chain.id'] // 1
 * ```
 */
export async function readSettings<const table extends SettingsTable>(
  table: table,
  sources: SettingsSources,
): Promise<SettingsOf<table>> {
  const faults: ConfigurationFault[] = []
  const given = await readFileValues(table, sources.file, faults)
  faults.push(...misspelledVariables(table, sources.env ?? {}))
  const settings: Record<string, unknown> = {}
  for (const [path, setting] of Object.entries(table)) {
    const flag = sources.flags?.[flagOf(path)]
    const variable = sources.env?.[variableOf(path)]
    const [value, from] =
      flag !== undefined
        ? [flag, `--${flagOf(path)}`]
        : variable !== undefined && variable !== ''
          ? [variable, variableOf(path)]
          : [given.get(path), sources.file ?? 'the configuration']
    if (value === undefined) {
      if (setting.default !== undefined) settings[path] = setting.default
      else if (setting.optional !== true) {
        const reason = `it is missing: ${setting.description}`
        faults.push({ setting: path, from: undefined, reason })
      }
      continue
    }
    const read = setting.kind.read(value)
    const reason = faultOf(read)
    if (reason !== undefined) faults.push({ setting: path, from, reason })
    else settings[path] = read
  }
  if (faults.length > 0) throw new ConfigurationError({ faults })
  return settings as SettingsOf<table>
}

/**
 * Completes settings that are given as values, by whoever starts a role from code: what is left out is
 * its default. What is given is checked as what a file has.
 *
 * @throws {ConfigurationError} naming every value that is none, and every setting that is not of this
 * role. What is missing is not looked for.
 * @example
 * ```ts
 * import { completeSettings, replicaSettings, startReplica } from '@newton/policy-sdk/operator/node'
 *
 * const settings = completeSettings(replicaSettings, {
 *   'chain.id': 1,
 *   'chain.rpc_urls': ['https://rpc.example'],
 *   'data.directory': '/var/lib/newton/replica',
 * })
 * const replica = await startReplica({ settings })
 * ```
 */
export function completeSettings<
  const table extends SettingsTable,
  const given extends Partial<SettingsOf<table>>,
>(table: table, given: given): Pick<SettingsOf<table>, Omittable<table>> & given {
  const defaults = Object.entries(table).map(([path, setting]) => [path, setting.default])
  const faults: ConfigurationFault[] = []
  const set = Object.entries(given).flatMap(([path, value]) => {
    if (value === undefined) return []
    const read = Object.hasOwn(table, path) ? table[path]?.kind.read(value) : undefined
    const reason = read === undefined ? 'there is no such setting' : faultOf(read)
    if (reason === undefined) return [[path, read]]
    faults.push({ setting: path, from: undefined, reason })
    return []
  })
  if (faults.length > 0) throw new ConfigurationError({ faults })
  return Object.fromEntries([...defaults, ...set]) as Pick<SettingsOf<table>, Omittable<table>> &
    given
}

/**
 * Variables of a group of this role's settings, such as `NEWTON_CHAIN_`, that name none of them. What
 * names a setting of another role may be there: an environment is shared.
 */
function misspelledVariables(
  table: SettingsTable,
  env: Readonly<Record<string, string | undefined>>,
): ConfigurationFault[] {
  const groups = new Set(
    Object.keys(table).flatMap((path) =>
      path.includes('.') ? [`${variableOf(path.slice(0, path.indexOf('.')))}_`] : [],
    ),
  )
  const known = new Set(
    [table, operatorSettings, gatewaySettings, challengerSettings, replicaSettings].flatMap((one) =>
      Object.keys(one).map(variableOf),
    ),
  )
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && env[name] !== '' && !known.has(name))
    .filter((name) => [...groups].some((group) => name.startsWith(group)) && !others.has(name))
    .map((name) => ({ setting: name, from: 'the environment', reason: 'there is no such setting' }))
}

/** Variables that other commands read, which look like one of a group. */
const others: ReadonlySet<string> = new Set([
  'NEWTON_ACCOUNT_PASSWORD',
  'NEWTON_KEY_PASSWORD',
  'NEWTON_GATEWAY_API_KEY',
])

async function readFileValues(
  table: SettingsTable,
  file: string | undefined,
  faults: ConfigurationFault[],
): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>()
  if (file === undefined) return values
  let parsed: Record<string, unknown>
  try {
    parsed = parse(await readFile(file, 'utf8'))
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code !== undefined
    const reason = missing ? 'it cannot be read' : 'it is no TOML'
    throw new ConfigurationError(
      { faults: [{ setting: file, from: undefined, reason }] },
      { cause },
    )
  }
  collect(table, { at: parsed, path: '' }, { values, faults, file })
  return values
}

/** Walks the tables of a file down to settings; what leads to none is a fault. */
function collect(
  table: SettingsTable,
  { at, path }: { at: Record<string, unknown>; path: string },
  found: { values: Map<string, unknown>; faults: ConfigurationFault[]; file: string },
): void {
  for (const [name, value] of Object.entries(at)) {
    const full = path === '' ? name : `${path}.${name}`
    const below = Object.keys(table).some((one) => one.startsWith(`${full}.`))
    if (Object.hasOwn(table, full)) found.values.set(full, value)
    else if (below && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      collect(table, { at: value as Record<string, unknown>, path: full }, found)
    } else {
      const reason = 'there is no such setting'
      found.faults.push({ setting: full, from: found.file, reason })
    }
  }
}
