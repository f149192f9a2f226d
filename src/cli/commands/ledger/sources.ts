/** What the commands of the ledger share: its directory, its keys, its files from anywhere. */
import { resolve } from 'node:path'
import type { TileReader } from '../../../core/interfaces/tileStore.js'
import {
  type CheckpointTrust,
  checkpointSigners,
  httpTiles,
  type Ledger,
  parseNoteKey,
  parseTlogPolicy,
} from '../../../ledger/index.js'
import { openLedger, posixTiles } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import type { Terminal } from '../../terminal/output.js'

const name = {
  type: 'string',
  description: 'Name of the ledger, which its origins start with',
  required: true,
  valueHint: 'name',
} as const

/** Options of commands that write. */
export const ledgerArgs = {
  directory: { type: 'positional', description: 'The ledger’s directory', required: true },
  ledger: name,
  'checkpoint-key': {
    type: 'string',
    description: 'File with the 32-byte seed of the checkpoints, in hex',
    required: true,
    valueHint: 'file',
  },
} as const

/** Options of commands that only read, and believe the meta log’s key alone. */
export const readerArgs = {
  source: {
    type: 'positional',
    description: 'The ledger’s directory, or the URL that serves it',
    required: true,
  },
  ledger: name,
  log: {
    type: 'string',
    description: 'Verifier key of the meta log, as `ledger init` prints it',
    required: true,
    valueHint: 'key',
  },
  policy: {
    type: 'string',
    description: 'Trust file (C2SP tlog-policy) that names witnesses; in place of the log alone',
    valueHint: 'file',
  },
} as const

/** Where a server of the ledger listens. */
export const listenArgs = {
  host: { type: 'string', description: 'Address to listen at', default: '127.0.0.1' },
  port: { type: 'string', description: 'Port to listen at; 0 for any free one', default: '8730' },
} as const

/** A 32-byte seed in a file: 64 hex digits. */
export async function seedOf(terminal: Terminal, path: string): Promise<Uint8Array> {
  const text = new TextDecoder().decode(await readBytes(terminal, path)).trim()
  if (!/^(?:0x)?[0-9a-f]{64}$/i.test(text)) {
    throw new UsageError(`${path} does not hold a seed: 64 hex digits.`)
  }
  return Uint8Array.from(Buffer.from(text.replace(/^0x/, ''), 'hex'))
}

/** Opens the ledger, and closes it whatever becomes of the work. */
export async function withLedger<result>(
  terminal: Terminal,
  args: { directory: string; ledger: string; 'checkpoint-key': string },
  work: (ledger: Ledger) => Promise<result>,
): Promise<result> {
  const ledger = await openLedger({
    directory: resolve(terminal.cwd, args.directory),
    ledger: args.ledger,
    checkpointSeed: await seedOf(terminal, args['checkpoint-key']),
    schemas: await loadEventSchemas(),
  })
  try {
    return await work(ledger)
  } finally {
    await ledger.close()
  }
}

/** Files of a ledger, by directory or URL. */
export function filesOf(terminal: Terminal, source: string): TileReader {
  return /^https?:\/\//.test(source)
    ? httpTiles({ url: source })
    : posixTiles({ directory: resolve(terminal.cwd, source) })
}

/** Whom to believe about the meta log. */
export async function trustOf(
  terminal: Terminal,
  args: { log: string; policy?: string | undefined },
): Promise<CheckpointTrust> {
  if (args.policy === undefined) return { log: parseNoteKey(args.log) }
  const policy = parseTlogPolicy(await readBytes(terminal, args.policy))
  const { id, name: origin } = parseNoteKey(args.log)
  if (policy.logs.some(({ key }) => key.id === id && key.name === origin)) return policy
  throw new UsageError(`${args.policy} does not name the log of --log.`)
}

/** Keys of all logs of a ledger, from the seed of its checkpoints. */
export async function checkpointKeysOf(
  terminal: Terminal,
  args: { ledger: string; 'checkpoint-key': string },
) {
  const signers = checkpointSigners(args.ledger, await seedOf(terminal, args['checkpoint-key']))
  return new Map([...signers].map(([log, { key }]) => [log, key]))
}
