/** `doctor`: whether everything that the commands need is there, and what to do where it is not. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { CommandDef } from 'citty'
import { isPolicySdkError } from '../../../errors/index.js'
import { createRegistryReader } from '../../../registry/index.js'
import { daOf } from '../../config/artifactStore.js'
import { chainOf, profileArgs } from '../../config/chain.js'
import { configPath, isExposed, loadConfig, type Profile, profileOf } from '../../config/config.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, checkLines, exitCodes, type Terminal } from '../../terminal/output.js'
import type { Finding } from './finding.js'
import { roleFindings } from './role.js'

/** Optional packages and what needs them. */
const packages: Readonly<Record<string, string>> = {
  '@bytecodealliance/jco-transpile': 'policies with plugins',
  '@bytecodealliance/preview2-shim': 'policies with plugins',
  '@bytecodealliance/componentize-js': 'newton-policy plugin build',
  '@foundry-rs/anvil': 'newton-policy devnet',
  hono: 'newton-policy devnet and operators',
  '@hono/node-server': 'newton-policy devnet and operators',
  lmdb: 'operators and replicas',
  pino: 'the logs of roles',
  kysely: 'gateways',
  ws: 'gateways that tell callers of changes',
  'fs-native-extensions': 'newton-policy devnet and operators',
}

/** `doctor`. */
export const doctor: CommandDef = command({
  name: 'doctor',
  example: 'newton-policy doctor --profile testnet',
  description:
    'Check Node, optional packages, the profile and each endpoint, or all that a role needs; say how to mend them',
  args: {
    ...profileArgs,
    role: {
      type: 'string',
      description: 'Look at what this role needs in place of the profile',
      valueHint: 'operator|gateway|challenger|replica',
    },
    config: { type: 'string', description: 'TOML file of the role’s settings', valueHint: 'file' },
    ntp: {
      type: 'string',
      description: 'Time server, with its port where it is not 123',
      default: 'pool.ntp.org',
      valueHint: 'host',
    },
  },
  run: async ({ args, terminal, signal }) => {
    if (args.role !== undefined) {
      const { role, config, ntp } = args
      const found = await roleFindings(terminal, { role, config, ntp })
      return report({ role }, [nodeFinding(), ...found])
    }
    const config = await loadConfig(terminal)
    const { name, profile } = profileOf(terminal, config, args.profile)
    const findings = [
      nodeFinding(),
      ...packageFindings(),
      await fileFinding(terminal),
      signerFinding(terminal, profile),
      ...(await chainFindings(terminal, { profile, args, signal })),
      await storeFinding(terminal, profile),
    ]
    return report({ profile: name }, findings)
  },
})

function report(about: { profile: string } | { role: string }, findings: Finding[]): CommandResult {
  const lines = findings.map(({ what: rule, ...finding }) => checkLines({ rule, ...finding }))
  const failed = findings.filter(({ ok, level }) => !ok && level === 'error')
  return {
    data: { ...about, findings },
    text: lines.join('\n'),
    exitCode: failed.length > 0 ? exitCodes.failure : exitCodes.done,
    problem: {
      message: failed.map(({ what, detail }) => `${what}: ${detail}`).join('; '),
      hint: '',
    },
  }
}

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return {
    what: 'Node',
    ok: major > 20 || (major === 20 && minor >= 19),
    level: 'error',
    detail: process.versions.node,
    fix: 'Install Node 20.19 or later.',
  }
}

function packageFindings(): Finding[] {
  const require = createRequire(import.meta.url)
  return Object.entries(packages).map(([name, purpose]) => {
    // By its folder: what a package exports says nothing of whether it is there.
    const ok = (require.resolve.paths(name) ?? []).some((path) =>
      existsSync(join(path, name, 'package.json')),
    )
    return {
      what: name,
      ok,
      level: 'warning',
      detail: ok ? 'installed' : `not installed; ${purpose} need it`,
      fix: `npm install ${name}`,
    }
  })
}

async function fileFinding(terminal: Terminal): Promise<Finding> {
  const path = configPath(terminal)
  const exposed = await isExposed(terminal)
  return {
    what: 'configuration',
    ok: !exposed,
    level: 'error',
    detail: exposed ? `${path} can be read by others` : path,
    fix: `chmod 600 ${path}`,
  }
}

function signerFinding(terminal: Terminal, profile: Profile): Finding {
  const clear = profile.signer_key !== undefined && profile.network === 'mainnet'
  const some =
    terminal.env['NEWTON_SIGNER_KEY'] ?? profile.keystore ?? profile.signer_key ?? undefined
  return {
    what: 'signer',
    ok: !clear && some !== undefined,
    level: 'warning',
    detail: clear
      ? 'the key of a mainnet profile lies in clear'
      : some === undefined
        ? 'no key: commands that write ask for one'
        : 'there is a key',
    fix: 'newton-policy config set signer-key',
  }
}

async function chainFindings(
  terminal: Terminal,
  parameters: { profile: Profile; args: { profile?: string | undefined }; signal: AbortSignal },
): Promise<Finding[]> {
  const { profile, args, signal } = parameters
  const names = Object.keys(profile.chains ?? {})
  if (names.length === 0) {
    return [
      {
        ...{ what: 'chains', ok: false, level: 'warning', detail: 'the profile has none' },
        fix: 'newton-policy config set chains.<name>.rpc_url <url>; of a local network: newton-policy devnet writes it',
      },
    ]
  }
  return Promise.all(
    names.map(async (chain): Promise<Finding> => {
      const what = `chain ${chain}`
      try {
        const { client, addresses } = await chainOf(terminal, { chain, ...args })
        const reader = await createRegistryReader(
          { client, addresses },
          { signal, timeout: 10_000 },
        )
        const { number } = await reader.getLatestBlock({ signal, timeout: 10_000 })
        const detail = `id ${reader.chainId}, block ${number}, registry ${reader.policyRegistry}`
        return { what, ok: true, level: 'error', detail, fix: '' }
      } catch (error) {
        signal.throwIfAborted()
        if (!isPolicySdkError(error)) throw error
        const fix = error.metaMessages?.join(' ') || 'Check the endpoint and the addresses.'
        return { what, ok: false, level: 'error', detail: error.shortMessage, fix }
      }
    }),
  )
}

async function storeFinding(terminal: Terminal, profile: Profile): Promise<Finding> {
  const da = daOf(terminal, { args: {}, profile })
  return {
    what: 'store of artifacts',
    ok: da !== undefined,
    level: 'warning',
    detail: da === undefined ? 'none: templates cannot be registered' : da.kind,
    fix: 'newton-policy config set da_directory <directory>',
  }
}
