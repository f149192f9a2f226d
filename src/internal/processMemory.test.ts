import { describe, expect, test } from 'vitest'
import { createProcessMemory, type MemoryEvent, type ProcessMemory } from './processMemory.js'

const slot = (key: string, form = 'wasm') => ({ form, key })
const put = (memory: ProcessMemory, key: string, weight: number, form = 'wasm') =>
  memory.get(slot(key, form), async () => ({ value: key, weight }))
function watched(memory: ProcessMemory): string[] {
  const left: string[] = []
  memory.observe((event) => {
    if (event.type === 'evicted') left.push(`${event.form} ${event.key} ${event.reason}`)
  })
  return left
}

describe('createProcessMemory', () => {
  test('default: concurrent misses of one slot share one making', async () => {
    const memory = createProcessMemory()
    let made = 0
    const make = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      return { value: ++made, weight: 1 }
    }
    const asked = [1, 2, 3].map(() => memory.get(slot('a'), make))
    expect(await Promise.all(asked)).toEqual([1, 1, 1])
    expect(await memory.get(slot('a'), make)).toBe(1)
    expect(memory.stats('wasm')).toEqual({
      ...{ hits: 1, misses: 1, joined: 2, evictions: 0 },
      ...{ entries: 1, bytes: 1 },
    })
  })

  test('behavior: least recently used out first, by entries of the form and by bytes of all', async () => {
    const memory = createProcessMemory({ maxEntries: 3, maxBytes: 10 })
    const left = watched(memory)
    for (const key of ['a', 'b', 'c', 'a', 'd']) await put(memory, key, 1)
    expect(left).toEqual(['wasm b count'])
    await put(memory, 'r', 1, 'rego')
    await put(memory, 'e', 7)
    expect(left).toEqual(['wasm b count', 'wasm c count'])
    // The next bytes are those of the form used longest ago, whichever it is.
    await put(memory, 's', 1, 'schema')
    expect(left.slice(2)).toEqual(['wasm a size'])
    expect(memory.peek(slot('d'))).toBe('d')
    await put(memory, 't', 1, 'schema')
    expect(left.slice(3)).toEqual(['rego r size'])
    expect(memory.stats()).toMatchObject({ entries: 4, bytes: 10, evictions: 4 })
  })

  test('behavior: many small entries of one form push out no other form', async () => {
    const memory = createProcessMemory({ maxEntries: 2, entriesOf: { row: 3 } })
    await put(memory, 'plugin', 1_000)
    for (let row = 0; row < 50; row++) await put(memory, `${row}`, 1, 'row')
    expect(memory.peek(slot('plugin'))).toBe('plugin')
    expect(memory.stats('row').entries).toBe(3)
  })

  test('behavior: one heavier than everything is returned and not held, one not to keep neither', async () => {
    const memory = createProcessMemory({ maxBytes: 10 })
    expect(await put(memory, 'x', 11)).toBe('x')
    expect(memory.set(slot('y'), { value: 'y', weight: Number.NaN })).toBe(false)
    const unkept = async () => ({ value: 'z', weight: 1, keep: false })
    expect(await memory.get(slot('z'), unkept)).toBe('z')
    expect(memory.stats().entries).toBe(0)
  })

  test('behavior: what is pinned stays, and a newcomer without room goes', async () => {
    const memory = createProcessMemory({ maxEntries: 2, maxBytes: 10 })
    memory.pin(slot('a'))
    await put(memory, 'a', 8)
    await put(memory, 'b', 5)
    expect([memory.peek(slot('a')), memory.peek(slot('b'))]).toEqual(['a', undefined])
    await put(memory, 'c', 1)
    await put(memory, 'd', 1)
    expect(memory.peek(slot('a'))).toBe('a')
    memory.unpin(slot('a'))
    await put(memory, 'e', 1)
    await put(memory, 'f', 1)
    expect(memory.peek(slot('a'))).toBeUndefined()
  })

  test('behavior: bounds hold under any sequence', () => {
    const memory = createProcessMemory({ maxEntries: 3, maxBytes: 10 })
    let state = 1
    for (let i = 0; i < 2_000; i++) {
      state = (state * 48_271) % 2_147_483_647
      const at = slot(String(state % 7), `form ${state % 2}`)
      memory.set(at, { value: i, weight: state % 12 })
      if (state % 3 === 0) memory.peek(slot(String(state % 5), 'form 0'))
      if (state % 11 === 0) memory.delete(at)
      const { bytes } = memory.stats()
      expect(bytes).toBeLessThanOrEqual(10)
      for (const form of ['form 0', 'form 1'])
        expect(memory.stats(form).entries).toBeLessThanOrEqual(3)
    }
    memory.clear()
    expect(memory.stats()).toMatchObject({ entries: 0, bytes: 0 })
  })

  test('behavior: a failed making is not remembered', async () => {
    const memory = createProcessMemory()
    const failing = memory.get(slot('x'), async () => Promise.reject(new TypeError('no')))
    await expect(failing).rejects.toThrow('no')
    expect(await put(memory, 'x', 1)).toBe('x')
  })

  test('behavior: who leaves ends the making only as the last one', async () => {
    const memory = createProcessMemory()
    let signal: AbortSignal | undefined
    let finish = (): void => undefined
    const make = (given: AbortSignal) => {
      signal = given
      return new Promise<{ value: string; weight: number }>((resolve) => {
        finish = () => resolve({ value: 'made', weight: 1 })
      })
    }
    const controller = new AbortController()
    const first = memory.get(slot('a'), make, { signal: controller.signal })
    const second = memory.get(slot('a'), make)
    controller.abort(new TypeError('not any more'))
    await expect(first).rejects.toThrow('not any more')
    expect(signal?.aborted).toBe(false)
    finish()
    expect(await second).toBe('made')

    const alone = memory.get(slot('b'), make, { timeout: 1 })
    await expect(alone).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(signal?.aborted).toBe(true)
    // Whatever ends anyway is there for the next one.
    finish()
    await new Promise((resolve) => setImmediate(resolve))
    expect(memory.peek(slot('b'))).toBe('made')
  })

  test('behavior: what leaves is disposed of once, however it leaves', async () => {
    const memory = createProcessMemory({ maxEntries: 2 })
    const gone: string[] = []
    const add = (key: string) =>
      memory.set(slot(key), { value: key, weight: 1, dispose: () => void gone.push(key) })
    for (const key of ['a', 'b', 'c', 'd']) add(key)
    expect(gone).toEqual(['a', 'b'])
    add('d')
    memory.delete(slot('c'))
    memory.clear()
    memory.clear()
    expect(gone).toEqual(['a', 'b', 'd', 'c', 'd'])
  })

  test('behavior: events tell lookups, fills and departures, whatever a listener does', async () => {
    const memory = createProcessMemory({ maxEntries: 1 })
    const events: MemoryEvent[] = []
    memory.observe(() => {
      throw new TypeError('mine')
    })
    const stop = memory.observe((event) => events.push(event))
    await put(memory, 'a', 2)
    await put(memory, 'a', 2)
    await put(memory, 'b', 3)
    memory.clear('wasm')
    stop()
    await put(memory, 'c', 1)
    const { form } = slot('')
    expect(events).toEqual([
      { type: 'lookup', form, key: 'a', result: 'miss' },
      { type: 'filled', form, key: 'a', weight: 2 },
      { type: 'lookup', form, key: 'a', result: 'hit' },
      { type: 'lookup', form, key: 'b', result: 'miss' },
      { type: 'evicted', form, key: 'a', reason: 'count' },
      { type: 'filled', form, key: 'b', weight: 3 },
      { type: 'evicted', form, key: 'b', reason: 'cleared' },
    ])
  })

  test.each([
    [{ maxEntries: 0 }, 'maxEntries'],
    [{ maxEntries: 1.5 }, 'maxEntries'],
    [{ maxBytes: 0 }, 'maxBytes'],
    [{ maxBytes: Number.NaN }, 'maxBytes'],
    [{ entriesOf: { rego: Number.NaN } }, 'rego'],
  ])('error: %j leaves no room', (options, field) => {
    expect(() => createProcessMemory(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field }),
    )
  })
})
