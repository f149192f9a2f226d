/** A replay begins at a snapshot only where somebody who may has signed it, and it is right. */
import { expect, test } from 'vitest'
import {
  createLedger,
  createLedgerHandler,
  type Ledger,
  memoryTiles,
  type NoteSigner,
  openWriter,
  readCut,
  replayLedger,
} from '../../src/ledger/index.js'
import {
  anomaly,
  bodyOf,
  checkpointSeed,
  type Draft,
  fill,
  ledgerName,
  openTestLedger,
  people,
  schemas,
  testClock,
  verify,
} from './ledgerWorld.js'

const { signal } = new AbortController()

/** A ledger whose holder takes events without a signature of their key, as no honest one does. */
async function carelessLedger() {
  const store = memoryTiles()
  const honest = await openTestLedger({ store })
  await fill(honest, 3)
  await honest.close()
  const now = testClock(Date.UTC(2026, 0, 2))
  const writer = await openWriter({
    ledger: ledgerName,
    checkpointSeed,
    store,
    now,
    cutInterval: 0,
  })
  return { store, ledger: createLedger({ writer, schemas, now, verify: () => true }) }
}

/** Appends an event; `forged` with a signature of somebody else. */
async function append(ledger: Ledger, draft: Draft, forged = false): Promise<void> {
  const { body, bytes } = await bodyOf(ledger, draft)
  const { signature } = (await bodyOf(ledger, { ...draft, by: people.stranger })).body
  const text = new TextDecoder().decode(bytes).replace(body.signature, signature)
  const sent = forged ? new TextEncoder().encode(text) : bytes
  expect(await ledger.submit(sent)).toMatchObject({ status: 201 })
  await ledger.flush()
}

type Forgery = { signed?: boolean; seq?: bigint; state_root?: string }

/** A forged event, a snapshot of the state behind it, and events after both. */
async function world({ signed = true, ...wrong }: Forgery) {
  const { store, ledger } = await carelessLedger()
  await append(ledger, anomaly(900), true)
  const log = (ledger.signers.get('meta') as NoteSigner).key
  const cutOf = async () => {
    const cut = await readCut({ store, ledger: ledgerName, trust: { log } }, signal)
    if (cut === undefined) throw new Error('there is no cut')
    return cut
  }
  const base = { store, ledger: ledgerName, schemas }
  const derived = await replayLedger({ ...base, cut: await cutOf(), verify: () => true }, signal)
  const seq = derived.events - 1n
  const fields = {
    ...{ seq: `${wrong.seq ?? seq}`, head: derived.head, state_root: derived.state_root },
    ...{ reducers: derived.reducers.map((reducer) => ({ ...reducer })) },
    ...(wrong.state_root === undefined ? {} : { state_root: wrong.state_root }),
  }
  const draft = { domain: 'audit', schemaVersion: 'ets.snapshot/1', fields, by: people.auditor }
  await append(ledger, draft as Draft, !signed)
  for (const at of [901, 902, 903]) await append(ledger, anomaly(at))
  const cut = await cutOf()
  const handler = createLedgerHandler({ ledger, store, moduleId: 'eval', schemas, verify })
  return {
    seq,
    replay: (range: { from: bigint; to?: bigint }) =>
      replayLedger({ ...base, cut, verify, ...range }, signal),
    ask: async (query: string): Promise<{ full: string; faults: { seq: string }[] }> => {
      const headers = { 'X-Module-ID': 'eval' }
      const url = `https://ledger.example/api/ledger/replay?${query}`
      return (await handler(new Request(url, { headers }))).json() as never
    },
    close: () => ledger.close(),
  }
}

test('behavior: one that is signed and right is begun at', async () => {
  const { seq, replay, close } = await world({})
  expect(await replay({ from: seq + 2n })).toMatchObject({ full: seq + 1n, faults: [] })
  expect(await replay({ from: 0n })).toMatchObject({ full: 0n, faults: [{ seq, kind: 'event' }] })
  // It is there only after the end: who signed it is not looked at, so nothing rests on it.
  const short = await replay({ from: seq + 1n, to: seq + 1n })
  expect(short).toMatchObject({ full: 0n, faults: [{ seq, kind: 'event' }] })
  await close()
})

test.each<[string, Forgery]>([
  ['nobody signed', { signed: false }],
  ['names another state', { state_root: 'ab'.repeat(32) }],
  ['speaks of what comes after it', { seq: 14n }],
])('behavior: nothing rests on one that %s', async (_, forgery) => {
  const { seq, replay, ask, close } = await world(forgery)
  const from = (forgery.seq ?? seq) + 2n
  const { full, faults } = await replay({ from })
  expect(full).toBe(0n)
  // The forged event in front of it is found, which the snapshot would have hidden.
  expect(faults).toContainEqual(expect.objectContaining({ seq, kind: 'event' }))
  expect(faults.length).toBeGreaterThan(1)
  expect((await ask(`from=${from}`)).full).toBe('0')
  await close()
})
