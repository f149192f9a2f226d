/** The host: it follows the contract, asks the enclave, and submits what it answers. */
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import {
  type AppHost,
  type AppHostEvent,
  connectAppEnclave,
  createAppHost,
  createTypedStore,
} from '@newton/policy-sdk/enclave'
import { childProcessTransport, lmdbKv } from '@newton/policy-sdk/enclave/node'
import {
  type EvmReceipt,
  evmChainClient,
  evmEventCodec,
  evmTransactionCodec,
  type SubmissionEvent,
} from '@newton/policy-sdk/registry'
import { createWalletClient, type Hex, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { auction } from './app.js'
import { sealedBidAuctionAbi } from './sealedBidAuction.generated.js'

/** Where a host works. */
export type HostSetting = {
  rpcUrl: string
  /** Its own stores, and what the enclave keeps outside. */
  folder: string
  stateAnchor: string
  /** Pays for answers; another one for the anchor. */
  key: Hex
  anchorKey: Hex
}

type Routes = ReturnType<typeof auction>['requests']

/** Opens a host with its enclave. */
export async function openHost(
  setting: HostSetting,
  onEvent: (event: AppHostEvent | SubmissionEvent) => void = () => undefined,
): Promise<{
  host: AppHost<Routes, EvmReceipt>
  /** The process of the enclave, for who wants to kill it. */
  transport: ReturnType<typeof childProcessTransport>
  close(): Promise<void>
}> {
  const { rpcUrl, folder, stateAnchor, key, anchorKey } = setting
  const transport = childProcessTransport({
    command: process.execPath,
    args: ['--import', 'tsx', fileURLToPath(new URL('enclave.ts', import.meta.url))],
    stderr: 'inherit',
    env: {
      ...process.env,
      ...{ RPC_URLS: rpcUrl, FOLDER: `${folder}/enclave`, STATE_ANCHOR: stateAnchor },
      ...{ GAS_KEY: anchorKey, MASTER_SECRET: `0x${'42'.repeat(32)}` },
    },
  })
  const enclave = connectAppEnclave({ transport, limits: { connectTimeout: 60_000 } })
  const [own, sent] = [
    await lmdbKv({ path: `${folder}/host` }),
    await lmdbKv({ path: `${folder}/sent` }),
  ]
  const chain = evmChainClient({
    client: createWalletClient({
      account: privateKeyToAccount(key),
      chain: foundry,
      transport: http(rpcUrl),
    }),
    abi: sealedBidAuctionAbi,
    events: ['Bid', 'Ended'],
    sequenceSlot: `0x${'00'.repeat(32)}`,
    store: createTypedStore(sent),
    pollingInterval: 100,
    onEvent,
  })
  const host = createAppHost({
    app: auction(undefined),
    chain,
    enclave: enclave.call,
    store: createTypedStore(own),
    eventCodec: evmEventCodec(sealedBidAuctionAbi),
    transactionCodec: evmTransactionCodec,
    onEvent,
  })
  return {
    host,
    transport,
    close: async () => {
      await enclave.close()
      transport.kill()
      await own.close()
      await sent.close()
    },
  }
}

// As a program of its own: the setting is the first argument, what happens goes to standard output.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const setting = JSON.parse(process.argv[2] as string) as HostSetting
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  let enclave: number | undefined
  const print = (value: object): void => {
    const text = JSON.stringify({ ...value, enclave }, (_, one) => {
      return typeof one === 'bigint' ? String(one) : one
    })
    process.stdout.write(`${text}\n`)
  }
  const { host, transport, close } = await openHost(setting, (event) => {
    enclave = transport.current()?.pid
    print(event)
  })
  const { contract, stopped } = await host.start({ signal: stop.signal })
  enclave = transport.current()?.pid
  print({ type: 'started', contract })
  await stopped
  await close()
}
