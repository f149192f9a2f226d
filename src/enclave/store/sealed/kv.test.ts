import { describe, expect, test } from 'vitest'
import type { KvStore } from '../kv.js'
import { memoryAnchor, type StateAnchor, takesStep } from './anchor.js'
import { type BlobStore, memoryBlobs } from './blobs.js'
import { openSealedKv } from './kv.js'
import { importSealingKey, openRecord, type StatePlace, sealRecord } from './record.js'

const key = new Uint8Array(32).fill(7)
const b = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes)
const set = (kv: KvStore, value: number, name = 'a'): Promise<boolean> =>
  kv.commit({ checks: [], writes: [{ key: name, value: b(value) }] })
const code = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (cause: { code?: string }) => cause.code ?? String(cause),
  )

/** A world outside the enclave, with an anchor whose answers can be lost. */
function world() {
  const blobs = memoryBlobs()
  const inner = memoryAnchor()
  const faults = { beforeAdvance: 0, afterAdvance: 0, latest: 0 }
  const fail = (name: keyof typeof faults): void => {
    if (faults[name] > 0) {
      faults[name]--
      throw new TypeError(`the connection broke: ${name}`)
    }
  }
  const anchor: StateAnchor = {
    latest: async () => {
      fail('latest')
      return inner.latest()
    },
    advance: async (step) => {
      fail('beforeAdvance')
      await inner.advance(step)
      fail('afterAdvance')
    },
  }
  return { blobs, anchor, inner, faults, open: () => openSealedKv({ key, blobs, anchor }) }
}

describe('a lost answer of the anchor', () => {
  test('after it moved: the commit counts, at once and after a restart', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    w.faults.afterAdvance = 1
    expect(await set(kv, 2)).toBe(true)
    expect(await kv.get('a')).toEqual(b(2))
    expect(await set(kv, 3)).toBe(true)
    expect(await (await w.open()).get('a')).toEqual(b(3))
  })

  test('after it moved, and the anchor is not reachable to ask: the next call finds out', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    Object.assign(w.faults, { afterAdvance: 1, latest: 1 })
    await expect(set(kv, 2)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      retryable: true,
      outcome: 'unknown',
    })
    const checks = [{ key: 'a', value: b(1) }]
    const stale = { checks, writes: [{ key: 'a', value: b(9) }] }
    // The write of before did happen, so what was read before it no longer holds.
    expect(await kv.commit(stale)).toBe(false)
    expect(await kv.get('a')).toEqual(b(2))
    expect(await set(kv, 3)).toBe(true)
    expect(await (await w.open()).get('a')).toEqual(b(3))
  })

  test('before it moved: the same step is sent again', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    w.faults.beforeAdvance = 1
    expect(await code(set(kv, 2))).toBe('STORE_FAILED')
    expect(await set(kv, 3)).toBe(true)
    expect((await w.inner.latest())?.sequence).toBe(3n)
    expect(await (await w.open()).get('a')).toEqual(b(3))
  })

  test('the process ends between record and anchor: the next one goes on from the record', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    w.faults.beforeAdvance = 1
    await code(set(kv, 2))
    const again = await w.open()
    expect(await again.get('a')).toEqual(b(2))
    expect((await w.inner.latest())?.sequence).toBe(2n)
    expect(await set(again, 3)).toBe(true)
  })

  test('at any step, any number of times, a restart never loses a confirmed write', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const w = world()
      let kv = await w.open()
      let random = seed * 2654435761
      const next = (below: number): number => {
        random = (random * 1103515245 + 12345) % 2147483648
        return random % below
      }
      let confirmed = 0
      let asked = 0
      for (let step = 1; step <= 30; step++) {
        const fault = (['beforeAdvance', 'afterAdvance', 'latest'] as const)[next(5)]
        if (fault !== undefined) w.faults[fault] = next(3)
        asked = step
        const outcome = await code(set(kv, step))
        if (outcome === 'done') confirmed = step
        if (next(4) === 0) {
          Object.assign(w.faults, { beforeAdvance: 0, afterAdvance: 0, latest: 0 })
          kv = await w.open()
          const found = (await kv.get('a'))?.[0] ?? 0
          expect(found).toBeGreaterThanOrEqual(confirmed)
          expect(found).toBeLessThanOrEqual(asked)
          confirmed = found
        }
      }
      Object.assign(w.faults, { beforeAdvance: 0, afterAdvance: 0, latest: 0 })
      expect((await (await w.open()).get('a'))?.[0] ?? 0).toBeGreaterThanOrEqual(confirmed)
    }
  }, 120_000)
})

describe('two writers', () => {
  test('the one that was overtaken stops for good, and nothing of the other is lost', async () => {
    const w = world()
    const old = await w.open()
    await set(old, 1)
    const fresh = await w.open()
    expect(await set(old, 2)).toBe(true)
    expect(await code(set(fresh, 3))).toBe('STORE_STOPPED')
    for (const call of [fresh.get('a'), fresh.keys(''), set(fresh, 4)]) {
      expect(await code(call as Promise<unknown>)).toBe('STORE_STOPPED')
    }
    expect(await set(old, 5)).toBe(true)
    expect(await (await w.open()).get('a')).toEqual(b(5))
  })

  test('in turn for a hundred rounds, with restarts: always one line', async () => {
    const w = world()
    let [first, second] = [await w.open(), await w.open()]
    let last = 0
    for (let round = 1; round <= 100; round++) {
      const [x, y] = await Promise.all([code(set(first, round)), code(set(second, 100 + round))])
      expect([x, y]).toContain('done')
      if (x === 'done') last = round
      if (y === 'done') last = 100 + round
      if (x !== 'done') first = await w.open()
      if (y !== 'done') second = await w.open()
    }
    expect(await (await w.open()).get('a')).toEqual(b(last))
  })
})

describe('what the host puts in its place', () => {
  const copyOf = async (blobs: BlobStore): Promise<Map<string, Uint8Array>> => {
    const copy = new Map<string, Uint8Array>()
    for (const name of await blobs.names()) copy.set(name, (await blobs.read(name)) as Uint8Array)
    return copy
  }
  const replace = async (
    blobs: BlobStore,
    content: ReadonlyMap<string, Uint8Array>,
  ): Promise<void> => {
    for (const name of await blobs.names()) await blobs.delete(name)
    for (const [name, blob] of content) await blobs.write(name, blob)
  }

  test('an older state is a rollback, nothing at all is missing', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    const old = await copyOf(w.blobs)
    await set(kv, 2)
    const newest = await copyOf(w.blobs)
    await replace(w.blobs, old)
    await expect(w.open()).rejects.toMatchObject({
      code: 'STATE_ROLLBACK',
      sequence: 1n,
      expected: 2n,
    })
    await replace(w.blobs, new Map())
    expect(await code(w.open())).toBe('SEALED_STATE')
    const [first] = [...newest.keys()].sort()
    await replace(w.blobs, new Map([...newest].filter(([name]) => name !== first)))
    await expect(w.open()).rejects.toMatchObject({
      code: 'SEALED_STATE',
      message: expect.stringContaining('record 1 is missing'),
    })
    await replace(w.blobs, newest)
    expect(await (await w.open()).get('a')).toEqual(b(2))
  })

  test('every changed byte of every record is a changed byte, not a rollback', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    await set(kv, 2)
    const whole = await copyOf(w.blobs)
    for (const [name, blob] of whole) {
      for (let at = 0; at < blob.length; at++) {
        const changed = blob.slice()
        changed[at] = (changed[at] as number) ^ 1
        await w.blobs.write(name, changed)
        expect(await code(w.open())).toBe('SEALED_STATE')
      }
      await w.blobs.write(name, blob)
    }
    const other = openSealedKv({ key: new Uint8Array(32), blobs: w.blobs, anchor: w.anchor })
    expect(await code(other)).toBe('SEALED_STATE')
  })

  test("records that follow but are a stranger's, or of another line, are not gone on with", async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 1)
    const newest = (await w.inner.latest()) as StatePlace
    const forge = async (sealing: Uint8Array, previousHash: `0x${string}`): Promise<void> => {
      const { blob, stateHash } = await sealRecord(
        { kind: 'whole', sequence: 2n, previousHash, content: b() },
        { key: await importSealingKey(sealing), randomBytes: (n) => new Uint8Array(n) },
      )
      await w.blobs.write(`${'2'.padStart(20, '0')}-${stateHash.slice(2)}`, blob)
    }
    await forge(new Uint8Array(32), newest.stateHash)
    await forge(key, `0x${'11'.repeat(32)}`)
    expect(await (await w.open()).get('a')).toEqual(b(1))
    expect((await w.inner.latest())?.sequence).toBe(1n)
  })

  test('a record is of one place only', async () => {
    const sealing = {
      key: await importSealingKey(key),
      randomBytes: (n: number) => new Uint8Array(n),
    }
    const previousHash = `0x${'22'.repeat(32)}` as const
    const record = { kind: 'changes', sequence: 5n, previousHash, content: b(1, 2, 3) } as const
    const { blob, stateHash } = await sealRecord(record, sealing)
    const opened = await openRecord(blob, { ...sealing, place: { sequence: 5n, stateHash } })
    expect(opened).toEqual(record)
    const elsewhere = openRecord(blob, { ...sealing, place: { sequence: 6n, stateHash } })
    expect(await code(elsewhere)).toBe('SEALED_STATE')
    expect(await code(openRecord(b(), { ...sealing, place: opened as never }))).toBe('SEALED_STATE')
  })
})

describe('an anchor that is reorganized', () => {
  /** Knows every step it took, and forgets the last ones on demand. */
  function reorganizing() {
    let places: StatePlace[] = []
    let finalAt = 0
    const anchor: StateAnchor = {
      latest: async () => places.at(-1),
      advance: async (step) => {
        if (takesStep(places.at(-1), step)) places.push(step)
      },
      final: async () => places[finalAt - 1],
    }
    return {
      anchor,
      forget: (count: number) => {
        places = places.slice(0, places.length - count)
      },
      finalize: () => {
        finalAt = places.length
      },
    }
  }

  test('its lost steps are sent again unchanged, by the living writer and by the next one', async () => {
    const blobs = memoryBlobs()
    const { anchor, forget } = reorganizing()
    const kv = await openSealedKv({ key, blobs, anchor })
    for (const value of [1, 2, 3]) await set(kv, value)
    forget(2)
    expect(await set(kv, 4)).toBe(true)
    expect((await anchor.latest())?.sequence).toBe(4n)
    forget(3)
    const again = await openSealedKv({ key, blobs, anchor })
    expect(await again.get('a')).toEqual(b(4))
    expect((await anchor.latest())?.sequence).toBe(4n)
    expect(await set(again, 5)).toBe(true)
    forget(5)
    expect(await set(again, 6)).toBe(true)
    expect((await anchor.latest())?.sequence).toBe(6n)
  })

  test('records back to the last final one are kept, older ones are dropped', async () => {
    const blobs = memoryBlobs()
    const { anchor, forget, finalize } = reorganizing()
    const kv = await openSealedKv({ key, blobs, anchor })
    const big = new Uint8Array(40_000)
    const write = (n: number): Promise<boolean> =>
      kv.commit({ checks: [], writes: [{ key: 'big', value: big.fill(n) }] })
    for (let n = 1; n <= 12; n++) await write(n)
    expect(await blobs.names()).toHaveLength(12)
    finalize()
    for (let n = 13; n <= 20; n++) await write(n)
    const names = (await blobs.names()).map((name) => Number(name.slice(0, 20)))
    expect(Math.min(...names)).toBeGreaterThan(1)
    expect(Math.min(...names)).toBeLessThanOrEqual(12)
    forget(20 - 12)
    const again = await openSealedKv({ key, blobs, anchor })
    expect((await again.get('big'))?.[0]).toBe(20)
  })
})

describe('size', () => {
  test('a commit writes what changed; now and then all of it', async () => {
    const blobs = memoryBlobs()
    const sizes: number[] = []
    const counting: BlobStore = {
      ...blobs,
      write: (name, blob) => {
        sizes.push(blob.length)
        return blobs.write(name, blob)
      },
    }
    const kv = await openSealedKv({ key, blobs: counting, anchor: memoryAnchor() })
    const writes = Array.from({ length: 100_000 }, (_, i) => ({ key: `k/${i}`, value: b(i & 255) }))
    await kv.commit({ checks: [], writes })
    for (let n = 0; n < 20; n++) await set(kv, n, 'k/5')
    expect(sizes[0]).toBeGreaterThan(1_000_000)
    expect(Math.max(...sizes.slice(1))).toBeLessThan(200)
    await kv.close()
    const again = await openSealedKv({
      key,
      blobs,
      anchor: { ...memoryAnchor(), latest: async () => undefined },
    })
    expect(await again.keys('')).toHaveLength(100_000)
    expect(await again.get('k/5')).toEqual(b(19))
  }, 60_000)

  test('commits that come together share a record, and each is judged on those before it', async () => {
    const w = world()
    const kv = await w.open()
    await set(kv, 0)
    const add = (from: number): Promise<boolean> =>
      kv.commit({
        checks: [{ key: 'a', value: b(from) }],
        writes: [{ key: 'a', value: b(from + 1) }],
      })
    const happened = await Promise.all([add(0), add(0), add(1), add(2), add(9)])
    expect(happened).toEqual([true, false, true, true, false])
    expect(await kv.get('a')).toEqual(b(3))
    expect((await w.inner.latest())?.sequence).toBeLessThanOrEqual(3n)
  })
})
