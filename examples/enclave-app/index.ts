/** Runs the auction: a contract in memory, an enclave in the simulator, a host between them. */
import {
  type AppChainEvent,
  assertNitroAttestation,
  type ChainClient,
  createAppEnclave,
  createAppHost,
  createAttestor,
  createKeyManager,
  createTypedStore,
  hpkeSeal,
  jsonCodec,
  memoryAnchor,
  memoryBlobs,
  memoryKv,
  openSealedKv,
} from '@newton/policy-sdk/enclave'
import { createSimulator } from '@newton/policy-sdk/enclave/simulator'
import { type AuctionEvent, type AuctionTransaction, auction, bidAad } from './app.js'

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
const bytes = (text: string): Uint8Array =>
  Uint8Array.from(text.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

// The enclave: measured image, keys of this build, state that leaves it sealed only.
const simulator = createSimulator({
  image: [{ name: 'auction', bytes: new TextEncoder().encode(auction.name) }],
})
const attestor = createAttestor(simulator.nsm)
const keys = createKeyManager({
  masterSecret: crypto.getRandomValues(new Uint8Array(32)),
  pcr0: await attestor.measurement(),
})
const outside = memoryBlobs()
const state = await openSealedKv({
  key: crypto.getRandomValues(new Uint8Array(32)),
  blobs: outside,
  anchor: memoryAnchor(),
})
const enclave = createAppEnclave({
  app: auction,
  attestor,
  keys,
  store: createTypedStore(state),
  chain: 'trust-host',
})

// Bidders take the key from a verified document and seal to it.
const document = await simulator.nsm.attest({ publicKey: bytes(await keys.publicKey('bids')) })
const { publicKey } = await assertNitroAttestation(document, {
  ...simulator.policy,
  freshness: { kind: 'maxAge', maxAge: 60_000 },
  binding: { userData: 'absent', publicKey: 'x25519' },
})
const events: AuctionEvent[] = []
for (const [bidder, amount] of [
  ['alice', 120],
  ['bob', 180],
  ['carol', 150],
] as const) {
  const plaintext = new TextEncoder().encode(JSON.stringify({ amount }))
  const { enc, ciphertext } = await hpkeSeal(bytes(publicKey as string), plaintext, {
    aad: bidAad(bidder),
  })
  events.push({ type: 'bid', bidder, enc: hex(enc), ciphertext: hex(ciphertext) })
}
// Anybody may bid anything.
events.push({ type: 'bid', bidder: 'mallory', enc: 'zz', ciphertext: '00' })
events.push({ type: 'ended' })

// The contract, in memory: it emits events and takes one answer for each.
const landed: AuctionTransaction[] = []
const chain: ChainClient<AuctionEvent, AuctionTransaction, void> = {
  events: async function* ({ signal }): AsyncGenerator<AppChainEvent<AuctionEvent>> {
    for (const [index, event] of events.entries()) {
      yield {
        cursor: String(index),
        contract: 'auction',
        sequence: BigInt(index + 1),
        id: String(index),
        event,
      }
    }
    await new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => resolve(), { once: true }),
    )
  },
  submit: async (transaction) => {
    landed.push(transaction)
  },
  sequence: async () => ({ sequence: BigInt(landed.length) }),
}

const done = new AbortController()
const host = createAppHost({
  app: auction,
  chain,
  enclave: enclave.call,
  store: createTypedStore(memoryKv()),
  eventCodec: jsonCodec((value) => value as AuctionEvent),
  transactionCodec: jsonCodec((value) => value as AuctionTransaction),
  onEvent: (event) => {
    if (event.type === 'submitted' && landed.length === events.length) done.abort()
  },
})
await host.run({ signal: done.signal })

for (const transaction of landed) console.log(JSON.stringify(transaction))
console.log(`sealed records outside the enclave: ${(await outside.names()).length}`)
