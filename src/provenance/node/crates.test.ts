import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { toHex, utf8 } from '../../internal/bytes.js'
import { createSourceArchive } from '../build/archive.js'
import { layOutCrates, readCargoLock } from './crates.js'

const directory = mkdtempSync(join(tmpdir(), 'crates-'))
const registry = 'registry+https://github.com/rust-lang/crates.io-index'
const { archive } = createSourceArchive([{ path: 'src/lib.rs', bytes: utf8('pub fn a() {}') }], {
  folder: 'a-1.0.0',
})
const checksum = toHex(sha256(archive)).slice(2)
const entry = (fields: Record<string, string>): string =>
  ['[[package]]', ...Object.entries(fields).map(([key, value]) => `${key} = "${value}"`), ''].join(
    '\n',
  )
const locked = { name: 'a', version: '1.0.0', source: registry, checksum }

let server: Server
let mirror: string
let served: Uint8Array = archive
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === `/${checksum}.crate`) response.end(served)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('readCargoLock', () => {
  test('behavior: crates with their checksums, members left out', () => {
    const text = `version = 4\n\n${entry({ name: 'own', version: '0.1.0' })}\n${entry(locked)}`
    expect(readCargoLock(text)).toEqual([{ name: 'a', version: '1.0.0', sha256: checksum }])
    expect(readCargoLock('')).toEqual([])
  })

  test('error: what no hash names, and names that are paths', () => {
    const { checksum: _, ...unchecked } = locked
    for (const fields of [
      unchecked,
      { ...locked, source: 'git+https://github.com/a/a#abc' },
      { ...locked, source: 'registry+https://registry.example/index' },
      { ...locked, checksum: 'ab' },
      { ...locked, name: '../a' },
      { ...locked, version: '1/../../b' },
      { name: 'a', version: '1.0.0', source: registry },
      { name: 'a', version: '1.0.0', checksum },
    ]) {
      expect(() => readCargoLock(entry(fields))).toThrow(
        expect.objectContaining({ code: 'SOURCE_UNAVAILABLE' }),
      )
    }
    expect(() => readCargoLock(`${entry(locked)}name = "b"\n`)).toThrow(/twice/)
    expect(() => readCargoLock('x'.repeat(2 ** 20 + 1))).toThrow(/too large/)
  })
})

describe('layOutCrates', () => {
  const source = (name: string, text?: string): { source: string; folder: string } => {
    const path = join(directory, name)
    mkdirSync(path)
    if (text !== undefined) writeFileSync(join(path, 'Cargo.lock'), text)
    return { source: path, folder: join(directory, `${name}-crates`) }
  }
  const options = { allowPrivate: true, cargoHome: join(directory, 'none') }

  test('behavior: by its hash, as cargo reads a folder of them', async () => {
    const places = source('fine', entry(locked))
    await layOutCrates(places.source, places.folder, { ...options, mirrors: [mirror] })
    const read = (path: string): string => readFileSync(join(places.folder, path), 'utf8')
    expect(read('a-1.0.0/src/lib.rs')).toBe('pub fn a() {}')
    expect(JSON.parse(read('a-1.0.0/.cargo-checksum.json'))).toEqual({
      ...{ files: {}, package: checksum },
    })
  })

  test('behavior: a download of cargo is used where it is what the lock file names', async () => {
    const cargoHome = join(directory, 'cargo')
    const cache = join(cargoHome, 'registry/cache/index')
    mkdirSync(cache, { recursive: true })
    writeFileSync(join(cache, 'a-1.0.0.crate'), archive)
    const there = source('local', entry(locked))
    await layOutCrates(there.source, there.folder, { ...options, cargoHome })
    writeFileSync(join(cache, 'a-1.0.0.crate'), 'planted')
    const planted = source('planted', entry(locked))
    await layOutCrates(planted.source, planted.folder, {
      ...{ ...options, cargoHome, mirrors: [mirror] },
    })
    expect(readFileSync(join(planted.folder, 'a-1.0.0/src/lib.rs'), 'utf8')).toBe('pub fn a() {}')
  })

  test('error: other bytes under the name, from everywhere', async () => {
    served = utf8('other')
    const places = source('other', entry(locked))
    await expect(
      layOutCrates(places.source, places.folder, {
        // Where crates.io cannot be asked either.
        ...{ ...options, mirrors: [mirror], timeout: 2_000 },
      }),
    ).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' })
    served = archive
  }, 30_000)

  test('behavior: no lock file is the build’s to fail for', async () => {
    const places = source('bare')
    await layOutCrates(places.source, places.folder, options)
  })

  /** Puts a crate of empty files, and others, where cargo would have downloaded it. */
  const downloaded = (
    count: number,
    more: Record<string, string> = {},
  ): { cargoHome: string; entries: (crates: number) => string } => {
    const files = Array.from({ length: count }, (_, i) => ({ path: `d${i}/f`, bytes: utf8('') }))
    const others = Object.entries(more).map(([path, text]) => ({ path, bytes: utf8(text) }))
    const { archive: made, sourceSha256 } = createSourceArchive([...files, ...others])
    const cargoHome = mkdtempSync(join(directory, 'home-'))
    const cache = join(cargoHome, 'registry/cache/index')
    mkdirSync(cache, { recursive: true })
    for (let i = 0; i < 5; i++) writeFileSync(join(cache, `c${i}-1.0.0.crate`), made)
    const one = (i: number): string =>
      entry({ ...locked, name: `c${i}`, checksum: sourceSha256.slice(2) })
    return {
      cargoHome,
      entries: (crates) => Array.from({ length: crates }, (_, i) => one(i)).join('\n'),
    }
  }

  test('error: files and folders of all crates are counted together', async () => {
    const { cargoHome, entries } = downloaded(10)
    // Ten files, ten folders, the crate's own and its checksum.
    const limit = { ...options, cargoHome, entries: 3 * 22 }
    const fine = source('three', entries(3))
    await layOutCrates(fine.source, fine.folder, limit)
    const over = source('four', entries(4))
    await expect(layOutCrates(over.source, over.folder, limit)).rejects.toMatchObject({
      ...{ code: 'SOURCE_ARCHIVE_INVALID', fault: 'too_large' },
    })
  })

  test('error: a signal ends it between two files of a crate', async () => {
    const { cargoHome, entries } = downloaded(50)
    const places = source('ended', entries(1))
    const { signal } = new AbortController()
    let asked = 0
    vi.spyOn(signal, 'throwIfAborted').mockImplementation(() => {
      // Twice for each entry of the archive, and once for each that is laid out.
      if (++asked > 2 * 101 + 40) throw new TypeError('enough')
    })
    await expect(
      layOutCrates(places.source, places.folder, { ...options, cargoHome, signal }),
    ).rejects.toThrow('enough')
    const laidOut = readdirSync(join(places.folder, 'c0-1.0.0'))
    expect(laidOut.length).toBeGreaterThan(0)
    expect(laidOut.length).toBeLessThan(50)
  })

  test.each(['.cargo-checksum.json', '.cargo-checksum.json/x'])(
    'behavior: a crate that has %s itself is read by the checksum of the lock file',
    async (path) => {
      const { cargoHome, entries } = downloaded(1, { [path]: 'planted' })
      const places = source(`planted-${path.length}`, entries(1))
      await layOutCrates(places.source, places.folder, { ...options, cargoHome })
      const written = readFileSync(join(places.folder, 'c0-1.0.0/.cargo-checksum.json'), 'utf8')
      expect(JSON.parse(written)).toMatchObject({ files: {} })
    },
  )
})
