/** The short form of `npm run chaos:network`: a minute of kills, and links that are cut, slow and lying. */
import { expect, test } from 'vitest'
import { isBuilt } from '../cli/runner.js'
import { runChaos } from './chaos.js'

test.skipIf(!isBuilt)(
  'killed at random instants, a network answers no task twice, signs nothing twice, and ends at one root',
  async () => {
    const report = await runChaos({ seconds: 60, seed: 20_261_130, rate: 10 })
    expect(report.violations).toEqual([])
    // Nothing is shown by a network that did nothing.
    expect(report.answered).toBeGreaterThan(2)
    expect(report.shares).toBeGreaterThan(6)
    expect(report.commits).toBeGreaterThan(0)
    expect(report.accepted).toBeGreaterThan(0)
    expect(Object.keys(report.kills).length).toBeGreaterThan(3)
  },
  900_000,
)
