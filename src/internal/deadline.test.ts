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

test('behavior: work that aborts and throws at once leaves no rejection behind', async () => {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  try {
    for (const signal of [undefined, new AbortController().signal]) {
      const controller = new AbortController()
      const call = withDeadline('work', { signal: signal ?? controller.signal, timeout: 5 }, () => {
        controller.abort(new Error('mine'))
        throw new Error('at once')
      })
      await expect(call).rejects.toThrow('at once')
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(rejections).toEqual([])
  } finally {
    process.off('unhandledRejection', onRejection)
  }
})
