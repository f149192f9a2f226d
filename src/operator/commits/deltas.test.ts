import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ArtifactUnavailableError } from '../../da/index.js'
import { rangedResponse } from '../../internal/boundedBody.js'
import { computeDeltaHash } from '../../statetree/index.js'
import { listenOperator } from '../node/listen.js'
import { createOperatorRpc } from '../rpc/server.js'
import { createDeltaReader } from './deltas.js'
import { PIECE } from './ranges.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Bytes that no two places have alike, so that a piece in the wrong place is seen. */
const delta = new Uint8Array(2 * PIECE + 4_321).map((_, index) => (index * 7 + (index >> 8)) & 0xff)
const deltaHash = computeDeltaHash(delta)
const nobody = {
  getArtifact: async () => {
    throw new ArtifactUnavailableError({ artifactHash: deltaHash, attempts: [] })
  },
}
const readFrom = (peers: readonly string[], change: object = {}): Promise<Uint8Array> =>
  createDeltaReader({ artifacts: nobody, peers: () => peers, timeout: 1_000, ...change })({
    deltaHash,
    locators: [],
  })

async function operatorWith(bytes: Uint8Array): Promise<string> {
  const rpc = createOperatorRpc({
    operator: `0x${'b1'.repeat(20)}`,
    ...{ chainId: 1n, policyRegistry: `0x${'aa'.repeat(20)}`, handlers: {}, allow: () => false },
  })
  const server = await listenOperator({ rpc, delta: async () => bytes })
  closers.push(() => server.close(1_000))
  return server.url
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>
/** A peer over a socket that does as it is told, and what it was asked. */
async function peer(answer: Answer): Promise<{ url: string; asked: (string | undefined)[] }> {
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.range)
    void answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** What an honest peer says to a request, to be changed. */
async function honest(
  request: IncomingMessage,
): Promise<{ headers: Record<string, string>; body: Uint8Array }> {
  const response = rangedResponse(delta, request.headers.range, { most: PIECE })
  return {
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer()),
  }
}

describe('a delta of a peer', () => {
  test('behavior: is read in ranges of 1 MiB', async () => {
    expect(computeDeltaHash(await readFrom([await operatorWith(delta)]))).toBe(deltaHash)
  })

  test('behavior: a transfer that breaks off goes on where it stopped', async () => {
    let breaks = 2
    const { url, asked } = await peer(async (request, response) => {
      const { headers, body } = await honest(request)
      response.writeHead(206, { ...headers, 'content-length': String(body.length) })
      if (!request.headers.range?.startsWith('bytes=0-') && breaks-- > 0) {
        response.write(body.subarray(0, 100_000), () =>
          setTimeout(() => request.socket.destroy(), 50),
        )
      } else response.end(body)
    })
    expect(computeDeltaHash(await readFrom([url]))).toBe(deltaHash)
    const starts = asked.map((range) => Number(/^bytes=(\d+)-/.exec(range as string)?.[1]))
    expect(starts[0]).toBe(0)
    expect(starts[2]).toBeGreaterThan(PIECE)
    expect(starts[3]).toBeGreaterThan(starts[2] as number)
  })

  test('error: hostile peers are left for the next one, with bounded work', async () => {
    const change =
      (
        edit: (
          headers: Record<string, string>,
          body: Uint8Array,
        ) => [number, Record<string, string>, Uint8Array],
      ): Answer =>
      async (request, response) => {
        const { headers, body } = await honest(request)
        const [status, edited, bytes] = edit(headers, body)
        response.writeHead(status, edited)
        response.end(bytes)
      }
    const range = (text: string): Answer =>
      change((headers, body) => [206, { ...headers, 'content-range': text }, body])
    const hostile: Record<string, Answer> = {
      'all of it, unasked': change((headers) => [200, headers, delta]),
      'no range': change((headers, body) => [
        206,
        { ...headers, 'content-range': 'bytes */5' },
        body,
      ]),
      'another range': range(`bytes 5-${PIECE + 4}/${delta.length}`),
      'more than there may be': range(`bytes 0-${PIECE - 1}/${2 ** 40}`),
      'an end before its start': range(`bytes 9-1/${delta.length}`),
      'a byte at a time': change((headers, body) => [
        206,
        { ...headers, 'content-range': `bytes 0-0/${delta.length}` },
        body.subarray(0, 1),
      ]),
      'more than announced': change((headers, body) => [
        206,
        { ...headers, 'content-range': `bytes 0-9/${10}` },
        body,
      ]),
      'other bytes': change((headers, body) => [206, headers, body.map((byte) => byte ^ 1)]),
      'a redirect': (_, response) => {
        response.writeHead(302, { location: '/elsewhere' }).end()
      },
      'not here': (_, response) => {
        response.writeHead(404).end()
      },
      silence: () => undefined,
    }
    const total = { now: delta.length }
    hostile['another length each time'] = async (request, response) => {
      const { headers, body } = await honest(request)
      const named = (headers['content-range'] as string).replace(/\/\d+$/, `/${total.now++}`)
      response.writeHead(206, { ...headers, 'content-range': named }).end(body)
    }
    const good = await operatorWith(delta)
    for (const [name, answer] of Object.entries(hostile)) {
      const { url, asked } = await peer(answer)
      expect(computeDeltaHash(await readFrom([url, good], { timeout: 300 })), name).toBe(deltaHash)
      expect(asked.length, name).toBeLessThanOrEqual(3)
      expect(asked.length, name).toBeGreaterThan(0)
    }
    await expect(readFrom([(await peer(hostile['not here'] as Answer)).url])).rejects.toMatchObject(
      {
        code: 'DA_ARTIFACT_UNAVAILABLE',
      },
    )
  })

  test('error: more than the bound is not read', async () => {
    const url = await operatorWith(delta)
    await expect(readFrom([url], { maxBytes: delta.length - 1 })).rejects.toMatchObject({
      code: 'DA_ARTIFACT_UNAVAILABLE',
    })
  })
})

test('error: an operator gives no more than 1 MiB an answer, and no range that is none', async () => {
  const url = `${await operatorWith(delta)}/deltas/${deltaHash}`
  const ask = async (range?: string): Promise<[number, number, string | null]> => {
    const response = await fetch(url, range === undefined ? {} : { headers: { range } })
    const { length } = new Uint8Array(await response.arrayBuffer())
    return [response.status, length, response.headers.get('content-range')]
  }
  const refused = [416, 0, `bytes */${delta.length}`]
  expect(await ask()).toEqual(refused)
  const last = `bytes ${PIECE}-${2 * PIECE - 1}/${delta.length}`
  expect(await ask(`bytes=${PIECE}-`)).toEqual([206, PIECE, last])
  expect(await ask(`bytes=${PIECE}-999999999999999`)).toEqual([206, PIECE, last])
  expect(await ask('bytes=0-0')).toEqual([206, 1, `bytes 0-0/${delta.length}`])
  for (const range of [
    ...[
      'bytes=0-1,5-6',
      'bytes=-5',
      'bytes=5-1',
      `bytes=${delta.length}-`,
      'bytes=a-b',
      'items=0-1',
    ],
    ...['bytes=0x0-1', 'bytes=1e1-', 'bytes=0-9999999999999999', `bytes=${'9'.repeat(400)}-`],
  ])
    expect(await ask(range), range).toEqual(refused)
})
