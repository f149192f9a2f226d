import { expect, test } from 'vitest'
import { MAX_TIMER, withDeadline } from './deadline.js'

test.each([Number.NaN, Number.POSITIVE_INFINITY, MAX_TIMER + 1, '5', null] as unknown[])(
  'error: INVALID_INPUT for a timeout of %s, before any work',
  async (timeout) => {
    let worked = false
    const call = withDeadline('work', { timeout: timeout as number }, async () => {
      worked = true
    })
    await expect(call).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'timeout' })
    expect(worked).toBe(false)
  },
)

test('behavior: what is left of a time that is over ends at once, and none left out', async () => {
  const never = (): Promise<never> => new Promise(() => undefined)
  for (const timeout of [0, -1, Number.NEGATIVE_INFINITY])
    await expect(withDeadline('work', { timeout }, never)).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
  expect(await withDeadline('work', { timeout: MAX_TIMER }, async () => 1)).toBe(1)
  expect(await withDeadline('work', {}, async () => 2)).toBe(2)
})
