/** Cuts that the key holder recorded and that are not the ledger's: proofs end in them, audits find them. */
import { describe, expect, test } from 'vitest'
import type { TileReader } from '../../src/core/interfaces/tileStore.js'
import { decodeMetaRecord, encodeMetaRecord } from '../../src/ledger/events/metaRoot.js'
import {
  createAuditor,
  formatTlogProof,
  type Ledger,
  logReader,
  memoryTiles,
  type NoteSigner,
  openCheckpoint,
  readCut,
  verifyTlogProof,
} from '../../src/ledger/index.js'
import { readEntries } from '../../src/ledger/writer/files/log.js'
import { fill, ledgerName, openTestLedger, schemas, verify } from './ledgerWorld.js'
import { writeLog } from './writeLog.js'

const { signal } = new AbortController()

/** A ledger with a cut after each of some events. */
async function withCuts(subjects: readonly number[]) {
  const store = memoryTiles()
  const ledger = await openTestLedger({ store })
  for (const subject of subjects) {
    await fill(ledger, 1, subject)
    await ledger.flush()
  }
  const trust = { log: (ledger.signers.get('meta') as NoteSigner).key }
  const cut = await readCut({ store, ledger: ledgerName, trust }, signal)
  const records: Uint8Array[] = []
  const log = { store, name: 'meta', from: 0n, size: cut?.meta.size ?? 0n }
  for await (const { entry } of readEntries(log, signal)) records.push(entry)
  return { store, ledger, trust, records }
}

/** The files of a ledger with another meta log, which its key signed. */
function withMeta(
  { store, ledger }: { store: TileReader; ledger: Ledger },
  records: readonly Uint8Array[],
): TileReader {
  const signer = ledger.signers.get('meta') as NoteSigner
  const files = writeLog({ entries: records, signer })
  return {
    read: async (path, options) => {
      if (!path.startsWith('meta/')) return store.read(path, options)
      const bytes = files.get(path.slice(5))
      return bytes && { bytes, version: '' }
    },
  }
}

const audit = async (store: TileReader, trust: { log: NoteSigner['key'] }) => {
  const parts = { store, ledger: ledgerName, trust, schemas, verify, report: async () => undefined }
  const rebuilt = await createAuditor(parts).rebuild()
  const { violations } = await createAuditor(parts).replay()
  return { rebuilt, violations }
}

describe('a cut in the middle that is false', () => {
  test('behavior: an event that is in no chain can be proved under it, and audits name it', async () => {
    const honest = await withCuts([1, 2, 3, 4])
    const forged = await withCuts([901, 902])
    const [first, second] = honest.records as [Uint8Array, Uint8Array]
    const last = honest.records.at(-1) as Uint8Array
    const fraud = forged.records.at(-1) as Uint8Array
    const seqOf = (entry: Uint8Array) => decodeMetaRecord(entry)?.seq as bigint
    expect([first, second, last].map(seqOf)).toEqual([7n, 8n, 10n])
    expect(seqOf(fraud)).toBe(8n)
    const store = withMeta(honest, [first, fraud, last])

    // What a reader of a bundle verifies: the entry in its log, the record in the cosigned meta log.
    const event = (await forged.ledger.readSince('8')).events[0]?.event
    const proof = await forged.ledger.prove(event?.event_id as string)
    if (proof === undefined || proof === 'pending') throw new Error('there is no proof')
    const decisions = (forged.ledger.signers.get('decisions') as NoteSigner).key
    const shown = { file: proof.domainProof, entry: proof.entry, trust: { log: decisions } }
    expect(verifyTlogProof(shown).status).toBe('verified')
    const note = (await store.read('meta/checkpoint'))?.bytes as Uint8Array
    const opened = openCheckpoint(note, honest.trust)
    if (opened.status !== 'verified') throw new Error(opened.reason)
    const read = async (path: string) => (await store.read(`meta/${path}`))?.bytes
    const { proof: hashes } = await logReader({ checkpoint: opened.checkpoint, read }).entry(1n)
    const file = formatTlogProof({
      index: 1n,
      proof: hashes,
      checkpoint: new TextDecoder().decode(note),
    })
    expect(verifyTlogProof({ file, entry: fraud, trust: honest.trust }).status).toBe('verified')

    const { rebuilt, violations } = await audit(store, honest.trust)
    expect(rebuilt.map(({ kind, detail }) => `${kind}: ${detail}`)).toContain(
      'root: the entries of decisions of meta entry 1',
    )
    expect(violations).toMatchObject([
      { kind: 'root', detail: 'meta entry 1: it names another event than the chain has there' },
    ])
    expect(await audit(honest.store, honest.trust)).toEqual({ rebuilt: [], violations: [] })
    await Promise.all([honest.ledger.close(), forged.ledger.close()])
  })

  test('behavior: whatever a record says otherwise is named, in the middle and at the end', async () => {
    const { store, ledger, trust, records } = await withCuts([1, 2, 3, 4])
    const good = records.map(
      (entry) => decodeMetaRecord(entry) as NonNullable<ReturnType<typeof decodeMetaRecord>>,
    )
    type Record = (typeof good)[number]
    const changes: [string, (record: Record) => Record][] = [
      ['head', (record) => ({ ...record, head: 'ab'.repeat(32) })],
      [
        'event',
        (record) => ({ ...record, checkpointEventId: '01970000-0000-7000-8000-00000000ffff' }),
      ],
      ['seq', (record) => ({ ...record, seq: record.seq - 1n })],
      [
        'size',
        (record) => ({
          ...record,
          domains: record.domains.map((domain) =>
            domain.name === 'decisions' ? { ...domain, size: domain.size - 1n } : domain,
          ),
        }),
      ],
      ['a domain less', (record) => ({ ...record, domains: record.domains.slice(1) })],
      [
        'another domain',
        (record) => ({
          ...record,
          domains: record.domains.map((domain) =>
            domain.name === 'context' ? { ...domain, name: 'contexu' } : domain,
          ),
        }),
      ],
    ]
    for (const at of [1, records.length - 1]) {
      for (const [name, change] of changes) {
        const entry = encodeMetaRecord(change(good[at] as Record))
        const files = withMeta(
          { store, ledger },
          records.map((old, place) => (place === at ? entry : old)),
        )
        const { rebuilt, violations } = await audit(files, trust)
        expect(rebuilt.length + violations.length, `${name} at ${at}`).toBeGreaterThan(0)
      }
    }
    for (const wrong of [
      [...records, records.at(-1)],
      [records[1], records[0]],
      [Uint8Array.of(1), ...records],
    ]) {
      const files = withMeta({ store, ledger }, wrong as Uint8Array[])
      const { rebuilt } = await audit(files, trust)
      expect(rebuilt.length).toBeGreaterThan(0)
    }
    await ledger.close()
  })
})
