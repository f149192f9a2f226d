import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { fallback } from '../combined/fallback.js'
import { replicated } from '../combined/replicated.js'
import { memoryDa } from '../memoryDa.js'
import { mockDa } from '../mockDa.js'
import { artifactPath, fileDa } from '../node/fileDa.js'
import { daConformance } from './index.js'

const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
})

const backends: Record<string, () => DaClient | Promise<DaClient>> = {
  memoryDa: () => memoryDa(),
  mockDa: () => mockDa(),
  'mockDa that expires': () => mockDa({ expiresIn: 100 }),
  fileDa: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'file-da-'))
    directories.push(directory)
    return fileDa({ directory })
  },
  fallback: () => fallback([mockDa({ name: 'a' }), memoryDa({ name: 'b' })]),
  replicated: () => replicated([memoryDa({ name: 'a' }), mockDa({ name: 'b' })]),
}

for (const [name, create] of Object.entries(backends)) {
  describe(name, () => {
    for (const { name: what, run } of daConformance({ create })) test(what, run)
  })
}

describe('damage at rest', () => {
  const createIn = async (directories: Map<DaClient, string>): Promise<DaClient> => {
    const directory = await mkdtemp(join(tmpdir(), 'file-da-'))
    const client = fileDa({ directory })
    directories.set(client, directory)
    return client
  }
  const damage = async (directory: string, hash: Hex): Promise<void> => {
    const path = artifactPath(directory, hash)
    const bytes = await readFile(path)
    bytes[7] = (bytes[7] as number) ^ 1
    await writeFile(path, bytes)
  }
  const suite = (wrap: (client: DaClient) => DaClient) => {
    const places = new Map<DaClient, string>()
    return daConformance({
      create: async () => {
        const inner = await createIn(places)
        const client = wrap(inner)
        places.set(client, places.get(inner) as string)
        return client
      },
      corrupt: (client, hash) => damage(places.get(client) as string, hash),
      dispose: (client) => rm(places.get(client) as string, { recursive: true, force: true }),
    }).filter(({ name }) => name.includes('damaged'))
  }
  test('is refused', async () => {
    const [check] = suite((client) => ({ ...client }))
    await check?.run()
    expect(check).toBeDefined()
  })
  test('is seen where reads are not hashed', async () => {
    const [check] = suite((client) => ({
      ...client,
      getWithVerification: (locator, artifactHash, io) =>
        client.get(locator, { ...io, artifactHash }),
    }))
    await expect(check?.run()).rejects.toMatchObject({ code: 'DA_CONFORMANCE' })
  })
})

describe('the suite itself', () => {
  const broken: Record<string, (client: DaClient) => DaClient> = {
    'unverified reads': (client) => ({
      ...client,
      getWithVerification: (locator, expected, options) =>
        client.get(locator, { ...options, artifactHash: expected }).catch(() => new Uint8Array(64)),
    }),
    'a flipped byte': (client) => ({
      ...client,
      getWithVerification: async (locator, expected, options) => {
        const bytes = await client.getWithVerification(locator, expected, options)
        bytes[0] = (bytes[0] as number) ^ 1
        return bytes
      },
    }),
    'a wrong length in receipts': (client) => ({
      ...client,
      put: async (bytes, options) => ({ ...(await client.put(bytes, options)), byteLength: 1 }),
    }),
    'untyped errors': (client) => ({
      ...client,
      getWithVerification: (locator, expected, options) =>
        client.getWithVerification(locator, expected, options).catch(() => {
          throw new TypeError('something')
        }),
    }),
    'a deaf ear for aborts': (client) => ({
      ...client,
      get: (locator, options) => client.get(locator, { ...options, signal: undefined }),
    }),
    'no expiry in receipts': (client) => ({
      ...client,
      retention: { kind: 'expires', seconds: 1 },
    }),
  }
  for (const [what, breakIt] of Object.entries(broken)) {
    test(`notices ${what}`, async () => {
      const failures: string[] = []
      for (const { name, run } of daConformance({
        create: () => breakIt(memoryDa()),
        sizes: [33],
      })) {
        await run().catch((error: { code?: string }) => failures.push(`${name}: ${error.code}`))
      }
      expect(failures.length).toBeGreaterThan(0)
      for (const failed of failures) expect(failed).toMatch(/: (DA_CONFORMANCE|DA_[A-Z_]+)$/)
      expect(failures.some((failed) => failed.endsWith('DA_CONFORMANCE'))).toBe(true)
    })
  }
})
