import type { Address } from 'viem'
import { expect, test } from 'vitest'
import { ZERO_HASH } from '../../core/artifact.js'
import type { Task } from '../../core/task.js'
import { createTaskEvaluator } from './evaluating.js'

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
  ...{ task, pcr0Commitment: ZERO_HASH, referenceTimestamp: 7, commitments: [] },
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
  const tasks = createTaskEvaluator({
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
  } as unknown as Parameters<typeof createTaskEvaluator>[0])
  return { tasks, done }
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
