/** Writing to a ledger in a directory. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import {
  type EventDomain,
  type EventSigner,
  formatNoteKey,
  keyIdOf,
  type Ledger,
  prepareEvent,
  prepareGenesis,
  prepareKeyEvent,
  type SubmitResult,
} from '../../../ledger/index.js'
import { opensslEventSigner } from '../../../ledger/node/index.js'
import { UsageError } from '../../errors.js'
import { readJsonObject } from '../../files.js'
import { command } from '../../terminal/command.js'
import { exitCodes } from '../../terminal/output.js'
import { ledgerArgs, seedOf, withLedger } from './sources.js'

const grantable = [
  ...(['admin', 'operator', 'gateway', 'challenger', 'auditor', 'builder'] as const),
]

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

export const newKey: CommandDef = command({
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

export const init: CommandDef = command({
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
    return withLedger(
      terminal,
      args,
      async (ledger) => {
        if (ledger.head() !== undefined) {
          throw new UsageError(`There is a ledger in ${args.directory} already.`)
        }
        const meta = ledger.signers.get('meta')?.key
        const checkpointKey = meta === undefined ? '' : formatNoteKey(meta)
        const genesis = prepareGenesis({
          ...{ ledger: args.ledger, publicKey: signer.publicKey, checkpointKey },
        })
        const result = resultOf(await ledger.record(genesis, { signer }))
        return { ...result, data: { checkpointKey, result: result.data }, text: checkpointKey }
      },
      { make: true },
    )
  },
})

export const grant: CommandDef = command({
  name: 'grant',
  example:
    'newton-policy ledger grant ./ledger --ledger ledger.example/eval --checkpoint-key log.seed --key admin.seed --new operator.seed --role operator',
  description: 'Let a key write to the ledger, or take the place of another one',
  args: {
    ...ledgerArgs,
    key: {
      type: 'string',
      description: 'File with the seed of an admin, or of genesis for the first one',
      required: true,
      valueHint: 'file',
    },
    new: {
      type: 'string',
      description: 'File with the seed of the new key, which proves that it is held',
      required: true,
      valueHint: 'file',
    },
    role: { type: 'string', description: grantable.join(', '), required: true },
    replaces: {
      type: 'string',
      description: 'Id of the key that ends with this',
      valueHint: 'sha256:…',
    },
  },
  run: async ({ args, terminal }) => {
    const role = grantable.find((one) => one === args.role)
    if (role === undefined) throw new UsageError(`--role is one of ${grantable.join(', ')}.`)
    const signer = opensslEventSigner(await seedOf(terminal, args.key))
    const key = opensslEventSigner(await seedOf(terminal, args.new))
    return withLedger(terminal, args, async (ledger) => {
      const prepared = await prepareKeyEvent({
        ...{ ledger: args.ledger, key, role, by: signer.publicKey, oldKeyId: args.replaces },
      })
      return resultOf(await ledger.record(prepared, { signer }))
    })
  },
})

export const append: CommandDef = command({
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
