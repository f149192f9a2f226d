import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Hex, stringToHex } from 'viem'
import { expect, test } from 'vitest'
import type { DaLocator } from '../src/core/locator.js'
import { createMetricsRegistry } from '../src/core/metrics.js'
import {
  createArtifactSource,
  createLayeredArtifactCache,
  mockDa,
  recordCacheMetrics,
} from '../src/da/index.js'
import { diskByteStore } from '../src/da/node/index.js'
import {
  createEvaluator,
  createPluginRuntime,
  createReplayer,
  createSchemaValidator,
  deploySimulated,
  operatorEngine,
} from '../src/eval/index.js'
import { nodePluginWorkers } from '../src/eval/node/index.js'
import { utf8 } from '../src/internal/bytes.js'
import { createRowCache } from '../src/registry/rows/reader/source.js'
import { component } from './fixtures/pluginComponents.js'

const rego = utf8(
  'package p\nimport rego.v1\ndefault allow := false\nallow if data.params.limit > 1\ndeny contains "no" if not allow\n',
)
const address = (byte: string): Hex => `0x${byte.repeat(20)}`

test('behavior: evaluator, plugins, schemas and rows share one bounded memory over one cache of bytes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'one-memory-'))
  const metrics = createMetricsRegistry()
  const da = mockDa({ name: '' })
  const deployment = await deploySimulated({
    rego,
    params: { limit: 2 },
    paramsSchema: utf8('{"type":"object","properties":{"limit":{"type":"integer"}}}'),
    plugins: [{ wasm: await component({}) }],
    wasmArgs: {},
    intent: {
      from: address('11'),
      to: address('33'),
      value: 0n,
      chainId: 31337n,
      functionSignature: stringToHex('function f()'),
      data: '0x26121ff0',
    },
  })
  const { policyTemplate, data } = deployment.snapshot
  const hashes = [
    [policyTemplate?.regoHash, 4],
    [policyTemplate?.paramsSchemaHash, 5],
    [data[0]?.template?.wasmHash, 6],
  ] as [Hex, 4 | 5 | 6][]
  for (const [hash, namespace] of hashes)
    await da.put(await deployment.artifacts.getArtifact({ hash, namespace }))
  const locator: DaLocator = { kind: 'keccakStore', name: '' }
  const source = createArtifactSource({ clients: [da], locatorsOf: async () => [locator] })
  const cache = createLayeredArtifactCache({
    disk: diskByteStore({ directory }),
    da: source,
    onEvent: recordCacheMetrics(metrics).onCacheEvent,
  })
  const { memory } = cache
  const engine = operatorEngine()
  const plugins = createPluginRuntime({
    workers: nodePluginWorkers({ concurrency: 1 }),
    memory,
    metrics,
  })
  try {
    const evaluator = createEvaluator({
      registry: { snapshot: async () => deployment.snapshot },
      artifacts: cache,
      engine,
      plugins,
      schemas: createSchemaValidator({ memory }),
      memory,
      committed: { isCommittedAt: async () => true },
    })
    const evaluate = () =>
      evaluator.evaluate({ task: deployment.task, referenceTimestamp: 1_700_000_000 })
    expect((await evaluate()).allow).toBe(true)
    const reads = da.calls().get
    expect(reads).toBe(hashes.length)
    expect((await evaluate()).allow).toBe(true)
    // A replay too: nothing is read or made again.
    const replayer = createReplayer({
      registry: { snapshot: async () => deployment.snapshot },
      ...{ artifacts: cache, engine, plugins, memory },
    })
    const { task } = deployment
    expect(await replayer.replay({ task, evaluation: await evaluate() })).toMatchObject({
      status: 'match',
    })
    expect(da.calls().get).toBe(reads)
    for (const form of ['rego', 'schema', 'wasm'])
      expect(memory.stats(form)).toMatchObject({ entries: 1, misses: 1 })

    // Rows are held there as well, told apart by endpoint, chain and registry.
    const registries = {
      chainId: 1n,
      policyRegistry: address('aa'),
      policyDataRegistry: address('bb'),
    }
    const client = {}
    const rows = createRowCache(memory, { depth: 1, registries, client })
    rows.keep('policy template 0x01', { id: '0x01' }, { since: 1n, latest: 9n })
    const others = createRowCache(memory, {
      ...{ depth: 1, client },
      registries: { ...registries, chainId: 2n },
    })
    // Nor does what one endpoint said answer for another one, which it is compared with.
    const second = createRowCache(memory, { depth: 1, registries, client: {} })
    expect(second.get('policy template 0x01')).toBeUndefined()
    const again = createRowCache(memory, { depth: 1, registries, client })
    expect(again.get('policy template 0x01')).toEqual({ id: '0x01' })
    expect(rows.get('policy template 0x01')).toEqual({ id: '0x01' })
    expect(others.get('policy template 0x01')).toBeUndefined()

    // Each name has one writer and one meaning.
    expect(metrics.value('wasm_module_cache_entries')).toBe(1)
    expect(metrics.value('wasm_module_cache_misses_total')).toBe(1)
    expect(metrics.value('wasm_module_cache_hits_total')).toBe(3)
    expect(metrics.value('artifact_cache_entries', { form: 'rego' })).toBe(1)
    expect(metrics.value('artifact_cache_entries', { form: 'row' })).toBe(1)

    // One bound for all of them: what is pushed out is made again from the disk, not fetched.
    memory.clear()
    expect(memory.stats()).toMatchObject({ entries: 0, bytes: 0 })
    expect((await evaluate()).allow).toBe(true)
    expect(da.calls().get).toBe(reads)
  } finally {
    plugins.close()
    await rm(directory, { recursive: true, force: true })
  }
})
