import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import type { DaClient } from '../core/interfaces/daClient.js'
import type { DaLocator } from '../core/locator.js'
import { createDaAdapter } from './adapter.js'
import { type ArtifactEvent, createArtifactSource } from './artifactSource.js'
import { ArtifactUnavailableError, DaIntegrityError } from './errors.js'
import { memoryDa } from './memoryDa.js'
import { mockDa } from './mockDa.js'

const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const here: DaLocator = { kind: 'keccakStore', name: '' }

/** Serves `served` for any https locator, and counts. */
function liar(served: Uint8Array, kind = 'liar'): DaClient & { reads: number } {
  const counter = { reads: 0 }
  const client = createDaAdapter({
    kind,
    retention: { kind: 'permanent' },
    supports: (locator) => locator.kind === 'https',
    put: async () => ({ locator: here, checks: [] }),
    async read() {
      counter.reads += 1
      return served.slice()
    },
  })
  return Object.defineProperty(client, 'reads', { get: () => counter.reads }) as DaClient & {
    reads: number
  }
}

describe('createArtifactSource', () => {
  test('skips what it cannot read and takes the first copy that is right', async () => {
    const da = memoryDa()
    await da.put(bytes)
    const events: ArtifactEvent[] = []
    const bad = liar(new TextEncoder().encode('<html>'))
    const source = createArtifactSource({
      clients: [bad, da],
      onEvent: (event) => events.push(event),
    })
    const locators: DaLocator[] = [
      { kind: 'unknown', kindByte: 0x7f, content: '0x01' },
      { kind: 'https', url: 'https://mirror.example/a' },
      here,
    ]
    expect(await source.getArtifact({ hash, namespace: 4, locators })).toEqual(bytes)
    expect(events.map(({ type }) => type)).toEqual(['artifact.wrongCopy', 'artifact.fetched'])
    expect(events[0]).toMatchObject({ source: 'liar', hash, locator: locators[1] })

    // The wrong copy is remembered: the liar is not asked again for this artifact.
    await source.getArtifact({ hash, namespace: 4, locators })
    expect(bad.reads).toBe(1)
  })

  test('asks a source again that is the only one left', async () => {
    const bad = liar(new Uint8Array([1]))
    const source = createArtifactSource({ clients: [bad] })
    const locators: DaLocator[] = [{ kind: 'https', url: 'https://mirror.example/a' }]
    for (let i = 0; i < 2; i++) {
      await expect(source.getArtifact({ hash, namespace: 4, locators })).rejects.toThrow(
        ArtifactUnavailableError,
      )
    }
    expect(bad.reads).toBe(2)
  })

  test('does not believe an adapter that forgot to check', async () => {
    const getWithVerification = async (): Promise<Uint8Array> => new Uint8Array([1, 2, 3])
    // A copy with one function replaced, and the same in place.
    const careless = [
      { ...memoryDa(), getWithVerification },
      Object.assign(memoryDa(), { getWithVerification }),
    ]
    for (const client of careless) {
      const error = await createArtifactSource({ clients: [client] })
        .getArtifact({ hash, namespace: 4 })
        .catch((error: unknown) => error)
      expect(error).toBeInstanceOf(ArtifactUnavailableError)
      expect((error as ArtifactUnavailableError).attempts[0]?.error).toBeInstanceOf(
        DaIntegrityError,
      )
    }
  })

  test('concurrent calls share one fetch, and one caller leaving does not end it', async () => {
    const da = mockDa({ latency: 20 })
    await da.put(bytes)
    const source = createArtifactSource({ clients: [da] })
    const controller = new AbortController()
    const calls = [
      source
        .getArtifact({ hash, namespace: 4 }, { signal: controller.signal })
        .catch((error: unknown) => error),
      source.getArtifact({ hash, namespace: 4 }),
      source.getArtifact({ hash: hash.toUpperCase().replace('0X', '0x') as Hex, namespace: 4 }),
    ]
    controller.abort(new DOMException('left', 'AbortError'))
    const [left, first, second] = await Promise.all(calls)
    expect(left).toBeInstanceOf(DOMException)
    expect(first).toEqual(bytes)
    expect(second).toEqual(bytes)
    expect(first).not.toBe(second)
    expect(da.calls().get).toBe(1)
  })

  test('a fetch without callers is cancelled', async () => {
    let aborted = false
    const slow = createDaAdapter({
      kind: 'slow',
      retention: { kind: 'permanent' },
      supports: () => true,
      put: async () => ({ locator: here, checks: [] }),
      read: (_locator, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            aborted = true
            reject(signal.reason)
          })
        }),
    })
    const source = createArtifactSource({ clients: [slow] })
    await expect(source.getArtifact({ hash, namespace: 4 }, { timeout: 10 })).rejects.toMatchObject(
      { code: 'TIMEOUT' },
    )
    expect(aborted).toBe(true)
  })

  test('a caller with better hints is not held to another one’s failure', async () => {
    const da = mockDa({ latency: 10 })
    const good = liar(bytes, 'good')
    await da.put(new Uint8Array([9]))
    const source = createArtifactSource({ clients: [da, good] })
    const [poor, rich] = await Promise.allSettled([
      source.getArtifact({ hash, namespace: 4 }),
      source.getArtifact({
        hash,
        namespace: 4,
        locators: [{ kind: 'https', url: 'https://a.example/x' }],
      }),
    ])
    expect(poor.status).toBe('rejected')
    expect(rich).toMatchObject({ status: 'fulfilled', value: bytes })
  })

  test('tries no more than 16 locators', async () => {
    const bad = liar(new Uint8Array([1]))
    const locators = Array.from(
      { length: 40 },
      (_, i): DaLocator => ({ kind: 'https', url: `https://m.example/${i}` }),
    )
    const source = createArtifactSource({ clients: [bad] })
    await source.getArtifact({ hash, namespace: 4, locators }).catch(() => undefined)
    expect(bad.reads).toBe(16)
  })

  test('refuses a hash that names nothing', async () => {
    const source = createArtifactSource({ clients: [memoryDa()] })
    for (const bad of ['0x', `0x${'00'.repeat(32)}`, 5, null]) {
      await expect(source.getArtifact({ hash: bad as Hex, namespace: 4 })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })

  test('hasArtifact answers without moving bytes where the backend can tell', async () => {
    const da = mockDa()
    await da.put(bytes)
    const source = createArtifactSource({ clients: [da] })
    expect(await source.hasArtifact?.({ hash, namespace: 4 })).toBe(true)
    expect(da.calls().get).toBe(0)
    expect(
      await source.hasArtifact?.({ hash: computeArtifactHash(new Uint8Array([7])), namespace: 4 }),
    ).toBe(false)
  })
})
