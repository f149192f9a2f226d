import { expect, test } from 'vitest'
import { createSteps } from '../../src/cli/commands/provenance/reading.js'

test('behavior: how old an index is depends on the chain alone, and on no server of a stranger', async () => {
  const calls = { follow: 0, load: 0 }
  let ended: (() => void) | undefined
  const steps = createSteps({
    follow: async () => {
      calls.follow += 1
      if (calls.follow === 4) throw new TypeError('the node is gone')
    },
    load: () => {
      calls.load += 1
      return new Promise((resolve, reject) => {
        ended = calls.load === 1 ? resolve : () => reject(new TypeError('it ended'))
      })
    },
  })
  expect(steps.asOf()).toBeUndefined()
  await steps.step()
  expect(steps.asOf()).toBeGreaterThan(0)
  await steps.step()
  await steps.step()
  // One reading of what strangers name at a time, however long it takes.
  expect(calls).toEqual({ follow: 3, load: 1 })
  const before = steps.asOf()
  await expect(steps.step()).rejects.toThrow('the node is gone')
  expect(steps.asOf()).toBe(before)
  for (const load of [2, 3]) {
    ended?.()
    await new Promise((resolve) => setTimeout(resolve, 0))
    await steps.step()
    expect(calls.load).toBe(load)
  }
})
