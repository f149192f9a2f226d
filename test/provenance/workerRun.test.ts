/** What a control plane says, or whatever answers in its place, costs a worker nothing but time. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { concatAll, utf8 } from '../../src/internal/bytes.js'
import {
  type BuildOutcome,
  computeWasmHashes,
  createBuildWorker,
  createControlHandler,
  createControlPlane,
  createProvenanceIndex,
  encodeMetadata,
  httpWorkerControl,
  memoryQueue,
  type PluginBuilder,
  readMetadata,
  toMetadataEntries,
  type WorkerControl,
  type WorkerEvent,
} from '../../src/provenance/index.js'
import { toyPlugin } from './toy.js'

const token = 'a'.repeat(32)
const zero: Hex = `0x${'00'.repeat(32)}`
const image = `newton-toolchain@sha256:${'ab'.repeat(32)}`
const failed: BuildOutcome = { status: 'worker_failed', reason: 'nothing to build with' }
const controlOver = (handle: (request: Request) => Promise<Response>): WorkerControl =>
  httpWorkerControl({
    ...{ url: 'https://control.example', token },
    fetch: (async (url, init) => handle(new Request(url as string, init))) as typeof fetch,
  })

/** Runs a worker until it was told of a build that it made. */
async function runUntilBuilt(
  control: WorkerControl,
  given: { build?: PluginBuilder['build']; onEvent?: (event: WorkerEvent) => void } = {},
): Promise<string[]> {
  const stop = new AbortController()
  const events: string[] = []
  const { build = async () => failed, onEvent } = given
  const worker = createBuildWorker({
    ...{ control, idle: 1, builder: { build } },
    onEvent: (event) => {
      events.push(event.type)
      if (event.type === 'worker.finished') stop.abort()
      onEvent?.(event)
    },
  })
  await worker.run({ signal: stop.signal })
  return events
}

const lease = {
  ...{ leaseId: 'lease', leaseMs: 60_000 },
  job: { image, args: ['a'], options: [], sourceSha256: zero, metadata: '0x' },
}

/** The largest metadata that is read: in as many sections as may be, with the longest heads. */
function largestPlugin(): Uint8Array {
  const bldarg = '\u0001'.repeat(7_850)
  const entries = toMetadataEntries({ image, args: [bldarg], options: [], sourceSha256: zero })
  const before = encodeMetadata(entries).length
  const note = { key: 'note', value: 'x'.repeat(65_536 - before - 16) }
  const stream = encodeMetadata([...entries, note])
  expect(stream.length).toBe(65_536)
  const long = (value: number): Uint8Array =>
    Uint8Array.of(...[0, 7, 14, 21].map((by) => ((value >> by) & 0x7f) | 0x80), 0)
  const name = utf8('contractmetav0')
  const sections = Array.from({ length: 16 }, (_, at) => {
    const contents = stream.subarray(at * 4_096, (at + 1) * 4_096)
    const body = concatAll([long(name.length), name, contents])
    return concatAll([Uint8Array.of(0), long(body.length), body])
  })
  return concatAll([toyPlugin('a'), ...sections])
}

describe('createBuildWorker run', () => {
  test('behavior: the largest build that has a name is leased as any other', async () => {
    const wasm = largestPlugin()
    expect(readMetadata(wasm).entries).toHaveLength(4)
    const { wasmHash } = computeWasmHashes(wasm)
    const place = { blockNumber: 1n, logIndex: 0, transactionHash: zero, timestamp: 1n }
    const plane = createControlPlane({
      ...{ fromBlock: 1n, index: createProvenanceIndex(), queue: memoryQueue() },
      events: {
        getFinalizedBlock: async () => 1n,
        getEvents: async () => [
          { type: 'PluginRegistered', wasmHash, templateId: zero, author: undefined, ...place },
        ],
      },
      claims: {
        verifier: `0x${'12'.repeat(20)}`,
        submitClaim: async () => ({ transactionHash: zero }),
      },
      evidence: { put: async () => 'https://control.example', get: async () => undefined },
      readPlugin: async () => wasm,
    })
    await plane.follow()
    const control = controlOver(createControlHandler({ plane, workers: { [token]: 'w' } }))
    const sizes: number[] = []
    const events = await runUntilBuilt(control, {
      build: async (job) => {
        sizes.push(job.metadata.length)
        return failed
      },
    })
    expect(events).toEqual(['worker.leased', 'worker.finished'])
    expect(sizes[0]).toBeGreaterThan(2 * 65_536)
  })

  test('behavior: a lease that no timer can wait for is none', async () => {
    for (const leaseMs of [0, -1, 0.5, 2 ** 31, Number.MAX_SAFE_INTEGER, '60000', null]) {
      const control = controlOver(async () => Response.json({ ...lease, leaseMs }))
      await expect(control.lease()).rejects.toMatchObject({ code: 'CONTROL_PLANE_FAILED' })
    }
  })

  const statuses = [200, 201, 302, 400, 401, 403, 404, 405, 408, 410, 413, 421, 425, 429, 451]
  const bodies = ['', 'x', '[]', '{}', '{"leaseId":"l","leaseMs":1}', `"${'x'.repeat(400_000)}"`]
  const answers = [
    ...[...statuses, 500, 502, 503, 504, 599].map((status) => ({ status, body: 'x' })),
    ...bodies.map((body) => ({ status: 200, body })),
  ]
  for (const { status, body } of answers) {
    const title = `${status} with ${body.slice(0, 40)} of ${body.length}`
    test(`behavior: no answer ends it: ${title}`, async () => {
      let asked = 0
      const control = controlOver(async ({ url }) => {
        if (url.endsWith('/lease') && asked++ < 3) return new Response(body, { status })
        return url.endsWith('/lease') ? Response.json(lease) : new Response(null, { status: 204 })
      })
      const events = await runUntilBuilt(control)
      expect(events.slice(-2)).toEqual(['worker.leased', 'worker.finished'])
      expect(events.slice(0, 3)).toEqual(Array(3).fill('worker.unreachable'))
    })
  }

  test('behavior: nothing that is thrown ends it, by a control plane or by a listener', async () => {
    const thrown = [new TypeError('of somebody'), 'text', undefined, new DOMException('x')]
    const control: WorkerControl = {
      lease: async () => {
        if (thrown.length > 0) throw thrown.pop()
        return lease as Awaited<ReturnType<WorkerControl['lease']>>
      },
      renew: async () => true,
      finish: async () => true,
    }
    const onEvent = (): void => {
      throw new TypeError('a listener of somebody')
    }
    expect((await runUntilBuilt(control, { onEvent })).slice(-1)).toEqual(['worker.finished'])
  })

  test('behavior: a job that cannot be read is given back', async () => {
    const sent: unknown[] = []
    const control = controlOver(async (request) => {
      if (request.url.endsWith('/lease')) return Response.json({ ...lease, job: { image: 1 } })
      sent.push(await request.json())
      return new Response(null, { status: 204 })
    })
    await expect(control.lease()).rejects.toMatchObject({ code: 'CONTROL_PLANE_FAILED' })
    expect(sent).toMatchObject([{ leaseId: 'lease', outcome: { status: 'worker_failed' } }])
  })
})

describe('createBuildWorker runOnce', () => {
  for (const status of [404, 408, 429, 500, 502, 503]) {
    test(`behavior: a build is handed in again after ${status}, and made once`, async () => {
      let [builds, asked] = [0, 0]
      const control = controlOver(async ({ url }) => {
        if (url.endsWith('/lease')) return Response.json(lease)
        return new Response(null, { status: asked++ < 4 ? status : 204 })
      })
      const events = await runUntilBuilt(control, {
        build: async () => {
          builds += 1
          return failed
        },
      })
      expect([builds, asked]).toEqual([1, 5])
      expect(events.at(-1)).toBe('worker.finished')
    })
  }

  test('behavior: handing in ends where the lease does', async () => {
    const control: WorkerControl = {
      ...controlOver(async () => new Response(null, { status: 503 })),
      lease: async () => ({ ...lease, leaseMs: 50 }) as Awaited<ReturnType<WorkerControl['lease']>>,
    }
    const worker = createBuildWorker({ control, idle: 20, builder: { build: async () => failed } })
    await expect(worker.runOnce()).rejects.toMatchObject({ code: 'CONTROL_PLANE_FAILED' })
  })
})
