/** Frames and bodies of a hostile host: each is refused by name or ends its connection, and others are served. */
import { describe, expect, test } from 'vitest'
import {
  createEnclaveEvaluator,
  createMemoryTransport,
  readCbor,
  serveEnclave,
  writeCbor,
} from '../../src/enclave/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import {
  createFrameDecoder,
  encodeFrame,
  type Frame,
  type FrameType,
} from '../../src/enclave/wire/frame.js'
import { concat } from '../../src/internal/bytes.js'
import { limitEvaluator, transferRequest } from './fixtures.js'

const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }] })
const { transport, listener } = createMemoryTransport()
await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })

const greeting = writeCbor({
  ...{ versions: [1], maxFrame: 4_194_304, maxInflight: 32, implementation: 'peer' },
})
const frame = (type: number, requestId: number, body: Uint8Array): Uint8Array =>
  encodeFrame({ type: type as FrameType, requestId, deadline: 0, body })
const nothing = new Uint8Array(0)
const changed = (bytes: Uint8Array, at: number, ...to: number[]): Uint8Array => {
  const copy = bytes.slice()
  copy.set(to, at)
  return copy
}

/** Greets, sends, and tells the first frame that comes back, or that the connection ended. */
async function answerTo(bytes: Uint8Array): Promise<string> {
  const stream = await transport.connect({})
  const decoder = createFrameDecoder()
  const seen: Frame[] = []
  await stream.write(frame(1, 0, greeting))
  try {
    for await (const chunk of stream.incoming) {
      for (const one of decoder.push(chunk)) {
        seen.push(one)
        if (one.type === 2) await stream.write(bytes)
        if (one.type === 5) {
          const error = readCbor(one.body, { form: 'strict' }) as Map<string, unknown>
          return String(error.get('code'))
        }
        if (one.type === 4) return 'answered'
      }
    }
    return 'ended'
  } catch {
    return 'ended'
  } finally {
    stream.destroy()
  }
}

const request = (body: Uint8Array): Uint8Array => frame(3, 7, body)
const called = (members: object): Uint8Array => request(writeCbor(members as never))
const junk = { task: new Uint8Array(8_000), nonce: new Uint8Array(32), referenceTimestamp: 1 }

const cases: [string, Uint8Array, string][] = [
  ['16 KiB of nested arrays', request(new Uint8Array(16_384).fill(0x81)), 'ended'],
  [
    'a map that promises 65,535 members',
    request(concat(Uint8Array.of(0xb9, 0xff, 0xff), new Uint8Array(16_300))),
    'ended',
  ],
  [
    '16,368 integers',
    request(concat(Uint8Array.of(0x99, 0x3f, 0xf0), new Uint8Array(16_368).fill(1))),
    'ended',
  ],
  [
    'bytes that promise 2^64 - 1',
    request(Uint8Array.of(0x5b, 255, 255, 255, 255, 255, 255, 255, 255)),
    'ended',
  ],
  ['nothing', request(nothing), 'ended'],
  ['an unknown method', called({ method: 'x' }), 'UNKNOWN_METHOD'],
  ['a name of every object', called({ method: '__proto__' }), 'UNKNOWN_METHOD'],
  ['an evaluation of nothing', called({ method: 'evaluate' }), 'INVALID_REQUEST'],
  [
    'a nonce of five bytes',
    called({ method: 'attest', nonce: new Uint8Array(5) }),
    'INVALID_REQUEST',
  ],
  ['a task that is none', called({ method: 'evaluate', ...junk }), 'INVALID_REQUEST'],
  ['a frame over 4 MiB', changed(request(nothing), 16, 0, 0x40, 0, 1), 'ended'],
  ['a frame of 4 GiB', changed(request(nothing), 16, 255, 255, 255, 255), 'ended'],
  ...[0, 14, 15, 255].map((type): [string, Uint8Array, string] => [
    `type ${type}`,
    changed(frame(3, 1, nothing), 5, type),
    'ended',
  ]),
  ['flags', changed(frame(7, 0, nothing), 6, 0, 1), 'ended'],
  ['version 2', changed(frame(7, 0, nothing), 4, 2), 'ended'],
  ['a second greeting', frame(1, 0, greeting), 'ended'],
  ['a request without an id', frame(3, 0, writeCbor({ method: 'attest' })), 'ended'],
  ['an answer', frame(4, 1, writeCbor({})), 'ended'],
  ['data of no tunnel', frame(12, 9, Uint8Array.of(1)), 'ended'],
  [
    'an artifact that nobody asked for',
    frame(
      10,
      0,
      writeCbor({ hash: new Uint8Array(32), offset: 0, total: 5, bytes: new Uint8Array(5) }),
    ),
    'ended',
  ],
]

describe('a hostile host', () => {
  test.each(cases)('error: %s', async (_, bytes, expected) => {
    const started = process.cpuUsage()
    expect(await answerTo(bytes)).toBe(expected)
    expect(process.cpuUsage(started).user).toBeLessThan(500_000)
  })

  test('behavior: after all of them an honest one is served', async () => {
    const evaluator = await createEnclaveEvaluator({ transport, policy: simulator.policy })
    expect((await evaluator.evaluate(transferRequest(1n))).allow).toBe(true)
    await evaluator.close()
  })
})
