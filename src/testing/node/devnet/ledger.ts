/** A devnet's evaluation ledger, behind HTTP, which all roles write to by their settings. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TileStore } from '../../../core/interfaces/tileStore.js'
import { toHex, utf8 } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import { serve } from '../../../internal/node/serve.js'
import {
  createLedger,
  createLedgerHandler,
  type EventSigner,
  formatNoteKey,
  type KeyRole,
  type Ledger,
  memoryTiles,
  openWriter,
  type PreparedEvent,
  prepareGenesis,
  prepareKeyEvent,
} from '../../../ledger/index.js'
import {
  openLedger,
  opensslEventSigner,
  opensslVerify,
  posixTiles,
} from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import type { RunningRole } from '../../../operator/node/index.js'
import { AnvilError } from '../anvil.js'

/** The ledger of a devnet. */
export type DevnetLedger = {
  readonly ledger: Ledger
  /** Its files. */
  readonly store: TileStore
  /** Base URL of its API and its files. */
  readonly url: string
  /** For `X-Module-ID`. */
  readonly moduleId: string
  /** The meta log's verifier key. */
  readonly logKey: string
  /** Waits until everything that was recorded is in the ledger, and proved. */
  flush(): Promise<void>
}

/** The ledger as the network starts it. */
export type StartedLedger = DevnetLedger & {
  /** Settings of a role that records in it. */
  settingsOf(
    who: string,
  ): Readonly<Record<'ledger.url' | 'ledger.name' | 'ledger.module' | 'ledger.key_file', string>>
  /** The chain's clock is moved to seconds: where that is ahead, the ledger's follows. */
  advance(timestamp: bigint): void
}

const name = 'devnet.newton.example/eval'
const moduleId = 'devnet'

/** Milliseconds for what was recorded to be delivered. */
const PATIENCE = 60_000

/** Starts the ledger, with a key for each role. */
export async function startDevnetLedger(parameters: {
  operators: readonly string[]
  /** Where the keys of the roles are. */
  directory: string
  /** Directory of the ledger; in memory where left out. */
  kept: string | undefined
  closers: (() => Promise<unknown>)[]
  /** Roles that record. */
  roles: () => readonly RunningRole[]
}): Promise<StartedLedger> {
  const { operators, directory, closers, roles } = parameters
  const schemas = await loadEventSchemas()
  const verify = opensslVerify()
  // Windows of a devnet end before their time: its ledger's clock is the chain's where that is ahead.
  let ahead = 0
  const now = (): number => Date.now() + ahead
  const store =
    parameters.kept === undefined ? memoryTiles() : posixTiles({ directory: parameters.kept })
  const settings = { ledger: name, checkpointSeed: seedOf('log'), now }
  const ledger =
    parameters.kept === undefined
      ? createLedger({ writer: await openWriter({ ...settings, store }), schemas, verify, now })
      : await openLedger({ ...settings, schemas, directory: parameters.kept })
  closers.push(ledger.close)
  const meta = ledger.signers.get('meta')
  const logKey = meta === undefined ? '' : formatNoteKey(meta.key)
  if (ledger.head() === undefined) await admit(ledger, { operators, logKey })
  const keys = join(directory, 'ledger-keys')
  await mkdir(keys, { recursive: true, mode: 0o700 })
  for (const who of [...operators, 'gateway', 'challenger']) {
    await writeFile(join(keys, who), toHex(seedOf(who)).slice(2), { mode: 0o600 })
  }
  const handler = createLedgerHandler({ ledger, store, moduleId, schemas, verify })
  const server = await serve({ fetch: handler }, {})
  closers.push(() => server.close(1_000))
  return {
    ...{ ledger, store, url: server.url, moduleId, logKey },
    settingsOf: (who) => ({
      'ledger.url': server.url,
      'ledger.name': name,
      'ledger.module': moduleId,
      'ledger.key_file': join(keys, who),
    }),
    advance: (timestamp) => {
      ahead = Math.max(ahead, Number(timestamp) * 1_000 - Date.now())
    },
    flush: async () => {
      for (const until = Date.now() + PATIENCE; ; ) {
        const waiting = await Promise.all(roles().map(waitingIn))
        if (waiting.every((records) => records === 0)) break
        if (Date.now() > until) throw new AnvilError('What was recorded is not in the ledger.')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      await ledger.flush()
    },
  }
}

/** Records that wait in a role's outbox. */
async function waitingIn(role: RunningRole): Promise<number> {
  const [, records = '0'] = /^ledger_outbox_records (\d+)$/m.exec(await role.metrics()) ?? []
  return Number(records)
}

/** The genesis, an admin, and a key for each who writes. */
async function admit(ledger: Ledger, given: { operators: readonly string[]; logKey: string }) {
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
  for (const operator of given.operators) await add(operator, 'operator')
  await add('gateway', 'gateway')
  await add('challenger', 'challenger')
}

const seedOf = (who: string): Uint8Array => keccak(utf8(`newton devnet ledger ${who}`))
const signerOf = (who: string): EventSigner => opensslEventSigner(seedOf(who))
