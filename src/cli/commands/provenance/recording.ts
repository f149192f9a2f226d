/** Claims and build information as events of an evaluation ledger, from a control plane's process. */
import { join } from 'node:path'
import type { Address } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import type { ProvenanceEvents } from '../../../core/interfaces/provenance.js'
import { bytesEqual, toHex } from '../../../internal/bytes.js'
import { createLedgerSink, httpLedgerTarget } from '../../../ledger/index.js'
import { fileOutbox, opensslEventSigner, opensslVerify } from '../../../ledger/node/index.js'
import { createProvenanceRecorder } from '../../../provenance/index.js'
import { UsageError } from '../../errors.js'
import type { Terminal } from '../../terminal/output.js'
import { seedOf } from '../ledger/sources.js'

/** Options of the ledger. */
export const ledgerArgs = {
  'ledger-url': {
    type: 'string',
    description:
      'Evaluation ledger that is told of build information and of this verifier’s claims',
    valueHint: 'https://…',
  },
  ledger: { type: 'string', description: 'Name of that ledger, which its origins start with' },
  'ledger-module': { type: 'string', description: 'Tenant of the ledger', default: 'eval' },
  'ledger-key': {
    type: 'string',
    description: 'File with the seed of a builder that signs events, and nothing else',
    valueHint: 'file',
  },
} as const

type Args = { [name in keyof typeof ledgerArgs]?: string | undefined }

/** A recorder whose records outlive the process. */
export type OpenedRecording = {
  record(options: { signal: AbortSignal }): Promise<unknown>
  close(): Promise<void>
}

/** What happened to a record. */
export type RecordingEvent =
  | { type: 'ledger.refused'; schemaVersion: string; code: string; detail: string }
  | { type: 'ledger.delayed'; error: unknown }

/**
 * Opens it; `undefined` where no ledger is named.
 *
 * @throws {UsageError} where a part of it is missing, or its key is one of the others.
 */
export async function openRecording(
  terminal: Terminal,
  given: {
    args: Args
    directory: string
    verifier: Address
    statementSeed?: Uint8Array | undefined
    events: ProvenanceEvents
    fromBlock: bigint
    onEvent: (event: RecordingEvent) => void
  },
): Promise<OpenedRecording | undefined> {
  const { args, directory, verifier, statementSeed, events, fromBlock, onEvent } = given
  const { 'ledger-url': url, ledger, 'ledger-key': keyFile, 'ledger-module': moduleId } = args
  if (url === undefined && ledger === undefined && keyFile === undefined) return undefined
  if (!url || !ledger || !keyFile || !moduleId) {
    throw new UsageError('--ledger-url, --ledger and --ledger-key go together.')
  }
  const seed = await seedOf(terminal, keyFile)
  const isShared =
    privateKeyToAddress(toHex(seed)).toLowerCase() === verifier.toLowerCase() ||
    (statementSeed !== undefined && bytesEqual(seed, statementSeed))
  if (isShared) throw new UsageError('--ledger-key signs something else too: it has to be another.')
  const sink = createLedgerSink({
    ...{ ledger, target: httpLedgerTarget({ url, moduleId }), verify: opensslVerify() },
    signer: opensslEventSigner(seed),
    outbox: await fileOutbox({ directory: join(directory, 'ledger-outbox') }),
    onError: (error) => onEvent({ type: 'ledger.delayed', error }),
    onRefused: ({ schemaVersion }, { code, detail }) => {
      // Somebody else has recorded the same: it is in the ledger.
      if (code === 'event_id_conflict') return
      onEvent({ type: 'ledger.refused', schemaVersion, code, detail })
    },
  })
  const recorder = createProvenanceRecorder({ events, sink, verifiers: [verifier], fromBlock })
  return { record: recorder.record, close: () => sink.close() }
}
