import { expect, test } from 'vitest'
import { runKilled, type Victim } from './chainKilled.js'

test('nine rounds of kills and reorganizations at any moment lose and repeat nothing', async () => {
  const victims: readonly Victim[] = ['enclave', 'both', 'nobody']
  const rounds = Array.from({ length: 9 }, (_, at) => ({
    victim: victims[at % 3] as Victim,
    // Every stage of an answer's way is met.
    wait: (at * 997) % 3_000,
  }))
  const landed = await runKilled(rounds)
  expect(landed.map(({ sequence }) => sequence)).toEqual(rounds.map((_, at) => BigInt(at + 1)))
}, 3_600_000)
