import { expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaLocator } from '../../core/locator.js'
import { createArtifactSource, eigenDa } from '../../da/index.js'
import { isPolicySdkError } from '../../errors/base.js'
import { bytesEqual } from '../../internal/bytes.js'
import type { FakeProxyFault } from './answers.js'
import { createFakeEigenDaProxy } from './fakeProxy.js'

const sequences = process.env['DA_LONG'] === '1' ? 20_000 : 1_000
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
  expect(right).toBeGreaterThan(sequences)
  expect(refused).toBeGreaterThan(0)
}, 180_000)
