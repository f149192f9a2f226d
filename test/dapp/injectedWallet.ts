/** A wallet as an extension puts it into pages, over a node that holds the keys. */
import type { BrowserContext } from 'playwright-core'
import type { Address } from 'viem'

/** Puts it into every page of a context, before the page's own scripts. */
export async function injectWallet(
  context: BrowserContext,
  wallet: {
    rpcUrl: string
    account: Address
    /** The chain that it is on at first; it switches to the node's when asked. */
    chainId: number
    /** How many transactions it declines before it takes one. */
    declines: number
  },
): Promise<void> {
  await context.addInitScript((given) => {
    const listeners = new Map<string, Set<(value: unknown) => void>>()
    const emit = (name: string, value: unknown): void => {
      for (const listen of listeners.get(name) ?? []) listen(value)
    }
    let chainId = `0x${given.chainId.toString(16)}`
    let declines = given.declines
    const own: Record<string, (params: unknown) => unknown> = {
      eth_accounts: () => [given.account],
      eth_requestAccounts: () => [given.account],
      eth_chainId: () => chainId,
      wallet_requestPermissions: () => [{ parentCapability: 'eth_accounts' }],
      wallet_switchEthereumChain: (params) => {
        chainId = (params as [{ chainId: string }])[0].chainId
        emit('chainChanged', chainId)
        return null
      },
    }
    const request = async ({ method, params }: { method: string; params?: unknown }) => {
      if (own[method] !== undefined) return own[method](params)
      if (method === 'eth_sendTransaction' && declines > 0) {
        declines--
        throw Object.assign(new Error('User rejected the request.'), { code: 4001 })
      }
      const response = await fetch(given.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: params ?? [] }),
      })
      const { result, error } = (await response.json()) as { result: unknown; error?: object }
      if (error !== undefined) throw Object.assign(new Error('the node refuses'), error)
      return result
    }
    const ethereum = {
      request,
      on(name: string, listen: (value: unknown) => void) {
        listeners.set(name, (listeners.get(name) ?? new Set()).add(listen))
      },
      removeListener: (name: string, listen: (value: unknown) => void) =>
        listeners.get(name)?.delete(listen),
    }
    Object.assign(globalThis, { ethereum })
  }, wallet)
}
