/** Frame of the page: header, screens, wallet. */
import { type ReactNode, useEffect, useRef } from 'react'
import { useNetwork } from './config.js'
import { ForgeBanner } from './Forge.js'
import { PolicyScreen } from './PolicyScreen.js'
import { type Route, useRoute } from './route.js'
import { TransferScreen } from './TransferScreen.js'
import { VerifyScreen } from './VerifyScreen.js'
import { Wallet, WrongChain } from './Wallet.js'

const screens: Readonly<Record<Route['screen'], { link: string; title: string }>> = {
  transfer: { link: 'Transfer', title: 'Check a transfer before you send it' },
  policy: { link: 'Policy', title: 'The policy that decides' },
  verify: { link: 'Verify', title: 'Verify what operators signed' },
}

export function App(): ReactNode {
  const route = useRoute()
  const { wagmi } = useNetwork()
  const heading = useRef<HTMLHeadingElement>(null)
  const shown = useRef(route.screen)
  const { title } = screens[route.screen]
  useEffect(() => {
    document.title = `${title} · Guarded transfer`
    // A new screen is read from its heading on; the first one from the top of the page.
    if (shown.current !== route.screen) heading.current?.focus()
    shown.current = route.screen
  }, [route.screen, title])
  return (
    <>
      <button type="button" className="skip" onClick={skipToContent}>
        Skip to the content
      </button>
      <header className="top">
        <a className="brand" href="#/">
          <img src="/mark.svg" alt="" width="24" height="24" />
          Guarded transfer
        </a>
        <nav aria-label="Screens">
          {Object.entries(screens).map(([screen, { link }]) => (
            <a
              key={screen}
              href={screen === 'transfer' ? '#/' : `#/${screen}`}
              aria-current={screen === route.screen ? 'page' : undefined}
            >
              {link}
            </a>
          ))}
        </nav>
        <Wallet />
      </header>
      <ForgeBanner />
      <WrongChain />
      <main className="page" id="main" tabIndex={-1}>
        <h1 tabIndex={-1} ref={heading}>
          {title}
        </h1>
        {route.screen === 'transfer' ? <TransferScreen /> : null}
        {route.screen === 'policy' ? <PolicyScreen /> : null}
        {route.screen === 'verify' ? <VerifyScreen taskId={route.taskId} /> : null}
      </main>
      <footer className="foot">
        <p>
          {wagmi.chains[0].name}, chain {wagmi.chains[0].id}. An example of{' '}
          <code>@newton/policy-sdk</code>: what it shows was checked in this page.
        </p>
      </footer>
    </>
  )
}

// A link would change the fragment, which is the screen's.
function skipToContent(): void {
  document.getElementById('main')?.focus()
}
