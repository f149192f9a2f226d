import { describe, expect, test } from 'vitest'
import { createSingleFlightCache, pluginCachePresets } from './cache.js'

const MiB = 1024 * 1024

describe('createSingleFlightCache', () => {
  test('behavior: concurrent misses of one key share one load', async () => {
    const cache = createSingleFlightCache<number>({ entries: 4, bytes: 100 })
    let loads = 0
    const load = async (): Promise<{ value: number; weight: number }> => {
      await new Promise((resolve) => setTimeout(resolve, 5))
      return { value: ++loads, weight: 1 }
    }
    expect(
      await Promise.all([cache.get('a', load), cache.get('a', load), cache.get('a', load)]),
    ).toEqual([1, 1, 1])
    expect(await cache.get('a', load)).toBe(1)
    expect(cache.stats()).toMatchObject({ misses: 1, joined: 2, hits: 1, entries: 1, bytes: 1 })
  })

  test('behavior: least recently used out first, by entries and by bytes', async () => {
    const evicted: string[] = []
    const cache = createSingleFlightCache<string>({ entries: 3, bytes: 10 }, (key, reason) =>
      evicted.push(`${key} ${reason}`),
    )
    const put = (key: string, weight: number): Promise<string> =>
      cache.get(key, async () => ({ value: key, weight }))
    await put('a', 1)
    await put('b', 1)
    await put('c', 1)
    await put('a', 1)
    await put('d', 1)
    expect(evicted).toEqual(['b count'])
    await put('e', 9)
    expect(evicted).toEqual(['b count', 'c count', 'a size'])
    expect(cache.stats()).toMatchObject({ entries: 2, bytes: 10, evictions: 3 })
    expect(cache.peek('d')).toBe('d')
    expect(cache.peek('b')).toBeUndefined()
  })

  test('behavior: an entry heavier than everything is returned and not held', async () => {
    const cache = createSingleFlightCache<string>({ entries: 3, bytes: 10 })
    expect(await cache.get('x', async () => ({ value: 'x', weight: 11 }))).toBe('x')
    expect(cache.stats().entries).toBe(0)
  })

  test('behavior: a failed load is not remembered', async () => {
    const cache = createSingleFlightCache<string>({ entries: 3, bytes: 10 })
    await expect(cache.get('x', async () => Promise.reject(new TypeError('no')))).rejects.toThrow(
      'no',
    )
    expect(await cache.get('x', async () => ({ value: 'yes', weight: 1 }))).toBe('yes')
  })

  test('error: no room at all', () => {
    expect(() => createSingleFlightCache({ entries: 0, bytes: 1 })).toThrow(/at least one entry/)
    expect(() => createSingleFlightCache({ entries: 1, bytes: 0 })).toThrow(/at least one entry/)
  })

  test('behavior: the four presets', () => {
    expect(pluginCachePresets).toEqual({
      dev: { entries: 8, bytes: 256 * MiB },
      staging: { entries: 32, bytes: 1024 * MiB },
      prodSmall: { entries: 32, bytes: 1024 * MiB },
      prodLarge: { entries: 256, bytes: 8192 * MiB },
    })
  })
})
