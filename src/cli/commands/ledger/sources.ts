/** What the commands of the ledger share: its directory, its keys, its files from anywhere. */
import { resolve } from 'node:path'
import type { TileReader } from '../../../core/interfaces/tileStore.js'
import {
  type CheckpointTrust,
  eventDomains,
  httpTiles,
  keyOfLog,
  type Ledger,
  type NoteKey,
  noteSigner,
  parseNoteKey,
  parseTlogPolicy,
} from '../../../ledger/index.js'
import { openLedger, posixTiles } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { LedgerNotFoundError, UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { heed } from '../../terminal/interrupt.js'
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

const source = {
  type: 'positional',
  description: 'The ledger’s directory, or the URL that serves it',
  required: true,
} as const
const log = {
  type: 'string',
  description: 'Verifier key of the meta log, as `ledger init` prints it',
  valueHint: 'key',
} as const

/** A trust file in place of the log's own word. */
export const policyArg = {
  type: 'string',
  description: 'Trust file (C2SP tlog-policy) that names witnesses; in place of the log alone',
  valueHint: 'file',
} as const

/** Options of commands that only read, and believe the meta log’s key alone. */
export const readerArgs = {
  source,
  ledger: name,
  log: { ...log, required: true },
  policy: policyArg,
} as const

/** The same for what the holder of the checkpoints' seed does as well: either key is enough. */
export const ownReaderArgs = {
  source,
  ledger: name,
  log,
  policy: policyArg,
  'checkpoint-key': {
    type: 'string',
    description: 'File with the seed of the checkpoints, in place of --log',
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

/** Opens the ledger, and closes it whatever becomes of the work. Only `make` makes one where none is. */
export async function withLedger<result>(
  terminal: Terminal,
  args: { directory: string; ledger: string; 'checkpoint-key': string },
  work: (ledger: Ledger) => Promise<result>,
  options: { make?: boolean } = {},
): Promise<result> {
  const checkpointSeed = await seedOf(terminal, args['checkpoint-key'])
  const directory = resolve(terminal.cwd, args.directory)
  if (options.make !== true) await requireLedger(posixTiles({ directory }), args.directory)
  const schemas = await loadEventSchemas()
  await heed(terminal.signal)
  const ledger = await openLedger({ directory, ledger: args.ledger, checkpointSeed, schemas })
  try {
    // What is recorded stays: nothing is signed for who has gone meanwhile.
    await heed(terminal.signal)
    return await work(ledger)
  } finally {
    await ledger.close()
  }
}

/** Refuses a place where no ledger is: opening or reading it would look like an empty one. */
export async function requireLedger(store: TileReader, source: string): Promise<void> {
  for (const path of ['meta/checkpoint', '.state/head']) {
    if ((await store.read(path)) !== undefined) return
  }
  throw new LedgerNotFoundError({ source })
}

/** Files of a ledger, by directory or URL. */
export async function filesOf(terminal: Terminal, source: string): Promise<TileReader> {
  if (/^https?:\/\//.test(source)) {
    const served = httpTiles({ url: source })
    if ((await served.read('meta/checkpoint')) === undefined) {
      throw new LedgerNotFoundError({ source })
    }
    return served
  }
  const store = posixTiles({ directory: resolve(terminal.cwd, source) })
  await requireLedger(store, source)
  return store
}

/** The public key of the meta log, from --log or from the checkpoints' seed. */
export async function metaKeyOf(
  terminal: Terminal,
  args: { ledger: string; log?: string | undefined; 'checkpoint-key'?: string | undefined },
): Promise<NoteKey> {
  const { log, 'checkpoint-key': seed } = args
  const origin = `${args.ledger}/meta`
  if (log === undefined && seed === undefined) {
    throw new UsageError('Give --log, the verifier key of the meta log, or --checkpoint-key.')
  }
  const key =
    log === undefined
      ? noteSigner({ name: origin, seed: await seedOf(terminal, seed as string) }).key
      : parseNoteKey(log)
  if (key.name === origin) return key
  throw new UsageError(`--log is the key of ${key.name}, and the meta log is ${origin}.`)
}

/** Whom to believe about the meta log. */
export async function trustOf(
  terminal: Terminal,
  args: { log: string; policy?: string | undefined },
): Promise<CheckpointTrust> {
  return trustIn(terminal, { key: parseNoteKey(args.log), policy: args.policy })
}

/** A log's key alone, or a trust file that has to name it. */
export async function trustIn(
  terminal: Terminal,
  { key, policy: path }: { key: NoteKey; policy?: string | undefined },
): Promise<CheckpointTrust> {
  if (path === undefined) return { log: key }
  const policy = parseTlogPolicy(await readBytes(terminal, path))
  if (policy.logs.some((log) => log.key.id === key.id && log.key.name === key.name)) return policy
  throw new UsageError(`${path} does not name the log of --log.`)
}

/** Keys of all logs of a ledger: they are one key under the names of the logs. */
export function checkpointKeysOf(ledger: string, meta: NoteKey): Map<string, NoteKey> {
  return new Map([...eventDomains, 'meta'].map((log) => [log, keyOfLog(meta, `${ledger}/${log}`)]))
}
