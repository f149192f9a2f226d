import { expect, test } from 'vitest'
import type { ChainEvents } from '../../../core/interfaces/chainEvents.js'
import { windowsOf } from './chain.js'

const of = (getWindows?: ChainEvents['getWindows']) =>
  windowsOf({ events: { getWindows } as unknown as ChainEvents })

test('windowsOf: what the contracts say', async () => {
  const windows = { challengeWindow: 50_400n, taskResponseWindow: 200n }
  expect(await of(async () => windows)).toEqual(windows)
})

test.each<[string, ChainEvents['getWindows']]>([
  ['a reader that does not know them', undefined],
  ['settings without a challenge verifier', async () => null as never],
])(
  'windowsOf: INVALID_INPUT for %s: no role guesses how long it has',
  async (_name, getWindows) => {
    await expect(of(getWindows)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'chain.contracts',
      message: expect.stringContaining('challengeVerifier is missing'),
    })
  },
)

test('windowsOf: a node that fails is not taken for one that has none', async () => {
  await expect(of(() => Promise.reject(new Error('no answer')))).rejects.toThrow('no answer')
})
