import { describe, expect, test } from 'vitest'
import { type RetentionScript, runRetention } from '../../../test/support/retentionWorld.js'

const failing = (day: number): boolean => day > 12 && day < 40
const worlds: Record<string, RetentionScript> = {
  'one copy on the network': {},
  'an archive': { archives: [{}] },
  'strangers who announce eight certificates a day': { forgeries: 8 },
  'an announcer that fails for four weeks': { announcerFails: failing },
  'strangers, and an announcer that fails': { forgeries: 8, announcerFails: failing },
  'read-backs that always fail': { readBackFails: () => true },
  'a dead archive and one that is damaged, among strangers': {
    forgeries: 8,
    archives: [{ isDown: () => true }, { damagedAt: 20 }],
  },
}

/** Steps of a sequence that is the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (state * 48_271) % 2_147_483_647
    yield state
  }
}

describe('ninety days', () => {
  test.each(Object.entries(worlds))(
    'behavior: with %s nothing is lost, killed at steps of every kind, and a kill costs one payment at most',
    async (_, world) => {
      const quiet = await runRetention(world)
      expect(quiet).toMatchObject({ lostAt: undefined, isReadable: true })
      // Steps come in rounds: a stride that shares nothing with them meets each kind of step. All of
      // them take hours: DA_KILLS=all.
      const stride =
        process.env['DA_KILLS'] === 'all' ? 1 : Math.max(1, Math.floor(quiet.steps / 12))
      for (let step = 1; step <= quiet.steps; step += stride) {
        const killed = await runRetention({ ...world, killsAt: new Set([step]) })
        expect(killed, `killed at ${step}`).toMatchObject({ lostAt: undefined, isReadable: true })
        expect(killed.payments, `killed at ${step}`).toBeLessThanOrEqual(quiet.payments + 1)
      }
    },
    3_600_000,
  )

  test('behavior: three kills at random steps', async () => {
    const random = numbers(7)
    const names = Object.keys(worlds)
    for (let round = 0; round < 10; round++) {
      const name = names[random.next().value % names.length] as string
      const world = worlds[name] as RetentionScript
      const killsAt = new Set([1, 2, 3].map(() => 1 + (random.next().value % 60)))
      const quiet = await runRetention(world)
      const killed = await runRetention({ ...world, killsAt })
      const what = `${name}, killed at ${[...killsAt]}`
      expect(killed, what).toMatchObject({ lostAt: undefined, isReadable: true })
      expect(killed.payments, what).toBeLessThanOrEqual(quiet.payments + killed.kills)
    }
  }, 3_600_000)
})
