/**
 * The enclave, in a process of its own: it speaks with its host over standard input and output, and with
 * the chain through endpoints whose answers it checks.
 */
import process from 'node:process'
import {
  chainAnchor,
  chainProofs,
  createAppEnclave,
  createAttestor,
  createKeyManager,
  createTypedStore,
  deriveEnclaveKey,
  headerQuorum,
  openSealedKv,
  serveAppEnclave,
  storageSequence,
} from '@newton/policy-sdk/enclave'
import { duplexListener, fileBlobs, lmdbKv, standardStreams } from '@newton/policy-sdk/enclave/node'
import { createAnchorCarrier, evmTransactionCodec } from '@newton/policy-sdk/registry'
import { createPublicClient, createWalletClient, fromHex, type Hex, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { auction, CHAIN_ID } from './app.js'
import { auctionSimulator } from './image.js'

const env = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new TypeError(`${name} is not set`)
  return value
}
// A host that is gone leaves nothing to answer.
process.stdin.once('close', () => process.exit(0))

const { nsm } = auctionSimulator()
const attestor = createAttestor(nsm)
const pcr0 = await attestor.measurement()
// Provisioned to this build; on AWS by KMS, against a document.
const masterSecret = fromHex(env('MASTER_SECRET') as Hex, 'bytes')
const keys = createKeyManager({ masterSecret, pcr0 })

// A block counts where enough endpoints know it, over connections that end in here.
const urls = env('RPC_URLS').split(',')
const isTrusted = headerQuorum({
  sources: urls.map((url) => async (blockNumber) => {
    return (await createPublicClient({ transport: http(url) }).getBlock({ blockNumber })).hash
  }),
  quorum: Math.floor(urls.length / 2) + 1,
  maxHeadAge: 3_600_000,
  now: Date.now,
})

// The host pays for the anchor's transactions. What they say is signed in here.
const account = privateKeyToAccount(env('GAS_KEY') as Hex)
const carrier = createAnchorCarrier({
  client: createWalletClient({ account, chain: foundry, transport: http(urls[0]) }),
  store: createTypedStore(await lmdbKv({ path: `${env('FOLDER')}/anchor` })),
  pollingInterval: 100,
})
const state = await openSealedKv({
  key: deriveEnclaveKey({ masterSecret, pcr0, epoch: 0n, purpose: 'state' }),
  blobs: fileBlobs({ directory: `${env('FOLDER')}/state` }),
  anchor: chainAnchor({
    contract: env('STATE_ANCHOR') as Hex,
    chainId: CHAIN_ID,
    account: await keys.evmAccount('state-anchor'),
    isTrusted,
    carrier,
    pollingInterval: 100,
  }),
})

await serveAppEnclave({
  enclave: createAppEnclave({
    app: auction(chainProofs({ isTrusted })),
    attestor,
    keys,
    store: createTypedStore(state),
    chain: storageSequence({ slot: `0x${'00'.repeat(32)}`, isTrusted }),
    transactionCodec: evmTransactionCodec,
  }),
  listener: duplexListener({ stream: standardStreams() }),
})
