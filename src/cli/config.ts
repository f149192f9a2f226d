/**
 * Profiles and their settings.
 *
 * They live in `$XDG_CONFIG_HOME/newton-policy/config.toml` (else `~/.config/…`), mode 0600,
 * because a profile may hold credentials.
 */
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'smol-toml'
import { FileAccessError, UsageError } from './errors.js'
import type { Terminal } from './output.js'

/** A chain of a profile. */
export type ChainProfile = { id?: number; rpc_url?: string }

/** One profile. */
export type Profile = {
  /** Writes ask first, or take `--yes`. */
  mainnet?: boolean
  default_chain?: string
  gateway_url?: string
  da_directory?: string
  signer_key?: string
  api_key?: string
  chains?: Record<string, ChainProfile>
}

/** The whole file. */
export type Config = { profile?: string; profiles?: Record<string, Profile> }

const keys: Readonly<Record<string, 'text' | 'boolean'>> = {
  mainnet: 'boolean',
  default_chain: 'text',
  gateway_url: 'text',
  da_directory: 'text',
  signer_key: 'text',
  api_key: 'text',
}
const secretKeys = new Set(['signer_key', 'api_key'])

/** Where the file is. */
export function configPath(terminal: Terminal): string {
  const base = terminal.env['XDG_CONFIG_HOME'] || join(terminal.home, '.config')
  return join(base, 'newton-policy', 'config.toml')
}

/** Reads the file; no file is an empty configuration. */
export async function loadConfig(terminal: Terminal): Promise<Config> {
  const path = configPath(terminal)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new FileAccessError({ path, action: 'read' }, { cause })
  }
  try {
    return parse(text) as Config
  } catch (cause) {
    throw new UsageError(`${path} is not valid TOML.`, {
      cause,
      metaMessages: ['Correct it, or move it away and run newton-policy config init.'],
    })
  }
}

/** Writes the file whole, readable by its owner only. */
export async function saveConfig(terminal: Terminal, config: Config): Promise<string> {
  const path = configPath(terminal)
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(temporary, stringify(config), { mode: 0o600 })
    await chmod(temporary, 0o600)
    await rename(temporary, path)
  } catch (cause) {
    throw new FileAccessError({ path, action: 'written' }, { cause })
  }
  return path
}

/** Whether others than the owner may read the file. */
export async function isExposed(terminal: Terminal): Promise<boolean> {
  try {
    return ((await stat(configPath(terminal))).mode & 0o077) !== 0
  } catch {
    return false
  }
}

/** Name of the profile in use: `--profile`, `NEWTON_PROFILE`, the file's own, else `default`. */
export function profileName(terminal: Terminal, config: Config, flag?: string | undefined): string {
  return flag ?? terminal.env['NEWTON_PROFILE'] ?? config.profile ?? 'default'
}

/** Sets `key` (or `chains.<name>.id|rpc_url`) of a profile. Returns a new configuration. */
export function withSetting(
  config: Config,
  { profile, key, value }: { profile: string; key: string; value: string },
): Config {
  const current = config.profiles?.[profile] ?? {}
  const next: Profile = { ...current, ...settingOf(current, key, value) }
  return { ...config, profiles: { ...config.profiles, [profile]: next } }
}

function settingOf(current: Profile, key: string, value: string): Partial<Profile> {
  const chain = /^chains\.([A-Za-z0-9_-]+)\.(id|rpc_url)$/.exec(key)
  if (chain !== null) {
    const [, name, member] = chain as unknown as [string, string, 'id' | 'rpc_url']
    if (member === 'id' && !/^[1-9]\d{0,15}$/.test(value))
      throw new UsageError(`${value} is not a chain id.`)
    if (member === 'rpc_url' && !URL.canParse(value)) throw new UsageError(`${value} is not a URL.`)
    const entry = { ...current.chains?.[name], [member]: member === 'id' ? Number(value) : value }
    return { chains: { ...current.chains, [name]: entry } }
  }
  const kind = Object.hasOwn(keys, key) ? keys[key] : undefined
  if (kind === undefined) {
    throw new UsageError(`There is no setting ${JSON.stringify(key)}.`, {
      metaMessages: [
        `Settings: ${Object.keys(keys).join(', ')}, chains.<name>.id, chains.<name>.rpc_url.`,
      ],
    })
  }
  if (kind === 'boolean' && value !== 'true' && value !== 'false')
    throw new UsageError(`${key} is true or false.`)
  return { [key]: kind === 'boolean' ? value === 'true' : value }
}

/** A copy for printing, without credentials. */
export function masked(config: Config): Config {
  const profiles = Object.entries(config.profiles ?? {}).map(([name, profile]) => [
    name,
    Object.fromEntries(
      Object.entries(profile).map(([key, value]) => [
        key,
        secretKeys.has(key) ? '********' : maskUrls(value),
      ]),
    ),
  ])
  return { ...config, profiles: Object.fromEntries(profiles) }
}

// RPC URLs commonly carry an API key in their path or query.
function maskUrls(value: unknown): unknown {
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, maskUrls(member)]))
  }
  if (typeof value !== 'string' || !URL.canParse(value)) return value
  const url = new URL(value)
  const host = `${url.protocol}//${url.host}`
  return url.pathname.length > 1 || url.search !== '' || url.username !== ''
    ? `${host}/********`
    : value
}
