/** Reading a ledger as everybody can: from its files, under its public key, beside whoever writes it. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { TileReader } from '../../../core/interfaces/tileStore.js'
import { bytesEqual } from '../../../internal/bytes.js'
import { pause } from '../../../internal/pause.js'
import {
  formatTlogProof,
  keyOfLog,
  LedgerLogError,
  type LogReader,
  logReader,
  type NoteKey,
  openCheckpoint,
  type PlacedEvent,
  readCut,
  type VerifiedCut,
  walkChain,
} from '../../../ledger/index.js'
import { logFiles } from '../../../ledger/writer/files/log.js'
import { UsageError } from '../../errors.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { exitCodes, type Terminal } from '../../terminal/output.js'
import { filesOf, metaKeyOf, ownReaderArgs, trustIn } from './sources.js'

type OpenFiles = { store: TileReader; key: NoteKey; cut: VerifiedCut | undefined }

type ReaderArgs = {
  source: string
  ledger: string
  log?: string | undefined
  policy?: string | undefined
  'checkpoint-key'?: string | undefined
}

/** The newest cut of a ledger, verified. */
async function openFiles(
  terminal: Terminal,
  args: ReaderArgs,
  signal: AbortSignal,
): Promise<OpenFiles> {
  const key = await metaKeyOf(terminal, args)
  const trust = await trustIn(terminal, { key, policy: args.policy })
  const store = await filesOf(terminal, args.source)
  return { store, key, cut: await readCut({ store, ledger: args.ledger, trust }, signal) }
}

/** A domain's log as a cut names it: what is read is proved against that root. */
function domainReader({ store, cut }: OpenFiles, domain: string): LogReader {
  const named = cut?.record.domains.find(({ name }) => name === domain)
  if (named === undefined) throw new LedgerLogError({ fault: 'missing', path: domain })
  const { size, root } = named
  return logReader({ checkpoint: { origin: domain, size, root }, read: logFiles(store, domain) })
}

/** Events in their order up to the newest cut, each with the bytes of its entry. */
function walk({ store, cut }: OpenFiles, signal: AbortSignal) {
  const sizes = new Map(cut?.record.domains.map(({ name, size }) => [name, size]))
  return walkChain({ store, sizes, until: cut === undefined ? 0n : cut.record.seq + 1n }, signal)
}

/** `ledger read`. */
export const read: CommandDef = command({
  name: 'read',
  example:
    'newton-policy ledger read ./ledger --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0 --since 0',
  description: 'Print events up to the newest recorded cut, in order, one JSON object a line',
  args: {
    ...ownReaderArgs,
    since: { type: 'string', description: 'Place of the first', default: '0' },
    limit: { type: 'string', description: 'Most events', default: '100' },
  },
  run: async ({ args, terminal, signal }) => {
    const since = BigInt(wholeNumber('since', args.since, 15))
    const limit = wholeNumber('limit', args.limit, 4)
    if (limit < 1 || limit > 1_000) throw new UsageError('--limit is 1 to 1000.')
    const files = await openFiles(terminal, args, signal)
    const readers = new Map<string, LogReader>()
    const events: PlacedEvent[] = []
    for await (const { entry, ...placed } of walk(files, signal)) {
      if (placed.seq < since) continue
      if (events.length === limit) break
      const { domain, index } = placed
      const reader = readers.get(domain) ?? domainReader(files, domain)
      readers.set(domain, reader)
      const proven = await reader.entry(index, { signal })
      if (!bytesEqual(proven.entry, entry)) {
        throw new LedgerLogError({ fault: 'inconsistent', path: `${domain} entry ${index}` })
      }
      events.push(placed)
    }
    const cursor = `${since + BigInt(events.length)}`
    const text = events.map(({ seq, event }) => JSON.stringify({ seq: `${seq}`, ...event }))
    return { data: { events, cursor }, text: text.join('\n') }
  },
})

/** `ledger proof`. */
export const proof: CommandDef = command({
  name: 'proof',
  example:
    'newton-policy ledger proof ./ledger 01970000-0000-7000-8000-000000000000 --ledger ledger.example/eval --log ledger.example/eval/meta+33d7b496+AdBv0 --out event.proof',
  description: 'Write an event and both its proofs: FILE, FILE.entry, FILE.meta, FILE.meta.entry',
  args: {
    source: ownReaderArgs.source,
    event: { type: 'positional', description: 'Id of the event', required: true },
    ledger: ownReaderArgs.ledger,
    log: ownReaderArgs.log,
    policy: ownReaderArgs.policy,
    'checkpoint-key': ownReaderArgs['checkpoint-key'],
    out: { type: 'string', description: 'Where to write', required: true, valueHint: 'file' },
  },
  run: async ({ args, terminal, signal }) => {
    const files = await settled(terminal, args, signal)
    const placed = await find(files, args.event, signal)
    if (placed === undefined || files.cut === undefined) {
      const text = 'no such event up to the newest recorded cut'
      return { data: { proof: null }, text, exitCode: exitCodes.notFound }
    }
    const { domain, index } = placed
    const own = await domainReader(files, domain).entry(index, { signal })
    const { meta, note, reader } = files.cut
    const last = meta.size - 1n
    const record = await reader.entry(last, { signal })
    const checkpoint = files.notes.get(domain)
    if (checkpoint === undefined) {
      const text = 'the ledger is written faster than it can be read here: ask it over HTTP'
      return { data: { proof: null }, text, exitCode: exitCodes.tryAgain }
    }
    const out = resolve(terminal.cwd, args.out)
    const written: [string, string | Uint8Array][] = [
      [out, formatTlogProof({ index, proof: own.proof, checkpoint })],
      [`${out}.entry`, own.entry],
      [`${out}.meta`, formatTlogProof({ index: last, proof: record.proof, checkpoint: note })],
      [`${out}.meta.entry`, record.entry],
    ]
    for (const [path, bytes] of written) await writeFile(path, bytes)
    const paths = written.map(([path]) => path)
    return { data: { files: paths }, text: paths.join('\n') }
  },
})

async function find(
  files: OpenFiles,
  eventId: string,
  signal: AbortSignal,
): Promise<PlacedEvent | undefined> {
  for await (const { entry: _, ...placed } of walk(files, signal)) {
    if (placed.event.event_id === eventId) return placed
  }
  return undefined
}

/** A cut whose sizes the domains' own checkpoints have: a ledger that is written may be ahead of it. */
async function settled(
  terminal: Terminal,
  args: ReaderArgs,
  signal: AbortSignal,
): Promise<OpenFiles & { notes: Map<string, string> }> {
  for (let tries = 0; ; tries += 1) {
    const files = await openFiles(terminal, args, signal)
    const notes = new Map<string, string>()
    for (const { name, size } of files.cut?.record.domains ?? []) {
      const file = await files.store.read(`${name}/checkpoint`, { signal })
      const log = keyOfLog(files.key, `${args.ledger}/${name}`)
      const opened = file && openCheckpoint(file.bytes, { log })
      if (file === undefined || opened?.status !== 'verified') {
        throw new LedgerLogError({ fault: 'malformed', path: `${name}/checkpoint` })
      }
      if (opened.checkpoint.size === size) notes.set(name, new TextDecoder().decode(file.bytes))
    }
    if (notes.size === (files.cut?.record.domains.length ?? 0) || tries === 40) {
      return { ...files, notes }
    }
    await pause(250, signal)
  }
}
