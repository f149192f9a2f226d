/** Bodies of a server that means ill, and writers that are killed: bounded, whole, or refused. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createGzip } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import { https } from '../https.js'
import { listFiles } from './fileDa.js'
import { guardedFetch } from './guardedFetch.js'

const zeros = Buffer.alloc(1 << 20)
const pour = (to: NodeJS.WritableStream, left: number): void => {
  for (let n = left; n > 0; n--) {
    if (to.write(zeros)) continue
    to.once('drain', () => pour(to, n - 1))
    return
  }
  to.end()
}
const raw = (to: ServerResponse, text: string): void => {
  to.socket?.write(`HTTP/1.1 200 OK\r\n${text}`)
}
const bodies: Record<string, (to: ServerResponse) => void> = {
  bomb(to) {
    to.setHeader('content-encoding', 'gzip')
    const gzip = createGzip({ level: 9 })
    gzip.pipe(to)
    to.on('close', () => gzip.destroy())
    gzip.on('error', () => undefined)
    pour(gzip, 2_000)
  },
  endless: (to) => pour(to, 100_000),
  claimed: (to) => raw(to, 'content-length: 99999999999999\r\n\r\nabc'),
  negative: (to) => raw(to, 'content-length: -5\r\n\r\nabc'),
  twoLengths: (to) => raw(to, 'content-length: 1\r\ncontent-length: 3\r\n\r\nxbc'),
  silent: () => undefined,
  stalled: (to) => raw(to, 'content-length: 100\r\n\r\nx'),
}
const server = createServer((request, response) => {
  response.on('error', () => undefined)
  bodies[request.url?.slice(1) ?? '']?.(response)
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const root = await mkdtemp(join(tmpdir(), 'hostile-'))
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(root, { recursive: true, force: true })
})

describe.each(['the platform', 'guardedFetch'])('https through the fetch of %s', (name) => {
  const guarded = guardedFetch({ isForbidden: () => false })
  const via = name === 'guardedFetch' ? guarded : globalThis.fetch
  const hash = computeArtifactHash(Uint8Array.of(1))

  test.each(Object.keys(bodies))('error: a body that is %s', async (body) => {
    const da = https({
      fetch: (_input, init) => via(`${base}/${body}`, init),
      maxBytes: 1_000_000,
      stallTimeout: 300,
    })
    const before = process.memoryUsage().rss
    const read = da.getWithVerification({ kind: 'https', url: `https://h.example/${body}` }, hash, {
      timeout: 2_000,
    })
    await expect(read).rejects.toMatchObject({ code: expect.stringMatching(/^(DA_|TIMEOUT)/) })
    // Two gigabytes of zeros are two megabytes on the way: what is read is bounded, not what arrives.
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000)
  })
})

describe('connections end with what was asked of them', () => {
  const sockets = new Set<Socket>()
  const tcp = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.once('data', (request) => {
      const [, status, kind] = /^\S+ \/(\d+)\/(\w+)/.exec(String(request)) ?? []
      const length = kind === 'endless' ? 1_000_000_000 : 5
      socket.write(`HTTP/1.1 ${status} X\r\ncontent-length: ${length}\r\n\r\n`)
      if (kind !== 'endless') return
      const pouring = setInterval(() => socket.write(Buffer.alloc(60_000)), 5)
      socket.on('close', () => clearInterval(pouring))
    })
  })
  afterAll(() => tcp.close())

  const statuses = [200, 204, 205, 299, 304, 404, 500, 599, 600, 999]
  test.each(statuses.flatMap((status) => ['stalled', 'endless'].map((kind) => [status, kind])))(
    'error: status %i with a body that is %s',
    async (status, kind) => {
      if (!tcp.listening) await new Promise<void>((done) => tcp.listen(0, '127.0.0.1', done))
      const { port } = tcp.address() as AddressInfo
      const fetch = guardedFetch({ isForbidden: () => false })
      const da = https({
        fetch: (_input, init) => fetch(`http://127.0.0.1:${port}/${status}/${kind}`, init),
        maxBytes: 1_000_000,
        stallTimeout: 300,
      })
      const hash = computeArtifactHash(Uint8Array.of(1))
      const read = da.getWithVerification({ kind: 'https', url: 'https://h.example/a' }, hash)
      await expect(read).rejects.toMatchObject({ code: expect.stringMatching(/^DA_/) })
      await expect.poll(() => sockets.size, { timeout: 5_000 }).toBe(0)
    },
  )

  test.each(['stalled', 'endless'])(
    'behavior: HEAD leaves a body that is %s alone',
    async (kind) => {
      const { port } = tcp.address() as AddressInfo
      const fetch = guardedFetch({ isForbidden: () => false })
      const url = `http://127.0.0.1:${port}/200/${kind}`
      expect((await fetch(url, { method: 'HEAD' })).status).toBe(200)
      await expect.poll(() => sockets.size, { timeout: 5_000 }).toBe(0)
    },
  )
})

test('behavior: a writer that is killed leaves whole files and drafts, no half ones', async () => {
  const code = `
    import { fileDa } from ${JSON.stringify(new URL('./fileDa.ts', import.meta.url).href)}
    const da = fileDa({ directory: process.argv[1] })
    for (;;) {
      await Promise.all(Array.from({ length: 4 }, () =>
        da.put(crypto.getRandomValues(new Uint8Array(60_000)))))
      process.stdout.write('w')
    }`
  for (let round = 0; round < 3; round++) {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', code, root],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await new Promise((resolve) => setTimeout(resolve, 40 + round * 40))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
  }
  const files = (await listFiles(root)).filter((path) => path.endsWith('.bin'))
  expect(files.length).toBeGreaterThan(0)
  for (const path of files)
    expect(computeArtifactHash(await readFile(path))).toBe(`0x${basename(path, '.bin')}`)
}, 60_000)
