/** `gateway`, `challenger` and `replica`: running each. */
import type { CommandDef } from 'citty'
import { toHex } from '../../internal/bytes.js'
import { hashApiKey } from '../../operator/index.js'
import {
  challengerSettings,
  gatewaySettings,
  replicaSettings,
  startChallenger,
  startGateway,
  startReplica,
} from '../../operator/node/index.js'
import { command, group } from '../terminal/command.js'
import { accountOf, logOf, runRole, settingsArgs, settingsOf } from './run.js'

const runGateway: CommandDef = command({
  name: 'run',
  example: 'newton-policy gateway run --config gateway.toml',
  description: 'Run a gateway until SIGTERM; JSON lines on stdout',
  args: settingsArgs(gatewaySettings),
  run: async ({ args, terminal, signal }) => {
    const settings = await settingsOf(terminal, gatewaySettings, args)
    const log = await logOf(settings['log.level'])
    const account = await accountOf(terminal, settings)
    return runRole(() => startGateway({ settings, account, log }), {
      ...{ signal, log, grace: settings.shutdown_grace },
    })
  },
})

const gatewayKey: CommandDef = command({
  name: 'key',
  example: 'newton-policy gateway key',
  description: 'Make an API key for a caller, and the hash that callers.keys takes',
  args: {},
  run: () => {
    const key = toHex(crypto.getRandomValues(new Uint8Array(32))).slice(2)
    const hash = hashApiKey(key)
    return { data: { key, hash }, text: `key   ${key}\nhash  ${hash}` }
  },
})

const runChallenger: CommandDef = command({
  name: 'run',
  example: 'newton-policy challenger run --config challenger.toml',
  description: 'Run a challenger until SIGTERM; JSON lines on stdout',
  args: settingsArgs(challengerSettings),
  run: async ({ args, terminal, signal }) => {
    const settings = await settingsOf(terminal, challengerSettings, args)
    const log = await logOf(settings['log.level'])
    const account = await accountOf(terminal, settings)
    return runRole(() => startChallenger({ settings, account, log }), {
      ...{ signal, log, grace: settings.shutdown_grace },
    })
  },
})

const runReplica: CommandDef = command({
  name: 'run',
  example: 'newton-policy replica run --config replica.toml',
  description: 'Run a replica until SIGTERM, a bootnode with --serve true; JSON lines on stdout',
  args: settingsArgs(replicaSettings),
  run: async ({ args, terminal, signal }) => {
    const settings = await settingsOf(terminal, replicaSettings, args)
    const log = await logOf(settings['log.level'])
    return runRole(() => startReplica({ settings, log }), {
      ...{ signal, log, grace: settings.shutdown_grace },
    })
  },
})

/** `gateway`. */
export const gateway: CommandDef = group('gateway', 'Run a gateway', {
  run: async () => runGateway,
  key: async () => gatewayKey,
})

/** `challenger`. */
export const challenger: CommandDef = group('challenger', 'Run a challenger', {
  run: async () => runChallenger,
})

/** `replica`. */
export const replica: CommandDef = group('replica', 'Run a replica or bootnode', {
  run: async () => runReplica,
})
