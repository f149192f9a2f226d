import { connect } from 'node:net'
import type { Address, Hex } from 'viem'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { computeArtifactHash, namespaces } from '../../core/artifact.js'
import { pushArtifact } from '../../da/index.js'
import { utf8 } from '../../internal/bytes.js'
import { type ArtifactIntakeParameters, createArtifactIntake } from '../roles/intake.js'
import { createOperatorRpc } from '../rpc/server.js'
import { listenOperator, type OperatorServer } from './listen.js'

const bytes = utf8('package example\n')
const hash = computeArtifactHash(bytes)
const operator: Address = '0x00000000000000000000000000000000000000b1'

const servers: OperatorServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(500)
})

async function start(more: Partial<ArtifactIntakeParameters> = {}) {
  const kept = new Map<Hex, Uint8Array>()
  const intake = createArtifactIntake({
    isPending: ({ namespace, hash: asked }) => namespace === namespaces.rego && asked === hash,
    isHeld: async (asked) => kept.has(asked),
    keep: async (asked, value) => void kept.set(asked, value),
    ...more,
  })
  const rpc = createOperatorRpc({
    ...{ operator, chainId: 1n, policyRegistry: operator, handlers: {} },
    allow: () => false,
  })
  const server = await listenOperator({ rpc, intake })
  servers.push(server)
  const put = async (path: string, body: Uint8Array | ReadableStream): Promise<number> => {
    const init = { method: 'PUT', body, duplex: 'half' } as RequestInit
    return (await fetch(`${server.url}/artifacts/${path}`, init)).status
  }
  return { kept, put, url: server.url }
}

describe('PUT /artifacts', () => {
  test('default: what is registered and not in the tree is taken, once', async () => {
    const { kept, url } = await start()
    const push = () => pushArtifact({ operators: [url, `${url}/`], namespace: 4, bytes })
    const first = await push()
    expect(first.map(({ status }) => status)).toContain('taken')
    expect(kept.get(hash)).toEqual(bytes)
    expect((await push()).map(({ status }) => status)).toEqual(['held', 'held'])
  })

  test('behavior: an answer of success without the hash is nobody’s word', async () => {
    const answers: [status: number, said: string, status: string][] = [
      [200, `held ${hash}`, 'held'],
      [200, `held ${hash}\n`, 'held'],
      [201, `taken ${hash}`, 'taken'],
      [200, '<html>login</html>', 'unconfirmed'],
      [200, '', 'unconfirmed'],
      [200, 'held', 'unconfirmed'],
      [201, `held ${hash}`, 'unconfirmed'],
      [200, `held ${computeArtifactHash(utf8('other'))}`, 'unconfirmed'],
      [200, `held ${hash}${' '.repeat(2_000)}`, 'unconfirmed'],
      [204, '', 'refused'],
      [202, `taken ${hash}`, 'refused'],
      [404, `held ${hash}`, 'refused'],
    ]
    for (const [status, said, expected] of answers) {
      const own = async () => new Response(status === 204 ? null : said, { status })
      const call = { operators: ['https://a.example'], namespace: 4, bytes, fetch: own } as const
      expect(await pushArtifact(call), `${status} ${said}`).toEqual([
        { url: 'https://a.example', status: expected, httpStatus: status },
      ])
    }
    // One that never ends its answer is away, and holds up nobody for longer than the time.
    const endless = async () => new Response(new ReadableStream())
    const call = { operators: ['https://a.example'], namespace: 4, bytes, fetch: endless } as const
    expect(await pushArtifact(call, { timeout: 30 })).toEqual([
      { url: 'https://a.example', status: 'unanswered' },
    ])
    await expect(pushArtifact(call, { timeout: Number.NaN })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('error: what nobody registered, other bytes, too many, no name', async () => {
    const { kept, put } = await start({ maxBytes: 20, burst: 99 })
    expect(await put(`5/${hash}`, bytes)).toBe(404)
    expect(await put(`4/${computeArtifactHash(utf8('other'))}`, bytes)).toBe(404)
    expect(await put(`4/${hash}`, utf8('other'))).toBe(422)
    expect(await put(`4/${hash}`, utf8('x'.repeat(21)))).toBe(413)
    for (const path of [`3/${hash}`, `9/${hash}`, `04/${hash}`, `4/${hash.toUpperCase()}`, '4/..'])
      expect([400, 404]).toContain(await put(path, bytes))
    expect(kept.size).toBe(0)
    expect(await put(`4/${hash}`, bytes)).toBe(201)
  })

  test('error: what does not say how long it is ends at the bound', async () => {
    const { put } = await start({ maxBytes: 20 })
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(utf8('x'.repeat(1_000))),
    })
    // The answer may come before the sender has stopped, which then sees its connection cut.
    expect([413, 'cut']).toContain(await put(`4/${hash}`, endless).catch(() => 'cut'))
  })

  test('error: busy beyond its rate, and beyond the places for those that are slow', async () => {
    let now = 0
    const rated = await start({ burst: 2, perSecond: 1, now: () => now })
    const statuses: number[] = []
    for (let n = 0; n < 3; n++) statuses.push(await rated.put(`4/${hash}`, utf8('other')))
    expect(statuses).toEqual([422, 422, 429])
    now += 1_000
    expect(await rated.put(`4/${hash}`, bytes)).toBe(201)

    const { put, url } = await start({ concurrent: 1, burst: 999 })
    const slow = connect(Number(new URL(url).port), '127.0.0.1')
    slow.on('error', () => undefined)
    slow.write(`PUT /artifacts/4/${hash} HTTP/1.1\r\nhost: a\r\ncontent-length: 16\r\n\r\np`)
    const other = utf8('other')
    await vi.waitFor(async () => expect(await put(`4/${hash}`, other)).toBe(429), 10_000)
    slow.destroy()
    await vi.waitFor(async () => expect(await put(`4/${hash}`, bytes)).toBe(201), 10_000)
  })

  test('behavior: one operator that is away keeps none from the others', async () => {
    const { url } = await start()
    const dead = 'http://127.0.0.1:9'
    const results = await pushArtifact({ operators: [dead, url], namespace: 4, bytes })
    expect(results).toEqual([
      { url: dead, status: 'unanswered' },
      { url, status: 'taken', httpStatus: 201 },
    ])
    const refused = await pushArtifact({ operators: [url], namespace: 6, bytes })
    expect(refused).toEqual([{ url, status: 'refused', httpStatus: 404 }])
    const gone = AbortSignal.abort(new TypeError('stopped'))
    const leaving = pushArtifact({ operators: [url], namespace: 4, bytes }, { signal: gone })
    await expect(leaving).rejects.toThrow('stopped')
  })

  test.each(['maxBytes', 'perSecond', 'burst', 'concurrent'])(
    'error: INVALID_INPUT for %s that is no bound',
    (name) => {
      const parts = { isPending: () => true, isHeld: async () => true, keep: async () => undefined }
      expect(() => createArtifactIntake({ ...parts, [name]: 0 })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    },
  )
})
