import { describe, expect, test } from 'vitest'
import { computeIntentHash } from '../../core/intent.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { intentToInputJson } from '../intent/parseIntent.js'
import { createTaskFacts } from './taskFacts.js'

const hex = (byte: string, size: number): `0x${string}` => `0x${byte.repeat(size)}`
const task: Task = {
  chainId: 1n,
  policyRegistry: hex('11', 20),
  policyClient: hex('22', 20),
  intent: {
    from: hex('33', 20),
    to: hex('44', 20),
    value: 5n,
    data: '0x1234',
    chainId: 1n,
    functionSignature: '0x',
  },
  wasmArgs: '0x',
  referenceBlock: 7n,
  referenceBlockHash: hex('55', 32),
  nonce: 9n,
}
const { intent } = task

/** One task for each member, in which that member is another. */
const others: readonly Task[] = [
  { ...task, chainId: 2n },
  { ...task, policyRegistry: hex('12', 20) },
  { ...task, policyClient: hex('23', 20) },
  { ...task, wasmArgs: '0x7b7d' },
  { ...task, referenceBlock: 8n },
  { ...task, referenceBlockHash: hex('56', 32) },
  { ...task, nonce: 10n },
  { ...task, intent: { ...intent, from: hex('34', 20) } },
  { ...task, intent: { ...intent, to: hex('45', 20) } },
  { ...task, intent: { ...intent, value: 6n } },
  { ...task, intent: { ...intent, data: '0x1235' } },
  { ...task, intent: { ...intent, chainId: 2n } },
  { ...task, intent: { ...intent, functionSignature: '0x66' } },
  { ...task, intent: { ...intent, data: '0x', functionSignature: '0x1234' } },
  { ...task, wasmArgs: hex('20', 5_000) },
]

describe('createTaskFacts', () => {
  test('behavior: are those of the task, before and after others', () => {
    const facts = createTaskFacts()
    for (const one of [task, ...others, task, ...others]) {
      expect(facts(one)).toEqual({
        taskId: computeTaskId(one),
        intentHash: computeIntentHash(one.intent),
        inputJson: intentToInputJson(one.intent),
      })
    }
    expect(new Set(others.map((one) => facts(one).taskId)).size).toBe(others.length)
  })

  test('behavior: a task that its owner changes is another one', () => {
    const facts = createTaskFacts()
    const mine = { ...task, intent: { ...intent } }
    const before = facts(mine)
    mine.intent.value = 6n
    expect(facts(mine)).not.toEqual(before)
    expect(facts(mine).taskId).toBe(computeTaskId(mine))
  })

  test.each<[string, unknown]>([
    ['a number for a bigint', { ...task, chainId: 1 }],
    ['a text for a bigint', { ...task, nonce: '9' }],
    ['an intent with a number', { ...task, intent: { ...intent, value: 5 } }],
    ['a list for a text', { ...task, wasmArgs: ['0x'] }],
    ['no intent', { ...task, intent: undefined }],
    ['nothing', undefined],
    ['half a byte', { ...task, wasmArgs: '0x1' }],
    ['a short address', { ...task, policyClient: '0x22' }],
  ])('error: %s, also where the right one is known', (_, wrong) => {
    const facts = createTaskFacts()
    facts(task)
    for (const __ of [1, 2])
      expect(() => facts(wrong as Task)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })
})
