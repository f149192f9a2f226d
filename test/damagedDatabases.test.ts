import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { lmdbKv } from '../src/enclave/node/lmdbKv.js'
import { lmdbLookup } from '../src/ledger/node/lmdbLookup.js'
import { lmdbIndexStore } from '../src/registry/node/lmdbIndexStore.js'
import { createStateTree } from '../src/statetree/index.js'
import { lmdbStore } from '../src/statetree/node/index.js'

const base = mkdtempSync(join(tmpdir(), 'lmdb-file-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
let count = 0
const folder = (): string => join(base, String(count++))

/** Each store: where its file is, and how it is opened. */
const stores = {
  lmdbStore: { file: 'tree.mdb', open: (path: string) => lmdbStore({ path }) },
  lmdbLookup: { file: 'lookup.mdb', open: (directory: string) => lmdbLookup({ directory }) },
  lmdbIndexStore: { file: 'index.mdb', open: (path: string) => lmdbIndexStore({ path }).open() },
  lmdbKv: { file: 'data.mdb', open: (path: string) => lmdbKv({ path }) },
}

const damages: Record<string, (whole: Uint8Array) => Uint8Array> = {
  'three bytes': () => Uint8Array.of(1, 2, 3),
  zeros: (whole) => new Uint8Array(whole.length),
  text: (whole) => new Uint8Array(whole.length).fill(0x61),
  'its first page gone': (whole) => new Uint8Array(whole).fill(0, 0, 4_096),
  'its second page gone': (whole) => new Uint8Array(whole).fill(0, 4_096, 8_192),
  'one page alone': (whole) => whole.slice(0, 4_096),
  'a page size that is none': (whole) => {
    const out = whole.slice()
    new DataView(out.buffer).setUint32(48, 4_097, true)
    return out
  },
}

describe.each(Object.entries(stores))('%s', (_, { file, open }) => {
  test.each(Object.entries(damages))('error: DATABASE_DAMAGED for %s', async (_what, damage) => {
    const path = folder()
    const opened = await open(path)
    await opened.close()
    const at = join(path, file)
    writeFileSync(at, damage(new Uint8Array(readFileSync(at))))
    await expect(open(path)).rejects.toMatchObject({ code: 'DATABASE_DAMAGED', path: at })
  })

  test('default: what it wrote, and an empty file, are opened', async () => {
    const path = folder()
    for (let round = 0; round < 3; round++) await (await open(path)).close()
    const empty = folder()
    mkdirSync(dirname(join(empty, file)), { recursive: true })
    writeFileSync(join(empty, file), '')
    await (await open(empty)).close()
  })
})

test('error: DATABASE_DAMAGED for a tree that was cut anywhere, and not for what is missing nowhere', async () => {
  const path = folder()
  const store = await lmdbStore({ path })
  const tree = createStateTree({ store })
  const key = (n: number): Uint8Array => {
    const out = new Uint8Array(32)
    new DataView(out.buffer).setUint32(0, Math.imul(n + 1, 0x9e3779b1))
    return out
  }
  for (let version = 1; version < 7; version++) {
    const writes = Array.from({ length: 400 }, (_, i) => {
      return { keyHash: key(version * 400 + i), valueHash: key(i) }
    })
    // Values of several pages lie beside the tables.
    const records = [[`long/${version}`, new Uint8Array(30_000 + version)] as const]
    await tree.commit(writes, { version, records })
  }
  await tree.prune({ oldest: 5 })
  const root = tree.root()
  await store.close()
  const file = join(path, 'tree.mdb')
  const whole = new Uint8Array(readFileSync(file))
  const pages = whole.length / 4_096
  for (const kept of [2, 3, pages * 0.2, pages * 0.5, pages * 0.7, pages * 0.9].map(Math.floor)) {
    writeFileSync(file, whole)
    truncateSync(file, kept * 4_096)
    await expect(lmdbStore({ path }), `${kept} of ${pages} pages`).rejects.toMatchObject({
      code: 'DATABASE_DAMAGED',
    })
  }
  // A last page that nothing reaches may be missing: the file says that there is one more.
  for (const at of [0, 4_096]) new DataView(whole.buffer, at).setBigUint64(144, BigInt(pages), true)
  writeFileSync(file, whole)
  const again = await lmdbStore({ path })
  expect(createStateTree({ store: again }).root()).toBe(root)
  await again.close()
})

test('behavior: without the check, the library ends the process', () => {
  const path = join(base, 'plain.mdb')
  writeFileSync(path, 'no database')
  const script = `require('lmdb').open({ path: ${JSON.stringify(path)}, noSubdir: true })`
  const { status, signal } = spawnSync(process.execPath, ['-e', script], { timeout: 20_000 })
  // Where this is an error one day, the check can go.
  expect({ status, signal }).not.toEqual({ status: 0, signal: null })
})

test('error: STORE_WRITE for a path that is a file, or below one', async () => {
  const path = folder()
  writeFileSync(path, 'x')
  for (const at of [path, join(path, 'below')])
    await expect(lmdbStore({ path: at })).rejects.toMatchObject({ code: 'STORE_WRITE' })
})
