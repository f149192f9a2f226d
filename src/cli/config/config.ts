/**
 * Profiles and their settings.
 *
 * They live in the file that `NEWTON_CONFIG` names, else `$XDG_CONFIG_HOME/newton/config.toml`, else
 * `~/.newton/config.toml`, mode 0600, because a profile may hold credentials.
 */
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parse, stringify } from 'smol-toml'
import { isAddress } from 'viem'
import { FileAccessError, UsageError } from '../errors.js'
import { didYouMean } from '../terminal/didYouMean.js'
import type { Terminal } from '../terminal/output.js'
import { quotedWord } from '../terminal/quoting.js'

/** A chain of a profile. */
export type ChainProfile = {
  chain_id?: number
  rpc_url?: string
  /** Block of the deployment of the registries; lists read events from there. */
  from_block?: number
  /** Addresses of contracts that the package does not know, by name. */
  contracts?: Record<string, string>
}

/** One profile. */
export type Profile = {
  /** `mainnet`: the first write asks, or takes `--yes`. */
  network?: Network
  default_chain?: string
  gateway_url?: string
  gateway_api_key?: string
  /** Private key in clear. A keystore is safer. */
  signer_key?: string
  /** Path of an encrypted key file. */
  keystore?: string
  /** Directory of a file store of artifacts. */
  da_directory?: string
  /** URL of an EigenDA proxy. */
  da_proxy_url?: string
  /** URLs of operators that artifacts are handed to, separated by commas. */
  operator_urls?: string
  /** SHA-256 of roots of enclaves other than that of AWS, separated by commas: of simulators. */
  insecure_roots?: string
  chains?: Record<string, ChainProfile>
}

/** Kinds of networks. */
export const networks = ['mainnet', 'testnet', 'devnet', 'local'] as const
export type Network = (typeof networks)[number]

/** The whole file. */
export type Config = { profile?: string; profiles?: Record<string, Profile> }

/** Whether a text has the form of a private key. */
export function hasKeyForm(text: string): text is `0x${string}` {
  return /^0x[\da-fA-F]{64}$/.test(text)
}

/** Settings of a profile, and how each is checked. */
const settings: Readonly<Record<string, (value: string) => string | undefined>> = {
  network: (value) =>
    (networks as readonly string[]).includes(value) ? undefined : `one of ${networks.join(', ')}`,
  default_chain: () => undefined,
  gateway_url: url,
  gateway_api_key: () => undefined,
  signer_key: (value) => (hasKeyForm(value) ? undefined : '32 bytes as 0x-hex'),
  keystore: () => undefined,
  da_directory: () => undefined,
  da_proxy_url: url,
  operator_urls: (value) =>
    value.split(',').every((one) => isHttpUrl(one.trim()))
      ? undefined
      : 'http or https URLs, separated by commas',
  insecure_roots: (value) =>
    /^0x[\da-f]{64}(?:,0x[\da-f]{64})*$/i.test(value) ? undefined : '32 bytes as 0x-hex each',
}
const secretKeys = new Set(['signer_key', 'gateway_api_key'])

/** Where the file is. */
export function configPath(terminal: Terminal): string {
  const named = terminal.env['NEWTON_CONFIG']
  if (named) return resolve(terminal.cwd, named)
  const xdg = terminal.env['XDG_CONFIG_HOME']
  return xdg ? join(xdg, 'newton', 'config.toml') : join(terminal.home, '.newton', 'config.toml')
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
  await writePrivately(path, stringify(config))
  return path
}

/** Replaces a file by one that only its owner can read. */
export async function writePrivately(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(temporary, text, { mode: 0o600 })
    await chmod(temporary, 0o600)
    await rename(temporary, path)
  } catch (cause) {
    throw new FileAccessError({ path, action: 'written' }, { cause })
  }
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

/**
 * The profile in use.
 *
 * @throws {UsageError} for one that was named and is not there.
 */
export function profileOf(
  terminal: Terminal,
  config: Config,
  flag?: string | undefined,
): { name: string; profile: Profile } {
  const name = profileName(terminal, config, flag)
  const profile = Object.hasOwn(config.profiles ?? {}, name) ? config.profiles?.[name] : undefined
  const named = flag ?? terminal.env['NEWTON_PROFILE'] ?? config.profile
  if (profile === undefined && named !== undefined) {
    throw new UsageError(`There is no profile ${quotedWord(name)}.`, {
      metaMessages: [
        `Profiles: ${Object.keys(config.profiles ?? {}).join(', ') || 'none yet'}.`,
        'Make one with newton-policy config set <key> <value> --profile <name>.',
      ],
    })
  }
  return { name, profile: profile ?? {} }
}

/** A setting's name as the file has it: `gateway-api-key` is `gateway_api_key`. */
export function settingName(key: string): string {
  return key.startsWith('chains.') ? key : key.replaceAll('-', '_')
}

/** Whether a setting is a credential. */
export function isSecret(key: string): boolean {
  return secretKeys.has(settingName(key))
}

/** Sets one setting of a profile. Returns a new configuration. */
export function withSetting(
  config: Config,
  { profile, key, value }: { profile: string; key: string; value: string },
): Config {
  const current = config.profiles?.[profile] ?? {}
  const next: Profile = { ...current, ...settingOf(current, settingName(key), value) }
  return { ...config, profiles: { ...config.profiles, [profile]: next } }
}

const chainSetting =
  /^chains\.([A-Za-z0-9_-]+)\.(?:(chain_id|from_block|rpc_url)|contracts\.([A-Za-z]+))$/

function settingOf(current: Profile, key: string, value: string): Partial<Profile> {
  const match = chainSetting.exec(key)
  if (match !== null) {
    const [, name = '', member, contract] = match
    const chain = current.chains?.[name] ?? {}
    const entry: ChainProfile =
      contract === undefined
        ? { ...chain, [member as string]: chainMember(member as string, value) }
        : { ...chain, contracts: { ...chain.contracts, [contract]: addressText(value) } }
    return { chains: { ...current.chains, [name]: entry } }
  }
  const check = Object.hasOwn(settings, key) ? settings[key] : undefined
  if (check === undefined) {
    const names = Object.keys(settings)
    throw new UsageError(`There is no setting ${quotedWord(key)}.`, {
      metaMessages: [
        ...didYouMean(key, names),
        `Settings: ${names.join(', ')}, chains.<name>.chain_id, chains.<name>.rpc_url, chains.<name>.from_block, chains.<name>.contracts.<contract>.`,
      ],
    })
  }
  const expected = check(value)
  if (expected !== undefined) {
    // What was typed may be a secret, so it is not repeated.
    throw new UsageError(`${key} is ${expected}.`)
  }
  return { [key]: value }
}

function chainMember(member: string, value: string): number | string {
  if (member === 'rpc_url') {
    if (url(value) !== undefined) throw new UsageError(`${quotedWord(value)} is not a URL.`)
    return value
  }
  if (!/^\d{1,15}$/.test(value) || (member === 'chain_id' && Number(value) === 0)) {
    throw new UsageError(
      `${quotedWord(value)} is not a ${member === 'chain_id' ? 'chain id' : 'block number'}.`,
    )
  }
  return Number(value)
}

function addressText(value: string): string {
  if (!isAddress(value, { strict: false }))
    throw new UsageError(`${quotedWord(value)} is not an address.`)
  return value
}

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
}

function url(value: string): string | undefined {
  return URL.canParse(value) && /^(?:https?|wss?):$/.test(new URL(value).protocol)
    ? undefined
    : 'an http, https, ws or wss URL'
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
  const parsed = new URL(value)
  const host = `${parsed.protocol}//${parsed.host}`
  return parsed.pathname.length > 1 || parsed.search !== '' || parsed.username !== ''
    ? `${host}/********`
    : value
}
