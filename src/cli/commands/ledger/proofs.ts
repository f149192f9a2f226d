/** Proving events, and verifying ledgers. */

import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import {
  fsck,
  parseNoteKey,
  readCut,
  rebuildRoots,
  replayLedger,
  verifyTlogProof,
} from '../../../ledger/index.js'
import { opensslVerify, posixTiles } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { readBytes } from '../../files.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { exitCodes } from '../../terminal/output.js'
import {
  checkpointKeysOf,
  filesOf,
  ledgerArgs,
  readerArgs,
  trustOf,
  withLedger,
} from './sources.js'

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

export const replay: CommandDef = command({
  name: 'replay',
  example:
    'newton-policy ledger replay https://ledger.example --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0',
  description:
    'Verify every event again, under what the events before it say, and give the state’s root',
  args: {
    ...readerArgs,
    to: { type: 'string', description: 'Place of the first event that is left out' },
  },
  run: async ({ args, terminal, signal }) => {
    const to = args.to === undefined ? undefined : BigInt(wholeNumber('to', args.to, 6))
    const { ledger } = args
    const store = filesOf(terminal, args.source)
    const cut = await readCut({ store, ledger, trust: await trustOf(terminal, args) }, signal)
    if (cut === undefined) {
      return { data: { events: 0 }, text: 'no event yet', exitCode: exitCodes.notFound }
    }
    const parameters = { store, ledger, cut, to, schemas: await loadEventSchemas() }
    const wrong = await rebuildRoots({ store, cut }, signal)
    const { rows, ...result } = await replayLedger(
      { ...parameters, verify: opensslVerify() },
      signal,
    )
    const faults = [
      ...wrong.map((log) => `FAULT ${log}: its entries do not have the root that was recorded`),
      ...result.faults.map(({ seq, kind, detail }) => `FAULT event ${seq}, ${kind}: ${detail}`),
    ]
    const root = `${result.events} events, state root ${result.state_root}`
    const exitCode = faults.length === 0 ? exitCodes.done : exitCodes.denied
    return {
      data: { ...result, state: rows, wrongRoots: wrong },
      text: [...faults, root].join('\n'),
      exitCode,
    }
  },
})
