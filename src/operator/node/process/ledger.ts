/** The hook of a process into an evaluation ledger: outbox, salts and cursor in its data directory. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import { createLedgerSink, httpLedgerTarget } from '../../../ledger/index.js'
import { fileOutbox, opensslEventSigner, opensslVerify } from '../../../ledger/node/index.js'
import { ConfigurationError } from '../../errors.js'
import { createLedgerRecorder, type LedgerRecorder } from '../../ledger/recorder.js'
import type { RegistrationsParameters } from '../../ledger/registrations.js'
import { startLoop } from '../../roles/loop.js'
import { fileSalts } from '../ledgerSalts.js'
import { fileTextStore } from '../textStore.js'
import { type Closers, describeError, type LogHook } from './running.js'

/** What the hook is opened with; settings have all of it. */
export type LedgerSettings = {
  'ledger.url': string | undefined
  'ledger.name': string | undefined
  'ledger.module': string | undefined
  'ledger.key_file': string | undefined
}

/** An opened hook. */
export type OpenedLedger = {
  readonly recorder: LedgerRecorder
  /** Text for `/metrics`. */
  metrics(): string
}

/** Opens the hook; `undefined` where the settings name no ledger. */
export async function openLedgerHook(
  settings: LedgerSettings,
  parts: {
    directory: string
    closers: Closers
    log: LogHook
    registry: RegistryReader
    registrations?:
      | Pick<RegistrationsParameters, 'events' | 'startBlock' | 'confirmations'>
      | undefined
    /** Milliseconds between two looks for registrations. */
    interval: number
    /** Milliseconds for which a contradiction is tried again. */
    patience?: number | undefined
  },
): Promise<OpenedLedger | undefined> {
  const given = readLedgerSettings(settings)
  if (given === undefined) return undefined
  const { closers, log, registry, registrations, interval, patience } = parts
  const directory = join(parts.directory, 'ledger')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const outbox = await fileOutbox({ directory: join(directory, 'outbox') })
  let refused = 0
  const onError = (error: unknown): void =>
    log({ level: 'warn', event: 'ledger.delayed', ...describeError(error) })
  const sink = createLedgerSink({
    ...{ ledger: given.name, outbox, patience, onError },
    target: httpLedgerTarget({ url: given.url, moduleId: given.module }),
    signer: opensslEventSigner(await readSeed(given.keyFile)),
    verify: opensslVerify(),
    onTaken: ({ eventId, schemaVersion }, taken) => {
      const { key_id: keyId, schema_version: saidAs } = taken.by
      const told = { eventId, schemaVersion, recordedAs: taken.eventId, keyId, saidAs }
      log({ level: 'error', event: 'ledger.id_taken', ...told })
    },
    onRefused: ({ eventId, schemaVersion }, { code, detail }) => {
      // Somebody else has recorded the same: what happened is in the ledger.
      const level = code === 'event_id_conflict' ? 'debug' : 'error'
      if (level === 'error') refused += 1
      log({ level, event: 'ledger.refused', eventId, schemaVersion, code, detail })
    },
  })
  closers.add(sink.close)
  const recorder = createLedgerRecorder({
    ...{ sink, registry, onError },
    salts: fileSalts({ directory: join(directory, 'salts') }),
    ...(registrations === undefined
      ? {}
      : {
          registrations: {
            ...registrations,
            store: fileTextStore(join(directory, 'registrations.json')),
          },
        }),
  })
  if (registrations !== undefined) {
    const loop = startLoop({
      ...{ interval, now: Date.now },
      onError: (error) => log({ level: 'warn', event: 'ledger.failed', ...describeError(error) }),
      work: async (signal) => {
        await recorder.poll({ signal })
        return undefined
      },
    })
    closers.add(loop.close)
  }
  return {
    recorder,
    metrics: () =>
      [
        '# TYPE ledger_outbox_records gauge',
        `ledger_outbox_records ${outbox.waiting()}`,
        '# TYPE ledger_refused_total counter',
        `ledger_refused_total ${refused}\n`,
      ].join('\n'),
  }
}

type GivenSettings = { url: string; name: string; module: string; keyFile: string }

/** All four, or none. */
function readLedgerSettings(settings: LedgerSettings): GivenSettings | undefined {
  const paths = ['ledger.url', 'ledger.name', 'ledger.module', 'ledger.key_file'] as const
  const missing = paths.filter((path) => settings[path] === undefined)
  if (missing.length === paths.length) return undefined
  if (missing.length > 0) {
    throw new ConfigurationError({
      faults: missing.map((setting) => ({
        ...{ setting, from: undefined },
        reason: 'it is missing: a ledger needs `url`, `name`, `module` and `key_file`',
      })),
    })
  }
  return {
    url: settings['ledger.url'] as string,
    name: settings['ledger.name'] as string,
    module: settings['ledger.module'] as string,
    keyFile: settings['ledger.key_file'] as string,
  }
}

async function readSeed(path: string): Promise<Uint8Array> {
  const fault = (reason: string, cause?: unknown): ConfigurationError =>
    new ConfigurationError(
      { faults: [{ setting: 'ledger.key_file', from: undefined, reason }] },
      { cause },
    )
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fault('it cannot be read', cause)
  })
  if (!/^(?:0x)?[0-9a-f]{64}$/i.test(text.trim())) throw fault('it holds no seed: 64 hex digits')
  return Uint8Array.from(Buffer.from(text.trim().replace(/^0x/, ''), 'hex'))
}
