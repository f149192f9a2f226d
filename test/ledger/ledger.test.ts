import { describe, expect, test } from 'vitest'
import {
  createLedger,
  decodeMetaRecord,
  encodeEvent,
  logReader,
  memoryTiles,
  openWriter,
  parseCheckpoint,
  prepareEvent,
  readEvent,
  signEvent,
  verifyCheckpoint,
  verifyEvent,
  verifyTlogProof,
} from '../../src/ledger/index.js'
import { parseNote } from '../../src/ledger/log/note.js'
import {
  addKey,
  anomaly,
  checkpointSeed,
  fill,
  genesisDraft,
  ledgerName,
  openTestLedger,
  people,
  schemas,
  submit,
  testClock,
  verify,
} from './ledgerWorld.js'

describe('a ledger', () => {
  test('behavior: what was appended is read in its order, and each event is verified', async () => {
    const ledger = await openTestLedger()
    await fill(ledger, 20)
    const { events, cursor } = await ledger.readSince('0')
    expect(cursor).toBe('27')
    expect(events.map(({ seq }) => seq)).toEqual([...Array(27).keys()].map(BigInt))
    let previous: { current_hash: string; timestamp: string } | 'none' = 'none'
    for (const { event } of events) {
      const verdict = verifyEvent({
        entry: encodeEvent(event),
        ledger: ledgerName,
        previous,
        schemas,
        verify,
      })
      expect(verdict).toMatchObject({ status: 'valid' })
      previous = event
    }
    expect(await ledger.readSince('25', { limit: 1 })).toMatchObject({ cursor: '26' })
    expect(await ledger.readSince('99')).toEqual({ events: [], cursor: '99' })
    await ledger.close()
  })

  test('behavior: both proofs of an event lead to the meta checkpoint', async () => {
    const ledger = await openTestLedger()
    await fill(ledger, 3)
    await ledger.flush()
    const { events } = await ledger.readSince('0')
    for (const { event, domain } of events) {
      const proof = await ledger.prove(event.event_id)
      if (proof === undefined || proof === 'pending') throw new Error('no proof')
      const key = (name: string) => ledger.signers.get(name)?.key as never
      const inDomain = verifyTlogProof({
        file: proof.domainProof,
        entry: proof.entry,
        trust: { log: key(domain) },
      })
      const inMeta = verifyTlogProof({
        file: proof.metaProof,
        entry: proof.metaRecord,
        trust: { log: key('meta') },
      })
      if (inDomain.status !== 'verified' || inMeta.status !== 'verified') throw new Error('invalid')
      expect(readEvent(proof.entry)).toEqual(event)
      const record = decodeMetaRecord(proof.metaRecord)
      expect(record?.domains.find(({ name }) => name === domain)).toEqual({
        name: domain,
        size: inDomain.checkpoint.size,
        root: inDomain.checkpoint.root,
      })
    }
    await ledger.close()
  })

  test.each([1, 249, 250, 505, 700])(
    'behavior: a stranger reads the log of %i events',
    async (count) => {
      const store = memoryTiles()
      const ledger = await openTestLedger({ store })
      await fill(ledger, count)
      await ledger.close()
      const log = ledger.signers.get('decisions')?.key as never
      const opened = verifyCheckpoint(store.files.get('decisions/checkpoint') as Uint8Array, {
        log,
      })
      if (opened.status !== 'verified') throw new Error(opened.reason)
      expect(opened.checkpoint.size).toBe(BigInt(count))
      const read = async (path: string) => store.files.get(`decisions/${path}`)
      const reader = logReader({ checkpoint: opened.checkpoint, read })
      for (const at of [0, count >> 1, count - 1]) {
        const { entry } = await reader.entry(BigInt(at))
        expect(readEvent(entry)?.payload['subject']).toBe(`number ${at}`)
      }
    },
  )

  test('behavior: it is opened again where it was, and its checkpoints go on', async () => {
    const store = memoryTiles()
    const first = await openTestLedger({ store })
    await fill(first, 300)
    const before = await first.checkpoint('decisions')
    const head = first.head()
    await first.close()
    const second = await openTestLedger({ store })
    expect(second.head()).toEqual(head)
    expect(await second.checkpoint('decisions')).toBe(before)
    await fill(second, 300, 300)
    const sizeOf = (note?: string) => parseCheckpoint(parseNote(note ?? '')?.text ?? '')?.size
    expect(sizeOf(await second.checkpoint('decisions'))).toBe(600n)
    await second.close()
    // Of the partial tiles, those of the newest size are left.
    const partial = [...store.files.keys()].filter((path) => path.startsWith('decisions/tile/0/'))
    expect(partial.filter((path) => path.includes('000.p'))).toEqual([])
  })
})

describe('what is not appended', () => {
  test('error: a signature of another key, before anything is sent', async () => {
    const { by: _, ...draft } = anomaly(1)
    const { payload } = prepareEvent({
      ...{ ledger: ledgerName, publicKey: people.operator.publicKey },
      ...{ ...draft, now: () => Date.UTC(2026, 0, 1) },
    })
    const { publicKey } = people.operator
    for (const sign of [people.stranger.sign, async () => new Uint8Array(64), async () => 'none']) {
      const signer = { publicKey, sign } as typeof people.operator
      await expect(
        signEvent({ payload, previousHash: '0'.repeat(64), signer, verify }),
      ).rejects.toMatchObject({ code: 'LEDGER_EVENT_SIGNATURE' })
    }
  })

  test('error: an event on another head, and more than may wait; what follows goes through', async () => {
    const store = memoryTiles()
    const writer = await openWriter({
      ...{ ledger: ledgerName, checkpointSeed, store, now: testClock(), maxWaiting: 1 },
    })
    const ledger = createLedger({ writer, schemas, now: testClock(), verify })
    expect((await submit(ledger, genesisDraft())).status).toBe(201)
    const [first] = (await writer.readSince('0')).events
    const genesis = first?.event as never
    await expect(writer.append([genesis])).rejects.toMatchObject({
      code: 'LEDGER_STALE_HEAD',
      retryable: true,
    })
    await expect(writer.append([genesis, genesis])).rejects.toMatchObject({
      code: 'LEDGER_BUSY',
      retryable: true,
    })
    expect((await writer.readSince('0')).cursor).toBe('1')
    expect(
      (await addKey(ledger, { key: people.admin, role: 'admin', by: people.genesis })).status,
    ).toBe(201)
    await ledger.close()
  })
})
