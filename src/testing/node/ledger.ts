/** A devnet's evaluation ledger: in memory, behind HTTP, written to by all roles. */
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { LedgerSink } from '../../core/interfaces/ledgerSink.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { serve } from '../../internal/node/serve.js'
import {
  createLedger,
  createLedgerHandler,
  createLedgerSink,
  type DeliveringSink,
  type EventSigner,
  formatNoteKey,
  type KeyRole,
  type Ledger,
  ledgerTarget,
  type MemoryTiles,
  memoryTiles,
  openWriter,
  type PreparedEvent,
  prepareGenesis,
  prepareKeyEvent,
} from '../../ledger/index.js'
import { opensslEventSigner, opensslVerify } from '../../ledger/node/index.js'
import { loadEventSchemas } from '../../ledger/schemas/index.js'
import { createLedgerRecorder, type LedgerRecorder, memorySalts } from '../../operator/index.js'
import { AnvilError } from './anvil.js'

/** The ledger of a devnet. */
export type DevnetLedger = {
  readonly ledger: Ledger
  /** Its files. */
  readonly store: MemoryTiles
  /** Base URL of its API and its files. */
  readonly url: string
  /** For `X-Module-ID`. */
  readonly moduleId: string
  /** The meta log's verifier key. */
  readonly logKey: string
  /** What an operator records with. */
  operator(index: number): LedgerRecorder
  readonly gateway: LedgerRecorder
  readonly challenger: LedgerRecorder
  /** Waits until everything that was recorded is in the ledger, and proved. */
  flush(): Promise<void>
}

const name = 'devnet.newton.example/eval'
const moduleId = 'devnet'

/** Starts the ledger, with a key for each role. */
export async function startDevnetLedger(parameters: {
  operators: number
  registry: RegistryReader
  events: ChainEvents
  startBlock: bigint
  closers: (() => Promise<void>)[]
}): Promise<DevnetLedger> {
  const { registry, events, startBlock, closers } = parameters
  const schemas = await loadEventSchemas()
  const verify = opensslVerify()
  const store = memoryTiles()
  // Windows of a devnet end before their time: its ledger's clock is the chain's where that is ahead.
  let ahead = 0
  const now = (): number => Math.max(Date.now(), ahead)
  const writer = await openWriter({ ledger: name, store, checkpointSeed: seedOf('log'), now })
  const ledger = createLedger({ writer, schemas, verify, now })
  closers.push(ledger.close)
  const meta = ledger.signers.get('meta')
  const logKey = meta === undefined ? '' : formatNoteKey(meta.key)
  const people = await admit(ledger, { operators: parameters.operators, logKey })

  const sinks: DeliveringSink[] = []
  const salts = memorySalts((length) => keccak(utf8('newton devnet salts')).slice(0, length))
  const recorderOf = (signer: EventSigner, own: object = {}): LedgerRecorder => {
    const inner = createLedgerSink({
      ...{ ledger: name, target: ledgerTarget(ledger), signer, verify, patience: 5_000 },
    })
    sinks.push(inner)
    closers.push(inner.close)
    const sink: LedgerSink = {
      record: (record, options) => {
        ahead = Math.max(ahead, record.time ?? 0)
        return inner.record(record, options)
      },
    }
    return createLedgerRecorder({ sink, registry, salts, ...own })
  }
  const operators = people.operators.map((signer) =>
    recorderOf(signer, { registrations: { events, startBlock } }),
  )
  const handler = createLedgerHandler({ ledger, store, moduleId, schemas, verify })
  const server = await serve({ fetch: handler }, {})
  closers.push(() => server.close(1_000))
  return {
    ...{ ledger, store, url: server.url, moduleId, logKey },
    operator: (index) => {
      const recorder = operators[index]
      if (recorder === undefined) throw new AnvilError(`The devnet has no operator ${index}.`)
      return recorder
    },
    gateway: recorderOf(people.gateway),
    challenger: recorderOf(people.challenger),
    flush: async () => {
      for (const sink of sinks) await sink.flush()
      await ledger.flush()
    },
  }
}

/** The genesis, an admin, and a key for each who writes. */
async function admit(ledger: Ledger, given: { operators: number; logKey: string }) {
  const genesis = signerOf('genesis')
  const admin = signerOf('admin')
  const record = async (prepared: PreparedEvent, signer: EventSigner): Promise<void> => {
    const result = await ledger.record(prepared, { signer })
    if ('code' in result) throw new AnvilError(`The devnet's ledger refuses: ${result.detail}.`)
  }
  const add = async (
    who: string,
    role: Exclude<KeyRole, 'genesis'>,
    by: EventSigner = admin,
  ): Promise<EventSigner> => {
    const key = signerOf(who)
    await record(await prepareKeyEvent({ ledger: name, key, role, by: by.publicKey }), by)
    return key
  }
  const checkpointKey = given.logKey
  const { publicKey } = genesis
  await record(prepareGenesis({ ledger: name, publicKey, checkpointKey }), genesis)
  await add('admin', 'admin', genesis)
  const operators: EventSigner[] = []
  for (let index = 0; index < given.operators; index += 1) {
    operators.push(await add(`operator ${index}`, 'operator'))
  }
  return {
    operators,
    gateway: await add('gateway', 'gateway'),
    challenger: await add('challenger', 'challenger'),
  }
}

const seedOf = (who: string): Uint8Array => keccak(utf8(`newton devnet ledger ${who}`))
const signerOf = (who: string): EventSigner => opensslEventSigner(seedOf(who))
