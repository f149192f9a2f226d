/** Options that are misspelled, or of another kind than they look: each would be less care than was asked for. */
import { describe, expect, test } from 'vitest'
import {
  createBuildWorker,
  createControlHandler,
  createControlPlane,
  createProvenanceFollower,
  createProvenanceIndex,
  createProvenanceRecorder,
  createStatusHandler,
  evaluateTrust,
  httpWorkerControl,
  indexedProvenance,
  memoryQueue,
  readSourceArchive,
} from '../../src/provenance/index.js'
import {
  fetchGuarded,
  openSandbox,
  pgliteQueue,
  postgresQueue,
  sandboxedBuilder,
} from '../../src/provenance/node/index.js'

const any = (value: unknown): never => value as never
const index = createProvenanceIndex()
const policy = { images: {}, verifiers: [] }
const plane = any({ lease: () => undefined, renew: () => undefined, finish: () => undefined })
const parts = { events: {}, index, queue: {}, claims: {}, evidence: {}, readPlugin: () => plane }
const token = 'a'.repeat(32)
const image = `newton-toolchain@sha256:${'AB'.repeat(32)}`
const sandbox = any({ isolation: 'bubblewrap', run: () => undefined })

/** What is called, and the field that its refusal names. */
const refusals: readonly (readonly [string, () => unknown, string])[] = [
  ['two confirmations', () => createControlPlane(any({ confirmation: 2 })), 'confirmation'],
  ['confirmations', () => createControlPlane(any({ confirmations: Number.NaN })), 'confirmations'],
  ['confirmations as text', () => createControlPlane(any({ confirmations: '2' })), 'confirmations'],
  [
    'candidates',
    () => createControlPlane(any({ ...parts, candidates: { images: [] } })),
    'sources',
  ],
  ['a lease without end', () => createControlPlane(any({ leaseMs: Infinity })), 'leaseMs'],
  ['tokens', () => createControlHandler(any({ plane, workers: {}, tokens: {} })), 'tokens'],
  [
    'a worker without a name',
    () => createControlHandler(any({ plane, workers: { [token]: 7 } })),
    'workers',
  ],
  ['idle', () => createBuildWorker(any({ idle: Number.NaN })), 'idle'],
  ['a worker’s builder', () => createBuildWorker(any({ bilder: {} })), 'bilder'],
  ['a worker’s token', () => httpWorkerControl(any({ url: 'https://a', tokn: '' })), 'tokn'],
  ['a queue’s backoff', () => memoryQueue(any({ backof: 1 })), 'backof'],
  ['a queue’s bounds', () => pgliteQueue({ directory: '/tmp/x', waiting: Number.NaN }), 'waiting'],
  ['a queue’s folder', () => pgliteQueue(any({ folder: '/tmp/x' })), 'folder'],
  ['a queue’s server', () => postgresQueue(any({ url: '', connection: 4 })), 'connection'],
  ['an archive’s hash', () => readSourceArchive(new Uint8Array(), any({ sha256: '' })), 'sha256'],
  [
    'an archive’s size',
    () => readSourceArchive(new Uint8Array(), { inflatedBytes: Number.NaN }),
    'inflatedBytes',
  ],
  ['a recorder’s verifiers', () => createProvenanceRecorder(any({ verifier: [] })), 'verifier'],
  ['a list', () => index.list(any({ verifers: '0x' })), 'verifers'],
  ['a list’s limit', () => index.list({ limit: Number.NaN }), 'limit'],
  ['an answer’s index', () => createStatusHandler(any({ index, servise: {} })), 'servise'],
  ['a follower', () => createProvenanceFollower(any({ index, readWasm: 1 })), 'readWasm'],
  ['an index nobody follows', () => indexedProvenance(any({ index, policy })), 'follower'],
  ['a policy', () => evaluateTrust(any(undefined), `0x${'00'.repeat(32)}`, undefined), 'policy'],
  ['a policy’s images', () => assertPolicy({ images: null }), 'images'],
  [
    'a policy’s image in capitals',
    () => assertPolicy({ images: { [image]: 'trusted' } }),
    'images',
  ],
  ['a policy’s image', () => assertPolicy({ images: { latest: 'trusted' } }), 'images'],
  ['a policy’s trust', () => assertPolicy({ minimum: 'unknown' }), 'minimum'],
  ['a policy’s verifiers', () => assertPolicy({ verifiers: '0x' }), 'verifiers'],
  ['a policy’s verifier', () => assertPolicy({ verifiers: [7] }), 'verifiers'],
  ['a policy’s threshold', () => assertPolicy({ threshold: Number.NaN }), 'threshold'],
  ['a policy’s treshold', () => assertPolicy({ treshold: 2 }), 'treshold'],
  ['isolation', () => openSandbox(any({ unsafeNoIsolation: 'false' })), 'unsafeNoIsolation'],
  ['a sandbox’s program', () => openSandbox(any({ bwarp: '/no' })), 'bwarp'],
  [
    'a builder’s limits',
    () => sandboxedBuilder(any({ sandbox, toolchains: [], limit: {} })),
    'limit',
  ],
  [
    'a builder’s network',
    () => sandboxedBuilder(any({ sandbox, toolchains: [], allowPrivate: 'false' })),
    'allowPrivate',
  ],
  ['a fetch', () => fetchGuarded('https://a.example', any({ allowPrivate: 'no' })), 'allowPrivate'],
  ['a fetch’s size', () => fetchGuarded('https://a.example', { maxBytes: Number.NaN }), 'maxBytes'],
]

function assertPolicy(more: object): unknown {
  return evaluateTrust(any({ ...policy, ...more }), `0x${'00'.repeat(32)}`, undefined)
}

describe('options of provenance', () => {
  test.each(refusals)('error: %s', async (_, call, field) => {
    let thrown: unknown
    try {
      await call()
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(field) as string,
    })
  })
})
