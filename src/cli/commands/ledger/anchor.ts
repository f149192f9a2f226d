/** `ledger anchor`: checkpoints of the meta log on a chain. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import {
  anchorRecord,
  type ChainAnchorReceipt,
  createLedgerSink,
  httpLedgerTarget,
  logReader,
  memoryOutbox,
  verifyCheckpoint,
} from '../../../ledger/index.js'
import { opensslEventSigner } from '../../../ledger/node/index.js'
import { createChainAnchor } from '../../../registry/index.js'
import { chainArgs, chainOf, writeClientOf } from '../../config/chain.js'
import { signerArgs, signerOf } from '../../config/credentials.js'
import { UsageError } from '../../errors.js'
import { command } from '../../terminal/command.js'
import { exitCodes, type Terminal } from '../../terminal/output.js'
import { filesOf, readerArgs, seedOf, trustOf } from './sources.js'

/** `ledger anchor`. */
export const anchor: CommandDef = command({
  name: 'anchor',
  example:
    'newton-policy ledger anchor https://ledger.example --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0 --chain sepolia',
  description: 'Anchor the newest checkpoint in CheckpointAnchor, which refuses a rewritten log',
  args: {
    ...readerArgs,
    out: { type: 'string', description: 'Where to write the receipt, as JSON', valueHint: 'file' },
    key: {
      type: 'string',
      description: 'File with the seed of an auditor: the receipt is then an event of the ledger',
      valueHint: 'file',
    },
    module: { type: 'string', description: 'Tenant of the ledger, with --key', default: 'eval' },
    ...chainArgs,
    ...signerArgs,
  },
  run: async ({ args, terminal, signal }) => {
    if (args.key !== undefined && !/^https?:\/\//.test(args.source)) {
      throw new UsageError('With --key the ledger is named by its URL: its directory has a writer.')
    }
    const store = filesOf(terminal, args.source)
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
    const target = await chainOf(terminal, args)
    const account = await signerOf(terminal, { args, profile: target.profile })
    const client = writeClientOf(terminal, { target, account })
    const { addresses, fromBlock } = target
    const receipt = (await createChainAnchor({ client, addresses, fromBlock }).anchor(
      {
        ...{ note: new TextDecoder().decode(file.bytes), checkpoint },
        reader: logReader({
          checkpoint,
          read: async (path) => (await store.read(`meta/${path}`))?.bytes,
        }),
      },
      { signal },
    )) as ChainAnchorReceipt
    if (args.out !== undefined) {
      const text = JSON.stringify(receipt, (_, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : value,
      )
      await writeFile(resolve(terminal.cwd, args.out), `${text}\n`)
    }
    const { transactionHash } = receipt
    let event: string | undefined
    if (args.key !== undefined && transactionHash !== undefined) {
      const { blockNumber } = await target.client.getTransactionReceipt({ hash: transactionHash })
      const record = anchorRecord({ ...receipt, transactionHash }, { blockNumber })
      event = await recordAt(terminal, { ...args, key: args.key }, { record, signal })
    }
    const how =
      transactionHash === undefined ? 'was anchored before' : `anchored by ${transactionHash}`
    const text = `${checkpoint.origin} at ${checkpoint.size}: ${how}`
    return { data: { receipt, event }, text }
  },
})

/** Delivers one record, or says why not. */
async function recordAt(
  terminal: Terminal,
  args: { source: string; ledger: string; module: string; key: string },
  { record, signal }: { record: ReturnType<typeof anchorRecord>; signal: AbortSignal },
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
