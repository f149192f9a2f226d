import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import type { Hex } from 'viem'
import { afterEach, describe, expect, test } from 'vitest'
import { component } from '../../../../test/fixtures/pluginComponents.js'
import { createMetricsRegistry } from '../../../core/metrics.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createProcessMemory } from '../../../internal/processMemory.js'
import { nodePluginWorkers } from '../../node/index.js'
import { PluginNondeterministicError } from '../errors.js'
import type { PluginEvent } from '../events.js'
import { createWorkerPool, type PluginWorker } from '../workerPool.js'
import { createPluginRuntime, type PluginRuntime, type PluginRuntimeParameters } from './runtime.js'

const zero: Hex = `0x${'00'.repeat(32)}`
let runtime: PluginRuntime | undefined
afterEach(() => runtime?.close())

/** Compiled ahead at no lower priority: tests run on machines that have no idle time. */
const workersOf = () => nodePluginWorkers({ concurrency: 2, backgroundNice: 0 })

function create(more: Partial<PluginRuntimeParameters> = {}): PluginRuntime {
  runtime = createPluginRuntime({ workers: workersOf(), ...more })
  return runtime
}

function reference(bytes: Uint8Array, counter: { fetched: number } = { fetched: 0 }) {
  return {
    wasmHash: keccakHex(bytes),
    getBytes: async () => {
      counter.fetched++
      return bytes
    },
  }
}

const runOf = (plugin: ReturnType<typeof reference>, input = '{}') => ({
  ...plugin,
  policyDataTemplateId: zero,
  policyDataInstanceId: zero,
  taskId: zero,
  blockTimestamp: 0n,
  input,
})

type Ref = ReturnType<typeof reference>
const number = (value: number): Promise<Uint8Array> =>
  component({ run: `(call $number (i64.const ${value}))` })

describe('compiled plugins', () => {
  test('behavior: concurrent first runs fetch and compile once', async () => {
    const metrics = createMetricsRegistry()
    const plugins = create({ metrics })
    const counter = { fetched: 0 }
    const plugin = reference(await number(1), counter)
    const runs = await Promise.all(Array.from({ length: 8 }, () => plugins.run(runOf(plugin))))
    expect(runs.map(({ output }) => output)).toEqual(new Array(8).fill({ x: '0000000000000001' }))
    expect(counter.fetched).toBe(1)
    await plugins.run(runOf(plugin))
    expect(counter.fetched).toBe(1)
    expect(metrics.value('wasm_module_cache_misses_total')).toBe(1)
    expect(metrics.value('wasm_module_cache_entries')).toBe(1)
    expect(metrics.value('wasm_plugin_runs_total', { result: 'ok' })).toBe(9)
    expect(metrics.text()).toContain('wasm_module_compile_duration_seconds_count 1')
  })

  test('behavior: bounded by entries; what was evicted is fetched again', async () => {
    const events: PluginEvent[] = []
    const metrics = createMetricsRegistry()
    const plugins = create({
      cache: { entries: 2, bytes: 1e9 },
      onEvent: (event) => events.push(event),
      metrics,
    })
    const counters = [0, 0, 0].map(() => ({ fetched: 0 }))
    const list = await Promise.all(
      [1, 2, 3].map(async (value, at) => reference(await number(value), counters[at])),
    )
    for (const plugin of list) await plugins.run(runOf(plugin))
    expect(plugins.stats()).toMatchObject({ entries: 2, evictions: 1 })
    expect(events.filter(({ type }) => type === 'plugin.evicted')).toEqual([
      { type: 'plugin.evicted', wasmHash: list[0]?.wasmHash, reason: 'count' },
    ])
    expect(metrics.value('wasm_module_cache_evictions_total', { reason: 'count' })).toBe(1)
    await plugins.run(runOf(list[2] as ReturnType<typeof reference>))
    await plugins.run(runOf(list[0] as ReturnType<typeof reference>))
    expect(counters.map(({ fetched }) => fetched)).toEqual([2, 1, 1])
  })

  test('behavior: an entry weighs three times its component', async () => {
    const plugins = create()
    const bytes = await number(1)
    await plugins.load(reference(bytes))
    expect(plugins.stats().bytes).toBe(bytes.length * 3)
  })

  test('behavior: prewarm reports each plugin, and throws for none', async () => {
    const metrics = createMetricsRegistry()
    const plugins = create({ metrics })
    const good = reference(await number(1))
    const bad = reference(Uint8Array.of(1, 2, 3))
    const results = await plugins.prewarm([good, bad])
    expect(results).toMatchObject([
      { wasmHash: good.wasmHash, result: 'success' },
      { wasmHash: bad.wasmHash, result: 'fail', error: { code: 'PLUGIN_COMPONENT_INVALID' } },
    ])
    expect(metrics.value('wasm_module_prewarm_attempts_total', { result: 'success' })).toBe(1)
    expect(metrics.value('wasm_module_prewarm_attempts_total', { result: 'fail' })).toBe(1)
    const hits = plugins.stats().hits
    await plugins.run(runOf(good))
    expect(plugins.stats().hits).toBe(hits + 1)
  })

  test('behavior: nothing is evicted for it that is to be spared, nor what it has made', async () => {
    const memory = createProcessMemory({ maxEntries: 3 })
    const plugins = create({ memory, concurrency: 1 })
    const counters = [0, 1, 2, 3, 4, 5].map(() => ({ fetched: 0 }))
    const all = await Promise.all(
      counters.map(async (counter, value) => reference(await number(10 + value), counter)),
    )
    const [ran, old, ...fresh] = all as [Ref, Ref, ...Ref[]]
    await plugins.load(ran)
    await plugins.load(old)
    const results = await plugins.prewarm(fresh, { sparing: [ran.wasmHash] })
    // Two have room beside it; the third shows that there is no more, and the fourth is not tried.
    expect(results.map(({ wasmHash }) => wasmHash)).toEqual(
      fresh.slice(0, 3).map(({ wasmHash }) => wasmHash),
    )
    for (const one of [ran, fresh[0], fresh[1]]) await plugins.load(one as Ref)
    expect(counters.map(({ fetched }) => fetched)).toEqual([1, 1, 1, 1, 1, 0])
    // Afterwards it may go, as anything may.
    for (const one of fresh.slice(1)) await plugins.load(one)
    await plugins.load(ran)
    expect(counters[0]?.fetched).toBe(2)
  })

  test('behavior: several are compiled ahead at once, in workers that go when they are done', async () => {
    const workers = workersOf()
    const started: (boolean | undefined)[] = []
    let ended = 0
    const plugins = create({
      workers: {
        ...workers,
        startCompileWorker: (options) => {
          started.push(options?.background)
          const worker = workers.startCompileWorker(options)
          return {
            ...worker,
            terminate: () => {
              ended++
              worker.terminate()
            },
          }
        },
      },
      concurrency: 2,
    })
    const all = await Promise.all([20, 21, 22].map(async (value) => reference(await number(value))))
    const results = await plugins.prewarm(all)
    expect(results.map(({ result }) => result)).toEqual(['success', 'success', 'success'])
    expect(started).toEqual([true, true])
    expect(ended).toBe(2)
    expect((await plugins.run(runOf(all[2] as Ref))).output).toEqual({ x: '0000000000000016' })
    await plugins.load(reference(await number(23)))
    expect(started).toEqual([true, true, undefined])
  })

  test('behavior: whoever waits for a plugin does not wait for what is compiled ahead', async () => {
    const workers = workersOf()
    const counter = { fetched: 0 }
    const plugins = create({
      workers: {
        ...workers,
        // As on a machine without idle time: it never comes to an end.
        startCompileWorker: (options) => {
          const worker = workers.startCompileWorker(options)
          return options?.background === true ? { ...worker, post: () => undefined } : worker
        },
      },
      concurrency: 1,
    })
    const plugin = reference(await number(30), counter)
    const ahead = plugins.prewarm([plugin], { timeout: 20_000 })
    await expect.poll(() => counter.fetched).toBe(1)
    const runs = await Promise.all([1, 2].map(() => plugins.run(runOf(plugin))))
    expect(runs.map(({ output }) => output)).toEqual(new Array(2).fill({ x: '000000000000001e' }))
    expect(counter.fetched).toBe(2)
    plugins.close()
    await ahead
  })

  test.skipIf(process.platform !== 'linux')(
    'behavior: what is compiled ahead gives way to all else, and nothing else does',
    async () => {
      const nice = (): number[] =>
        readdirSync('/proc/self/task').map((task) => {
          try {
            const text = readFileSync(`/proc/self/task/${task}/stat`, 'utf8')
            return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16])
          } catch {
            return 0
          }
        })
      const main = () => getPriority(process.pid)
      const own = main()
      const before = nice().filter((value) => value === 17).length
      const worker = nodePluginWorkers({ backgroundNice: 17 }).startCompileWorker({
        background: true,
      })
      // Threads that it starts itself give way as it does.
      await expect.poll(() => nice().filter((value) => value === 17).length).toBeGreaterThan(before)
      expect(main()).toBe(own)
      worker.terminate()
    },
  )

  test('behavior: what is prewarmed to be kept is not evicted, until the runtime is closed', async () => {
    const memory = createProcessMemory({ maxEntries: 2 })
    const plugins = create({ memory })
    const counters = [0, 0, 0, 0].map(() => ({ fetched: 0 }))
    const [kept, ...others] = await Promise.all(
      counters.map(async (counter, value) => reference(await number(value), counter)),
    )
    await plugins.prewarm([kept as ReturnType<typeof reference>], { keep: true })
    for (const other of others) await plugins.load(other)
    await plugins.load(kept as ReturnType<typeof reference>)
    expect(counters.map(({ fetched }) => fetched)).toEqual([1, 1, 1, 1])
    expect(plugins.stats()).toMatchObject({ entries: 2, evictions: 2 })
    plugins.close()
    expect(memory.stats()).toMatchObject({ entries: 0, bytes: 0 })
    for (const key of ['a', 'b', 'c']) memory.set({ form: 'wasm', key }, { value: key, weight: 1 })
    expect(memory.stats('wasm').entries).toBe(2)
  })

  test('behavior: more plugins than one worker keeps', async () => {
    const plugins = create({ workers: nodePluginWorkers({ concurrency: 1 }) })
    const list = await Promise.all(
      Array.from({ length: 20 }, async (_, value) => reference(await number(value))),
    )
    for (const round of [0, 1]) {
      for (const [value, plugin] of list.entries()) {
        const { output } = await plugins.run(runOf(plugin))
        expect(output, `${round} ${value}`).toEqual({ x: value.toString(16).padStart(16, '0') })
      }
    }
  })

  test('behavior: who cancels a load does not cancel it for the others', async () => {
    const plugins = create()
    const bytes = await number(9)
    const slow = {
      wasmHash: keccakHex(bytes),
      getBytes: () => new Promise<Uint8Array>((resolve) => setTimeout(() => resolve(bytes), 100)),
    }
    const controller = new AbortController()
    const first = plugins.run(runOf(slow), { signal: controller.signal })
    const second = plugins.run(runOf(slow))
    controller.abort(new TypeError('not any more'))
    await expect(first).rejects.toThrow('not any more')
    expect((await second).output).toEqual({ x: '0000000000000009' })
  })

  test('behavior: a cancelled run stops, and the runtime goes on', async () => {
    const plugins = create({
      workers: nodePluginWorkers({ concurrency: 1 }),
      limits: { time: 20_000 },
    })
    const loop = reference(await component({ run: '(loop $l (br $l)) (unreachable)' }))
    const controller = new AbortController()
    const running = plugins.run(runOf(loop), { signal: controller.signal })
    setTimeout(() => controller.abort(new TypeError('enough')), 200)
    await expect(running).rejects.toThrow('enough')
    expect((await plugins.run(runOf(reference(await number(3))))).output).toEqual({
      x: '0000000000000003',
    })
  })

  test('error: a plugin that asks for something else the second time', async () => {
    const replies = [
      {
        status: 'request',
        identity: 'a',
        request: { url: 'https://a.example/', method: 'GET', headers: [], body: undefined },
      },
      { status: 'diverged', index: 0, identity: 'b' },
    ]
    const start = (): PluginWorker => {
      let receive: (message: unknown) => void = () => {}
      queueMicrotask(() => receive({ ready: true }))
      return {
        listen: ({ onMessage }) => {
          receive = onMessage
        },
        post: (message) => {
          const { hash } = message as { hash?: Uint8Array }
          const reply = hash
            ? { wasmHash: keccakHex(hash) }
            : { stderr: '', memoryBytes: 0, milliseconds: 1, ...replies.shift() }
          queueMicrotask(() => receive(reply))
        },
        terminate: () => {},
      }
    }
    const plugins = create({
      workers: { ...nodePluginWorkers(), startRunWorker: start },
      transport: async () => ({ status: 200, headers: [], body: new Uint8Array() }),
    })
    const error = await plugins.run(runOf(reference(await number(1)))).catch((caught) => caught)
    expect(error).toBeInstanceOf(PluginNondeterministicError)
    expect(error.context.transcript.exchanges).toHaveLength(1)
  })

  test('error: after close nothing runs', async () => {
    const plugins = create()
    const plugin = reference(await number(1))
    plugins.close()
    await expect(plugins.run(runOf(plugin))).rejects.toMatchObject({
      code: 'PLUGIN_WORKER_FAILED',
      retryable: false,
    })
  })

  test('error: limits that are no limits', () => {
    expect(() => create({ limits: { time: 0 } })).toThrow(/limits.time/)
    expect(() => create({ limits: { memoryBytes: Number.NaN } })).toThrow(/limits.memoryBytes/)
  })

  test.each([
    [{ limits: { tiem: 5 } as never }, 'limits.tiem'],
    [{ limits: { time: 2 ** 31 } }, 'limits.time'],
    [{ limits: { outputBytes: '5' as never } }, 'limits.outputBytes'],
    [{ http: { maxRequests: Number.NaN } }, 'http.maxRequests'],
    [{ http: { maxResponseBytes: Number.POSITIVE_INFINITY } }, 'http.maxResponseBytes'],
    [{ http: { timeout: 2 ** 31 } }, 'http.timeout'],
    [{ http: { allowPrivate: 'false' as never } }, 'http.allowPrivate'],
    [{ http: { hosts: 'api.example.com' as never } }, 'http.hosts'],
    [{ http: { hosts: [''] } }, 'http.hosts'],
    [{ http: { methods: 'GET' as never } }, 'http.methods'],
    [{ http: { host: ['api.example.com'] } as never }, 'http.host'],
    [{ cache: 'toString' as never }, 'cache'],
    [{ cache: { entries: Number.NaN, bytes: 1 } }, 'cache'],
    [{ concurrency: 0 }, 'concurrency'],
  ])('error: %j is refused by name', (parameters, field) => {
    expect(() => create(parameters)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field: expect.stringContaining(field) }),
    )
  })
})

describe('createWorkerPool', () => {
  function fake(
    behaviour: (
      post: unknown,
      reply: (message: unknown) => void,
      exit: (reason: string) => void,
    ) => void,
  ) {
    const state = { started: 0, terminated: 0 }
    const start = (): PluginWorker => {
      state.started++
      let handlers = { onMessage: (_: unknown): void => {}, onExit: (_: string): void => {} }
      queueMicrotask(() => handlers.onMessage({ ready: true }))
      return {
        post: (message) =>
          behaviour(
            message,
            (reply) => handlers.onMessage(reply),
            (reason) => handlers.onExit(reason),
          ),
        listen: (given) => {
          handlers = given
        },
        terminate: () => {
          state.terminated++
        },
      }
    }
    return { start, state }
  }
  const options = { operation: 'A job', timeout: 1_000 }

  test('behavior: no more workers than its size, and each job once', async () => {
    const { start, state } = fake((message, reply) => setTimeout(() => reply(message), 2))
    const pool = createWorkerPool({ start, size: 2 })
    const jobs = Array.from({ length: 10 }, (_, n) =>
      pool.run<{ n: number }>(() => ({ n }), options),
    )
    expect((await Promise.all(jobs)).map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(state.started).toBe(2)
    pool.close()
    expect(state.terminated).toBe(2)
  })

  test('behavior: a worker that dies fails its job and is replaced', async () => {
    let first = true
    const { start, state } = fake((message, reply, exit) => {
      if (first) {
        first = false
        exit('out of heap memory')
      } else reply(message)
    })
    const pool = createWorkerPool({ start, size: 1 })
    const [dead, next] = await Promise.allSettled([
      pool.run(() => ({}), options),
      pool.run(() => ({}), options),
    ])
    expect(dead).toMatchObject({ status: 'rejected', reason: { code: 'PLUGIN_WORKER_FAILED' } })
    expect(next.status).toBe('fulfilled')
    expect(state.started).toBe(2)
    pool.close()
  })

  test('behavior: a waiting job can be cancelled without harm to the others', async () => {
    const { start } = fake((message, reply) => setTimeout(() => reply(message), 20))
    const pool = createWorkerPool({ start, size: 1 })
    const controller = new AbortController()
    const one = pool.run(() => ({}), options)
    const two = pool.run(() => ({}), { ...options, signal: controller.signal })
    const three = pool.run<{ three: true }>(() => ({ three: true }), options)
    controller.abort(new TypeError('stop'))
    await expect(two).rejects.toThrow('stop')
    await one
    expect(await three).toEqual({ three: true })
    pool.close()
  })

  test('error: a worker that says it cannot work', async () => {
    const start = (): PluginWorker => {
      let handlers = { onMessage: (_: unknown): void => {}, onExit: (_: string): void => {} }
      queueMicrotask(() => handlers.onMessage({ failed: 'the transpiler does not load' }))
      return {
        post: () => {},
        listen: (given) => (handlers = given),
        terminate: () => {},
      } as PluginWorker
    }
    const pool = createWorkerPool({ start, size: 1 })
    await expect(pool.run(() => ({}), options)).rejects.toThrow(/does not load/)
    pool.close()
  })

  test('behavior: a worker that fails to start does not strand the jobs that wait', async () => {
    let failures = 2
    const { start } = fake((message, reply) => reply(message))
    const flaky = (): PluginWorker => {
      if (failures-- > 0)
        return {
          post: () => {},
          listen: ({ onExit }) => queueMicrotask(() => onExit('it died')),
          terminate: () => {},
        }
      return start()
    }
    const pool = createWorkerPool({ start: flaky, size: 1 })
    const jobs = await Promise.allSettled([1, 2, 3, 4].map((n) => pool.run(() => ({ n }), options)))
    expect(jobs.map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    pool.close()
  })

  test('error: a worker that never gets ready', async () => {
    const start = (): PluginWorker => ({ post: () => {}, listen: () => {}, terminate: () => {} })
    const pool = createWorkerPool({ start, size: 1, startTimeout: 20 })
    await expect(pool.run(() => ({}), options)).rejects.toThrow(/not ready within 20 ms/)
  })
})
