import { describe, expect, test } from 'vitest'
import { runHostileWalk } from '../../../test/support/hostileRun.js'

// 10,000 steps: `npm run walk:following -- --steps 10000`.
describe('an endpoint that lags, cuts, refuses and takes turns between nodes', () => {
  test('behavior: two walks of 1,000 steps end as an honest replay', async () => {
    let failed = 0
    let reorganized = 0
    let reopened = 0
    for (const seed of [11, 12]) {
      const counts = await runHostileWalk({ seed, steps: 1_000 })
      failed += counts.failed
      reorganized += counts.reorganized
      reopened += counts.reopened
    }
    // There was something to get wrong.
    expect(failed).toBeGreaterThan(200)
    expect(reorganized).toBeGreaterThan(0)
    expect(reopened).toBeGreaterThan(0)
  }, 1_200_000)

  test('behavior: 500 steps with logs left out of blocks', async () => {
    await runHostileWalk({ seed: 15, steps: 500, lies: true })
  }, 600_000)
})
