import { describe, expect, test } from 'vitest'
import { runHostileWalk } from '../../../test/support/hostileRun.js'

describe('an endpoint that lags, cuts, refuses and takes turns between nodes', () => {
  test.each([11, 12, 13, 14])(
    'behavior: 2,500 steps end as an honest replay, seed %i',
    async (seed) => {
      const counts = await runHostileWalk({ seed, steps: 2_500 })
      expect(counts.failed).toBeGreaterThan(100)
      expect(counts.reorganized).toBeGreaterThan(10)
    },
    600_000,
  )

  test('behavior: 2,000 steps with logs left out of blocks', async () => {
    await runHostileWalk({ seed: 15, steps: 2_000, lies: true })
  }, 600_000)
})
