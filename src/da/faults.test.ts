import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import type { DaClient } from '../core/interfaces/daClient.js'
import { isPolicySdkError } from '../errors/base.js'
import { bytesEqual } from '../internal/bytes.js'
import { createArtifactSource } from './artifactSource.js'
import { memoryByteStore } from './cache/byteStore.js'
import { createLayeredArtifactCache } from './cache/layeredCache.js'
import { fallback } from './combined/fallback.js'
import { replicated } from './combined/replicated.js'
import { createHealthBoard } from './health.js'
import { mulberry32 } from './internal/random.js'
import { type MockDa, type MockFault, mockDa, mockFaultKinds } from './mockDa.js'

const sequences = process.env['DA_LONG'] === '1' ? 20_000 : 1_000

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

describe('scripted fault sequences', () => {
  test(`${sequences} of them end in the right bytes or a typed error, and no write is paid for twice`, async () => {
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
      await check(
        cache.getDerived({ hash, namespace: 6 }, { form: 'x', produce: (from) => from.slice() }),
      )
      for (const backend of backends)
        expect(backend.payments(hash), `seed ${seed}`).toBeLessThanOrEqual(1)
    }
    // Both endings occur, or the scripts test nothing.
    expect(outcomes.right).toBeGreaterThan(sequences)
    expect(outcomes.refused).toBeGreaterThan(sequences / 10)
  }, 120_000)
})

describe('in a browser', () => {
  test.each([
    'src/da/index.ts',
    'src/da/kzg/index.ts',
    'src/da/ipfs/index.ts',
    'src/da/conformance/index.ts',
    'src/testing/eigenDaProxy/fakeProxy.ts',
  ])('%s builds without node:', async (entry) => {
    const { errors, metafile } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'esm',
      metafile: true,
      logLevel: 'silent',
    })
    expect(errors).toEqual([])
    const external = Object.values(metafile.outputs).flatMap(({ imports }) =>
      imports.map(({ path }) => path),
    )
    expect(external).toEqual([])
    expect(Object.keys(metafile.inputs).filter((path) => path.includes('/node/'))).toEqual([])
  })
})
