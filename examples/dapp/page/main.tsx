/** The page: its network first, then everything that needs it. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createRoot } from 'react-dom/client'
import { WagmiProvider } from 'wagmi'
import { App } from './App.js'
import { loadNetwork, NetworkContext } from './config.js'
import { SessionProvider } from './session.js'

const root = createRoot(document.getElementById('root') as HTMLElement)
const queries = new QueryClient({
  defaultOptions: { queries: { retry: 1, refetchOnWindowFocus: false } },
})

loadNetwork().then(
  (network) =>
    root.render(
      <NetworkContext value={network}>
        <WagmiProvider config={network.wagmi}>
          <QueryClientProvider client={queries}>
            <SessionProvider>
              <App />
            </SessionProvider>
          </QueryClientProvider>
        </WagmiProvider>
      </NetworkContext>,
    ),
  (error: unknown) =>
    root.render(
      <main className="page">
        <h1>This page could not start</h1>
        <p role="alert">
          Its network could not be loaded: {error instanceof Error ? error.message : String(error)}.
          Load the page again.
        </p>
      </main>,
    ),
)
