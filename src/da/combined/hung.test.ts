/** Backends that never answer: nobody waits for them longer than their share. */
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { TimeoutError } from '../../errors/common.js'
import { createFakeEigenDaProxy } from '../../testing/eigenDaProxy/fakeProxy.js'
import { createDaAdapter } from '../adapter.js'
import { type ArtifactEvent, createArtifactSource } from '../artifactSource.js'
import { memoryByteStore } from '../cache/byteStore.js'
import type { CacheEvent } from '../cache/events.js'
import { createLayeredArtifactCache } from '../cache/layeredCache.js'
import { eigenDa } from '../eigenda/eigenDa.js'
import { ArtifactUnavailableError, DaOutcomeUnknownError, ReplicationError } from '../errors.js'
import { createHealthBoard } from '../health.js'
import { memoryDa } from '../memoryDa.js'
import { mockDa } from '../mockDa.js'
import { fallback } from './fallback.js'
import { replicated } from './replicated.js'

const bytes = new TextEncoder().encode('package example\n')
const hash = computeArtifactHash(bytes)
const any: DaLocator = { kind: 'keccakStore', name: '' }
const never = (): Promise<never> => new Promise(() => {})

/** A backend that answers nothing and ignores signals and times; free unless said otherwise. */
function hung(more: Partial<DaClient> = {}): DaClient {
  return {
    kind: 'hung',
    retention: { kind: 'permanent' },
    paid: false,
    supports: () => true,
    put: never,
    get: never,
    getWithVerification: never,
    head: never,
    ...more,
  }
}

async function filled(name = 'good'): Promise<DaClient> {
  const da = memoryDa({ name })
  await da.put(bytes)
  return da
}

describe('fallback', () => {
  test('a free backend that does not answer has its share of the time, then the next is tried', async () => {
    const next = memoryDa()
    const da = fallback([hung(), hung({ kind: 'second' }), next])
    const receipt = await da.put(bytes, { timeout: 300 })
    expect(receipt.artifactHash).toBe(hash)
    expect(await next.getWithVerification(any, hash)).toEqual(bytes)
  })

  test('a time for each write is kept without a time for the call', async () => {
    await fallback([hung(), memoryDa()], { putTimeout: 20 }).put(bytes)
  })

  test('one that may be paid has all the time, and its silence ends the call', async () => {
    for (const paid of [true, undefined]) {
      const next = mockDa()
      const da = fallback([hung({ paid }), next], { putTimeout: 20 })
      await expect(da.put(bytes)).rejects.toBeInstanceOf(DaOutcomeUnknownError)
      expect(next.payments()).toBe(0)
      const carriesOn = fallback([hung({ paid }), next], {
        putTimeout: 20,
        continueAfterUnknownOutcome: true,
      })
      await carriesOn.put(bytes)
      expect(next.payments()).toBe(1)
    }
    const slow = mockDa({ latency: 60 })
    // A third of the time would not do.
    const paid: DaClient = { ...slow, paid: true }
    await fallback([paid, memoryDa(), memoryDa()]).put(bytes, { timeout: 150 })
    expect(slow.payments()).toBe(1)
  })

  test('the end of the caller’s time says what was paid for, and tries nobody else', async () => {
    const proxy = createFakeEigenDaProxy()
    const eigenda = (on: 'put' | 'get') =>
      eigenDa({
        url: 'http://proxy.test',
        fetch: (input, init) => (input.includes(`/${on}`) ? never() : proxy.fetch(input, init)),
      })
    for (const [on, paid] of [
      ['put', { commitments: [] }],
      ['get', { commitments: { length: 1 }, locator: { kind: 'eigenDa' } }],
    ] as const) {
      for (const wrap of [(da: DaClient) => fallback([da]), (da: DaClient) => da]) {
        const next = mockDa()
        const began = performance.now()
        const error = await fallback([wrap(eigenda(on)), next])
          .put(bytes, { timeout: 100 })
          .catch((reason: unknown) => reason)
        expect(error).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', ...paid })
        expect(performance.now() - began).toBeLessThan(1_000)
        expect(next.payments()).toBe(0)
      }
      // One of several that were to be written at once.
      const next = mockDa()
      const both = fallback([replicated([eigenda(on), memoryDa()]), next])
      await expect(both.put(bytes, { timeout: 100 })).rejects.toMatchObject({
        code: 'DA_REPLICATION',
        attempts: [{ error: { code: 'DA_OUTCOME_UNKNOWN', ...paid } }],
      })
      expect(next.payments()).toBe(0)
    }
  })

  test('the end of the caller’s time is an error where nothing was paid, and begins nothing', async () => {
    const [first, second] = [memoryDa(), memoryDa()]
    let asked = 0
    const late = (da: DaClient): DaClient => ({
      ...da,
      put: () => {
        asked += 1
        return never()
      },
    })
    const da = fallback([late(first), late(second)])
    await expect(da.put(bytes, { timeout: 60 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(asked).toBe(2)
    await expect(da.put(bytes, { timeout: 0 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(asked).toBe(3)
    await expect(da.put(bytes, { timeout: Number.NaN })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('nothing but silence is an error that names all of it', async () => {
    const error = await fallback([hung(), hung()], { putTimeout: 10 })
      .put(bytes)
      .catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ReplicationError)
    expect((error as ReplicationError).attempts.map(({ source }) => source)).toEqual([
      'hung#0',
      'hung#1',
    ])
    for (const { error: one } of (error as ReplicationError).attempts)
      expect(one).toBeInstanceOf(TimeoutError)
  })

  test('head is answered by whoever has it', async () => {
    const da = fallback([hung(), await filled()])
    expect(await da.head?.(any, { artifactHash: hash })).toMatchObject({ status: 'available' })
    expect(await fallback([hung()]).head?.(any, { artifactHash: hash, timeout: 10 })).toEqual({
      status: 'unknown',
    })
    const left = fallback([hung()]).head?.(any, { signal: AbortSignal.timeout(10) })
    await expect(left).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  test('times that are none are refused', () => {
    for (const bad of [-1, Number.NaN, '5' as never]) {
      for (const field of ['hedgeDelay', 'putTimeout'])
        expect(() => fallback([memoryDa()], { [field]: bad })).toThrow(field)
      for (const field of ['hedgeDelay', 'putTimeout', 'quorumGrace'])
        expect(() => replicated([memoryDa()], { [field]: bad })).toThrow(field)
      expect(() => createArtifactSource({ clients: [], hedgeDelay: bad })).toThrow('hedgeDelay')
      expect(() => createLayeredArtifactCache({ hedgeDelay: bad })).toThrow('hedgeDelay')
    }
  })
})

describe('replicated', () => {
  test('enough copies end the call; who is late is named, and goes on', async () => {
    let finish = (): void => {}
    let given: Uint8Array | undefined
    const late = createDaAdapter({
      kind: 'late',
      retention: { kind: 'permanent' },
      supports: () => true,
      async put(artifact) {
        given = artifact
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        return { locator: { kind: 'keccakStore', name: 'late' }, checks: [] }
      },
      read: never,
    })
    const own = bytes.slice()
    const da = replicated([memoryDa(), late, hung()], {
      quorum: 1,
      quorumGrace: 5,
      putTimeout: 200,
    })
    const receipt = await da.put(own)
    expect(receipt.receipts).toHaveLength(1)
    expect(receipt.pending).toEqual(['late', 'hung'])
    // The array is the caller's again, and the late write is still of the right bytes.
    own.fill(0)
    finish()
    const settled = await receipt.settled
    expect(settled.receipts.map(({ artifactHash }) => artifactHash)).toEqual([hash, hash])
    expect(settled.failures).toMatchObject([{ source: 'hung', error: { code: 'TIMEOUT' } }])
    expect(given).toEqual(bytes)
  })

  test('the others are waited for a while, so that what is quick is reported', async () => {
    const quick = mockDa({ latency: 20 })
    const { receipts, pending } = await replicated([memoryDa(), quick], { quorum: 1 }).put(bytes)
    expect(receipts).toHaveLength(2)
    expect(pending).toEqual([])
  })

  test('a backend without an answer ends at its time, and is of unknown outcome where it is paid', async () => {
    const da = replicated([memoryDa(), hung({ paid: true })], { putTimeout: 20 })
    const error = await da.put(bytes).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ReplicationError)
    expect((error as ReplicationError).attempts).toMatchObject([
      { source: 'hung', error: { code: 'DA_OUTCOME_UNKNOWN' } },
    ])
  })

  test('a required permanent copy is waited for beyond the quorum', async () => {
    const archive = mockDa({ name: 'archive', latency: 30 })
    const short = mockDa({ name: 'short', expiresIn: 10 })
    const da = replicated([short, archive], { quorum: 1, quorumGrace: 0, requirePermanent: true })
    expect((await da.put(bytes)).receipts).toHaveLength(2)
  })

  test('leaving cancels what is under way', async () => {
    const controller = new AbortController()
    const call = replicated([memoryDa(), hung()]).put(bytes, { signal: controller.signal })
    controller.abort(new DOMException('left', 'AbortError'))
    await expect(call).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('createArtifactSource', () => {
  const locators = Array.from(
    { length: 16 },
    (_, i): DaLocator => ({ kind: 'https', url: `https://m${i}.example/` }),
  )
  const onlyHttps = (locator: DaLocator): boolean => locator.kind === 'https'

  test('sixteen locators that hang do not hold up the store that is asked by hash', async () => {
    const events: ArtifactEvent[] = []
    const source = createArtifactSource({
      clients: [hung({ supports: onlyHttps }), await filled()],
      hedgeDelay: 1,
      onEvent: (event) => events.push(event),
    })
    expect(await source.getArtifact({ hash, namespace: 4, locators })).toEqual(bytes)
    // Who was merely slower is no failure of anyone.
    expect(events.map(({ type }) => type)).toEqual(['artifact.fetched'])
  })

  test('the last locator is reached while the others hang', async () => {
    const last = locators.at(-1)
    const one = hung({
      supports: onlyHttps,
      getWithVerification: (locator) => (locator === last ? Promise.resolve(bytes) : never()),
    })
    const source = createArtifactSource({ clients: [one], hedgeDelay: 1 })
    expect(await source.getArtifact({ hash, namespace: 4, locators })).toEqual(bytes)
  })

  test('a try that never ends is over after its time, also where the adapter ignores it', async () => {
    const health = createHealthBoard()
    const source = createArtifactSource({ clients: [hung()], attemptTimeout: 10, health })
    await expect(source.getArtifact({ hash, namespace: 4 })).rejects.toBeInstanceOf(
      ArtifactUnavailableError,
    )
    expect(health.penalty('hung')).toBeGreaterThan(0)
    expect(await source.hasArtifact?.({ hash, namespace: 4 })).toBe(false)
  })

  test('progress only grows, whoever reports it', async () => {
    const report = (loaded: readonly number[]): DaClient =>
      hung({
        supports: onlyHttps,
        async getWithVerification(_locator, _hash, io) {
          for (const n of loaded) {
            io?.onProgress?.({ loaded: n })
            await new Promise((resolve) => setTimeout(resolve, 2))
          }
          return bytes
        },
      })
    const source = createArtifactSource({
      clients: [report([1, 5, 9, 10, 11, 12]), report([2, 6, 16])],
      hedgeDelay: 1,
    })
    const seen: number[] = []
    await source.getArtifact(
      { hash, namespace: 4, locators: locators.slice(0, 1) },
      { onProgress: ({ loaded }) => seen.push(loaded) },
    )
    expect(seen.length).toBeGreaterThan(2)
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
  })
})

describe('createLayeredArtifactCache', () => {
  const silent: ArtifactSource = { getArtifact: never, hasArtifact: never }

  test('a network that hangs does not hold up the peers', async () => {
    const events: CacheEvent[] = []
    const peers = createArtifactSource({ clients: [await filled()] })
    const cache = createLayeredArtifactCache({
      disk: memoryByteStore(),
      da: silent,
      peers,
      hedgeDelay: 5,
      onEvent: (event) => events.push(event),
    })
    expect(await cache.hasArtifact({ hash, namespace: 4 })).toBe(true)
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    expect(events).toContainEqual({
      type: 'cache.lookup',
      tier: 'L4',
      result: 'hit',
      form: 'bytes',
    })
    // Filled: the network is not asked again.
    const again = await cache.getArtifact({ hash, namespace: 4 }, { timeout: 1_000 })
    expect(again).toEqual(bytes)
  })

  test('peers are not asked while the network answers in time', async () => {
    let asked = 0
    const cache = createLayeredArtifactCache({
      da: createArtifactSource({ clients: [await filled()] }),
      peers: {
        async getArtifact() {
          asked += 1
          return bytes
        },
      },
    })
    await cache.getArtifact({ hash, namespace: 4 })
    expect(asked).toBe(0)
  })

  test('a caller with better hints keeps its own time', async () => {
    let calls = 0
    const cache = createLayeredArtifactCache({
      da: {
        getArtifact: async (request) => {
          calls += 1
          if (calls > 1) return never()
          await new Promise((resolve) => setTimeout(resolve, 5))
          throw new ArtifactUnavailableError({ artifactHash: request.hash, attempts: [] })
        },
      },
    })
    const first = cache.getArtifact({ hash, namespace: 4 }).catch(() => undefined)
    const second = cache.getArtifact({ hash, namespace: 4, locators: [any] }, { timeout: 40 })
    await expect(second).rejects.toMatchObject({ code: 'TIMEOUT' })
    await first
  })

  test('a fill is only told where the disk took it', async () => {
    const events: CacheEvent[] = []
    const disk = {
      ...memoryByteStore(),
      write: async () => Promise.reject(new TypeError('ENOSPC')),
    }
    const cache = createLayeredArtifactCache({
      disk,
      da: createArtifactSource({ clients: [await filled()] }),
      onEvent: (event) => events.push(event),
    })
    expect(await cache.getArtifact({ hash, namespace: 4 })).toEqual(bytes)
    const types = events.map(({ type }) => type)
    expect(types).toContain('cache.storeFailed')
    expect(types).not.toContain('cache.fill')
  })
})

describe('a look-up of locators', () => {
  const request = { hash, namespace: 4, locators: [any] } as const
  test.each([
    ['hangs', never],
    ['throws', () => Promise.reject(new TypeError('no'))],
    [
      'throws at once',
      () => {
        throw new TypeError('no')
      },
    ],
    ['answers nothing', async () => undefined as never],
    ['answers a number', async () => 5 as never],
    [
      'answers odd entries',
      async () => [null, 5, {}, { kind: 'eigenDa' }, { kind: 'cid' }] as never,
    ],
  ])(
    'that %s does not keep what the caller named from being tried',
    async (_, locatorsOf: unknown) => {
      const source = createArtifactSource({
        clients: [await filled()],
        locatorsOf: locatorsOf as never,
        attemptTimeout: 50,
      })
      expect(await source.getArtifact(request)).toEqual(bytes)
      expect(await source.hasArtifact?.(request)).toBe(true)
      const other = { ...request, hash: computeArtifactHash(new Uint8Array(1)) }
      await expect(source.getArtifact(other)).rejects.toBeInstanceOf(ArtifactUnavailableError)
    },
  )
})
