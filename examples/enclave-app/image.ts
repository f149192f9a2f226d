/** What the simulated enclave is measured from: a change of these files is another build. */
import { readFileSync } from 'node:fs'
import { createSimulator, type Simulator } from '@newton/policy-sdk/enclave/simulator'

const files = ['app.ts', 'enclave.ts', 'sealedBidAuction.generated.ts']

/** The simulator of this image. Its seed is public: whoever wants can make its documents. */
export function auctionSimulator(): Simulator {
  return createSimulator({
    image: files.map((name) => ({
      name,
      bytes: new Uint8Array(readFileSync(new URL(name, import.meta.url))),
    })),
    seed: new TextEncoder().encode('examples/enclave-app'),
  })
}
