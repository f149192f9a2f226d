import { expect, test } from 'vitest'
import { runKilled } from './chainKilled.js'

test('enclave and host killed on a chain that is reorganized: each event is answered once, in order', async () => {
  const landed = await runKilled([
    { victim: 'enclave', wait: 100 },
    { victim: 'both', wait: 400 },
    { victim: 'nobody', wait: 0 },
  ])
  expect(landed.map(({ sequence, answer }) => [sequence, answer])).toEqual([
    [1n, 1],
    [2n, 1],
    [3n, 1],
  ])
}, 240_000)
