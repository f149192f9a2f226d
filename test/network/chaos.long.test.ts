/** The short forms of the runs that take minutes and hours: `npm run chaos:network`, `npm run soak:network`. */
import { expect, test } from 'vitest'
import { isBuilt } from '../cli/runner.js'
import { runChaos } from './chaos.js'
import { runSoak } from './soak.js'

test.skipIf(!isBuilt)(
  'behavior: killed and cut off at random instants, a network answers once and stays at one root',
  async () => {
    const report = await runChaos({ seconds: 90, seed: 7, rate: 15 })
    expect(report.violations).toEqual([])
    expect(report.answered).toBeGreaterThan(0)
    expect(Object.keys(report.kills).length).toBeGreaterThan(2)
  },
  900_000,
)

test.skipIf(!isBuilt)(
  'behavior: under a steady load memory and handles are flat',
  async () => {
    // Caches fill in the first minutes: the short form allows for them.
    const report = await runSoak({ seconds: 120, rate: 2, growth: 0.4 })
    expect(report.violations).toEqual([])
  },
  900_000,
)
