/**
 * `npm run walk:following -- --seed 1 --steps 10000`: index, watcher and challenger behind an endpoint
 * that lags, cuts, refuses and takes turns between nodes, on a chain that reorganizes. Ends with exit
 * code 1 where one of them does not end as an honest replay does. `--lies` leaves logs out of blocks,
 * too.
 */
import { parseArgs } from 'node:util'
import { runHostileWalk } from '../support/hostileRun.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '10000' },
    lies: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const steps = Number(values.steps)
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(steps) || steps < 1) {
  throw new Error('--seed and --steps are integers')
}

const started = performance.now()
const counts = await runHostileWalk({ seed, steps, lies: values.lies })
const seconds = ((performance.now() - started) / 1_000).toFixed(0)
console.log(
  `${steps} steps in ${seconds} s: ${counts.failed} calls failed with errors of the package, ` +
    `${counts.delivered} events delivered, ${counts.reorganized} reorganizations seen by the watcher, ` +
    `${counts.reopened} challenges filed again, ${counts.challenged} lies punished; all as an honest replay`,
)
