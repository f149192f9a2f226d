import { describe, expect, test } from 'vitest'
import { runHostileWalk } from '../../../test/support/hostileRun.js'

describe('an endpoint that lags, cuts, refuses and takes turns between nodes', () => {
  test('behavior: four walks of 1,000 steps end as an honest replay', async () => {
    let failed = 0
    let reorganized = 0
    for (const seed of [11, 12, 13, 14]) {
      const counts = await runHostileWalk({ seed, steps: 1_000 })
      failed += counts.failed
      reorganized += counts.reorganized
    }
    // There was something to get wrong.
    expect(failed).toBeGreaterThan(200)
    expect(reorganized).toBeGreaterThan(4)
  }, 1_200_000)

  test('behavior: 500 steps with logs left out of blocks', async () => {
    await runHostileWalk({ seed: 15, steps: 500, lies: true })
  }, 600_000)
})
