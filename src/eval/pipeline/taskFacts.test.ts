import { describe, expect, test } from 'vitest'
import { computeArtifactDigest } from '../../core/digest.js'
import { computeIntentHash } from '../../core/intent.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { utf8 } from '../../internal/bytes.js'
import { intentToInputJson } from '../intent/parseIntent.js'
import { planEvaluation } from './plan.js'
import { deploySimulated } from './simulate.js'
import { createPlanner, createTaskFacts } from './taskFacts.js'

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

describe('createPlanner', () => {
  const plugin = Uint8Array.of(0, 97, 115, 109)
  const world = (wasms: readonly Uint8Array[] = []) =>
    deploySimulated({
      rego: utf8('package p\nimport rego.v1\ndefault allow := true'),
      params: { a: 1 },
      paramsSchema: utf8('{"type":"object"}'),
      plugins: wasms.map((wasm) => ({ wasm })),
      intent: { ...intent, data: '0x' },
    })
  const pcr0Commitment = hex('00', 32)
  const outcome = (act: () => unknown): unknown => {
    try {
      return act()
    } catch (error) {
      return [(error as { code?: string }).code, String(error)]
    }
  }
  /** A plan and its digest, made with nothing remembered. */
  const anew = (given: Parameters<typeof planEvaluation>[0]) => {
    const plan = planEvaluation(given)
    return { plan, artifactDigest: computeArtifactDigest(plan.preimage) }
  }

  test.each([[[]], [[plugin]]])('behavior: any member of task or rows counts, %#', (wasms) => {
    const { task, snapshot } = world(wasms)
    const given = { task, snapshot, pcr0Commitment }
    const planner = createPlanner()
    const expected = anew(given)
    expect(planner(given)).toEqual(expected)
    /** The same with one leaf of another value, for each leaf. */
    const leaves = (value: unknown, put: (other: unknown) => unknown): unknown[] => {
      if (typeof value === 'object' && value !== null) {
        return Object.entries(value).flatMap(([key, member]) =>
          leaves(member, (other) =>
            put(
              Array.isArray(value)
                ? value.map((one, at) => (at === Number(key) ? other : one))
                : { ...value, [key]: other },
            ),
          ),
        )
      }
      if (typeof value === 'bigint')
        return [put(value + 1n), put(Number(value)), put(String(value))]
      if (typeof value === 'boolean') return [put(!value), put(undefined)]
      return [put(`${String(value).slice(0, -1)}e`), put(null), put([value])]
    }
    const changed = leaves(given, (other) => other) as (typeof given)[]
    expect(changed.length).toBeGreaterThan(60)
    for (const one of changed) {
      for (const _ of [1, 2]) {
        expect(outcome(() => planner(one))).toEqual(outcome(() => anew(one)))
      }
      expect(planner(given)).toEqual(expected)
    }
  })

  test('behavior: what is remembered cannot be changed', () => {
    const { task, snapshot } = world()
    const planner = createPlanner()
    const { plan } = planner({ task, snapshot, pcr0Commitment })
    expect(planner({ task, snapshot, pcr0Commitment }).plan).toBe(plan)
    expect(() => Object.assign(plan.preimage, { chainId: 9n })).toThrow(TypeError)
    expect(() => Object.assign(plan, { regoHash: '0x' })).toThrow(TypeError)
    expect(() => (plan.preimage.data as unknown[]).push(1)).toThrow(TypeError)
  })
})
