/** An enclave in a process of its own, for tests: reads its orders from the environment. */
import { createNsm, serveEnclave } from '../../src/enclave/index.js'
import { duplexListener, standardStreams } from '../../src/enclave/node/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import { limitEvaluator } from './fixtures.js'

const seed = new TextEncoder().encode(
  process.env['ENCLAVE_SEED'] ?? 'a seed of sixteen bytes or more',
)
const delay = Number(process.env['ENCLAVE_DELAY'] ?? '0')
const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }], seed })
await serveEnclave({
  evaluator: limitEvaluator({ delay: () => new Promise((resolve) => setTimeout(resolve, delay)) }),
  nsm: createNsm(simulator.device),
  listener: duplexListener({ stream: standardStreams() }),
})
