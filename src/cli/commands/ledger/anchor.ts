/** `ledger anchor`: checkpoints of the meta log outside the ledger. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { LedgerRecord } from '../../../core/interfaces/ledgerSink.js'
import {
  createLedgerSink,
  httpLedgerTarget,
  logReader,
  memoryOutbox,
  verifyCheckpoint,
} from '../../../ledger/index.js'
import { opensslEventSigner } from '../../../ledger/node/index.js'
import { UsageError } from '../../errors.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal, toJson } from '../../terminal/output.js'
import { type Anchored, placeArgs, placeOf, upgraded } from './anchorPlaces.js'
import { filesOf, readerArgs, seedOf, trustOf } from './sources.js'

/** `ledger anchor`. */
export const anchor: CommandDef = command({
  name: 'anchor',
  example:
    'newton-policy ledger anchor https://ledger.example --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0 --chain sepolia',
  description:
    'Anchor the newest checkpoint outside the ledger: in CheckpointAnchor, which refuses a rewritten log, in a Rekor log, or under OpenTimestamps',
  args: {
    ...readerArgs,
    out: { type: 'string', description: 'Where to write the receipt, as JSON', valueHint: 'file' },
    upgrade: {
      type: 'string',
      description:
        'Receipt of OpenTimestamps: ask its calendars for the proof under a block; exit code 5 where there is none yet',
      valueHint: 'file',
    },
    key: {
      type: 'string',
      description: 'File with the seed of an auditor: the receipt is then an event of the ledger',
      valueHint: 'file',
    },
    module: { type: 'string', description: 'Tenant of the ledger, with --key', default: 'eval' },
    ...placeArgs,
  },
  run: async ({ args, terminal, signal }) => {
    if (args.key !== undefined && !/^https?:\/\//.test(args.source)) {
      throw new UsageError('With --key the ledger is named by its URL: its directory has a writer.')
    }
    const { upgrade } = args
    if (upgrade !== undefined) {
      if (args.to !== 'opentimestamps') {
        throw new UsageError('--upgrade goes with --to opentimestamps.')
      }
      const found = await upgraded(terminal, { args, path: upgrade }, { signal })
      if (found !== undefined) return kept(terminal, { args, anchored: found, signal })
      const text = 'no calendar has a block for it yet: ask again some hours after it was anchored'
      return { data: { receipt: null }, text, exitCode: exitCodes.tryAgain }
    }
    const store = await filesOf(terminal, args.source)
    const file = await store.read('meta/checkpoint', { signal })
    if (file === undefined) {
      return { data: {}, text: 'no checkpoint yet', exitCode: exitCodes.notFound }
    }
    const opened = verifyCheckpoint(file.bytes, await trustOf(terminal, args))
    if (opened.status !== 'verified' || opened.checkpoint.origin !== `${args.ledger}/meta`) {
      const reason = opened.status === 'verified' ? 'origin' : opened.reason
      return { data: { reason }, text: `not verified: ${reason}`, exitCode: exitCodes.denied }
    }
    const { checkpoint } = opened
    const read = async (path: string) => (await store.read(`meta/${path}`))?.bytes
    const candidate = {
      ...{ note: new TextDecoder().decode(file.bytes), checkpoint },
      reader: logReader({ checkpoint, read }),
    }
    const place = await placeOf(terminal, args)
    const anchored = await place(candidate, { signal })
    return kept(terminal, { args, anchored, signal })
  },
})

/** Writes the receipt where it was asked for, and its event with `--key`. */
async function kept(
  terminal: Terminal,
  given: {
    args: {
      source: string
      ledger: string
      module: string
      out?: string | undefined
      key?: string | undefined
    }
    anchored: Anchored
    signal: AbortSignal
  },
): Promise<CommandResult> {
  const { args, anchored, signal } = given
  const { receipt, how } = anchored
  // Before anything else: it may be all that is left of what was done.
  if (args.out !== undefined) {
    await writeFile(resolve(terminal.cwd, args.out), `${toJson(receipt)}\n`)
  }
  const { key } = args
  const record = key === undefined ? undefined : await anchored.record()
  const event =
    record === undefined || key === undefined
      ? undefined
      : await recordAt(terminal, { ...args, key }, { record, signal })
  return { data: { receipt, event }, text: `${receipt.origin} at ${receipt.size}: ${how}` }
}

/** Delivers one record, or says why not. */
async function recordAt(
  terminal: Terminal,
  args: { source: string; ledger: string; module: string; key: string },
  { record, signal }: { record: LedgerRecord; signal: AbortSignal },
): Promise<string> {
  const refusals: string[] = []
  const failures: unknown[] = []
  const ending = new AbortController()
  const sink = createLedgerSink({
    ledger: args.ledger,
    outbox: memoryOutbox(),
    target: httpLedgerTarget({ url: args.source, moduleId: args.module }),
    signer: opensslEventSigner(await seedOf(terminal, args.key)),
    onRefused: (_, { code, detail }) => refusals.push(`${code}: ${detail}`),
    onError: (error) => {
      failures.push(error)
      // Nothing keeps the record once this command has ended: it is told, and not waited for.
      if (failures.length > 5) ending.abort()
    },
  })
  const stop = (): void => ending.abort()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const { eventId } = await sink.record(record)
    const given = new Promise<void>((done) => {
      ending.signal.addEventListener('abort', () => done(), { once: true })
    })
    await Promise.race([sink.flush(), given])
    signal.throwIfAborted()
    if (refusals[0] !== undefined) {
      throw new UsageError(`It is anchored; the ledger refuses the event: ${refusals[0]}.`)
    }
    if (ending.signal.aborted) throw failures.at(-1)
    return eventId
  } finally {
    await sink.close()
  }
}
