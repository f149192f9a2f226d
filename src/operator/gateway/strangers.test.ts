/** What strangers send, as errors, frames and metrics of a gateway have it. */
import { describe, expect, test } from 'vitest'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { createMetricsRegistry } from '../../core/metrics.js'
import { MAX_FRAME } from '../../gateway/subscription.js'
import { OperatorRpcError } from '../rpc/errors.js'
import { readMembers } from '../rpc/fields.js'
import { GatewayAnswerError } from './errors.js'
import { readSubscriptionFrame, writeUpdate } from './live/frames.js'
import type { GatewayMethod } from './methods.js'
import type { GatewayStore, StoredTask } from './store/store.js'
import { watchGateway } from './watch.js'

const taskId = `0x${'1a'.repeat(32)}` as const
/** What a terminal obeys, and what turns the text beside it around. */
const hostile = ['\u001b[31m', '\r', '\n', '\u0000', '\u0007', '\u009b2J', '\u202e', '\u2066']
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const obeyed = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

test.each(hostile)('behavior: words of strangers are one line of errors, without %j', (bad) => {
  const words = `all is ${bad}well${bad}`
  const errors = [
    new OperatorRpcError({ fault: 'NO_QUORUM', detail: words, by: 'gateway' }),
    new GatewayAnswerError({ reason: words }),
  ]
  try {
    readMembers({ [words]: 1 }, 'params', { required: [] })
  } catch (error) {
    errors.push(error as GatewayAnswerError)
  }
  expect(errors).toHaveLength(3)
  for (const { shortMessage } of errors) {
    expect(shortMessage).not.toMatch(obeyed)
    expect(shortMessage).toContain('all is ')
  }
  const long = new OperatorRpcError({ fault: 'NO_QUORUM', detail: 'x'.repeat(1_000_000) })
  expect(long.shortMessage.length).toBeLessThan(2_000)
})

describe('frames', () => {
  test.each([
    { toString: 1 },
    { toString: 'x' },
    [`newton.task.${taskId}`],
    null,
    7,
    true,
    `newton.task.${taskId.toUpperCase()}`,
  ])('error: INVALID_REQUEST for the method %j', (method) => {
    const frame = JSON.stringify({ type: 'subscribe', id: 'a', method })
    expect(() => readSubscriptionFrame(frame)).toThrow(
      expect.objectContaining({ fault: 'INVALID_REQUEST' }),
    )
  })

  test('behavior: an update of any size is a frame that clients read', () => {
    const task = { taskId, state: 'signed', failure: undefined } as StoredTask
    // The longest name that is taken, of characters that grow most as JSON.
    const id = '\u0001'.repeat(128)
    const sizes = Array.from({ length: 60 }, (_, at) => MAX_FRAME - 1_500 + at * 40)
    for (const size of sizes) {
      const status = { answer: { reasons: ['x'.repeat(size)] } }
      const text = writeUpdate({ task, status, first: true, timestamp: 1, id })
      expect(text.length).toBeLessThanOrEqual(MAX_FRAME)
      const { result } = JSON.parse(text) as { result: { data: object } }
      expect(result).toMatchObject({ task_id: taskId, data: {} })
    }
  })
})

test('behavior: each method is counted by its name, and nothing else by one of its own', () => {
  const methods: GatewayMethod[] = [
    ...(['newt_createTask', 'newt_sendTask', 'newt_getTask'] as const),
    ...(['newt_getSecretsPublicKey', 'newt_storeEncryptedSecrets'] as const),
    ...(['newt_getSecretsMetadata', 'newt_registerWebhook'] as const),
    ...(['newt_unregisterWebhook', 'newt_getWebhook'] as const),
  ]
  const metrics = createMetricsRegistry()
  const parts = { store: {} as GatewayStore, registry: {} as RegistryReader }
  const watch = watchGateway({ ...parts, operators: [], metrics })
  for (const method of [...methods, 'constructor', 'newt_other', '']) {
    const call = { type: 'gateway.call', method, outcome: 'ok' } as const
    watch.onEvent({ ...call, milliseconds: 1, caller: undefined })
  }
  const text = metrics.text()
  for (const method of methods) {
    expect(text).toContain(`rpc_calls_total{method="${method}",outcome="ok"} 1`)
  }
  expect(text).toContain('rpc_calls_total{method="other",outcome="ok"} 3')
})
