import { basename, dirname, join } from 'node:path'
import type { CommandDef } from 'citty'
import { stringify } from 'smol-toml'
import {
  configPath,
  hasKeyForm,
  isExposed,
  isSecret,
  loadConfig,
  masked,
  profileName,
  saveConfig,
  settingName,
  withSetting,
  writePrivately,
} from '../config/config.js'
import { encryptKey } from '../config/keystore.js'
import { UsageError } from '../errors.js'
import { command, group } from '../terminal/command.js'
import type { Terminal } from '../terminal/output.js'
import { promptOf } from '../terminal/prompt.js'
import { quotedWord } from '../terminal/quoting.js'

const profileArg = {
  profile: { type: 'string', description: 'Profile to use', valueHint: 'name' },
} as const

const init = command({
  name: 'init',
  example: 'newton-policy config init',
  description: 'Create the configuration file with one profile for a local devnet',
  args: {},
  run: async ({ terminal }) => {
    const config = await loadConfig(terminal)
    if (config.profiles !== undefined) {
      throw new UsageError(`${configPath(terminal)} exists.`, {
        metaMessages: ['Change it with newton-policy config set.'],
      })
    }
    const path = await saveConfig(terminal, {
      profile: 'devnet',
      profiles: {
        devnet: {
          network: 'devnet',
          default_chain: 'devnet',
          chains: { devnet: { chain_id: 31337, rpc_url: 'http://127.0.0.1:8545' } },
        },
      },
    })
    return { data: { path }, text: `Wrote ${path}` }
  },
})

const set = command({
  name: 'set',
  example: 'newton-policy config set chains.sepolia.rpc_url https://rpc.example',
  description: 'Set one setting of a profile; a credential without a value is asked for.',
  args: {
    key: {
      type: 'positional',
      description: 'Such as gateway_url, signer-key or chains.sepolia.rpc_url',
      required: true,
    },
    value: { type: 'positional', description: 'Its value', required: false },
    ...profileArg,
  },
  run: async ({ args, terminal }) => {
    const config = await loadConfig(terminal)
    const profile = profileName(terminal, config, args.profile)
    const [word = '', ...assigned] = args.key.split('=')
    if (assigned.length > 0) {
      throw new UsageError(
        `A setting and its value are two words: ${quotedWord(word)}, then the value.`,
        {
          metaMessages: ['newton-policy config set <setting> <value>'],
        },
      )
    }
    const key = settingName(word)
    const setting = await settingOf(terminal, { key, given: args.value, profile })
    const next = withSetting(config, { profile, ...setting })
    // The first profile that is made is the one in use.
    const path = await saveConfig(terminal, { ...next, profile: next.profile ?? profile })
    return {
      data: { path, profile, key: setting.key },
      text: `Set ${setting.key} of profile ${profile}`,
    }
  },
})

// A key that is typed goes into a keystore; one that comes as a word lies in clear, which is said.
async function settingOf(
  terminal: Terminal,
  { key, given, profile }: { key: string; given: string | undefined; profile: string },
): Promise<{ key: string; value: string }> {
  if (given !== undefined) {
    if (isSecret(key)) {
      terminal.stderr(
        `warning: ${key} lies in clear in ${configPath(terminal)}, and the command is in your history\n`,
      )
    }
    return { key, value: given }
  }
  const prompt = promptOf(terminal)
  if (!isSecret(key) || prompt === undefined) {
    throw new UsageError(`${key} needs a value.`, {
      metaMessages: isSecret(key)
        ? ['Run it in a terminal to be asked, or set the environment variable instead.']
        : [],
    })
  }
  const value = (await prompt.secret(key))?.trim()
  if (!value) throw new UsageError('Nothing was given, and nothing was changed.')
  if (key !== 'signer_key') {
    terminal.stderr(`warning: ${key} lies in clear in ${configPath(terminal)}\n`)
    return { key, value }
  }
  if (!hasKeyForm(value)) {
    throw new UsageError('The private key is not 32 bytes as 0x-hex.')
  }
  const password = await prompt.secret('Password for the keystore')
  if (!password) throw new UsageError('A keystore needs a password; nothing was changed.')
  if ((await prompt.secret('The password again')) !== password) {
    throw new UsageError('The passwords differ; nothing was changed.')
  }
  const path = join(dirname(configPath(terminal)), 'keystores', `${basename(profile)}.json`)
  await writePrivately(path, encryptKey(value, password))
  return { key: 'keystore', value: path }
}

const show = command({
  name: 'show',
  example: 'newton-policy config show',
  description: 'Print the configuration, credentials masked',
  args: {},
  run: async ({ terminal }) => {
    const config = masked(await loadConfig(terminal))
    const path = configPath(terminal)
    if (await isExposed(terminal))
      terminal.stderr(`warning: ${path} can be read by others; run chmod 600 ${path}\n`)
    const empty = Object.keys(config.profiles ?? {}).length === 0
    const text = empty ? 'no profiles yet' : stringify(config).trimEnd()
    return { data: { path, ...config }, text: `# ${path}\n${text}` }
  },
})

const useProfile = command({
  name: 'use-profile',
  example: 'newton-policy config use-profile testnet',
  description: 'Make a profile the default',
  args: { name: { type: 'positional', description: 'The profile', required: true } },
  run: async ({ args, terminal }) => {
    const config = await loadConfig(terminal)
    if (!Object.hasOwn(config.profiles ?? {}, args.name)) {
      throw new UsageError(`There is no profile ${quotedWord(args.name)}.`, {
        metaMessages: [`Profiles: ${Object.keys(config.profiles ?? {}).join(', ') || 'none yet'}.`],
      })
    }
    await saveConfig(terminal, { ...config, profile: args.name })
    return { data: { profile: args.name }, text: `Profile ${args.name} is the default` }
  },
})

export const config: CommandDef = group('config', 'Profiles and settings', {
  init: async () => init,
  set: async () => set,
  show: async () => show,
  'use-profile': async () => useProfile,
})
