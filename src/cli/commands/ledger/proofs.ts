/** Verifying what a ledger says: files, proofs, a bundle. */
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import {
  type CheckpointTrust,
  fsck,
  parseNoteKey,
  verifyEventProof,
  verifyTlogProof,
} from '../../../ledger/index.js'
import { opensslVerify, posixTiles } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal } from '../../terminal/output.js'
import {
  checkpointKeysOf,
  ledgerArgs,
  metaKeyOf,
  ownReaderArgs,
  policyArg,
  requireLedger,
  trustOf,
} from './sources.js'

export const check: CommandDef = command({
  name: 'fsck',
  example:
    'newton-policy ledger fsck ./ledger --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0',
  description: 'Derive every file, root and event again, and name what is wrong',
  args: {
    ...{ directory: ledgerArgs.directory, ledger: ledgerArgs.ledger, log: ownReaderArgs.log },
    'checkpoint-key': ownReaderArgs['checkpoint-key'],
  },
  run: async ({ args, terminal, signal }) => {
    const keys = checkpointKeysOf(args.ledger, await metaKeyOf(terminal, args))
    const store = posixTiles({ directory: resolve(terminal.cwd, args.directory) })
    await requireLedger(store, args.directory)
    const report = await fsck(
      {
        ...{ store, ledger: args.ledger, keys },
        ...{ schemas: await loadEventSchemas(), verify: opensslVerify() },
      },
      { signal },
    )
    const lines = report.faults.map(({ path, fault }) => `FAULT ${path} ${fault}`)
    const isClean = report.status === 'clean'
    const text = isClean ? `clean: ${report.events} events` : lines.join('\n')
    return { data: report, text, exitCode: isClean ? exitCodes.done : exitCodes.failure }
  },
})

export const verify: CommandDef = command({
  name: 'verify',
  example:
    'newton-policy ledger verify event.proof event.proof.entry event.proof.meta event.proof.meta.entry --log ledger.example/eval/meta+33d7b496+AdBv0 --policy trust.txt',
  description:
    'Verify offline, with the published key: an event by both its proofs, or one tlog-proof of an entry',
  args: {
    proof: { type: 'positional', description: 'The proof', required: true },
    entry: { type: 'positional', description: 'The entry', required: true },
    meta: { type: 'positional', description: 'The proof of its MetaRoot record', required: false },
    record: { type: 'positional', description: 'The MetaRoot record', required: false },
    log: {
      type: 'string',
      description: 'Verifier key of the log; of the meta log for both proofs',
      required: true,
    },
    policy: policyArg,
  },
  run: async ({ args, terminal }) => {
    const { meta, record } = args
    const trust = await trustOf(terminal, args)
    const [file, entry] = [
      await readBytes(terminal, args.proof),
      await readBytes(terminal, args.entry),
    ]
    if (meta !== undefined && record !== undefined) {
      return verifyBoth(terminal, { ...args, file, entry, meta, record, trust })
    }
    if (meta !== undefined) throw new UsageError('Both proofs are four files: see --help.')
    const result = verifyTlogProof({ file, entry, trust })
    if (result.status !== 'verified') {
      return { data: result, text: `invalid: ${result.reason}`, exitCode: exitCodes.denied }
    }
    const { size, origin } = result.checkpoint
    const cosigned = result.cosigned.map(({ key }) => key.name)
    const text = `verified: entry ${result.index} of ${origin} at ${size}${by(cosigned)}`
    return { data: { status: 'verified', index: result.index, origin, size, cosigned }, text }
  },
})

async function verifyBoth(
  terminal: Terminal,
  given: {
    log: string
    file: Uint8Array
    entry: Uint8Array
    meta: string
    record: string
    trust: CheckpointTrust
  },
): Promise<CommandResult> {
  const { log, file, entry, meta, record, trust } = given
  const { name } = parseNoteKey(log)
  if (!name.endsWith('/meta')) throw new UsageError('For both proofs --log is the meta log’s key.')
  const utf8 = new TextDecoder()
  const verdict = verifyEventProof({
    ...{ ledger: name.slice(0, -'/meta'.length), trust },
    proof: {
      ...{ entry, domainProof: utf8.decode(file) },
      metaProof: utf8.decode(await readBytes(terminal, meta)),
      metaRecord: await readBytes(terminal, record),
    },
  })
  if (verdict.status !== 'verified') {
    const text = `invalid: ${verdict.check}: ${verdict.reason}`
    return { data: verdict, text, exitCode: exitCodes.denied }
  }
  const { event, domain, index, meta: checkpoint } = verdict
  const { event_id: eventId, timestamp, key_id: keyId, schema_version: type } = event
  const cosigned = verdict.cosigned.map(({ key }) => key.name)
  return {
    data: {
      ...{ status: 'verified', eventId, type, timestamp, keyId, domain, index, cosigned },
      meta: { origin: checkpoint.origin, size: checkpoint.size },
    },
    text: `verified: ${type} ${eventId} of ${timestamp}, by ${keyId}, entry ${index} of ${domain}, under ${checkpoint.origin} at ${checkpoint.size}${by(cosigned)}`,
  }
}

/** Who cosigned, as part of a line. */
function by(cosigned: readonly string[]): string {
  return cosigned.length === 0 ? '' : `, cosigned by ${cosigned.join(', ')}`
}
