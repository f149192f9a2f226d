/** Somebody between host and enclave who changes, repeats, swaps and withholds answers. */
import { describe, expect, test } from 'vitest'
import {
  createEnclaveEvaluator,
  createMemoryTransport,
  type EnclaveEvaluator,
  type EnclaveTransport,
  readCbor,
  serveEnclave,
  writeCbor,
} from '../../src/enclave/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'
import { createFrameDecoder, encodeFrame, type Frame } from '../../src/enclave/wire/frame.js'
import { limitEvaluator, transferRequest } from './fixtures.js'

const RESPONSE = 4
const simulator = createSimulator({ image: [{ name: 'child', bytes: Uint8Array.of(1) }] })

/** What is passed on for each answer of the enclave; the first one of a connection attests it. */
type Change = (answer: Frame, at: { nth: number; earlier: readonly Frame[] }) => readonly Frame[]

async function between(change: Change): Promise<EnclaveEvaluator> {
  const { transport, listener } = createMemoryTransport()
  await serveEnclave({ evaluator: limitEvaluator(), nsm: simulator.nsm, listener })
  const tampering: EnclaveTransport = {
    name: 'between',
    connect: async (io) => {
      const stream = await transport.connect(io)
      const decoder = createFrameDecoder()
      const earlier: Frame[] = []
      async function* changed(): AsyncGenerator<Uint8Array> {
        for await (const bytes of stream.incoming) {
          for (const frame of decoder.push(bytes)) {
            if (frame.type !== RESPONSE) yield encodeFrame(frame)
            else {
              const passed = change(frame, { nth: earlier.length, earlier })
              earlier.push(frame)
              for (const one of passed) yield encodeFrame(one)
            }
          }
        }
      }
      return { ...stream, incoming: changed() }
    },
  }
  return createEnclaveEvaluator({
    transport: tampering,
    policy: simulator.policy,
    wire: { retries: 0 },
  })
}

/** An answer with members changed. */
function edited(frame: Frame, edit: (members: Map<string, unknown>) => void): Frame {
  const members = readCbor(frame.body, { form: 'strict' }) as Map<string, unknown>
  edit(members)
  return { ...frame, body: writeCbor(Object.fromEntries(members) as never) }
}

const flipLast = (bytes: unknown): Uint8Array => {
  const changed = Uint8Array.from(bytes as Uint8Array)
  changed[changed.length - 1] = (changed.at(-1) as number) ^ 1
  return changed
}
const inResult = (from: string, to: string) => (members: Map<string, unknown>) => {
  const text = members.get('result') as string
  expect(text).toContain(from)
  members.set('result', text.replace(from, to))
}

const outcome = async (work: Promise<unknown>): Promise<unknown> => {
  const settled = await work.catch((error: { code: string; fault?: string; field?: string }) => {
    const more = error.fault ?? error.field
    return more === undefined ? error.code : `${error.code} ${more}`
  })
  return typeof settled === 'object' ? (settled as { allow: boolean }).allow : settled
}

describe('between host and enclave', () => {
  test('behavior: who only looks on changes nothing', async () => {
    const evaluator = await between((answer) => [answer])
    expect(await outcome(evaluator.evaluate(transferRequest(1n)))).toBe(true)
    await evaluator.close()
  })

  test.each<[string, (members: Map<string, unknown>) => void, string]>([
    ['the decision', inResult('"allow":true', '"allow":false'), 'ENCLAVE_RESULT'],
    ['the reasons', inResult('"reasons":[]', '"reasons":["x"]'), 'NONCE_MISMATCH'],
    ['the outputs', inResult('"score":7', '"score":8'), 'ENCLAVE_RESULT'],
    ['a member twice', inResult('"allow":true', '"allow":true,"allow":true'), 'ENCLAVE_RESULT'],
    ['the form', inResult('"allow":true', '"allow": true'), 'NONCE_MISMATCH'],
    ['the document', (m) => m.set('document', flipLast(m.get('document'))), 'SIGNATURE'],
    ['the response', (m) => m.set('response', flipLast(m.get('response'))), 'ENCLAVE_RESULT'],
    ['a member less', (m) => m.delete('document'), 'ENCLAVE_RESULT'],
  ])('error: %s of an answer changed is no decision', async (_, edit, code) => {
    const evaluator = await between((answer, { nth }) => [
      nth === 0 ? answer : edited(answer, edit),
    ])
    expect(await outcome(evaluator.evaluate(transferRequest(1n)))).toMatch(new RegExp(`^${code}`))
    await evaluator.close()
  })

  test('behavior: a member that nobody knows is not read', async () => {
    const evaluator = await between((answer) => [edited(answer, (m) => m.set('zz', 1))])
    expect(await outcome(evaluator.evaluate(transferRequest(1n)))).toBe(true)
    await evaluator.close()
  })

  test('error: another id, and an answer that comes twice, end the connection', async () => {
    const other = await between((answer, { nth }) => [
      nth === 0 ? answer : { ...answer, requestId: answer.requestId + 1 },
    ])
    expect(await outcome(other.evaluate(transferRequest(1n)))).toBe(
      'ENCLAVE_PROTOCOL unknown-response',
    )
    await other.close()
    const twice = await between((answer, { nth }) => (nth === 0 ? [answer] : [answer, answer]))
    expect(await outcome(twice.evaluate(transferRequest(1n)))).toBe(true)
    await twice.close()
  })

  test('error: the answer to one task is none to another, nor are two that were swapped', async () => {
    const replayed = await between((answer, { nth, earlier }) => [
      nth === 2 ? { ...answer, body: (earlier[1] as Frame).body } : answer,
    ])
    expect(await outcome(replayed.evaluate(transferRequest(1n, 1n)))).toBe(true)
    expect(await outcome(replayed.evaluate(transferRequest(1n, 2n)))).toMatch(/^ENCLAVE_RESULT/)
    await replayed.close()

    const swapped = await between((answer, { nth, earlier }) => {
      if (nth === 1) return []
      const first = earlier[1] as Frame
      if (nth !== 2) return [answer]
      return [
        { ...answer, body: first.body },
        { ...first, body: answer.body },
      ]
    })
    const both = [1n, 2n].map((nonce) => outcome(swapped.evaluate(transferRequest(1n, nonce))))
    for (const one of await Promise.all(both)) expect(one).toMatch(/^ENCLAVE_RESULT/)
    await swapped.close()
  })

  test('behavior: the answer of a task is one for the same task asked again', async () => {
    const evaluator = await between((answer, { nth, earlier }) => [
      nth === 2 ? { ...answer, body: (earlier[1] as Frame).body } : answer,
    ])
    const request = transferRequest(1n, 1n)
    expect(await outcome(evaluator.evaluate(request))).toBe(true)
    // Each call has a nonce of its own, so an old answer is no answer.
    expect(await outcome(evaluator.evaluate(request))).toMatch(/^(true|ENCLAVE_RESULT|NONCE)/)
    await evaluator.close()
  })

  test('error: an answer that is withheld is waited for as long as the caller says', async () => {
    const evaluator = await between((answer, { nth }) => (nth === 0 ? [answer] : []))
    const waiting = evaluator.evaluate(transferRequest(1n), { timeout: 100 })
    expect(await outcome(waiting)).toBe('TIMEOUT')
    await evaluator.close()
  })
})
