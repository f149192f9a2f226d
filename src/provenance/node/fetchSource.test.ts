import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../internal/bytes.js'
import { SourceUnavailableError, ToolchainError } from '../errors.js'
import { fetchGuarded, fetchSource } from './fetchSource.js'
import { describeToolchain, packageClosure } from './toolchain.js'

let server: Server
let url: string
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/ok') response.end('archive')
    else if (request.url === '/moved') response.writeHead(302, { location: '/ok' }).end()
    else if (request.url === '/large') response.end(Buffer.alloc(5_000))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())
const allowPrivate = true

describe('fetchGuarded', () => {
  test('behavior: a file, where private addresses are allowed', async () => {
    expect(Buffer.from(await fetchGuarded(`${url}/ok`, { allowPrivate })).toString()).toBe(
      'archive',
    )
  })

  test('error: private addresses, other schemes, credentials', async () => {
    for (const address of [
      `${url}/ok`,
      'https://127.0.0.1/a',
      'https://[::1]/a',
      'https://169.254.169.254/latest',
      'https://control.internal/a',
      'https://user:pass@example.com/a',
      'file:///etc/passwd',
      'nothing',
    ]) {
      await expect(fetchGuarded(address)).rejects.toBeInstanceOf(SourceUnavailableError)
    }
  })

  test('error: a redirect, an error, too many bytes', async () => {
    for (const path of ['/moved', '/none', '/large']) {
      await expect(
        fetchGuarded(url + path, { allowPrivate, maxBytes: 1_000 }),
      ).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE', retryable: true })
    }
  })

  test('behavior: mirrors are asked, and all answers come back', async () => {
    const source = { sourceSha256: `0x${'ab'.repeat(32)}` as const, sourceUri: `${url}/ok` }
    const found = await fetchSource(source, { allowPrivate, mirrors: [url] })
    expect(found.map((bytes) => Buffer.from(bytes).toString())).toEqual(['archive'])
    await expect(
      fetchSource({ sourceSha256: source.sourceSha256 }, { allowPrivate, mirrors: [url] }),
    ).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
  })

  test('behavior: where a mirror has it, nobody else is asked', async () => {
    const sourceSha256 = toHex(sha256(utf8('archive')))
    const asked: string[] = []
    const other = createServer((request, response) => {
      asked.push(request.url ?? '')
      if (request.url === `/right/${sourceSha256.slice(2)}.tar`) response.end('archive')
      else if (request.url?.startsWith('/wrong/')) response.end('something else')
      // And the plugin's own never says anything.
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const at = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    try {
      const mirrors = [`${at}/wrong`, `${at}/right`, `${at}/silent`]
      const source = { sourceSha256, sourceUri: `${at}/own` }
      const found = await fetchSource(source, { allowPrivate, mirrors })
      expect(Buffer.from(found.at(-1) ?? []).toString()).toBe('archive')
      expect(asked.map((path) => path.split('/')[1])).toEqual(['wrong', 'right'])
    } finally {
      other.closeAllConnections()
      other.close()
    }
  })
})

describe('toolchains', () => {
  const directory = mkdtempSync(join(tmpdir(), 'toolchain-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const pack = (name: string, dependencies: object = {}, at = directory): string => {
    const folder = join(at, 'node_modules', name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name, version: '1.0.0', ...dependencies }),
    )
    return folder
  }

  test('behavior: a closure, and what is missing of it', async () => {
    const a = pack('a', { dependencies: { b: '1' }, optionalDependencies: { other: '1' } })
    pack('b', { dependencies: { c: '1' } })
    await expect(packageClosure([a])).rejects.toBeInstanceOf(ToolchainError)
    pack('c', { dependencies: { a: '1' } })
    expect((await packageClosure([a])).map(({ name }) => name).sort()).toEqual(['a', 'b', 'c'])
  })

  test('behavior: any changed file is another toolchain, or none', async () => {
    const folder = pack('tool')
    writeFileSync(join(folder, 'index.js'), 'one')
    const parts = {
      programs: [{ host: '/bin/sh', guest: '/usr/bin/sh' }],
      packages: [{ name: 'tool', version: '1.0.0', host: folder, guest: '/toolchain/tool' }],
      ...{ determinism: 'newton-det/2', entrypoint: ['/toolchain/bin/node'] },
    }
    const toolchain = await describeToolchain(parts)
    expect(toolchain.image).toMatch(/^newton-toolchain@sha256:[0-9a-f]{64}$/)
    expect((await describeToolchain(parts)).image).toBe(toolchain.image)
    expect(toolchain.manifest?.rootfs.some(({ path }) => path.includes('libc.so'))).toBe(true)
    expect(await toolchain.isIntact()).toBe(true)
    writeFileSync(join(folder, 'index.js'), 'two')
    expect(await toolchain.isIntact()).toBe(false)
    expect((await describeToolchain(parts)).image).not.toBe(toolchain.image)
    writeFileSync(join(folder, 'index.js'), 'one')
    expect(await toolchain.isIntact()).toBe(true)
    rmSync(join(folder, 'index.js'))
    expect(await toolchain.isIntact()).toBe(false)
  }, 60_000)
})
