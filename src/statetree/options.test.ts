/** Options of what is made around a tree: what nothing could come of is refused by name. */
import { describe, expect, test } from 'vitest'
import { createFakeChain } from '../../test/statetree/fakeChain.js'
import { collectBytes } from './pipeline/bytesGc.js'
import { openCommitPipeline } from './pipeline/pipeline.js'
import { committedTree } from './pipeline/replica/committed.js'
import { createReplica } from './pipeline/replica/replica.js'
import { bootstrapTree } from './snapshot/bootstrap.js'
import { snapshotChunk } from './snapshot/chunk.js'
import { snapshotClient } from './snapshot/client.js'
import { restoreSnapshot } from './snapshot/restore.js'
import { snapshotServer } from './snapshot/server.js'
import { createStateTree } from './stateTree.js'
import { memoryStore } from './store/memoryStore.js'

const tree = createStateTree({ store: memoryStore() })
const events = createFakeChain().view()
const pipeline = await openCommitPipeline({ tree, events })
const root = `0x${'11'.repeat(32)}`
const whole = { store: memoryStore(), client: {}, commit: {} }
const grown = createStateTree({ store: memoryStore() })
await grown.commit([{ keyHash: new Uint8Array(32), value: new Uint8Array(1) }], { version: 1 })
const url = 'https://bootnode.example'

/** Each with options that it takes, which of them it needs, and values that are none. */
const factories: Record<
  string,
  { make(options: object): unknown; base: object; required: string[]; junk: object }
> = {
  snapshotClient: {
    make: (options) => snapshotClient(options as never),
    base: { url },
    required: ['url'],
    junk: {
      url: ['bootnode.example', 'ftp://a', 5],
      resumptions: [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, '5'],
      maxBytes: [Number.NaN, -1, 0, Number.POSITIVE_INFINITY, '5'],
      stallTimeout: [Number.NaN, -1, 0, Number.POSITIVE_INFINITY, '5'],
      fetch: [5],
      authorize: ['Bearer x'],
      maxbytes: [5],
    },
  },
  snapshotServer: {
    make: (options) => snapshotServer(options as never),
    base: { tree },
    required: ['tree'],
    junk: {
      maxLeaves: [Number.NaN, -1, 0, Number.POSITIVE_INFINITY, '5'],
      admission: [5, {}, { authenticate: async () => undefined }, { mayRead: () => true }],
      commitState: [5],
      delta: [5],
      rootAt: [5],
      admision: [{}],
    },
  },
  snapshotChunk: {
    make: (options) => snapshotChunk(grown, options as never),
    base: { version: 1, from: new Uint8Array(32) },
    required: ['version', 'from'],
    junk: { maxLeaves: [Number.NaN, -1, 0, Number.POSITIVE_INFINITY, '5'] },
  },
  restoreSnapshot: {
    make: (options) => restoreSnapshot(options as never),
    base: { store: memoryStore(), version: 1, root },
    required: ['store', 'version', 'root'],
    junk: {
      version: [Number.NaN, -1, 1.5, '5'],
      root: [5, '0x12'],
      discard: ['yes', 1],
      discards: [true],
    },
  },
  bootstrapTree: {
    make: (options) => (options === whole ? undefined : bootstrapTree(options as never)),
    base: whole,
    required: ['store', 'client', 'commit'],
    junk: { commit: [{}, { sequenceNo: 1n, root }], bytes: ['no'], onProgress: [5], byte: [false] },
  },
  collectBytes: {
    make: (options) => collectBytes(options as never),
    base: { trees: [] },
    required: ['trees'],
    junk: { limit: [Number.NaN, -1, 0, '5'], keep: [5], keeps: [new Set()] },
  },
  committedTree: {
    make: (options) => committedTree(options as never),
    base: { tree, events },
    required: ['tree', 'events'],
    junk: {
      life: [Number.NaN, -1, Number.POSITIVE_INFINITY, '5'],
      startBlock: [5, -1n],
      now: [5],
      lives: [5],
    },
  },
  createReplica: {
    make: (options) => createReplica(options as never),
    base: { pipeline, events, deltas: async () => new Uint8Array(), onAnomaly: () => undefined },
    required: ['pipeline', 'events', 'deltas', 'onAnomaly'],
    junk: {
      pipeline: [{}, 5],
      events: [{}, 5],
      startBlock: [5, -1n, Number.NaN],
      deltaTimeout: [Number.NaN, -1, 0, Number.POSITIVE_INFINITY, '5'],
      onCommit: [5],
      onanomaly: [() => undefined],
    },
  },
  openCommitPipeline: {
    make: (options) => openCommitPipeline(options as never),
    base: { tree, events },
    required: ['tree', 'events'],
    junk: {
      tree: [{}, 5],
      events: [{}, 5],
      artifacts: [{}, 5],
      external: [{}, 5],
      startBlock: [5, -1n, Number.NaN],
      locatorKey: [new Uint8Array(15), 'a secret of sixteen', [1], 5],
      parameters: [5],
      ownerOf: [5],
      onEvent: [5],
      metrics: [5],
      startblock: [5n],
    },
  },
}

const refused = (what: string, make: () => unknown): Promise<void> =>
  expect((async () => make())(), what).rejects.toMatchObject({ code: 'INVALID_INPUT' })

describe.each(Object.entries(factories))('%s', (_, { make, base, required, junk }) => {
  test('error: each option, by name', async () => {
    await make(base)
    for (const [name, values] of Object.entries(junk) as [string, unknown[]][])
      for (const value of [null, ...values])
        await refused(`${name}: ${String(value)}`, () => make({ ...base, [name]: value }))
    for (const name of required)
      await refused(`no ${name}`, () => make({ ...base, [name]: undefined }))
    for (const value of [undefined, null, 5, 'text'])
      await refused(String(value), () => make(value as never))
  })
})
