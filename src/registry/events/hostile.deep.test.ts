import { describe, expect, test } from 'vitest'
import { runHostileWalk } from '../../../test/support/hostileRun.js'

describe('an endpoint that lags, cuts, refuses and takes turns between nodes', () => {
  test.each([11, 12, 13, 14])(
    'behavior: 500 steps end as an honest replay, seed %i',
    async (seed) => {
      const counts = await runHostileWalk({ seed, steps: 500 })
      expect(counts.failed).toBeGreaterThan(20)
      expect(counts.reorganized).toBeGreaterThan(2)
    },
    600_000,
  )

  test('behavior: 500 steps with logs left out of blocks', async () => {
    await runHostileWalk({ seed: 15, steps: 500, lies: true })
  }, 600_000)
})
