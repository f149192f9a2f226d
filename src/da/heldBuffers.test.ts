/** Clients, sources and definitions of a user's own that go on with the bytes that they answered with. */
import { expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import type { DaClient } from '../core/interfaces/daClient.js'
import { utf8 } from '../internal/bytes.js'
import { createDaAdapter } from './adapter.js'
import { createArtifactSource } from './artifactSource.js'
import { memoryByteStore } from './cache/byteStore.js'
import { createLayeredArtifactCache } from './cache/layeredCache.js'
import { fallback } from './combined/fallback.js'
import { replicated } from './combined/replicated.js'
import { memoryDa } from './memoryDa.js'

const original = utf8('package example')
const hash = computeArtifactHash(original)
const locator = { kind: 'keccakStore', name: '' } as const

/** What answers, and then changes its array a moment later, or at the next look at it. */
const arrays: [string, () => Uint8Array][] = [
  ['an array of its own', () => original.slice()],
  [
    'shared memory',
    () => {
      const bytes = new Uint8Array(new SharedArrayBuffer(original.length))
      bytes.set(original)
      return bytes
    },
  ],
]
const answered: Uint8Array[] = []
const answer = (make: () => Uint8Array) => async (): Promise<Uint8Array> => {
  const bytes = make()
  answered.push(bytes)
  return bytes
}
const own = (make: () => Uint8Array): DaClient => ({
  ...memoryDa(),
  get: answer(make),
  getWithVerification: answer(make),
})

const readers: Record<string, (make: () => Uint8Array) => Promise<Uint8Array>> = {
  fallback: (make) => fallback([own(make), memoryDa()]).getWithVerification(locator, hash),
  replicated: (make) => replicated([own(make), memoryDa()]).getWithVerification(locator, hash),
  createArtifactSource: (make) =>
    createArtifactSource({ clients: [own(make)] }).getArtifact({
      ...{ hash, namespace: 4, locators: [locator] },
    }),
  createLayeredArtifactCache: (make) =>
    createLayeredArtifactCache({
      disk: memoryByteStore(),
      da: { getArtifact: answer(make) },
    }).getArtifact({ hash, namespace: 4, locators: [locator] }),
  createDaAdapter: (make) =>
    createDaAdapter({
      ...{ kind: 'mine', retention: { kind: 'permanent' }, supports: () => true },
      put: () => Promise.reject(new Error('none')),
      read: answer(make),
    }).getWithVerification(locator, hash),
}

test.each(
  Object.entries(readers).flatMap(([name, read]) =>
    arrays.map(([kind, make]) => [name, kind, read, make] as const),
  ),
)(
  'behavior: %s gives what was hashed, whatever becomes of %s',
  async (_name, _kind, read, make) => {
    answered.splice(0)
    const given = await read(make)
    expect(answered).not.toEqual([])
    for (const bytes of answered) bytes.fill(0)
    expect(given).toEqual(original)
    expect(given.buffer).toBeInstanceOf(ArrayBuffer)
  },
)

test('behavior: a definition is asked with hashes in small letters', async () => {
  const asked: unknown[] = []
  const client = createDaAdapter({
    ...{ kind: 'mine', retention: { kind: 'permanent' }, supports: () => true },
    put: () => Promise.reject(new Error('none')),
    read: async (_locator, { artifactHash }) => {
      asked.push(artifactHash)
      return original
    },
    head: async (_locator, { artifactHash }) => {
      asked.push(artifactHash)
      return { status: 'available' }
    },
  })
  const capitals = `0x${hash.slice(2).toUpperCase()}` as const
  await client.get(locator, { artifactHash: capitals })
  await client.getWithVerification(locator, capitals)
  await client.head?.(locator, { artifactHash: capitals })
  expect(asked).toEqual([hash, hash, hash])
})
