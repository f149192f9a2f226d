/** Proving events, and verifying ledgers. */

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import { fsck, parseNoteKey, verifyTlogProof } from '../../../ledger/index.js'
import { opensslVerify, posixTiles } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { exitCodes } from '../../terminal/output.js'
import { checkpointKeysOf, ledgerArgs, withLedger } from './sources.js'

export const check: CommandDef = command({
  name: 'fsck',
  example:
    'newton-policy ledger fsck ./ledger --ledger ledger.example/eval --checkpoint-key log.seed',
  description: 'Derive every file, root and event again, and name what is wrong',
  args: ledgerArgs,
  run: async ({ args, terminal, signal }) => {
    const report = await fsck(
      {
        store: posixTiles({ directory: resolve(terminal.cwd, args.directory) }),
        ledger: args.ledger,
        keys: await checkpointKeysOf(terminal, args),
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

export const proof: CommandDef = command({
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

export const verify: CommandDef = command({
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
