/** How much of a slow check of callers strangers may have. */
import { expect, test, vi } from 'vitest'
import type { CallerCheck } from '../callers.js'
import { checkBounds, createIdentify } from './identifying.js'

/** A check that answers when it is told to. */
function slow() {
  const asked: { key: string; answer: (caller: string | undefined) => void }[] = []
  const callers = ((key: string | null | undefined) =>
    new Promise((answer) => asked.push({ key: String(key), answer }))) as CallerCheck
  return { asked, identify: createIdentify(callers) }
}
const overloaded = { fault: 'OVERLOADED', retryable: true }

test('behavior: strangers leave places to whoever was let in before, and to other addresses', async () => {
  const { asked, identify } = slow()
  const own = identify('Bearer own', '192.0.2.1')
  asked[0]?.answer('shop')
  expect(await own).toBe('shop')
  const strangers: Promise<unknown>[] = []
  const ask = (nth: number, address: string | undefined): void => {
    const one = identify(`Bearer stranger-${nth}`, address)
    one.catch(() => undefined)
    strangers.push(one)
  }
  for (let nth = 0; nth < 40; nth++) ask(nth, '198.51.100.7')
  expect(asked).toHaveLength(1 + checkBounds.perAddress)
  await expect(strangers.at(-1)).rejects.toMatchObject(overloaded)
  // Another one's first time is asked about meanwhile.
  const bank = identify('Bearer bank', '203.0.113.9')
  asked.at(-1)?.answer('bank')
  expect(await bank).toBe('bank')
  for (let nth = 0; nth < 500; nth++) ask(1_000 + nth, `2001:db8:${nth.toString(16)}::1`)
  expect(asked).toHaveLength(2 + checkBounds.strangers)
  await expect(identify('Bearer late', '203.0.113.10')).rejects.toMatchObject(overloaded)
  for (const key of ['own', 'bank']) {
    const again = identify(`Bearer ${key}`, '198.51.100.7')
    asked.at(-1)?.answer(key)
    expect(await again).toBe(key)
  }
  // Places come back.
  for (const { answer } of asked) answer(undefined)
  await Promise.allSettled(strangers)
  const late = identify('Bearer late', '198.51.100.7')
  asked.at(-1)?.answer('late')
  expect(await late).toBe('late')
})

test('behavior: equal keys share an answer while they are asked about, and no longer', async () => {
  const { asked, identify } = slow()
  const all = Array.from({ length: 1_000 }, () => identify('Bearer same', '198.51.100.7'))
  expect(asked).toHaveLength(1)
  asked[0]?.answer('shop')
  expect(new Set(await Promise.all(all))).toEqual(new Set(['shop']))
  const gone = identify('Bearer same')
  asked[1]?.answer(undefined)
  expect(await gone).toBeUndefined()
})

test('behavior: a check that never answers ends, and gives its place back', async () => {
  vi.useFakeTimers()
  try {
    const { identify } = slow()
    const stuck = Array.from({ length: checkBounds.strangers }, (_, nth) =>
      identify(`Bearer ${nth}x`),
    )
    for (const one of stuck) one.catch(() => undefined)
    await expect(identify('Bearer more')).rejects.toMatchObject(overloaded)
    await vi.advanceTimersByTimeAsync(10_001)
    for (const one of stuck) await expect(one).rejects.toMatchObject({ code: 'TIMEOUT' })
    const next = identify('Bearer more')
    next.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(10_001)
    await expect(next).rejects.toMatchObject({ code: 'TIMEOUT' })
  } finally {
    vi.useRealTimers()
  }
})

test('error: what is no name is nobody; what a check throws is told', async () => {
  for (const given of [null, 7, {}, true, Promise.resolve(7), Promise.resolve(null)]) {
    expect(await createIdentify((() => given) as never)('Bearer a')).toBeUndefined()
  }
  const fails = createIdentify(() => {
    throw new TypeError('down')
  })
  for (let nth = 0; nth < 300; nth++) await expect(fails(`Bearer ${nth}`)).rejects.toThrow('down')
})
