/** Scripted sequences of faults, deterministic by their seeds; their number is the caller's. */
import { expect, test } from 'vitest'
import { computeArtifactHash } from '../../src/core/artifact.js'
import type { DaClient } from '../../src/core/interfaces/daClient.js'
import type { DaLocator } from '../../src/core/locator.js'
import { createArtifactSource } from '../../src/da/artifactSource.js'
import { memoryByteStore } from '../../src/da/cache/byteStore.js'
import { createLayeredArtifactCache } from '../../src/da/cache/layeredCache.js'
import { fallback } from '../../src/da/combined/fallback.js'
import { replicated } from '../../src/da/combined/replicated.js'
import { createHealthBoard } from '../../src/da/health.js'
import { eigenDa } from '../../src/da/index.js'
import { mulberry32 } from '../../src/da/internal/random.js'
import { type MockDa, type MockFault, mockDa, mockFaultKinds } from '../../src/da/mockDa.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import { bytesEqual } from '../../src/internal/bytes.js'
import type { FakeProxyFault } from '../../src/testing/eigenDaProxy/answers.js'
import { createFakeEigenDaProxy } from '../../src/testing/eigenDaProxy/fakeProxy.js'

/** A script of faults, deterministic for a seed. */
function script(random: () => number): MockFault[] {
  return Array.from({ length: Math.floor(random() * 6) }, () => ({
    kind: mockFaultKinds[
      Math.floor(random() * mockFaultKinds.length)
    ] as (typeof mockFaultKinds)[number],
    on: random() < 0.75 ? ('get' as const) : ('put' as const),
    times: 1 + Math.floor(random() * 4),
    probability: random() < 0.5 ? 1 : random(),
    delay: 3,
  }))
}

/** Faults of backends, under combinations, sources and caches. */
export function mockFaultSequences(sequences: number): void {
  test(`${sequences} scripted fault sequences end in the right bytes or a typed error, and no write is paid for twice`, async () => {
    const outcomes = { right: 0, refused: 0 }
    for (let seed = 1; seed <= sequences; seed++) {
      const random = mulberry32(seed)
      const backends: MockDa[] = [0, 1, 2].map((index) =>
        mockDa({ name: `b${index}`, seed: seed * 3 + index, failures: script(random) }),
      )
      const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 200) }, () =>
        Math.floor(random() * 256),
      )
      const hash = computeArtifactHash(bytes)
      const health = createHealthBoard()
      const combined: Pick<DaClient, 'put' | 'getWithVerification'> =
        random() < 0.5
          ? fallback(backends, { hedgeDelay: 1, health })
          : replicated(backends, { quorum: 1 + Math.floor(random() * 3), hedgeDelay: 1, health })
      const check = async (read: Promise<Uint8Array>): Promise<void> => {
        try {
          expect(bytesEqual(await read, bytes), `seed ${seed}`).toBe(true)
          outcomes.right += 1
        } catch (error) {
          expect(isPolicySdkError(error), `seed ${seed}: ${String(error)}`).toBe(true)
          outcomes.refused += 1
        }
      }

      await combined
        .put(bytes)
        .catch((error: unknown) => expect(isPolicySdkError(error), `seed ${seed}`).toBe(true))
      for (const backend of backends)
        expect(backend.payments(hash), `seed ${seed}`).toBeLessThanOrEqual(1)
      // One call pays at most once where it publishes to the first that accepts.
      const paid = backends.reduce((sum, backend) => sum + backend.payments(hash), 0)
      if ((combined as DaClient).kind === 'fallback')
        expect(paid, `seed ${seed}`).toBeLessThanOrEqual(1)

      const source = createArtifactSource({ clients: backends, attemptTimeout: 1_000, health })
      const cache = createLayeredArtifactCache({ da: source, disk: memoryByteStore() })
      await check(combined.getWithVerification({ kind: 'keccakStore', name: '' }, hash))
      await check(source.getArtifact({ hash, namespace: 6 }))
      await Promise.all([0, 1, 2].map(() => check(cache.getArtifact({ hash, namespace: 6 }))))
      await check(cache.getArtifact({ hash, namespace: 6 }))
      for (const backend of backends)
        expect(backend.payments(hash), `seed ${seed}`).toBeLessThanOrEqual(1)
    }
    // Both endings occur, or the scripts test nothing.
    expect(outcomes.right).toBeGreaterThan(sequences)
    expect(outcomes.refused).toBeGreaterThan(sequences / 10)
  }, 600_000)
}

const kinds: readonly FakeProxyFault['kind'][] = [
  'poisoned',
  'html',
  'empty',
  'truncated',
  'stalled',
  'redirect',
  'reset',
  'silent',
  'otherCertificate',
  'status',
]
const statuses = [400, 403, 404, 418, 429, 429, 500, 502, 503, 504]

/** A linear congruential sequence in [0, 1). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Faults of EigenDA's proxy, under its adapters and a source. */
export function proxyFaultSequences(sequences: number): void {
  test(`${sequences} scripted sequences of proxy faults: right bytes or a typed error, one payment a call`, async () => {
    let right = 0
    let refused = 0
    for (let seed = 1; seed <= sequences; seed++) {
      const random = randomOf(seed)
      const pick = <item>(items: readonly item[]): item =>
        items[Math.floor(random() * items.length)] as item
      const proxy = createFakeEigenDaProxy({
        commit: async () => ({ X: 1n, Y: 2n }),
        archive: random() < 0.8,
      })
      for (let i = Math.floor(random() * 6); i > 0; i--) {
        proxy.fail({
          kind: pick(kinds),
          on: random() < 0.6 ? 'get' : 'put',
          times: 1 + Math.floor(random() * 3),
          status: pick(statuses),
          body: 'no',
        })
      }
      const common = { url: 'http://proxy.test', fetch: proxy.fetch, stallTimeout: 4, random }
      const da = eigenDa({
        ...common,
        retry: { reads: 3, writes: 3, baseDelay: 0, maxDelay: 0 },
        timeouts: { put: 12, get: 12 },
      })
      const archive = eigenDa.archive({ ...common, retry: { tries: 2, baseDelay: 0, maxDelay: 0 } })
      const bytes = Uint8Array.from({ length: 1 + Math.floor(random() * 100) }, () =>
        Math.floor(random() * 256),
      )
      const hash = computeArtifactHash(bytes)
      let locators: DaLocator[] = []
      try {
        locators = [(await da.put(bytes)).locator]
      } catch (error) {
        expect(isPolicySdkError(error), `seed ${seed}: ${String(error)}`).toBe(true)
      }
      // A certificate for other bytes is a payment too: all of them together are one.
      expect(proxy.dispersals(), `seed ${seed}`).toBeLessThanOrEqual(1)
      await archive
        .put(bytes, { timeout: 12 })
        .catch((error: unknown) => expect(isPolicySdkError(error), `seed ${seed}`).toBe(true))
      const source = createArtifactSource({ clients: [da, archive], attemptTimeout: 12 })
      for (let read = 0; read < 2; read++) {
        try {
          const got = await source.getArtifact({ hash, namespace: 6, locators })
          expect(bytesEqual(got, bytes), `seed ${seed}`).toBe(true)
          right += 1
        } catch (error) {
          expect(isPolicySdkError(error), `seed ${seed}: ${String(error)}`).toBe(true)
          refused += 1
        }
      }
      expect(proxy.dispersals(), `seed ${seed}`).toBeLessThanOrEqual(1)
    }
    // Both endings occur, or the scripts test nothing; how often is up to the machine's clock.
    expect(right).toBeGreaterThan(sequences / 4)
    expect(refused).toBeGreaterThan(0)
  }, 600_000)
}
