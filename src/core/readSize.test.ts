import { describe, expect, test } from 'vitest'
import { InvalidInputError, TimeoutError } from '../errors/common.js'
import {
  BlockNotFoundError,
  RpcError,
  RpcInconsistentError,
  RpcRateLimitError,
} from '../registry/chain/errors.js'
import { createReadSize, type ReadSize } from './readSize.js'

const timeout = () => new TimeoutError({ operation: 'reading', timeout: 1 })
const node = (code: number, message: string) =>
  new RpcError('logs', { cause: Object.assign(new Error(message), { code }) })
const range = () => node(-32602, 'block range is too wide')
const reset = () => node(-32603, 'connection reset by peer')
const rate = () => new RpcRateLimitError({ cause: node(429, 'Too Many Requests') })

/** A read of so many blocks, the newest `above` blocks after its last one. */
async function read(
  size: ReadSize,
  {
    blocks = size.blocks(),
    above = 100_000n,
    error,
  }: Partial<{
    blocks: bigint
    above: bigint
    error: unknown
  }> = {},
): Promise<void> {
  const plan = { fromBlock: 1_000n, toBlock: 999n + blocks, head: 999n + blocks + above }
  const work = async () => {
    if (error !== undefined) throw error
    return 'read'
  }
  const ended = await size.learn(plan, work).catch((thrown: unknown) => thrown)
  expect(ended).toBe(error ?? 'read')
}

describe('createReadSize', () => {
  test.each([
    ['a read that takes too long', timeout],
    ['a range that is refused', range],
    ['a request that takes too long', () => new RpcError('logs', { cause: timeout() })],
    ['one that another error wraps', () => new RpcInconsistentError('x', { cause: range() })],
  ])('behavior: %s is halved, down to one block', async (_name, error) => {
    const size = createReadSize(2_000n)
    const sizes: bigint[] = []
    for (let i = 0; i < 12; i++) {
      await read(size, { error: error() })
      sizes.push(size.blocks())
    }
    expect(sizes.slice(0, 3)).toEqual([1_000n, 500n, 250n])
    expect(sizes.slice(-2)).toEqual([1n, 1n])
  })

  test.each([
    ['a rate limit', rate],
    ['a connection that is reset', reset],
    ['answers of two nodes', () => new RpcInconsistentError('two hashes')],
  ])('behavior: %s halves young reads only, to a few blocks', async (_name, error) => {
    const old = createReadSize(2_000n)
    for (let i = 0; i < 12; i++) await read(old, { error: error() })
    expect(old.blocks()).toBe(2_000n)
    const young = createReadSize(256n)
    for (let i = 0; i < 12; i++) await read(young, { above: 2n, error: error() })
    expect(young.blocks()).toBe(8n)
    const once = createReadSize(256n)
    await read(once, { above: 2n, error: error() })
    expect(once.blocks()).toBe(256n)
    await read(young, { above: 2n, blocks: 3n, error: error() })
    expect(young.blocks()).toBe(8n)
  })

  test.each([
    ['a node that is behind', () => new BlockNotFoundError({ block: 2n, latest: 1n })],
    ['a mistake of the caller', () => new InvalidInputError({ field: 'x', reason: 'y' })],
  ])('behavior: %s says nothing of size', async (_name, error) => {
    const size = createReadSize(2_000n)
    await read(size, { error: error() })
    await read(size, { above: 1n, error: error() })
    expect(size.blocks()).toBe(2_000n)
  })

  test('behavior: an end by the caller says nothing of size', async () => {
    const size = createReadSize(2_000n)
    const plan = { fromBlock: 0n, toBlock: 1_999n, head: 9_999n }
    const work = async () => {
      throw timeout()
    }
    await expect(size.learn(plan, work, AbortSignal.abort())).rejects.toThrow('did not end')
    expect(size.blocks()).toBe(2_000n)
  })

  test('behavior: it grows back, and runs seldom against a limit that stays', async () => {
    const size = createReadSize(2_000n)
    let refused = 0
    let done = 0n
    let requests = 0
    while (done < 100_000n) {
      requests++
      const blocks = size.blocks()
      if (blocks > 300n) {
        refused++
        await read(size, { error: range() })
      } else {
        await read(size)
        done += blocks
      }
    }
    // 400 requests of 250 blocks would do it.
    expect(requests).toBeLessThan(480)
    expect(refused).toBeLessThan(requests / 7)
    // The limit is gone: 500, 1,000 and 2,000 blocks take eight full reads each at most.
    for (let i = 0; i < 24; i++) await read(size)
    expect(size.blocks()).toBe(2_000n)
  })

  test('behavior: reads that are not full do not grow it', async () => {
    const size = createReadSize(64n)
    await read(size, { error: timeout() })
    for (let i = 0; i < 20; i++) await read(size, { blocks: 1n })
    expect(size.blocks()).toBe(32n)
  })
})
