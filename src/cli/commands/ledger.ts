/** `ledger`: the evaluation ledger in a directory. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import {
  checkpointSigners,
  type EventDomain,
  type EventSigner,
  formatNoteKey,
  fsck,
  keyIdOf,
  type Ledger,
  parseNoteKey,
  prepareEvent,
  type SubmitResult,
  verifyTlogProof,
} from '../../ledger/index.js'
import {
  openLedger,
  opensslEventSigner,
  opensslVerify,
  posixTiles,
} from '../../ledger/node/index.js'
import { loadEventSchemas } from '../../ledger/schemas/index.js'
import { UsageError } from '../errors.js'
import { readBytes, readJsonObject } from '../files.js'
import { command, group } from '../terminal/command.js'
import { exitCodes, type Terminal } from '../terminal/output.js'

const ledgerArgs = {
  directory: { type: 'positional', description: 'The ledger’s directory', required: true },
  ledger: {
    type: 'string',
    description: 'Name of the ledger, which its origins start with',
    required: true,
    valueHint: 'name',
  },
  'checkpoint-key': {
    type: 'string',
    description: 'File with the 32-byte seed of the checkpoints, in hex',
    required: true,
    valueHint: 'file',
  },
} as const

/** A 32-byte seed in a file: 64 hex digits. */
async function seedOf(terminal: Terminal, path: string): Promise<Uint8Array> {
  const text = new TextDecoder().decode(await readBytes(terminal, path)).trim()
  if (!/^(?:0x)?[0-9a-f]{64}$/i.test(text)) {
    throw new UsageError(`${path} does not hold a seed: 64 hex digits.`)
  }
  return Uint8Array.from(Buffer.from(text.replace(/^0x/, ''), 'hex'))
}

/** Opens the ledger, and closes it whatever becomes of the work. */
async function withLedger<result>(
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

async function record(
  ledger: Ledger,
  event: { domain: EventDomain; schemaVersion: string; fields: object; signer: EventSigner },
): Promise<SubmitResult> {
  const { signer, fields, ...rest } = event
  const { payload } = prepareEvent({
    ...rest,
    fields: fields as never,
    ledger: ledger.ledger,
    publicKey: signer.publicKey,
  })
  return ledger.record({ payload }, { signer })
}

/** What was taken, or why not. */
function resultOf(result: SubmitResult) {
  if ('code' in result) {
    const text = `refused: ${result.code}: ${result.detail}`
    return { data: result, text, exitCode: exitCodes.denied }
  }
  const { event, seq, domain, index } = result.receipt
  const text = `${event.event_id} is event ${seq}, entry ${index} of ${domain}`
  return { data: result, text }
}

const newKey = command({
  name: 'key',
  example: 'newton-policy ledger key operator.seed',
  description: 'Make a key for events or checkpoints: a 32-byte seed in a file of its owner alone',
  args: { file: { type: 'positional', description: 'Where to write it', required: true } },
  run: async ({ args, terminal }) => {
    const seed = randomBytes(32)
    await writeFile(resolve(terminal.cwd, args.file), `${seed.toString('hex')}\n`, {
      flag: 'wx',
      mode: 0o600,
    })
    const { publicKey } = opensslEventSigner(Uint8Array.from(seed))
    const keyId = keyIdOf(publicKey)
    return { data: { file: args.file, keyId }, text: keyId }
  },
})

const init = command({
  name: 'init',
  example:
    'newton-policy ledger init ./ledger --ledger ledger.example/eval --checkpoint-key log.seed --key genesis.seed',
  description: 'Make a ledger: its logs, and the first event',
  args: {
    ...ledgerArgs,
    key: {
      type: 'string',
      description: 'File with the seed of the genesis key, which adds the first admin',
      required: true,
      valueHint: 'file',
    },
  },
  run: async ({ args, terminal }) => {
    const signer = opensslEventSigner(await seedOf(terminal, args.key))
    return withLedger(terminal, args, async (ledger) => {
      if (ledger.head() !== undefined) {
        throw new UsageError(`There is a ledger in ${args.directory} already.`)
      }
      const meta = ledger.signers.get('meta')?.key
      const checkpointKey = meta === undefined ? '' : formatNoteKey(meta)
      const fields = {
        profile: 'newton-ledger/1',
        domains: ['agents', 'audit', 'context', 'decisions'],
        checkpoint_key: checkpointKey,
      }
      const genesis = { domain: 'audit', schemaVersion: 'ets.genesis/1', fields, signer } as const
      const result = resultOf(await record(ledger, genesis))
      return { ...result, data: { checkpointKey, result: result.data }, text: checkpointKey }
    })
  },
})

const append = command({
  name: 'append',
  example:
    'newton-policy ledger append ./ledger --ledger ledger.example/eval --checkpoint-key log.seed --key operator.seed --domain decisions --type newton.anomaly/1 --fields event.json',
  description: 'Sign an event and append it',
  args: {
    ...ledgerArgs,
    key: { type: 'string', description: 'File with the seed of the actor', required: true },
    domain: { type: 'string', description: 'agents, audit, context or decisions', required: true },
    type: { type: 'string', description: 'Type and version', required: true },
    fields: { type: 'string', description: 'JSON file, or JSON', required: true },
  },
  run: async ({ args, terminal }) => {
    const signer = opensslEventSigner(await seedOf(terminal, args.key))
    const fields = await readJsonObject(terminal, args.fields)
    return withLedger(terminal, args, async (ledger) => {
      const domain = args.domain as EventDomain
      return resultOf(await record(ledger, { domain, schemaVersion: args.type, fields, signer }))
    })
  },
})

const read = command({
  name: 'read',
  example:
    'newton-policy ledger read ./ledger --ledger ledger.example/eval --checkpoint-key log.seed --since 0',
  description: 'Print events in their order, one JSON object a line',
  args: {
    ...ledgerArgs,
    since: { type: 'string', description: 'Place of the first', default: '0' },
    limit: { type: 'string', description: 'Most events', default: '100' },
  },
  run: async ({ args, terminal, signal }) => {
    return withLedger(terminal, args, async (ledger) => {
      const limit = Number(args.limit)
      const { events, cursor } = await ledger.readSince(args.since, { limit, signal })
      const text = events.map(({ seq, event }) => JSON.stringify({ seq: `${seq}`, ...event }))
      return { data: { events, cursor }, text: text.join('\n') }
    })
  },
})

const check = command({
  name: 'fsck',
  example:
    'newton-policy ledger fsck ./ledger --ledger ledger.example/eval --checkpoint-key log.seed',
  description: 'Derive every file, root and event again, and name what is wrong',
  args: ledgerArgs,
  run: async ({ args, terminal, signal }) => {
    const signers = checkpointSigners(args.ledger, await seedOf(terminal, args['checkpoint-key']))
    const report = await fsck(
      {
        store: posixTiles({ directory: resolve(terminal.cwd, args.directory) }),
        ledger: args.ledger,
        keys: new Map([...signers].map(([name, { key }]) => [name, key])),
        schemas: await loadEventSchemas(),
        verify: opensslVerify(),
      },
      { signal },
    )
    const lines = report.faults.map(({ path, fault }) => `FAULT ${path} ${fault}`)
    const isClean = report.status === 'clean'
    const text = isClean ? `clean: ${report.events} events` : lines.join('\n')
    return { data: report, text, exitCode: isClean ? exitCodes.done : exitCodes.failure }
  },
})

const proof = command({
  name: 'proof',
  example:
    'newton-policy ledger proof ./ledger 01970000-0000-7000-8000-000000000000 --ledger ledger.example/eval --checkpoint-key log.seed --out event.proof',
  description: 'Write the entry of an event and its tlog-proof: FILE.entry and FILE',
  args: {
    directory: ledgerArgs.directory,
    event: { type: 'positional', description: 'Id of the event', required: true },
    ledger: ledgerArgs.ledger,
    'checkpoint-key': ledgerArgs['checkpoint-key'],
    out: { type: 'string', description: 'Where to write', required: true, valueHint: 'file' },
  },
  run: async ({ args, terminal }) => {
    return withLedger(terminal, args, async (ledger) => {
      const found = await ledger.prove(args.event)
      if (found === undefined || found === 'pending') {
        const text = found === undefined ? 'no such event' : 'not yet recorded in the meta log'
        return { data: { proof: null }, text, exitCode: exitCodes.notFound }
      }
      const out = resolve(terminal.cwd, args.out)
      await writeFile(out, found.domainProof)
      await writeFile(`${out}.entry`, found.entry)
      await writeFile(`${out}.meta`, found.metaProof)
      await writeFile(`${out}.meta.entry`, found.metaRecord)
      const files = [out, `${out}.entry`, `${out}.meta`, `${out}.meta.entry`]
      return { data: { files }, text: files.join('\n') }
    })
  },
})

const verify = command({
  name: 'verify',
  example:
    'newton-policy ledger verify event.proof event.proof.entry --log ledger.example/eval/decisions+33d7b496+AdBv0',
  description: 'Verify a tlog-proof of an entry offline, with the log’s published key',
  args: {
    proof: { type: 'positional', description: 'The proof', required: true },
    entry: { type: 'positional', description: 'The entry', required: true },
    log: { type: 'string', description: 'The log’s verifier key', required: true },
  },
  run: async ({ args, terminal }) => {
    const result = verifyTlogProof({
      file: await readBytes(terminal, args.proof),
      entry: await readBytes(terminal, args.entry),
      trust: { log: parseNoteKey(args.log) },
    })
    if (result.status !== 'verified') {
      return { data: result, text: `invalid: ${result.reason}`, exitCode: exitCodes.denied }
    }
    const { size, origin } = result.checkpoint
    const text = `verified: entry ${result.index} of ${origin} at ${size}`
    return { data: { status: 'verified', index: result.index, origin, size }, text }
  },
})

/** The commands of the ledger. */
export const ledger: CommandDef = group('ledger', 'What happened, provable to outsiders', {
  key: async () => newKey,
  init: async () => init,
  append: async () => append,
  read: async () => read,
  verify: async () => verify,
  fsck: async () => check,
  proof: async () => proof,
})
