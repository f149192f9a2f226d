/** A ledger with people who write to it, for tests. */

import type { JsonObject } from '../../src/core/jsonText.js'
import {
  createLedger,
  type EventDomain,
  type EventSigner,
  keyIdOf,
  keyProofMessage,
  type Ledger,
  memoryTiles,
  type OpenWriterParameters,
  openWriter,
  prepareEvent,
  type SubmitResult,
  signEvent,
} from '../../src/ledger/index.js'
import { toBase64 } from '../../src/ledger/log/encoding.js'
import { opensslEventSigner, opensslVerify } from '../../src/ledger/node/index.js'
import { loadEventSchemas } from '../../src/ledger/schemas/index.js'

export const ledgerName = 'ledger.newton.example/eval'
export const checkpointSeed = new Uint8Array(32).fill(7)
export const people = Object.fromEntries(
  ['genesis', 'admin', 'operator', 'gateway', 'challenger', 'auditor', 'builder', 'stranger'].map(
    (name, at) => [name, opensslEventSigner(new Uint8Array(32).fill(at + 1))],
  ),
) as Record<
  'genesis' | 'admin' | 'operator' | 'gateway' | 'challenger' | 'auditor' | 'builder' | 'stranger',
  EventSigner
>
export const verify = opensslVerify()
export const schemas = await loadEventSchemas()

/** 2026-01-01, and a second later at each look. */
export function testClock(start = Date.UTC(2026, 0, 1)): () => number {
  let time = start
  return () => {
    time += 1
    return time
  }
}

export type Draft = {
  domain: EventDomain
  schemaVersion: string
  fields: JsonObject
  by: EventSigner
  eventId?: string
  previousHash?: string
  ledger?: string
}

/** Body bytes of an event on top of the ledger's newest one. */
export async function bodyOf(ledger: Ledger, draft: Draft) {
  const { by, previousHash, ledger: name = ledgerName, ...rest } = draft
  const { payload } = prepareEvent({
    ledger: name,
    publicKey: by.publicKey,
    now: () => Date.UTC(2026, 0, 1),
    ...rest,
  })
  const on = previousHash ?? ledger.head()?.current_hash ?? '0'.repeat(64)
  return signEvent({ payload, previousHash: on, signer: by, verify })
}

export async function submit(ledger: Ledger, draft: Draft): Promise<SubmitResult> {
  return ledger.submit((await bodyOf(ledger, draft)).bytes)
}

let ids = 0
const nextId = (): string => {
  ids += 1
  return `01970000-0000-7000-8000-${ids.toString(16).padStart(12, '0')}`
}

/** Adds a key with its proof. */
export async function addKey(
  ledger: Ledger,
  { key, role, by }: { key: EventSigner; role: string; by: EventSigner },
): Promise<SubmitResult> {
  const eventId = nextId()
  const key_id = keyIdOf(key.publicKey)
  const message = keyProofMessage({ ledger: ledgerName, eventId, newKeyId: key_id })
  const proof = toBase64(await key.sign(message))
  const fields = { key_id, public_key: toBase64(key.publicKey), role, proof }
  return submit(ledger, { domain: 'agents', schemaVersion: 'ets.key.add/1', fields, by, eventId })
}

export const genesisDraft = (): Draft => ({
  domain: 'audit',
  schemaVersion: 'ets.genesis/1',
  fields: {
    profile: 'newton-ledger/1',
    domains: ['agents', 'audit', 'context', 'decisions'],
    checkpoint_key: 'test',
  },
  by: people.genesis,
})

export const anomaly = (at: number): Draft => ({
  domain: 'decisions',
  schemaVersion: 'newton.anomaly/1',
  fields: { kind: 'test', subject: `number ${at}`, detail: '' },
  by: people.operator,
})

/** A ledger with its genesis and a key for each role. */
export async function openTestLedger(
  options: Partial<OpenWriterParameters> & { bare?: boolean; requireVerifiedWasm?: boolean } = {},
): Promise<Ledger> {
  const { bare, requireVerifiedWasm, ...rest } = options
  const now = rest.now ?? testClock()
  const store = rest.store ?? memoryTiles()
  const writer = await openWriter({ ledger: ledgerName, checkpointSeed, ...rest, store, now })
  const ledger = createLedger({ writer, schemas, now, verify, requireVerifiedWasm })
  if (bare === true || ledger.head() !== undefined) return ledger
  const expect201 = (result: SubmitResult): void => {
    if (result.status !== 201) throw new Error(JSON.stringify(result))
  }
  expect201(await submit(ledger, genesisDraft()))
  expect201(await addKey(ledger, { key: people.admin, role: 'admin', by: people.genesis }))
  for (const role of ['operator', 'gateway', 'challenger', 'auditor', 'builder'] as const) {
    expect201(await addKey(ledger, { key: people[role], role, by: people.admin }))
  }
  return ledger
}

/** Appends so many anomalies, signed one on top of the other. */
export async function fill(ledger: Ledger, count: number, from = 0): Promise<void> {
  const results: Promise<SubmitResult>[] = []
  for (let at = from; at < from + count; at += 1) {
    const { by, ...draft } = anomaly(at)
    const { payload } = prepareEvent({
      ledger: ledgerName,
      publicKey: by.publicKey,
      ...draft,
      now: () => Date.UTC(2026, 0, 1),
    })
    results.push(ledger.record({ payload }, { signer: by }))
  }
  for (const result of await Promise.all(results)) {
    if (result.status !== 201) throw new Error(JSON.stringify(result))
  }
}
