import { describe, expect, test } from 'vitest'
import { runHostileWalk } from '../../../test/support/hostileRun.js'

describe('an endpoint that lags, cuts, refuses and takes turns between nodes', () => {
  test.each([1, 2])(
    'behavior: index, watcher and challenger end as an honest replay, seed %i',
    async (seed) => {
      const counts = await runHostileWalk({ seed, steps: 120 })
      expect(counts.failed).toBeGreaterThan(0)
      expect(counts.delivered).toBeGreaterThan(0)
      expect(counts.challenged).toBeGreaterThan(0)
    },
  )

  test('behavior: the index finds what is left out of blocks too', async () => {
    await runHostileWalk({ seed: 4, steps: 120, lies: true })
  })
})
