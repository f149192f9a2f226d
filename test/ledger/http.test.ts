import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createLedgerHandler,
  encodeEvent,
  type Ledger,
  LedgerBusyError,
  type LedgerHandler,
  type LedgerReceipt,
  LedgerStoppedError,
  memoryTiles,
  type NoteSigner,
  refusalStatus,
  verifyTlogProof,
} from '../../src/ledger/index.js'
import {
  anomaly,
  bodyOf,
  fill,
  genesisDraft,
  ledgerName,
  openTestLedger,
  people,
  schemas,
  verify,
} from './ledgerWorld.js'

const moduleId = 'tenant-1'
const store = memoryTiles()
let ledger: Ledger
let handler: LedgerHandler
const errors: unknown[] = []
beforeAll(async () => {
  ledger = await openTestLedger({ store })
  await fill(ledger, 3)
  await ledger.flush()
  handler = createLedgerHandler({
    ...{ ledger, store, moduleId, schemas, verify },
    onError: (error) => errors.push(error),
  })
})
afterAll(() => ledger?.close())

const call = (path: string, init: RequestInit = {}, of = handler): Promise<Response> =>
  of(
    new Request(`https://ledger.example${path}`, {
      ...init,
      headers: { 'X-Module-ID': moduleId, ...init.headers },
    }),
  )
const post = (path: string, body: Uint8Array | string): Promise<Response> =>
  call(path, { method: 'POST', body: body as Uint8Array<ArrayBuffer> })
const length = async (): Promise<number> =>
  (await ledger.readSince('0', { limit: 1_000 })).events.length
const refusalOf = async (response: Response): Promise<string> =>
  `${response.status} ${((await response.json()) as { code: string }).code}`

describe('POST /api/ledger/event', () => {
  test('behavior: an event is appended, and sent again it gets its receipt', async () => {
    const { bytes } = await bodyOf(ledger, anomaly(100))
    const first = await post('/api/ledger/event', bytes)
    expect(first.status).toBe(201)
    const receipt = (await first.json()) as LedgerReceipt
    expect(receipt).toMatchObject({ domain: 'decisions', event: { key_id: expect.any(String) } })
    const again = await post('/api/ledger/event', bytes)
    expect(again.status).toBe(200)
    expect(((await again.json()) as LedgerReceipt).event).toEqual(receipt.event)
    const read = await call(`/api/ledger/event/${receipt.event.event_id}`)
    expect(((await read.json()) as LedgerReceipt).seq).toBe(receipt.seq)
  })

  test('behavior: each refusal has its code and status, and appends nothing', async () => {
    const before = await length()
    const good = (await bodyOf(ledger, anomaly(200))).body
    const send = (body: unknown) =>
      post('/api/ledger/event', typeof body === 'string' ? body : canonical(body))
    const canonical = (body: unknown): string => JSON.stringify(sorted(body))
    const withHeader = (change: object) => ({
      ...good,
      payload: { ...good.payload, ets: { ...good.payload.ets, ...change } },
    })
    const cases: [string, keyof typeof refusalStatus, () => Promise<Response>][] = [
      ['too long', 'too_large', () => send('x'.repeat(65_536))],
      ['no JSON', 'malformed', () => send('{')],
      ['no submission', 'malformed', () => send({})],
      ['not canonical', 'not_canonical', () => send(`${canonical(good)} `)],
      ['another id beside', 'projection', () => send({ ...good, event_id: 'x' })],
      ['a time of its own', 'projection', () => send({ ...good, timestamp: 'x' })],
      ['a wrong hash', 'hash', () => send({ ...good, current_hash: '00'.repeat(32) })],
      ['a wrong signature', 'signature', () => send({ ...good, previous_hash: '00'.repeat(32) })],
      [
        'another ledger',
        'wrong_ledger',
        async () =>
          post(
            '/api/ledger/event',
            (await bodyOf(ledger, { ...anomaly(1), ledger: 'another.example/x' })).bytes,
          ),
      ],
      [
        'ahead of the clock',
        'clock_ahead',
        async () =>
          post(
            '/api/ledger/event',
            (
              await bodyOf(ledger, {
                ...anomaly(1),
                eventId: '02970000-0000-7000-8000-000000000001',
              })
            ).bytes,
          ),
      ],
      [
        'no schema',
        'unknown_schema',
        async () =>
          post(
            '/api/ledger/event',
            (await bodyOf(ledger, { ...anomaly(1), schemaVersion: 'newton.anomaly/9' })).bytes,
          ),
      ],
      [
        'another form',
        'schema',
        async () =>
          post(
            '/api/ledger/event',
            (await bodyOf(ledger, { ...anomaly(1), fields: { kind: 7 } })).bytes,
          ),
      ],
      [
        'a stranger',
        'authority',
        async () =>
          post(
            '/api/ledger/event',
            (await bodyOf(ledger, { ...anomaly(1), by: people.stranger })).bytes,
          ),
      ],
      [
        'a second genesis',
        'authority',
        async () => post('/api/ledger/event', (await bodyOf(ledger, genesisDraft())).bytes),
      ],
      [
        'no id',
        'event_id',
        () => send(withHeader({ event_id: '01970000-0000-4000-8000-000000000001' })),
      ],
      ['another key', 'key_id', () => send({ ...good, public_key: `${'A'.repeat(43)}=` })],
      [
        'another event of this id',
        'event_id_conflict',
        async () => {
          const { events } = await ledger.readSince('7', { limit: 1 })
          const eventId = events[0]?.event.event_id as string
          return post(
            '/api/ledger/event',
            (await bodyOf(ledger, { ...anomaly(201), eventId })).bytes,
          )
        },
      ],
      [
        'a contradiction',
        'semantic',
        async () =>
          post(
            '/api/ledger/event',
            (
              await bodyOf(ledger, {
                ...{ domain: 'decisions', schemaVersion: 'newton.attestation/1' },
                by: people.gateway,
                fields: {
                  ...{ evaluation: 'ab'.repeat(32), evaluationResult: '0x01', signers: [0] },
                  messageHash: `0x${'1'.repeat(64)}`,
                  certificateHash: `0x${'2'.repeat(64)}`,
                },
              })
            ).bytes,
          ),
      ],
      [
        'an old head',
        'stale_head',
        async () =>
          post(
            '/api/ledger/event',
            (await bodyOf(ledger, { ...anomaly(1), previousHash: '00'.repeat(32) })).bytes,
          ),
      ],
    ]
    for (const [name, code, attempt] of cases) {
      const response = await attempt()
      const body = (await response.json()) as { code: string; head?: unknown }
      expect([name, body.code, response.status]).toEqual([name, code, refusalStatus[code]])
      if (code === 'stale_head') expect(body.head).toMatchObject({ seq: expect.any(String) })
    }
    // Each refusal there is was met.
    expect(new Set(cases.map(([, code]) => code))).toEqual(new Set(Object.keys(refusalStatus)))
    expect(await length()).toBe(before)
  })

  test('behavior: a ledger that stopped is to be asked again', async () => {
    const stopped = createLedgerHandler({
      ...{ store, moduleId, schemas },
      ledger: {
        ...ledger,
        submit: async () => {
          throw new LedgerStoppedError({ reason: 'test' })
        },
        receipt: async () => {
          throw new TypeError('unexpected')
        },
      },
      onError: (error) => errors.push(error),
    })
    const init = { method: 'POST', body: '{}' }
    const response = await call('/api/ledger/event', init, stopped)
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refusalOf(response)).toBe('503 stopped')
    const id = '01970000-0000-7000-8000-000000000001'
    expect(await refusalOf(await call(`/api/ledger/event/${id}`, {}, stopped))).toBe('500 internal')
    expect(errors).toHaveLength(2)
    const busy = createLedgerHandler({
      ...{ store, moduleId, schemas },
      ledger: {
        ...ledger,
        submit: async () => {
          throw new LedgerBusyError({ waiting: 20_000 })
        },
      },
    })
    expect(await refusalOf(await call('/api/ledger/event', init, busy))).toBe('503 busy')
    const empty = createLedgerHandler({ ledger, schemas, moduleId, store: memoryTiles() })
    expect(await refusalOf(await call('/api/ledger/replay', {}, empty))).toBe('404 empty')
  })
})

describe('X-Module-ID', () => {
  test('behavior: it is demanded under /api and nowhere else', async () => {
    const bare = (path: string, headers = {}) =>
      handler(new Request(`https://ledger.example${path}`, { headers }))
    expect(await refusalOf(await bare('/api/ledger/replay'))).toBe('400 module_missing')
    const foreign = { 'X-Module-ID': 'tenant-2' }
    expect(await refusalOf(await bare('/api/ledger/replay', foreign))).toBe('403 module_foreign')
    const file = await bare('/meta/checkpoint')
    expect([file.status, file.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
    expect((await bare('/openapi.json')).status).toBe(200)
    expect(await refusalOf(await call('/api/nothing'))).toBe('404 not_found')
    expect(await refusalOf(await call('/api/ledger/event'))).toBe('405 method')
    expect(() => createLedgerHandler({ ledger, store, schemas, moduleId: '' })).toThrow(/moduleId/)
  })
})

describe('reading', () => {
  test('behavior: a verdict per check of an event as it is sent', async () => {
    const { events } = await ledger.readSince('3', { limit: 1 })
    const entry = encodeEvent((events[0] as (typeof events)[number]).event)
    const verdict = async (body: Uint8Array) =>
      (await (await post('/api/ledger/verify', body)).json()) as {
        status: string
        checks: Record<string, string>
      }
    const good = await verdict(entry)
    expect(good.status).toBe('valid')
    expect(good.checks).toMatchObject({
      signature: 'passed',
      schema: 'passed',
      inclusion: 'passed',
    })
    expect(good.checks['authority']).toBe('not_checked')
    for (let at = 0; at < entry.length; at += 13) {
      const changed = entry.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect((await verdict(changed)).status, `byte ${at}`).toBe('invalid')
    }
    expect((await post('/api/ledger/verify', 'x'.repeat(65_536))).status).toBe(413)
  })

  test('behavior: both proofs as JSON, the one as a tlog-proof', async () => {
    const { events } = await ledger.readSince('2', { limit: 1 })
    const { event, domain } = events[0] as (typeof events)[number]
    const path = `/api/merkle/proof/${event.event_id}`
    const log = (ledger.signers.get(domain) as NoteSigner).key
    const answer = await call(path)
    const body = (await answer.json()) as Record<string, string>
    const utf8 = new TextEncoder()
    const entry = utf8.encode(body['entry'])
    expect(
      verifyTlogProof({ file: body['domainProof'] as string, entry, trust: { log } }).status,
    ).toBe('verified')
    const meta = (ledger.signers.get('meta') as NoteSigner).key
    const record = { file: body['metaProof'] as string, entry: utf8.encode(body['metaRecord']) }
    expect(verifyTlogProof({ ...record, trust: { log: meta } }).status).toBe('verified')
    const text = await call(path, { headers: { accept: 'text/plain' } })
    expect(await text.text()).toMatch(/^c2sp\.org\/tlog-proof@v1\n/)
    expect(await refusalOf(await call('/api/merkle/proof/none'))).toBe('400 event_id')
    const nobody = '01970000-0000-7000-8000-00000000ffff'
    expect(await refusalOf(await call(`/api/merkle/proof/${nobody}`))).toBe('404 unknown_event')
    expect(await refusalOf(await call(`/api/ledger/event/${nobody}`))).toBe('404 unknown_event')
    const waiting = createLedgerHandler({
      ...{ store, moduleId, schemas },
      ledger: { ...ledger, prove: async () => 'pending' as const },
    })
    const pending = await call(path, {}, waiting)
    expect([pending.status, pending.headers.get('retry-after')]).toEqual([202, '1'])
  })

  test('behavior: a replay answers state and root, one at a time', async () => {
    await ledger.flush()
    const [one, other] = await Promise.all([
      call('/api/ledger/replay?from=2&to=5&domain=keys'),
      call('/api/ledger/replay'),
    ])
    expect([one.status, other.status].sort()).toEqual([200, 429])
    const body = (await one.json()) as Record<string, unknown>
    expect(body).toMatchObject({
      from: '2',
      to: '5',
      faults: [],
      state: { keys: expect.any(Object) },
    })
    expect(body['state_root']).toMatch(/^[0-9a-f]{64}$/)
    const all = (await (await call('/api/ledger/replay')).json()) as Record<string, unknown>
    expect(all['head']).toBe(ledger.head()?.current_hash)
    for (const query of ['from=x', 'to=-1', 'from=5&to=4', 'from=01']) {
      expect(await refusalOf(await call(`/api/ledger/replay?${query}`)), query).toBe('400 range')
    }
  })

  test('error: a query that is not known, or is there twice, is refused', async () => {
    const { events } = await ledger.readSince('2', { limit: 1 })
    const id = events[0]?.event.event_id
    for (const [query, code] of [
      ['/api/ledger/replay?form=3', 'query'],
      ['/api/ledger/replay?from=1&from=2', 'query'],
      ['/api/ledger/replay?domain=keys&domain=slots', 'query'],
      ['/api/ledger/replay?From=1', 'query'],
      ['/api/ledger/replay?from', 'range'],
      ['/api/ledger/replay?to=', 'range'],
      ['/api/ledger/replay?to=9999999999999999999999', 'range'],
      ['/api/ledger/replay?domain=xx', 'domain'],
      ['/api/ledger/replay?domain=', 'domain'],
      ['/api/ledger/replay?domain=__proto__', 'domain'],
      ['/api/ledger/events?cursr=5', 'query'],
      ['/api/ledger/events?limit=1&limit=1000', 'query'],
      ['/api/ledger/events?__proto__=1', 'query'],
      ['/api/ledger/events?limit=', 'limit'],
      ['/api/ledger/events?limit=01', 'limit'],
      ['/api/ledger/events?cursor=', 'cursor'],
      [`/api/ledger/event/${id}?seq=1`, 'query'],
      [`/api/merkle/proof/${id}?size=1`, 'query'],
    ] as const) {
      expect(await refusalOf(await call(query)), query).toBe(`400 ${code}`)
    }
    for (const path of ['/api/ledger/event', '/api/ledger/verify']) {
      expect(await refusalOf(await post(`${path}?dry=1`, '{}')), path).toBe('400 query')
    }
    for (const domain of ['counters', 'instances', 'keys', 'slots', 'templates']) {
      const answer = await call(`/api/ledger/replay?domain=${domain}`)
      const { state } = (await answer.json()) as { state: object }
      expect([answer.status, Object.keys(state)]).toEqual([200, [domain]])
    }
  })

  test('behavior: every file of the logs is served, and nothing else', async () => {
    for (const path of store.files.keys()) {
      const response = await call(`/${path}`)
      const isLog = !path.startsWith('.state')
      expect(response.status, path).toBe(isLog ? 200 : 404)
      if (!isLog) continue
      expect(new Uint8Array(await response.arrayBuffer())).toEqual(store.files.get(path))
      const isCheckpoint = path.endsWith('checkpoint')
      expect(response.headers.get('content-type')).toMatch(isCheckpoint ? /text/ : /octet/)
      expect(response.headers.get('cache-control')).toMatch(
        isCheckpoint ? /max-age=2/ : /immutable/,
      )
    }
    for (const path of [
      ...['/.state/head', '/meta/../.state/head', '/meta/%2e%2e/.state/head', '/meta/.state/head'],
      ...['/meta/tile/0/000/', '/meta/tile/00/000', '/meta/tile/0/0000', '/meta/tile/0/x000/000'],
      ...[
        '/meta/tile/0/000.p/0',
        '/meta/tile/0/000.p/256',
        '/meta/tile/0/000.p/01',
        '/meta/tile/64/000',
      ],
      ...['/meta/tile/data/000', '/meta//checkpoint', '/unknown/checkpoint', '/', '/meta'],
    ]) {
      expect((await call(path)).status, path).toBe(404)
    }
    expect((await call('/meta/checkpoint', { method: 'DELETE' })).status).toBe(405)
  })

  test('behavior: the interface describes itself, with each schema of an event', async () => {
    const api = (await (await call('/openapi.json')).json()) as {
      paths: Record<string, unknown>
      components: { schemas: Record<string, unknown> }
    }
    expect(Object.keys(api.paths)).toHaveLength(7)
    expect(Object.keys(api.components.schemas).length).toBeGreaterThan(schemas.versions.length)
    const names = JSON.stringify(api).match(/#\/components\/schemas\/[^"]+/g) ?? []
    for (const name of names) {
      expect(Object.keys(api.components.schemas)).toContain(name.split('/').at(-1))
    }
    expect(ledgerName).toContain('/')
  })
})

/** Members in the order of RFC 8785, for values without numbers that matter. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  )
}
