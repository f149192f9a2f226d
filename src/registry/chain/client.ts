/** viem clients as the actions take them. */
import type { Account, Address, Chain, Client, Transport } from 'viem'
import { parseAccount } from 'viem/accounts'
import { getChainId } from 'viem/actions'
import { isPolicySdkError } from '../../errors/base.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { AccountRequiredError, ChainMismatchError, ChainRequiredError, RpcError } from './errors.js'

/** A client that can read. A chain is optional: it is asked for where it matters. */
export type ReadClient = Client<Transport, Chain | undefined, Account | undefined>

/** A client that can write: chain and account are required by type. */
export type WriteClient = Client<Transport, Chain, Account>

/**
 * The client as a writer: with the account and the chain of the call, else its own.
 *
 * @throws {AccountRequiredError} and {@link ChainRequiredError} where neither has one.
 */
export function writerOf(
  action: string,
  client: ReadClient,
  call: { account?: Account | Address | undefined; chain?: Chain | undefined },
): WriteClient {
  const account = call.account === undefined ? client.account : parseAccount(call.account)
  if (account === undefined) throw new AccountRequiredError({ action })
  const chain = call.chain ?? client.chain
  if (chain === undefined) throw new ChainRequiredError({ action })
  return { ...client, account, chain } as WriteClient
}

/**
 * Runs `work` with a client whose requests are aborted with the caller's signal or timeout.
 *
 * viem's actions take no signal; requests do. What waits between requests takes it from `work`.
 */
export async function withClient<client extends ReadClient, value>(
  operation: string,
  { client, options }: { client: client; options: IoOptions | undefined },
  work: (client: client, signal: AbortSignal) => Promise<value>,
): Promise<value> {
  return withDeadline(operation, options ?? {}, async (signal) => {
    const request = ((args: never, extra?: object) =>
      // One of its own for each: viem listens on it, and Node warns of more than ten listeners.
      client.request(args, {
        ...extra,
        signal: AbortSignal.any([signal]),
      } as never)) as client['request']
    try {
      return await work({ ...client, request }, signal)
    } catch (cause) {
      // The caller's reason goes out as it is, whatever wrapped it on the way.
      if (signal.aborted) throw signal.reason
      throw cause
    }
  })
}

/** Chain id of a client: the configured one, else the node's. */
export async function chainIdOf(client: ReadClient): Promise<number> {
  return client.chain?.id ?? request('eth_chainId', () => getChainId(client))
}

/**
 * Makes sure that the node is on the chain the client says, before anything is signed.
 *
 * @throws {ChainMismatchError} when it is not.
 */
export async function assertChain(client: WriteClient): Promise<void> {
  const actual = await request('eth_chainId', () => getChainId(client))
  if (actual !== client.chain.id) {
    throw new ChainMismatchError({ expected: client.chain.id, actual })
  }
}

/** Runs one request and turns its failure into {@link RpcError}. */
export async function request<value>(
  operation: string,
  work: () => Promise<value>,
): Promise<value> {
  try {
    return await work()
  } catch (cause) {
    if (isPolicySdkError(cause)) throw cause
    throw new RpcError(operation, { cause })
  }
}
