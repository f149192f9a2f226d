/**
 * A task's reference block is fresh enough to be accepted: blocks as L1, the OP stack and Arbitrum make them, the
 * windows that are shipped, on the contracts themselves.
 */
import { type Hex, numberToHex } from 'viem'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { ZERO_HASH } from '../../src/core/artifact.js'
import { chainConstants } from '../../src/core/chains.js'
import { prepareTask } from '../../src/operator/gateway/preparing.js'
import { acceptResponseSync } from '../../src/registry/index.js'
import {
  createMockNode,
  type MockNode,
  type MockOperators,
  type MockRegistries,
  mockOperators,
  mockRegistries,
} from '../../src/testing/index.js'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const arbSys = '0x0000000000000000000000000000000000000064'
const history = '0x0000f90827f1c53a10cb7a02335b175320002935'
/** `arbBlockNumber()`: NUMBER. `arbBlockHash(n)`: BLOCKHASH, and a revert where that has none. */
const arbSysCode =
  '0x5f3560e01c63a3b1b31d14601d57600435408015602557' + '5f5260205ff35b435f5260205ff35b5f5ffd'
/** What is in the slot of the number. */
const historyCode = '0x5f35545f5260205ff3'

/** A chain on which block numbers are those of ArbSys, and EIP-2935's contract has what is written into it. */
async function arbitrumNode(): Promise<MockNode> {
  const node = await createMockNode()
  for (const [address, code] of [
    [arbSys, arbSysCode],
    [history, historyCode],
  ]) {
    await node.request({ method: 'anvil_setCode', params: [address, code] })
  }
  return node
}

describe.each([
  ['L1', 1],
  ['OP stack', 8453],
  ['Arbitrum', 42161],
])('%s', (_name, chainId) => {
  const seconds = 60
  const isArbitrum = chainId === 42161
  const { blockSeconds, referenceDelay, taskResponseWindow } = chainConstants(chainId)
  let registries: MockRegistries
  let operators: MockOperators
  beforeAll(async () => {
    registries = await mockRegistries({
      ...(isArbitrum ? { node: await arbitrumNode() } : {}),
      contracts: { taskResponseWindow, blockKind: isArbitrum ? 'arbsys' : 'native' },
    })
    operators = await mockOperators({ registries })
  })
  /** The system writes each block's hash at the start of the next one; here one is enough. */
  const keepHash = async ({ number, hash }: { number: bigint; hash: Hex }): Promise<void> => {
    const params = [history, numberToHex(number, { size: 32 }), hash]
    await registries.client.node.request({ method: 'anvil_setStorageAt', params })
  }

  /** As a gateway asks, and operators answer. */
  async function answer() {
    const { policyClient } = await registries.addPolicy({
      expireAfter: Number(taskResponseWindow) + 100,
    })
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
    if (isArbitrum) await keepHash({ number: task.referenceBlock, hash: task.referenceBlockHash })
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
      // The chain in this process keeps no older hashes than the EVM's 256 by itself: beyond them nothing tells a block from another.
      errorName:
        taskResponseWindow > 256n && !isArbitrum
          ? 'ReferenceBlockHashUnavailable'
          : 'ReferenceBlockTooOld',
    })
  })
})
