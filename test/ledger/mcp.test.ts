/** The ledger as an MCP server, over the handler that serves it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createLedgerHandler,
  type Ledger,
  type LedgerHandler,
  memoryTiles,
} from '../../src/ledger/index.js'
import { fill, openTestLedger, schemas, verify } from './ledgerWorld.js'

const store = memoryTiles()
let ledger: Ledger
let handler: LedgerHandler
beforeAll(async () => {
  ledger = await openTestLedger({ store })
  await fill(ledger, 5)
  await ledger.flush()
  handler = createLedgerHandler({ ledger, store, moduleId: 'eval', schemas, verify })
})
afterAll(() => ledger?.close())

const send = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
  handler(
    new Request('https://ledger.example/mcp', {
      ...{ method: 'POST', body },
      headers: { 'X-Module-ID': 'eval', ...headers },
    }),
  )
type Result = { isError: boolean; structuredContent: Record<string, unknown> }
const ask = async (method: string, params: object = {}) => {
  const answer = await send(JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }))
  expect(answer.status).toBe(200)
  return (await answer.json()) as { id: number; result: Result; error?: { code: number } }
}
const tool = async (name: string, given: object) =>
  (await ask('tools/call', { name, arguments: given })).result

describe('POST /mcp', () => {
  test('behavior: it says what it is, and which tools there are', async () => {
    const { result } = await ask('initialize', { protocolVersion: '2025-03-26' })
    expect(result).toMatchObject({ protocolVersion: '2025-03-26', capabilities: { tools: {} } })
    expect((await ask('initialize', { protocolVersion: '1999-01-01' })).result).toMatchObject({
      protocolVersion: '2025-06-18',
    })
    const { tools } = (await ask('tools/list')).result as unknown as {
      tools: { name: string; inputSchema: { type: string }; annotations: object }[]
    }
    expect(tools.map(({ name }) => name)).toEqual([
      ...['read_since', 'get_event', 'prove', 'verify', 'replay'],
    ])
    for (const { inputSchema, annotations } of tools) {
      expect(inputSchema.type).toBe('object')
      expect(annotations).toMatchObject({ readOnlyHint: true })
    }
    expect((await ask('ping')).result).toEqual({})
  })

  test('behavior: pages, an event, its proof, a verdict, a replay', async () => {
    const page = await tool('read_since', { cursor: '7', limit: 2 })
    expect(page).toMatchObject({ isError: false, structuredContent: { cursor: '9' } })
    const [first] = page.structuredContent['events'] as { event: { event_id: string } }[]
    const event_id = first?.event.event_id
    expect((await tool('get_event', { event_id })).structuredContent).toMatchObject({ seq: '7' })
    const { structuredContent: proof } = await tool('prove', { event_id })
    expect(proof['domainProof']).toContain('c2sp.org/tlog-proof@v1')
    const verdict = await tool('verify', { entry: proof['entry'] })
    expect(verdict.structuredContent).toMatchObject({ status: 'valid' })
    const forged = (proof['entry'] as string).replace('number 0', 'number 9')
    expect((await tool('verify', { entry: forged })).structuredContent).toMatchObject({
      status: 'invalid',
    })
    const replay = await tool('replay', { to: '8' })
    expect(replay.structuredContent).toMatchObject({ to: '8', faults: [] })
  })

  test('error: what is no question, and what no tool answers', async () => {
    const codeOf = async (body: string) =>
      ((await (await send(body)).json()) as { error: { code: number } }).error.code
    expect(await codeOf('{')).toBe(-32_700)
    expect(await codeOf('[]')).toBe(-32_600)
    expect(await codeOf('{"jsonrpc":"2.0","id":{},"method":"ping"}')).toBe(-32_600)
    expect((await ask('resources/list')).error?.code).toBe(-32_601)
    for (const params of [
      { name: 'append' },
      { name: 'read_since', arguments: {} },
      { name: 'get_event', arguments: { event_id: 'x', more: 1 } },
      { name: 'replay', arguments: { to: 5 } },
      { name: 'replay', arguments: { domain: ['keys'] } },
      { name: 'replay', arguments: { from: null } },
      { name: 'replay', arguments: 'from=5' },
      { name: 'replay', arguments: [] },
    ]) {
      expect((await ask('tools/call', params)).error?.code).toBe(-32_602)
    }
    for (const [name, given, code] of [
      ['read_since', { cursor: 'x' }, 'cursor'],
      ['read_since', { cursor: '0', limit: 1_001 }, 'limit'],
      ['read_since', { cursor: '0', limit: 'many' }, 'limit'],
      ['get_event', { event_id: 'x' }, 'event_id'],
      ['get_event', { event_id: '01970000-0000-7000-8000-00000000ffff' }, 'unknown_event'],
      ['replay', { from: '9', to: '1' }, 'range'],
      ['replay', { domain: 'xx' }, 'domain'],
    ] as const) {
      expect(await tool(name, given)).toMatchObject({ isError: true, structuredContent: { code } })
    }
    expect(ledger.head()?.seq).toBe(11n)
  })

  test('error: headers and sizes', async () => {
    const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    const foreign = await send(ping, { 'X-Module-ID': 'other' })
    expect(foreign.status).toBe(403)
    const missing = await handler(new Request('https://ledger.example/mcp', { method: 'POST' }))
    expect(missing.status).toBe(400)
    expect((await send(ping, { 'MCP-Protocol-Version': '1999-01-01' })).status).toBe(400)
    expect((await send(ping, { 'MCP-Protocol-Version': '2025-06-18' })).status).toBe(200)
    expect((await send(' '.repeat(300_000))).status).toBe(413)
    expect((await send('{"jsonrpc":"2.0","method":"notifications/initialized"}')).status).toBe(202)
    const headers = { 'X-Module-ID': 'eval' }
    const read = await handler(new Request('https://ledger.example/mcp', { headers }))
    expect([read.status, read.headers.get('allow')]).toEqual([405, 'POST'])
  })
})

describe('GET /api/ledger/events', () => {
  test('behavior: pages by cursor, and refusals with their codes', async () => {
    const headers = { 'X-Module-ID': 'eval' }
    const get = (query: string) =>
      handler(new Request(`https://ledger.example/api/ledger/events${query}`, { headers }))
    const page = (await (await get('?cursor=10&limit=5')).json()) as { events: object[] }
    expect(page).toMatchObject({ cursor: '12', events: [{ seq: '10' }, { seq: '11' }] })
    expect(((await (await get('')).json()) as { events: object[] }).events).toHaveLength(12)
    for (const query of ['?cursor=-1', '?limit=0', '?limit=1001', '?limit=x']) {
      expect((await get(query)).status, query).toBe(400)
    }
  })
})
