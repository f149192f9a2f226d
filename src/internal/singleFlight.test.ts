import { expect, test } from 'vitest'
import { createRecall } from './singleFlight.js'

function setup(options: { life?: number; most?: number; keep?: (value: number) => boolean } = {}) {
  const { life = 100 } = options
  const state = { now: 0, asked: 0 }
  const recall = createRecall<number>({
    ...{ operation: 'asking', ...options, life, now: () => state.now },
  })
  const ask = (key: string, work: () => Promise<number> = async () => state.asked) =>
    recall(key, {}, () => {
      state.asked++
      return work()
    })
  return { state, ask, recall }
}

test('default: asked once for as long as it lives, counted from when it was asked', async () => {
  const { state, ask } = setup()
  expect(await ask('a')).toBe(1)
  state.now = 99
  expect(await ask('a')).toBe(1)
  expect(await ask('b')).toBe(2)
  state.now = 100
  expect(await ask('a')).toBe(3)
  const slow = await ask('c', async () => {
    state.now = 190
    return 7
  })
  expect(slow).toBe(7)
  state.now = 201
  expect(await ask('c')).toBe(5)
})

test('behavior: those that ask meanwhile share one question, and one that gives up ends nothing', async () => {
  const { state, recall } = setup()
  const controller = new AbortController()
  let give: (value: number) => void = () => undefined
  const work = (): Promise<number> => {
    state.asked++
    return new Promise((resolve) => {
      give = resolve
    })
  }
  const gone = recall('a', { signal: controller.signal }, work)
  const stays = recall('a', {}, work)
  controller.abort(new Error('enough'))
  await expect(gone).rejects.toThrow('enough')
  give(4)
  expect(await stays).toBe(4)
  expect(state.asked).toBe(1)
})

test('behavior: failures and what is not to be kept are asked for again, and the oldest goes', async () => {
  const { state, ask } = setup({ most: 2, keep: (value) => value !== 1 })
  expect([await ask('a'), await ask('a'), await ask('a')]).toEqual([1, 2, 2])
  await expect(ask('f', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await ask('f')).toBe(4)
  await ask('g')
  expect(await ask('a')).toBe(6)
  const off = setup({ life: 0 })
  expect([await off.ask('a'), await off.ask('a')]).toEqual([1, 2])
  expect(state.asked).toBe(6)
})
