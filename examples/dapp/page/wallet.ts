/** The development chain's own accounts as a wallet: its node signs for them. */
import { type Address, custom, getAddress, numberToHex, RpcRequestError } from 'viem'
import { rpc } from 'viem/utils'
import { type CreateConnectorFn, createConnector } from 'wagmi'

/** A connector for a chain whose node holds the keys. */
export function developmentWallet(parameters: {
  rpcUrl: string
  accounts: readonly Address[]
}): CreateConnectorFn {
  const { rpcUrl, accounts } = parameters
  let connected = false
  return createConnector((config) => {
    const chainId = config.chains[0].id
    const request = async ({ method, params }: { method: string; params?: unknown }) => {
      if (method === 'eth_accounts' || method === 'eth_requestAccounts') return accounts
      if (method === 'eth_chainId') return numberToHex(chainId)
      const body = { method, params }
      const { error, result } = await rpc.http(rpcUrl, { body: body as never })
      if (error !== undefined) throw new RpcRequestError({ body, error, url: rpcUrl })
      return result
    }
    return {
      id: 'development',
      name: 'Development wallet',
      type: 'development',
      connect: (async () => {
        connected = true
        return { accounts: accounts.map((each) => getAddress(each)), chainId }
      }) as never,
      disconnect: async () => {
        connected = false
      },
      getAccounts: async () => (connected ? accounts : []),
      getChainId: async () => chainId,
      getProvider: async () => custom({ request: request as never })({ retryCount: 0 }),
      isAuthorized: async () => connected,
      onAccountsChanged: () => undefined,
      onChainChanged: () => undefined,
      onDisconnect: () => config.emitter.emit('disconnect'),
    }
  })
}
