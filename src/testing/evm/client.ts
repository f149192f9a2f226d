/** A viem client on a chain in this process. */
import {
  type Account,
  type Chain,
  createClient,
  type LocalAccount,
  type PublicActions,
  publicActions,
  type Transport,
  type WalletActions,
  walletActions,
} from 'viem'
import { foundry } from 'viem/chains'
import type { WriteClient } from '../../registry/chain/client.js'
import { developmentAccount } from './methods.js'
import { createMockNode } from './node.js'
import type { MockNode, MockNodeOptions } from './types.js'

/** Options of {@link mockClient}. */
export type MockClientOptions = MockNodeOptions & {
  /** Who sends: one of the ten funded accounts, or one of your own. @default 0 */
  account?: number | LocalAccount | undefined
  /** A chain that is there already; the options of a chain are then not looked at. */
  node?: MockNode | undefined
}

/** A client with viem's public and wallet actions, and what tests need beside them. */
export type MockClient = WriteClient &
  PublicActions<Transport, Chain, Account> &
  WalletActions<Chain, Account> & {
    /** The chain. */
    readonly node: MockNode
    /** The same chain, with another account. */
    as(account: number | LocalAccount): MockClient
  }

/**
 * Creates a viem client on a chain in this process. It runs the same contracts as any chain, and fails
 * the same way: nothing of it is made up.
 *
 * @throws {MissingPeerError} when the optional peer `@ethereumjs/vm` is not installed.
 * @example
 * ```ts
 * import { deployContracts, mockClient } from '@newton/policy-sdk/testing'
 *
 * const client = await mockClient()
 * const addresses = await deployContracts(client)
 * const before = await client.node.snapshot()
 * await client.node.mine(10)
 * await before() // the chain as it was
 * ```
 */
export async function mockClient(options: MockClientOptions = {}): Promise<MockClient> {
  const node = options.node ?? (await createMockNode(options))
  const url = 'mock://chain'
  const chain: Chain = {
    ...foundry,
    id: node.chainId,
    name: 'Mock chain',
    rpcUrls: { default: { http: [url] } },
  }
  const as = (who: number | LocalAccount): MockClient => {
    const account = typeof who === 'number' ? developmentAccount(who) : who
    const client = createClient({ account, chain, transport: node.transport, pollingInterval: 10 })
      .extend(publicActions)
      .extend(walletActions)
    return Object.assign(client, { node, as }) as unknown as MockClient
  }
  return as(options.account ?? 0)
}
