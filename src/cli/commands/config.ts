import type { CommandDef } from 'citty'
import { stringify } from 'smol-toml'
import { command, group } from '../command.js'
import {
  configPath,
  isExposed,
  loadConfig,
  masked,
  profileName,
  saveConfig,
  withSetting,
} from '../config.js'
import { UsageError } from '../errors.js'

const profileArg = {
  profile: { type: 'string', description: 'Profile to use', valueHint: 'name' },
} as const

const init = command({
  name: 'init',
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
          mainnet: false,
          default_chain: 'devnet',
          chains: { devnet: { id: 31337, rpc_url: 'http://127.0.0.1:8545' } },
        },
      },
    })
    return { data: { path }, text: `Wrote ${path}` }
  },
})

const set = command({
  name: 'set',
  description: 'Set one setting of a profile',
  args: {
    key: {
      type: 'positional',
      description: 'Such as gateway_url or chains.sepolia.rpc_url',
      required: true,
    },
    value: { type: 'positional', description: 'Its value', required: true },
    ...profileArg,
  },
  run: async ({ args, terminal }) => {
    const config = await loadConfig(terminal)
    const profile = profileName(terminal, config, args.profile)
    const path = await saveConfig(
      terminal,
      withSetting(config, { profile, key: args.key, value: args.value }),
    )
    return { data: { path, profile, key: args.key }, text: `Set ${args.key} of profile ${profile}` }
  },
})

const show = command({
  name: 'show',
  description: 'Print the configuration, credentials masked',
  args: {},
  run: async ({ terminal }) => {
    const config = masked(await loadConfig(terminal))
    const path = configPath(terminal)
    if (await isExposed(terminal))
      terminal.stderr(`warning: ${path} can be read by others; run chmod 600 ${path}\n`)
    return { data: { path, ...config }, text: `# ${path}\n${stringify(config).trimEnd()}` }
  },
})

const useProfile = command({
  name: 'use-profile',
  description: 'Make a profile the default',
  args: { name: { type: 'positional', description: 'The profile', required: true } },
  run: async ({ args, terminal }) => {
    const config = await loadConfig(terminal)
    if (!Object.hasOwn(config.profiles ?? {}, args.name)) {
      throw new UsageError(`There is no profile ${JSON.stringify(args.name)}.`, {
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
