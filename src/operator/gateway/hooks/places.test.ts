import { describe, expect, test } from 'vitest'
import { createPlaces, type DeliveryPlaces } from './places.js'

const take = (places: DeliveryPlaces, ...callers: string[]): void => {
  for (const caller of callers) places.take(caller)
}

describe('places for attempts', () => {
  test('default: one until the receiver has answered, then more, and one again after a silence', () => {
    const places = createPlaces({ concurrent: 16, perCaller: 4 })
    expect(places.next()).toEqual({ limit: 12, busy: [] })
    take(places, 'shop')
    expect(places.next()).toEqual({ limit: 11, busy: ['shop'] })
    places.give('shop', true)
    take(places, 'shop', 'shop', 'shop')
    expect(places.next()).toEqual({ limit: 9, busy: [] })
    take(places, 'shop')
    expect(places.next()).toEqual({ limit: 8, busy: ['shop'] })
    places.give('shop', false)
    places.give('shop', false)
    expect(places.next().busy).toEqual(['shop'])
    places.give('shop', false)
    places.give('shop', false)
    expect(places.next()).toEqual({ limit: 12, busy: [] })
    take(places, 'shop')
    expect(places.next().busy).toEqual(['shop'])
  })

  test('behavior: the last quarter is for callers without an attempt, however well others answer', () => {
    const places = createPlaces({ concurrent: 8, perCaller: 4 })
    for (const caller of ['a', 'b']) {
      places.take(caller)
      places.give(caller, true)
    }
    take(places, 'a', 'a', 'a', 'b', 'b', 'b')
    expect(places.next()).toEqual({ limit: 2, busy: ['a', 'b'] })
    take(places, 'c', 'd')
    expect(places.next().limit).toBe(0)
  })

  test('behavior: silent receivers share half of all, each in its turn', () => {
    const places = createPlaces({ concurrent: 4, perCaller: 2 })
    const all = ['a', 'b', 'c', 'd', 'e']
    for (const caller of all) {
      places.take(caller)
      places.give(caller, false)
    }
    const seen = new Set<string>()
    for (let look = 0; look < 3; look++) {
      const { busy } = places.next()
      const free = all.filter((caller) => !busy.includes(caller))
      expect(free).toHaveLength(2)
      for (const caller of free) seen.add(caller)
    }
    expect([...seen].sort()).toEqual(all)
    const free = all.filter((caller) => !places.next().busy.includes(caller))
    take(places, ...free)
    expect([...places.next().busy].sort()).toEqual(all)
    // One that answers again is none of them.
    places.give(free[0] as string, true)
    const { busy } = places.next()
    expect(busy).not.toContain(free[0])
    expect(busy).toContain(free[1])
    expect(busy).toHaveLength(3)
  })

  test('behavior: one place is enough for all, one after another', () => {
    const places = createPlaces({ concurrent: 1, perCaller: 4 })
    for (const answered of [false, true, false]) {
      expect(places.next()).toEqual({ limit: 1, busy: [] })
      places.take('a')
      expect(places.next().limit).toBe(0)
      places.give('a', answered)
    }
  })
})
