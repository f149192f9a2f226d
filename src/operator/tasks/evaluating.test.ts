import type { Address, Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { createWorld } from '../../../test/support/attestationWorld.js'
import { agreeOnOutputs, commitToOutputs, type OutputGroup } from '../../attestation/index.js'
import { ZERO_HASH } from '../../core/artifact.js'
import { type BlsKey, nobleBackend } from '../../core/bn254/index.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { toRefusal } from '../rpc/envelope.js'
import { createTaskEvaluator, type TaskEvaluatorParameters } from './evaluating.js'

const operator: Address = `0x${'01'.repeat(20)}`
const policyRegistry: Address = `0x${'02'.repeat(20)}`
const task = {
  ...{ chainId: 1n, policyRegistry, policyClient: `0x${'03'.repeat(20)}`, referenceBlock: 40n },
  referenceBlockHash: `0x${'05'.repeat(32)}`,
  intent: {
    ...{ from: operator, to: operator, value: 0n, data: '0x', chainId: 1n },
    functionSignature: '0x',
  },
  ...{ intentSignature: '0x', nonce: 4n, wasmArgs: '0x' },
} as unknown as Task
const request = {
  ...{ task, pcr0Commitment: ZERO_HASH, referenceTimestamp: 7, outputGroups: [] },
}

/** An operator of a policy whose instances expire so many blocks after the reference block. */
function operatorAt({
  head,
  policy = 300n,
  data = [],
  takes = 0n,
}: {
  head: bigint
  policy?: bigint
  data?: bigint[]
  takes?: bigint
}) {
  const done: string[] = []
  const chain = { head, time: 0 }
  const rows = data.map((expireAfter) => ({ templateId: ZERO_HASH, instance: { expireAfter } }))
  const parameters = {
    guard: {
      operator,
      findOutputs: async () => undefined,
      findResponse: async () => undefined,
      signOutputs: async () => done.push('outputs'),
      signResponse: async () => done.push('response'),
    },
    evaluator: {
      evaluate: async () => {
        done.push('evaluated')
        chain.head += takes
        chain.time += 60_000
        return { outputs: {}, response: { expirationBlock: 340n } }
      },
    },
    registry: {
      ...{ chainId: 1n, policyRegistry },
      getLatestBlock: async () => ({ number: chain.head }),
      snapshot: async () => ({
        block: { number: 40n },
        policyInstance: { expireAfter: policy },
        data: rows,
      }),
    },
    tables: {
      tableAt: async () => ({ referenceTimestamp: 7, table: { indexOf: () => 0 } }),
    },
    now: () => chain.time,
  } as unknown as TaskEvaluatorParameters
  return { tasks: createTaskEvaluator(parameters), done, parameters }
}

const expired = { code: 'OPERATOR_RPC', fault: 'TASK_EXPIRED' }

test('a task is evaluated up to the block before it expires, and from then on refused', async () => {
  const open = operatorAt({ head: 339n })
  await open.tasks.fetchPolicyData(task)
  expect(open.done).toEqual(['evaluated', 'outputs'])
  for (const head of [340n, 341n, 444n]) {
    const { tasks, done } = operatorAt({ head })
    await expect(tasks.fetchPolicyData(task)).rejects.toMatchObject(expired)
    await expect(tasks.evaluateAndSign(request)).rejects.toMatchObject(expired)
    expect(done).toEqual([])
  }
})

test('the instance that expires first counts, of whichever kind', async () => {
  for (const change of [{ policy: 10n, data: [300n] }, { data: [200n, 10n, 300n] }]) {
    const late = operatorAt({ head: 50n, ...change })
    await expect(late.tasks.fetchPolicyData(task)).rejects.toMatchObject(expired)
    const early = operatorAt({ head: 49n, ...change })
    await early.tasks.fetchPolicyData(task)
    expect(early.done).toEqual(['evaluated', 'outputs'])
  }
})

test('what expired while it was evaluated is not signed', async () => {
  const { tasks, done } = operatorAt({ head: 300n, takes: 40n })
  await expect(tasks.evaluateAndSign(request)).rejects.toMatchObject(expired)
  expect(done).toEqual(['evaluated'])
})

describe('a run of plugins', () => {
  const template: Hex = `0x${'0a'.repeat(32)}`
  const outputs = { [template]: { score: 1 } }
  /** An operator whose plugins answer when they are let. */
  function slow({ fails = false } = {}) {
    const made = operatorAt({ head: 41n, data: [300n] })
    const kept = new Map<string, typeof outputs>()
    let finish = (): void => undefined
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const tasks = createTaskEvaluator({
      ...made.parameters,
      guard: {
        ...made.parameters.guard,
        findOutputs: async () => kept.get('outputs'),
        signOutputs: async () => {
          kept.set('outputs', outputs)
          made.done.push('outputs')
          return {} as never
        },
      },
      evaluator: {
        evaluate: async () => {
          made.done.push('evaluated')
          await finished
          if (fails) throw new TypeError('no network')
          return { outputs, response: { expirationBlock: 340n } } as never
        },
      },
    })
    return { tasks, done: made.done, finish }
  }
  const settle = () => new Promise((resolve) => setTimeout(resolve, 5))

  test('ends in a commitment although whoever asked has left, and is made once', async () => {
    const { tasks, done, finish } = slow()
    const leaving = new AbortController()
    const first = tasks.fetchPolicyData(task, { signal: leaving.signal })
    const second = tasks.fetchPolicyData(task)
    await settle()
    leaving.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    finish()
    await second
    expect(done).toEqual(['evaluated', 'outputs'])
    await tasks.fetchPolicyData(task)
    expect(done.filter((what) => what === 'evaluated')).toHaveLength(1)
  })

  test('that still goes on is waited for by whoever asks for a signature', async () => {
    const { tasks, done, finish } = slow()
    const leaving = new AbortController()
    const first = tasks.fetchPolicyData(task, { signal: leaving.signal })
    await settle()
    leaving.abort()
    await first.catch(() => undefined)
    const signing = tasks.evaluateAndSign(request).catch((error: unknown) => error)
    await settle()
    expect(done).toEqual(['evaluated'])
    finish()
    // It has outputs by then, and looks at what others have, which is nothing here.
    expect(await signing).not.toMatchObject({ fault: 'UNKNOWN_TASK' })
    expect(done).toEqual(['evaluated', 'outputs'])
  })

  test('that fails is nobody’s, and may be asked for again', async () => {
    const { tasks, done, finish } = slow({ fails: true })
    const first = tasks.fetchPolicyData(task)
    const signing = tasks.evaluateAndSign(request)
    finish()
    await expect(first).rejects.toThrow('no network')
    await expect(signing).rejects.toMatchObject({ fault: 'UNKNOWN_TASK' })
    await expect(tasks.fetchPolicyData(task)).rejects.toThrow('no network')
    expect(done).toEqual(['evaluated', 'evaluated'])
  })
})

describe('commitments to outputs', () => {
  const { keys, table } = createWorld()
  const taskId = computeTaskId(task)
  const template: Hex = `0x${'0a'.repeat(32)}`
  const outputs = { [template]: { score: 1 } }
  const groups = async (indices: readonly number[]) => {
    const commitments = await Promise.all(
      indices.map((index) =>
        commitToOutputs({
          ...{ key: keys[index] as BlsKey, taskId, outputs },
          operator: table.operators[index]?.operator as Address,
        }),
      ),
    )
    const agreed = await agreeOnOutputs({ table, taskId, templates: [template], commitments })
    return agreed.groups
  }
  const own = (templates: readonly Hex[]) => {
    let products = 0
    const made = operatorAt({ head: 41n, data: templates.map(() => 300n) })
    const tasks = createTaskEvaluator({
      ...made.parameters,
      guard: {
        ...made.parameters.guard,
        operator: table.operators[0]?.operator as Address,
        findOutputs: async () => outputs,
      },
      registry: {
        ...made.parameters.registry,
        snapshot: async () =>
          ({
            ...{ block: { number: 40n }, policyInstance: { expireAfter: 300n } },
            data: templates.map((templateId) => ({ templateId, instance: { expireAfter: 300n } })),
          }) as never,
      },
      tables: {
        tableAt: async () => ({
          ...{ referenceTimestamp: 7, quorumBps: 6_700, table },
          backend: {
            ...nobleBackend,
            pairingProduct: (pairs) => {
              products++
              return nobleBackend.pairingProduct(pairs)
            },
          },
        }),
      },
    })
    return { tasks, done: made.done, products: () => products }
  }

  test('are checked with one pairing product', async () => {
    const operator = own([template])
    const outputGroups = await groups([0, 1, 3])
    // The answer of the fake evaluator cannot be signed: it has come that far.
    await operator.tasks.evaluateAndSign({ ...request, outputGroups }).catch(() => undefined)
    expect(operator.done[0]).toBe('evaluated')
    expect(operator.products()).toBe(1)
  })

  test('that are not what they say end the call before anything is evaluated', async () => {
    const [group] = await groups([0, 1, 3])
    const more = { ...(group as OutputGroup), signers: '0x0f' as const }
    const operator = own([template])
    const failed = operator.tasks.evaluateAndSign({ ...request, outputGroups: [more] })
    await expect(failed).rejects.toMatchObject({
      ...{ code: 'OUTPUT_GROUPS_REFUSED', reason: 'SIGNATURE_INVALID' },
    })
    await expect(failed.catch((error) => toRefusal(error).fault)).resolves.toBe('INVALID_PARAMS')
    const without = own([])
    await expect(
      without.tasks.evaluateAndSign({ ...request, outputGroups: [group as OutputGroup] }),
    ).rejects.toMatchObject({ fault: 'INVALID_PARAMS' })
    expect([...operator.done, ...without.done]).toEqual([])
  })
})
