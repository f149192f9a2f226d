import { encodeAbiParameters, encodeEventTopics, encodeFunctionData, type Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { FakeRpcError, fakeBlock, fakeClient } from '../../../../test/registry/fakeNode.js'
import { createWorld, word } from '../../../../test/support/attestationWorld.js'
import { responseRegistryAbi } from '../../../core/abi/responseRegistryAbi.js'
import { createAcceptedResponses } from './challenges.js'

const registry = '0x00000000000000000000000000000000000000e1'
const world = createWorld()
const task = world.makeTask()
const { response } = world.evaluate(task)
const certificate = world.sign(response, { signers: [0, 1, 2] })
const call = encodeFunctionData({
  abi: responseRegistryAbi,
  functionName: 'accept',
  args: [response, certificate, task] as never,
})
const event = responseRegistryAbi.find(
  (one) => one.type === 'event' && one.name === 'ResponseAccepted',
)
const inputs = (event as unknown as { inputs: { name: string; indexed?: boolean }[] }).inputs
const values: Record<string, unknown> = {
  ...response,
  response,
  certificate,
  messageHash: certificate.messageHash,
  allowed: true,
}
const topics = encodeEventTopics({
  abi: responseRegistryAbi,
  eventName: 'ResponseAccepted',
  args: values as never,
})
const plain = inputs.filter(({ indexed }) => indexed !== true)
const data = encodeAbiParameters(plain as never, plain.map(({ name }) => values[name]) as never)

/** A node with `count` accepted responses, one in each block from 1 on. */
function node({ count, lost = [] }: { count: number; lost?: number[] }) {
  const load = { now: 0, most: 0, asked: 0 }
  const client = fakeClient(async ({ method, params }) => {
    if (method === 'eth_chainId') return '0x7a69'
    if (method === 'eth_getBlockByNumber') return fakeBlock(1_000n, word(1_000))
    if (method === 'eth_getLogs') {
      return Array.from({ length: count }, (_, i) => ({
        ...{ address: registry, topics, data, transactionIndex: '0x0', logIndex: '0x0' },
        ...{ blockNumber: `0x${(i + 1).toString(16)}`, blockHash: word(i + 1) },
        transactionHash: word(i + 1),
      }))
    }
    load.asked++
    load.most = Math.max(load.most, ++load.now)
    await new Promise((resolve) => setTimeout(resolve, 1))
    load.now--
    const hash = params[0] as Hex
    if (lost.includes(Number(hash))) {
      // A node that pruned it, and one that does not answer.
      if (Number(hash) % 2 === 0) return null
      throw new FakeRpcError(-32_000, 'no such transaction')
    }
    return { hash, input: call, type: '0x2', nonce: '0x0', value: '0x0', gas: '0x1' }
  })
  const reader = createAcceptedResponses({ client, addresses: { responseRegistry: registry } })
  return { load, read: () => reader.getAcceptedResponses({ fromBlock: 1n, toBlock: 100n }) }
}

describe('accepted responses', () => {
  test('come with their tasks, in chain order', async () => {
    const found = await node({ count: 3 }).read()
    expect(found.map((one) => one.blockNumber)).toEqual([1n, 2n, 3n])
    expect(found.map((one) => one.task?.nonce)).toEqual([1n, 1n, 1n])
    expect(found[0]?.response.taskId).toBe(response.taskId)
  })

  test('do without a task whose transaction cannot be had', async () => {
    const found = await node({ count: 4, lost: [2, 3] }).read()
    expect(found.map((one) => one.task !== null)).toEqual([true, false, false, true])
    expect(found.every((one) => one.response.taskId === response.taskId)).toBe(true)
  })

  test('ask for a bounded number of transactions at once', async () => {
    const { load, read } = node({ count: 50 })
    expect(await read()).toHaveLength(50)
    expect(load.asked).toBe(50)
    expect(load.most).toBe(8)
  })

  test('of none, ask for none', async () => {
    const { load, read } = node({ count: 0 })
    expect(await read()).toEqual([])
    expect(load.asked).toBe(0)
  })
})
