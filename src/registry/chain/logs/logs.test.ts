import { keccak256, toHex } from 'viem'
import { describe, expect, test } from 'vitest'
import { FakeRpcError, fakeClient, type RpcHandler } from '../../../../test/registry/fakeNode.js'
import { createLogChain, type LogChain } from '../../../../test/registry/logChain.js'
import { classifyLogRefusal } from '../../../core/logRefusals.js'
import { RpcError } from '../errors.js'
import { readLogs } from './logs.js'

const address = `0x${'a1'.repeat(20)}` as const
const topic = keccak256(toHex('Wanted()'))
const log = (tag: number) => ({
  address,
  topics: [topic, toHex(tag, { size: 32 })],
  data: '0x' as const,
})
const query = { addresses: [address], topics: [topic] }
const read = (handler: RpcHandler, fromBlock: bigint, toBlock: bigint) =>
  readLogs(fakeClient(handler), { ...query, fromBlock, toBlock })
const tags = (logs: readonly { topics: readonly string[] }[]) =>
  logs.map(({ topics }) => Number(topics[1]))

function chainOf(length: number, at: readonly number[]): LogChain {
  const chain = createLogChain()
  while (chain.height() < length)
    chain.mine(at.includes(chain.height() + 1) ? [log(chain.height() + 1)] : [])
  return chain
}

describe('completeness of young blocks', () => {
  test('logs of old and young blocks come together, in order', async () => {
    const chain = chainOf(600, [5, 343, 344, 345, 599, 600])
    expect(tags(await read(chain.node(), 0n, 600n))).toEqual([5, 343, 344, 345, 599, 600])
    expect(tags(await read(chain.node({ noBloom: true }), 0n, 600n))).toHaveLength(6)
  })

  test('blocks whose header excludes every log are not asked for logs', async () => {
    const chain = chainOf(100, [50])
    chain.mine([{ ...log(1), topics: [keccak256(toHex('Other()'))] }])
    const asked: unknown[] = []
    const handler = chain.node()
    await read(
      (call) => {
        if (call.method === 'eth_getLogs') asked.push(call.params[0])
        return handler(call)
      },
      1n,
      101n,
    )
    expect(asked).toEqual([expect.objectContaining({ blockHash: chain.blocks[50]?.hash })])
  })

  test('error: a backend for logs that is behind is refused, never believed', async () => {
    const chain = chainOf(20, [19])
    const [front, back] = [chain.node(), chain.node({ lag: 3 })]
    const balanced: RpcHandler = (call) => (call.method === 'eth_getLogs' ? back : front)(call)
    await expect(read(balanced, 15n, 20n)).rejects.toMatchObject({ code: 'RPC_FAILED' })
    expect(tags(await read(front, 15n, 20n))).toEqual([19])
  })

  test('error: a node that has not reached the range', async () => {
    const chain = chainOf(20, [19])
    await expect(read(chain.node({ lag: 3 }), 15n, 20n)).rejects.toMatchObject({
      code: 'BLOCK_NOT_FOUND',
      retryable: true,
    })
    // The head comes from one backend, a block below it from another that does not have it.
    const [front, back] = [chain.node(), chain.node({ lag: 3 })]
    const balanced: RpcHandler = (call) => (call.params[0] === 'latest' ? front : back)(call)
    await expect(read(balanced, 15n, 20n)).rejects.toMatchObject({ code: 'BLOCK_NOT_FOUND' })
  })

  test('error: blocks of two branches', async () => {
    const chain = chainOf(20, [19])
    const old = [...chain.blocks]
    chain.reorganize(2)
    chain.mine()
    chain.mine([log(99)])
    const other = createLogChain()
    other.blocks.splice(0, 1, ...old)
    let calls = 0
    const mixed: RpcHandler = (call) => (calls++ % 2 === 0 ? chain : other).node()(call)
    await expect(read(mixed, 15n, 20n)).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
  })

  test('error: logs of another block than the one asked for', async () => {
    const chain = chainOf(20, [18, 19])
    const handler = chain.node()
    const lying: RpcHandler = ({ method, params }) =>
      handler(
        method === 'eth_getLogs'
          ? { method, params: [{ ...(params[0] as object), blockHash: chain.blocks[18]?.hash }] }
          : { method, params },
      )
    await expect(read(lying, 19n, 20n)).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
  })
})

describe('ranges of old blocks', () => {
  const refusals: readonly [name: string, code: number, message: string][] = [
    [
      'Alchemy',
      -32602,
      'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size. Based on your parameters and the response size limit, this block range should work: [0x0, 0x7]',
    ],
    [
      'Infura',
      -32005,
      'query returned more than 10000 results. Try with this block range [0x0, 0x7].',
    ],
    ['QuickNode', -32614, 'eth_getLogs is limited to a 10,000 range'],
    ['reth', -32602, 'query exceeds max results 20000, retry with the range 0-7'],
    ['jsonrpsee', -32008, 'Response is too big'],
    ['Base', -32000, 'no backend is currently healthy to serve traffic'],
    ['Harmony', -32000, 'query must be smaller than size 1024'],
    ['Nethermind', -32005, 'Too many logs requested. Max logs per response is 20000.'],
    ['Avalanche', -32000, 'requested too many blocks from 0 to 5000, maximum is set to 2048'],
    ['dRPC', 35, 'ranges over 10000 blocks are not supported on freetier'],
    ['Kaia', -32000, 'the block span is over the allowed one'],
    ['Blast', -32000, 'logs are too many to fetch; narrow it down'],
    ['geth', -32000, 'context deadline exceeded'],
    [
      'Alchemy, free',
      -32600,
      'Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your parameters, this block range should work: [0x0, 0x9].',
    ],
    ['Ankr', -32600, 'block range is too wide'],
    ['publicnode', -32701, 'exceed maximum block range: 50000'],
    ['LlamaRPC', -32000, 'query exceeds max block range 100000'],
    [
      'Chainstack',
      -32600,
      'Block range limit exceeded. See more details at https://docs.chainstack.com/docs/limits',
    ],
    ['Erigon', -32000, 'query timeout exceeded'],
    ['Base, large', -32000, 'backend response too large'],
    ['Sei', -32000, 'a maximum of 2000 blocks worth of logs may be requested at a time'],
    [
      'zkSync',
      -32602,
      'Query returned more than 10000 results. Try with this block range [0x1, 0x2].',
    ],
    ['Moonbeam', -32603, 'query returned more than 10000 results'],
    ['1rpc', -32000, 'eth_getLogs is limited to 0 - 10000 blocks range'],
    ['Besu', -32602, 'Requested range exceeds maximum RPC range limit'],
    ['thirdweb', -32000, 'Log query is over the maximum 1000 blocks'],
    ['Cronos', -32000, 'maximum [from, to] blocks distance: 2000'],
    ['Hyperliquid', -32602, 'query exceeds max block range 1000'],
    ['Tenderly', -32011, 'network error: query span is bigger than allowed'],
    ['OKX', -32000, 'block span too big'],
  ]
  test.each(refusals)('%s: a range that is too large is halved', async (_, code, message) => {
    const chain = chainOf(400, [1, 60, 130])
    const handler = chain.node()
    let asked = 0
    const found = await read(
      (call) => {
        const { fromBlock, toBlock } = (call.params[0] ?? {}) as {
          fromBlock?: string
          toBlock?: string
        }
        if (call.method === 'eth_getLogs' && fromBlock !== undefined) {
          asked++
          if (Number(toBlock) - Number(fromBlock) > 7) throw new FakeRpcError(code, message)
        }
        return handler(call)
      },
      0n,
      140n,
    )
    expect(tags(found)).toEqual([1, 60, 130])
    expect(asked).toBeLessThan(40)
  })

  test.each([
    [429, 'Too Many Requests'],
    [-32005, 'daily request count exceeded, request rate limited'],
    [429, 'Your app has exceeded its compute units per second capacity.'],
    [-32007, '15/second request limit reached - reduce calls per second or upgrade'],
  ])('error: %s %s is a limit on requests, asked once', async (code, message) => {
    const chain = chainOf(400, [1])
    const handler = chain.node()
    let asked = 0
    const slow: RpcHandler = (call) => {
      if (call.method !== 'eth_getLogs') return handler(call)
      asked++
      throw new FakeRpcError(code, message)
    }
    await expect(read(slow, 0n, 100n)).rejects.toMatchObject({
      code: 'RPC_RATE_LIMITED',
      retryable: true,
    })
    expect(asked).toBe(1)
  })

  test('a suggested range counts only where it fits the request', () => {
    const said = (message: string) =>
      classifyLogRefusal(new RpcError('logs', { cause: new FakeRpcError(-32000, message) }), {
        fromBlock: 16n,
        toBlock: 99n,
      })
    const text = 'Try with this block range'
    expect(said(`${text} [0x10, 0x1f].`)).toEqual({ kind: 'range', blocks: 16n })
    for (const range of ['[0x11, 0x1f]', '[0x10, 0xf]', '[0x10, 0x63]', '[0x10, 0xffff]', '[]']) {
      expect(said(`${text} ${range}`)).toEqual({ kind: 'range', blocks: undefined })
    }
    expect(classifyLogRefusal(new TypeError('range'), { fromBlock: 0n, toBlock: 1n })).toEqual({
      kind: 'other',
    })
  })
})
