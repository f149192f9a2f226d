/** Every refusal of a submission, and that nothing is appended by any. */
import { beforeAll, describe, expect, test } from 'vitest'
import { canonicalBytes, canonicalJson } from '../../src/core/canonicalJson.js'
import type { JsonObject } from '../../src/core/jsonText.js'
import {
  deriveEventId,
  keyIdOf,
  type Ledger,
  memoryTiles,
  type RefusalCode,
  refusalStatus,
  type SubmitBody,
  type SubmitResult,
} from '../../src/ledger/index.js'
import { toBase64 } from '../../src/ledger/log/encoding.js'
import {
  addKey,
  anomaly,
  bodyOf,
  genesisDraft,
  openTestLedger,
  people,
  submit,
  testClock,
} from './ledgerWorld.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
let ledger: Ledger
beforeAll(async () => {
  ledger = await openTestLedger()
})

const codeOf = (result: SubmitResult): string => ('code' in result ? result.code : 'taken')

/** Sends bytes, and looks that the ledger is as it was. */
async function refused(bytes: Uint8Array): Promise<SubmitResult> {
  const before = ledger.head()
  const result = await ledger.submit(bytes)
  expect(ledger.head()).toEqual(before)
  expect(result.status).toBe(refusalStatus[codeOf(result) as RefusalCode])
  return result
}

/** The body of a good event with something changed; what is signed stays. */
async function changed(change: (body: JsonObject) => unknown): Promise<Uint8Array> {
  const { body } = await bodyOf(ledger, anomaly(1))
  const copy = structuredClone(body) as unknown as Record<string, unknown>
  return canonicalBytes((change(copy as JsonObject) ?? copy) as JsonObject)
}
const withHeader =
  (member: string, value: unknown) =>
  (body: JsonObject): void => {
    const { ets } = (body as unknown as SubmitBody).payload
    Object.assign(ets, { [member]: value })
  }
const withMember =
  (member: string, value: unknown) =>
  (body: JsonObject): void => {
    Object.assign(body, { [member]: value })
  }

describe('what is wrong in itself', () => {
  test('behavior: too_large', async () => {
    expect(codeOf(await refused(new Uint8Array(65_536)))).toBe('too_large')
  })
  test.each(['', '{', 'null', '[]', '{"a":1,"a":2}', '\ufeff{}', '{"a":9007199254740993}', '{}'])(
    'behavior: malformed %j',
    async (text) => {
      expect(codeOf(await refused(utf8(text)))).toBe('malformed')
    },
  )
  test('behavior: malformed: bytes that are no text, unknown and missing members', async () => {
    expect(codeOf(await refused(Uint8Array.of(0xff, 0xfe)))).toBe('malformed')
    expect(codeOf(await refused(await changed(withMember('extra', 1))))).toBe('malformed')
    expect(codeOf(await refused(await changed(withMember('payload', []))))).toBe('malformed')
    expect(codeOf(await refused(await changed(withMember('previous_hash', 'A'.repeat(64)))))).toBe(
      'malformed',
    )
    expect(codeOf(await refused(await changed(withHeader('extra', '1'))))).toBe('malformed')
    expect(codeOf(await refused(await changed(withHeader('domain', 'meta'))))).toBe('malformed')
    expect(codeOf(await refused(await changed(withHeader('occurred_at', 'now'))))).toBe('malformed')
  })
  test('behavior: not_canonical', async () => {
    const { body } = await bodyOf(ledger, anomaly(1))
    const text = canonicalJson(body as unknown as JsonObject)
    expect(codeOf(await refused(utf8(`${text} `)))).toBe('not_canonical')
    expect(codeOf(await refused(utf8(JSON.stringify(body))))).toBe('not_canonical')
  })
  test('behavior: projection', async () => {
    const cases = [
      withMember('event_id', '01970000-0000-7000-8000-ffffffffffff'),
      withMember('schema_version', 'newton.anomaly/2'),
      withMember('key_id', keyIdOf(people.admin.publicKey)),
      withMember('timestamp', '2026-01-01T00:00:00.000Z'),
      withHeader('schema_version', 'newton.commit/1'),
    ]
    for (const change of cases)
      expect(codeOf(await refused(await changed(change)))).toBe('projection')
  })
  test('behavior: wrong_ledger, event_id, key_id', async () => {
    expect(codeOf(await refused(await changed(withHeader('ledger', 'other'))))).toBe('wrong_ledger')
    const version4 = '01970000-0000-4000-8000-000000000000'
    expect(codeOf(await refused(await changed(withHeader('event_id', version4))))).toBe('event_id')
    const upper = '01970000-0000-7000-8000-00000000000A'
    expect(codeOf(await refused(await changed(withHeader('event_id', upper))))).toBe('event_id')
    const other = toBase64(people.admin.publicKey)
    expect(codeOf(await refused(await changed(withMember('public_key', other))))).toBe('key_id')
    expect(codeOf(await refused(await changed(withMember('public_key', 'AAAA'))))).toBe('key_id')
  })
  test('behavior: hash and signature', async () => {
    const wrong = '1'.repeat(64)
    expect(codeOf(await refused(await changed(withMember('current_hash', wrong))))).toBe('hash')
    const signature = toBase64(new Uint8Array(64))
    expect(codeOf(await refused(await changed(withMember('signature', signature))))).toBe(
      'signature',
    )
    expect(codeOf(await refused(await changed(withMember('signature', 'AA=='))))).toBe('signature')
    const bytes = await changed(
      (body) => Object.assign(body['payload'] as object, { detail: 'x' }) && body,
    )
    expect(codeOf(await refused(bytes))).toBe('signature')
  })
})

describe('what contradicts the ledger', () => {
  const code = async (draft: Parameters<typeof submit>[1]): Promise<string> =>
    codeOf(await refused((await bodyOf(ledger, draft)).bytes))

  test('behavior: clock_ahead, and no bound backwards', async () => {
    const ahead = deriveEventId({ time: Date.UTC(2026, 0, 1) + 700_000, key: 'a' })
    expect(await code({ ...anomaly(1), eventId: ahead })).toBe('clock_ahead')
    const old = deriveEventId({ time: Date.UTC(2024, 0, 1), key: 'a' })
    expect((await submit(ledger, { ...anomaly(1), eventId: old })).status).toBe(201)
  })
  test('behavior: unknown_schema and schema', async () => {
    expect(await code({ ...anomaly(1), schemaVersion: 'newton.anomaly/9' })).toBe('unknown_schema')
    expect(await code({ ...anomaly(1), schemaVersion: 'constructor.prototype/1' })).toBe(
      'unknown_schema',
    )
    expect(await code({ ...anomaly(1), fields: { kind: 1, subject: '', detail: '' } })).toBe(
      'schema',
    )
    const more = { ...anomaly(1).fields, more: '' }
    expect(await code({ ...anomaly(1), fields: more })).toBe('schema')
  })
  test('behavior: authority', async () => {
    expect(await code({ ...anomaly(1), by: people.stranger })).toBe('authority')
    expect(await code({ ...anomaly(1), by: people.admin })).toBe('authority')
    expect(await code({ ...anomaly(1), domain: 'audit' })).toBe('authority')
    expect(await code(genesisDraft())).toBe('authority')
    const add = { key: people.stranger, role: 'admin', by: people.operator }
    const head = ledger.head()
    expect(codeOf(await addKey(ledger, add))).toBe('authority')
    expect(ledger.head()).toEqual(head)
  })
  test('behavior: authority: an empty ledger takes its genesis alone', async () => {
    const bare = await openTestLedger({ bare: true })
    expect(codeOf(await submit(bare, anomaly(1)))).toBe('authority')
    const wrong = { ...genesisDraft(), previousHash: '1'.repeat(64) }
    expect(codeOf(await submit(bare, wrong))).toBe('stale_head')
    expect((await submit(bare, genesisDraft())).status).toBe(201)
    await bare.close()
  })
  test('behavior: semantic: the last admin, a proof of someone else, an evaluation that is not there', async () => {
    const revoke = (key: Uint8Array) => ({
      domain: 'agents' as const,
      schemaVersion: 'ets.key.revoke/1',
      fields: { key_id: keyIdOf(key), reason: '' },
      by: people.admin,
    })
    expect(await code(revoke(people.admin.publicKey))).toBe('semantic')
    expect(await code(revoke(people.stranger.publicKey))).toBe('semantic')
    const key_id = keyIdOf(people.stranger.publicKey)
    const fields = {
      key_id,
      public_key: toBase64(people.stranger.publicKey),
      role: 'operator',
      proof: toBase64(await people.stranger.sign(new Uint8Array(32))),
    }
    const add = { domain: 'agents' as const, schemaVersion: 'ets.key.add/1', by: people.admin }
    expect(await code({ ...add, fields })).toBe('semantic')
    const attestation = {
      evaluation: '1'.repeat(64),
      evaluationResult: '0x01',
      messageHash: `0x${'1'.repeat(64)}`,
      certificateHash: `0x${'1'.repeat(64)}`,
      signers: [],
    }
    expect(
      await code({
        domain: 'decisions',
        schemaVersion: 'newton.attestation/1',
        fields: attestation,
        by: people.gateway,
      }),
    ).toBe('semantic')
  })
  test('behavior: stale_head names what to sign on top of', async () => {
    const result = await refused(
      (await bodyOf(ledger, { ...anomaly(1), previousHash: '2'.repeat(64) })).bytes,
    )
    const head = ledger.head()
    expect(result).toMatchObject({
      code: 'stale_head',
      head: {
        seq: head?.seq.toString(),
        current_hash: head?.current_hash,
        event_id: head?.event_id,
      },
    })
  })
  test('behavior: a resend gets its receipt, another event of its id a conflict', async () => {
    const eventId = deriveEventId({ time: Date.UTC(2026, 0, 1), key: 'again' })
    const draft = { ...anomaly(7), eventId }
    const body = await bodyOf(ledger, draft)
    const first = await ledger.submit(body.bytes)
    expect(first.status).toBe(201)
    expect(await ledger.submit(body.bytes)).toMatchObject({
      status: 200,
      receipt: { seq: expect.any(String) },
    })
    // Signed again on another head: it is the same event.
    const again = await ledger.submit((await bodyOf(ledger, draft)).bytes)
    expect(again).toMatchObject({
      status: 200,
      receipt: { event: 'receipt' in first ? first.receipt.event : {} },
    })
    expect(await code({ ...anomaly(8), eventId })).toBe('event_id_conflict')
  })
  test('behavior: two of one id at once are one event', async () => {
    const { bytes } = await bodyOf(ledger, anomaly(9))
    const results = await Promise.all([ledger.submit(bytes), ledger.submit(bytes)])
    expect(results.map(({ status }) => status).sort()).toEqual([200, 201])
  })
  test('behavior: a key works from its own event on, and not after it ended', async () => {
    const store = memoryTiles()
    const own = await openTestLedger({ store, now: testClock() })
    expect(codeOf(await submit(own, { ...anomaly(1), by: people.stranger }))).toBe('authority')
    await addKey(own, { key: people.stranger, role: 'operator', by: people.admin })
    expect((await submit(own, { ...anomaly(1), by: people.stranger })).status).toBe(201)
    const revoke = {
      domain: 'agents' as const,
      schemaVersion: 'ets.key.revoke/1',
      fields: { key_id: keyIdOf(people.stranger.publicKey), reason: 'test' },
      by: people.admin,
    }
    expect((await submit(own, revoke)).status).toBe(201)
    expect(codeOf(await submit(own, { ...anomaly(2), by: people.stranger }))).toBe('authority')
    await own.close()
    // The rules know it after a start too, from the logs alone.
    const opened = await openTestLedger({ store })
    expect(codeOf(await submit(opened, { ...anomaly(2), by: people.stranger }))).toBe('authority')
    await opened.close()
  })
  test('behavior: time never steps back', async () => {
    let time = Date.UTC(2026, 5, 1)
    const own = await openTestLedger({ now: () => time })
    const before = own.head()?.timestamp as string
    time -= 86_400_000
    expect((await submit(own, anomaly(1))).status).toBe(201)
    expect(own.head()?.timestamp).toBe(before)
    await own.close()
  })
})
