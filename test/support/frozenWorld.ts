/** A plugin that reads the clock and chance in every way the language has, and one run of it. */
import type { Hex } from 'viem'
import { afterAll } from 'vitest'
import { nodePluginWorkers } from '../../src/eval/node/index.js'
import { createPluginRuntime } from '../../src/eval/plugins/runtime/runtime.js'
import { keccakHex } from '../../src/internal/keccak.js'

/** Time of the block, in seconds. */
export const blockTimestamp = 1_764_300_000n

/** Reads the world in every way the language has, once while it loads and once in each run. */
export const source: string = `
const Kept = Date
class Own extends Date {}
const ways = {
  clock: {
    now: () => Date.now(),
    kept: () => Kept.now(),
    made: () => new Date().getTime(),
    called: () => Date.parse(Date()),
    reached: () => new (new Date(0).constructor)().getTime(),
    cloned: () => new (structuredClone(new Date(0)).constructor)().getTime(),
    reflected: () => Reflect.construct(Date, []).getTime(),
    extended: () => new Own().getTime(),
    file: () => new File([], 'x').lastModified,
  },
  elapsed: { now: () => performance.now(), origin: () => performance.timeOrigin },
  random: {
    math: () => Math.random(),
    bytes: () => String(crypto.getRandomValues(new Uint8Array(16))),
    uuid: () => crypto.randomUUID(),
  },
}
const read = () => Object.fromEntries(Object.entries(ways).map(([kind, of]) => [kind,
  Object.fromEntries(Object.entries(of).map(([name, way]) => {
    try { return [name, way()] } catch (error) { return [name, 'threw ' + error.message] }
  }))]))
const loading = read()
export function run(input) {
  const { expires } = JSON.parse(input)
  return JSON.stringify({
    loading, running: read(), expired: Date.now === undefined || safely(() => Date.now() > expires),
    dates: [new Date(5).getTime(), new Date(2020, 1).getTime(), Date.UTC(2020, 1), new Date(1) instanceof Date],
    globals: Object.getOwnPropertyNames(globalThis),
  })
}
function safely(work) { try { return work() } catch { return 'no answer' } }
`

export type Read = Record<'clock' | 'elapsed' | 'random', Record<string, unknown>>
/** What the plugin found. */
export type Output = {
  loading: Read
  running: Read
  expired: unknown
  dates: unknown[]
  globals: string[]
}

/** Runs it. */
export function frozenWorldRunner(): (component: Uint8Array, task?: string) => Promise<Output> {
  const runtime = createPluginRuntime({
    workers: nodePluginWorkers({ concurrency: 1 }),
    limits: { time: 60_000, compileTime: 120_000 },
  })
  afterAll(() => runtime.close())

  return async (component, task = '01') => {
    const id = (byte: string): Hex => `0x${byte.repeat(32)}`
    const ran = await runtime.run({
      wasmHash: keccakHex(component),
      getBytes: async () => component,
      policyDataTemplateId: id('02'),
      policyDataInstanceId: id('03'),
      taskId: id(task),
      blockTimestamp,
      // September 2020: after the time of the snapshot, long before the block.
      input: '{"expires":1600000000000}',
    })
    return ran.output as Output
  }
}
