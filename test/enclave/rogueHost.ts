/** A host in a process of its own, before enclaves that are none and one that is: it tells its memory and outcomes. */
import { setTimeout as pause } from 'node:timers/promises'
import { createEnclaveEvaluator } from '../../src/enclave/index.js'
import { tcpTransport } from '../../src/enclave/node/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import { transferRequest } from './fixtures.js'

const { rogues, good, seconds } = JSON.parse(process.argv[2] as string) as {
  rogues: Record<string, number>
  good: number
  seconds: number
}
const seed = new TextEncoder().encode('a seed of sixteen bytes or more')
const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }], seed })
const artifact = new Uint8Array(4_000_000)
const until = Date.now() + seconds * 1_000
const tell = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`)

const connect = (port: number) =>
  createEnclaveEvaluator({
    transport: tcpTransport({ port }),
    policy: simulator.policy,
    host: { artifacts: { getArtifact: async () => artifact } },
    wire: { limits: { connectTimeout: 1_500 }, retries: 0 },
  })

let nonce = 0n
async function ask(port: number, timeout: number): Promise<string> {
  const evaluator = await connect(port)
  try {
    const { allow } = await evaluator.evaluate(transferRequest(1n, nonce++), { timeout })
    return `allow ${allow}`
  } finally {
    await evaluator.close()
  }
}

async function suffer(name: string, port: number): Promise<void> {
  while (Date.now() < until) {
    const outcome = await ask(port, 5_000).catch(
      (error: { code?: string; message: string }) => `${error.code} ${error.message.length}`,
    )
    tell({ rogue: name, outcome })
    // One that fails at once is not asked again at once.
    await pause(250)
  }
}

async function serve(): Promise<void> {
  const evaluator = await connect(good)
  while (Date.now() < until) {
    const started = performance.now()
    const { allow } = await evaluator.evaluate(transferRequest(1n, nonce++), { timeout: 30_000 })
    tell({ allow, took: performance.now() - started })
    await pause(100)
  }
  await evaluator.close()
}

const measuring = setInterval(() => tell({ rss: process.memoryUsage().rss / 1_000_000 }), 100)
await Promise.all([serve(), ...Object.entries(rogues).map(([name, port]) => suffer(name, port))])
clearInterval(measuring)
tell({ done: true })
process.exit(0)
