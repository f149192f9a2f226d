import { describe, expect, test } from 'vitest'
import { type RetentionScript, runRetention } from '../../../test/support/retentionWorld.js'

// Thirty days of the simulation, killed at a few steps; ninety days and every step are in the deep form.
const days = 30
const worlds: Record<string, RetentionScript> = {
  'one copy on the network': {},
  'strangers who announce eight certificates a day': { forgeries: 8 },
  'an announcer that fails for two weeks': { announcerFails: (day) => day > 12 && day < 26 },
  'read-backs that fail': { readBackFails: () => true },
  'a dead archive and one that is damaged': {
    archives: [{ isDown: () => true }, { damagedAt: 20 }],
  },
  'a dead archive and one that is damaged, among strangers': {
    forgeries: 8,
    archives: [{ isDown: () => true }, { damagedAt: 20 }],
  },
}

describe('thirty days', () => {
  test.each(Object.entries(worlds))(
    'behavior: with %s nothing is lost, and a kill costs one payment at most',
    async (_, world) => {
      const quiet = await runRetention({ days, ...world })
      expect(quiet).toMatchObject({ kills: 0, lostAt: undefined, isReadable: true })
      for (const part of [0.35, 0.7]) {
        const killsAt = new Set([Math.ceil(quiet.steps * part)])
        const killed = await runRetention({ days, ...world, killsAt })
        expect(killed).toMatchObject({ kills: 1, lostAt: undefined, isReadable: true })
        expect(killed.payments).toBeLessThanOrEqual(quiet.payments + 1)
      }
    },
    240_000,
  )
})
