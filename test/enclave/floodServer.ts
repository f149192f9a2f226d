/** An enclave in a process of its own that tells its memory. */
import { serveEnclave } from '../../src/enclave/index.js'
import { tcpListener } from '../../src/enclave/node/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import { limitEvaluator } from './fixtures.js'

const seed = new TextEncoder().encode('a seed of sixteen bytes or more')
const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }], seed })
const listener = tcpListener({ port: 0 })
await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
process.stdout.write(`${JSON.stringify({ port: listener.address()?.port })}\n`)
setInterval(() => {
  process.stdout.write(`${JSON.stringify({ rss: process.memoryUsage().rss / 1_000_000 })}\n`)
}, 100)
