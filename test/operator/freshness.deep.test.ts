/**
 * A task's reference block is fresh enough to be accepted: blocks as L1, the OP stack and Arbitrum make them, the
 * windows that are shipped, on the contracts themselves.
 */
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { ZERO_HASH } from '../../src/core/artifact.js'
import { chainConstants } from '../../src/core/chains.js'
import { prepareTask } from '../../src/operator/gateway/preparing.js'
import { acceptResponseSync } from '../../src/registry/index.js'
import {
  type MockOperators,
  type MockRegistries,
  mockOperators,
  mockRegistries,
} from '../../src/testing/index.js'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

describe.each([
  ['L1', 1, 60],
  ['OP stack', 8453, 60],
  // 200 of its blocks are 50 seconds, of which the two delays take ten: less than a minute is left.
  ['Arbitrum', 42161, 39],
])('%s', (_name, chainId, seconds) => {
  const { blockSeconds, referenceDelay, taskResponseWindow } = chainConstants(chainId)
  let registries: MockRegistries
  let operators: MockOperators
  beforeAll(async () => {
    registries = await mockRegistries({ contracts: { taskResponseWindow } })
    operators = await mockOperators({ registries })
  })

  /** As a gateway asks, and operators answer. */
  async function answer() {
    const { policyClient } = await registries.addPolicy()
    // The policy is there before the reference block.
    await registries.client.node.mine(Number(referenceDelay) + 1)
    const { intent } = await registries.makeTask({ policyClient })
    const { task } = await prepareTask(
      { policyClient, intent },
      {
        ...{ registry: registries.reader, referenceDelay, pcr0Commitment: ZERO_HASH },
        randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      },
    )
    const { number: head } = await registries.client.getBlock()
    expect(head - task.referenceBlock).toBe(referenceDelay)
    return operators.evaluate(task)
  }
  const accept = (signed: Awaited<ReturnType<typeof answer>>) =>
    acceptResponseSync(registries.client.as(4), {
      ...{ ...signed, addresses: registries.addresses, preflight: false },
    })

  test(`behavior: an answer that takes ${seconds} s is accepted`, async () => {
    const signed = await answer()
    const late = BigInt(Math.ceil(seconds / blockSeconds))
    // It may wait for as long as the reference block was behind.
    await registries.client.node.mine(Number(late + referenceDelay))
    await accept(signed)
  })

  test('error: one block beyond the window it is not', async () => {
    const signed = await answer()
    const { number: head } = await registries.client.getBlock()
    const last = signed.response.referenceBlock + taskResponseWindow
    await registries.client.node.mine(Number(last - head))
    await expect(accept(signed)).rejects.toMatchObject({
      code: 'CONTRACT_REVERT',
      // This chain keeps no older hashes than the EVM's 256: beyond them nothing tells a block from another.
      errorName:
        taskResponseWindow > 256n ? 'ReferenceBlockHashUnavailable' : 'ReferenceBlockTooOld',
    })
  })
})
