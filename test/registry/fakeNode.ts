/** A node made of a table: for what an honest one does not do. */
import {
  type Chain,
  type Client,
  createClient,
  custom,
  defineChain,
  type Hex,
  type Transport,
} from 'viem'

export type RpcHandler = (request: { method: string; params: readonly unknown[] }) => unknown

export class FakeRpcError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export function fakeClient(handler: RpcHandler, chainId = 31_337): Client<Transport, Chain> {
  const chain = defineChain({
    id: chainId,
    name: 'fake',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: ['http://127.0.0.1:1'] } },
  })
  return createClient({
    chain,
    transport: custom({ request: async (request: never) => handler(request) }, { retryCount: 0 }),
  })
}

/** A block as nodes give it. */
export function fakeBlock(number: bigint, hash: Hex): object {
  return {
    number: `0x${number.toString(16)}`,
    hash,
    parentHash: `0x${'00'.repeat(32)}`,
    timestamp: `0x${(1_750_000_000n + number).toString(16)}`,
    gasLimit: '0x1',
    gasUsed: '0x0',
    size: '0x1',
    transactions: [],
    uncles: [],
    difficulty: '0x0',
  }
}
