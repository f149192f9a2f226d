import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { computeArtifactHash, computeKeyHash, namespaces } from '../../../core/artifact.js'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import { createMetricsRegistry } from '../../../core/metrics.js'
import { listFiles } from '../../../da/node/fileDa.js'
import { fileDa } from '../../../da/node/index.js'
import { utf8 } from '../../../internal/bytes.js'
import { createStateTree, memoryStore } from '../../../statetree/index.js'
import { lmdbStore } from '../../../statetree/node/index.js'
import { startFakeEigenDaProxy } from '../../../testing/node/fakeEigenDaProxyServer.js'
import { openArtifacts } from './artifacts.js'
import { createClosers } from './running.js'

const bytes = utf8('package example\n')
const hash = computeArtifactHash(bytes)
const request = { hash, namespace: namespaces.rego } as const

let directory: string
const closers: (() => Promise<void>)[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'process-artifacts-'))
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await rm(directory, { recursive: true, force: true })
})

async function committed(value: Uint8Array) {
  const path = join(directory, 'tree')
  const store = await lmdbStore({ path })
  closers.push(() => store.close())
  const tree = createStateTree({ store })
  await tree.commit([{ keyHash: computeKeyHash(namespaces.rego, hash), value }], { version: 1 })
  return { tree, path }
}

const damage = async (path: string): Promise<void> => {
  const files = await readdir(path, { recursive: true })
  for (const file of files.filter((one) => one.includes(hash.slice(2))))
    await writeFile(join(path, file), 'other')
}

test('behavior: what the tree has is read there, kept once, and mended there', async () => {
  const shared = join(directory, 'shared')
  await fileDa({ directory: shared }).put(bytes)
  const metrics = createMetricsRegistry()
  const settings = { 'da.directory': shared, 'da.bootnodes': [] }
  const { cache, follow } = openArtifacts(settings, { directory, metrics })
  const { tree, path } = await committed(bytes)
  follow({ tree, locators: async () => [] })
  expect(await cache.getArtifact(request)).toEqual(bytes)
  expect(await cache.hasArtifact(request)).toBe(true)
  const fetched = () => metrics.value('artifact_cache_lookups_total', { tier: 'L3', result: 'hit' })
  expect(fetched() ?? 0).toBe(0)

  await damage(path)
  expect(await cache.getArtifact(request)).toEqual(bytes)
  expect(fetched()).toBe(1)
  expect(await tree.store.bytes.get(hash)).toEqual(bytes)
  expect(await listFiles(join(directory, 'artifacts')).catch(() => [])).toEqual([])
})

test('behavior: only what hashes to its name is held, on the disk and in the tree', async () => {
  const settings = { 'da.bootnodes': [] }
  const own = join(directory, 'held')
  const { cache, follow, holds } = openArtifacts(settings, { directory: own })
  expect(await holds(hash)).toBe(false)
  await cache.put(hash, bytes)
  expect(await holds(hash)).toBe(true)
  await damage(join(own, 'artifacts'))
  expect(await holds(hash)).toBe(false)
  await cache.put(hash, bytes)
  expect(await holds(hash)).toBe(true)

  const { tree, path } = await committed(bytes)
  follow({ tree, locators: async () => [] })
  await damage(path)
  await damage(join(own, 'artifacts'))
  expect(await holds(hash)).toBe(false)
})

test('behavior: what was paid for is remembered in the directory, which one process has', async () => {
  const proxy = await startFakeEigenDaProxy()
  const own = join(directory, 'paying')
  const settings = { 'da.bootnodes': [], 'da.proxy_url': proxy.url }
  const open = () => {
    const ends = createClosers(() => undefined)
    const { clients } = openArtifacts(settings, { directory: own, closers: ends })
    return { da: clients[0] as DaClient, end: ends.close }
  }
  const first = open()
  proxy.fail({ kind: 'silent', on: 'get', times: 1 })
  const failed = await first.da.put(bytes, { timeout: 300 }).catch((error: unknown) => error)
  expect(failed).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', locator: { kind: 'eigenDa' } })
  const second = open()
  await expect(second.da.put(bytes)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
  await first.end()
  const { locator } = await second.da.put(bytes)
  expect(locator).toEqual((failed as { locator: unknown }).locator)
  expect(proxy.dispersals(bytes)).toBe(1)
  await second.end()
  await proxy.close()
})

test('behavior: announced locators are asked for once the chain is followed', async () => {
  const shared = join(directory, 'shared')
  await fileDa({ directory: shared }).put(bytes)
  const settings = { 'da.directory': shared, 'da.bootnodes': [] }
  const asked: object[] = []
  const { cache, follow } = openArtifacts(settings, { directory })
  follow({
    tree: createStateTree({ store: memoryStore() }),
    locators: async ({ ref }) => {
      asked.push(ref)
      return [{ kind: 'keccakStore', name: '' }]
    },
  })
  expect(await cache.getArtifact(request)).toEqual(bytes)
  expect(asked).toEqual([request])
  // From the disk from now on.
  await rm(shared, { recursive: true })
  expect(await cache.getArtifact(request)).toEqual(bytes)
  expect(asked).toHaveLength(1)
})
