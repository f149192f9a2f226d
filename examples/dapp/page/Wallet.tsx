/** The wallet: one in the browser, or the development chain's. */
import { type ReactNode, useState } from 'react'
import { useConnect, useConnection, useConnectors, useDisconnect, useSwitchChain } from 'wagmi'
import { useNetwork } from './config.js'
import { Hash } from './ui.js'
import { problemOfError } from './words.js'

export function Wallet(): ReactNode {
  const { address, status, connector } = useConnection()
  const { mutate: disconnect } = useDisconnect()
  if (status === 'connected' || status === 'reconnecting') {
    return (
      <div className="wallet">
        <span className="note">{connector?.name ?? 'Wallet'}</span>
        <Hash value={address ?? '0x'} name="your address" />
        <button type="button" className="quiet small" onClick={() => disconnect({})}>
          Disconnect
        </button>
      </div>
    )
  }
  return <Connectors />
}

function Connectors(): ReactNode {
  const connectors = useConnectors()
  const { mutate: connect, isPending } = useConnect()
  const [told, setTold] = useState('')
  // A page without a wallet extension has no injected provider to offer.
  const offered = connectors.filter(({ id }) => id !== 'injected' || 'ethereum' in globalThis)
  return (
    <div className="wallet">
      {offered.map((connector) => (
        <button
          key={connector.uid}
          type="button"
          className="quiet small"
          aria-disabled={isPending}
          onClick={() =>
            connect(
              { connector },
              { onError: (error) => setTold(problemOfError(error, 'transaction').why) },
            )
          }
        >
          {connector.id === 'development' ? 'Use the development wallet' : 'Connect wallet'}
        </button>
      ))}
      <span className="note" role="status">
        {told}
      </span>
    </div>
  )
}

/** Says so where the wallet is on another chain than the policy, with a button that mends it. */
export function WrongChain(): ReactNode {
  const { chainId: ours, wagmi } = useNetwork()
  const { chainId, status } = useConnection()
  const { mutate: switchChain, error } = useSwitchChain()
  if (status !== 'connected' || chainId === undefined || chainId === ours) return null
  return (
    <div className="banner" role="status">
      <p>
        This policy is on {wagmi.chains[0].name} ({ours}). Your wallet is on chain {chainId}.
        {error === null ? '' : ' It did not switch.'}
      </p>
      <button type="button" className="quiet small" onClick={() => switchChain({ chainId: ours })}>
        Switch the wallet to chain {ours}
      </button>
    </div>
  )
}
