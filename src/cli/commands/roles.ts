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
import { accountOf, runCommand } from './run.js'

const runGateway: CommandDef = runCommand({
  role: 'gateway',
  description: 'Run a gateway until SIGTERM; JSON lines on stdout',
  table: gatewaySettings,
  start: async ({ settings, terminal, log }) =>
    startGateway({ settings, account: await accountOf(terminal, settings), log }),
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

const runChallenger: CommandDef = runCommand({
  role: 'challenger',
  description: 'Run a challenger until SIGTERM; JSON lines on stdout',
  table: challengerSettings,
  start: async ({ settings, terminal, log }) =>
    startChallenger({ settings, account: await accountOf(terminal, settings), log }),
})

const runReplica: CommandDef = runCommand({
  role: 'replica',
  description: 'Run a replica until SIGTERM, a bootnode with --serve true; JSON lines on stdout',
  table: replicaSettings,
  start: ({ settings, log }) => startReplica({ settings, log }),
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
