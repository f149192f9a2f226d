/** Runs the auction on a chain of its own: `npm run example:enclave`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertNitroAttestation, hpkeSeal } from '@newton/policy-sdk/enclave'
import { deployContracts } from '@newton/policy-sdk/testing'
import { startAnvil } from '@newton/policy-sdk/testing/node'
import {
  type Address,
  concatHex,
  createWalletClient,
  fromHex,
  type Hex,
  http,
  publicActions,
  toHex,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { bidAad } from './app.js'
import { openHost } from './host.js'
import { auctionSimulator } from './image.js'
import { sealedBidAuctionAbi as abi } from './sealedBidAuction.generated.js'

// A chain whose blocks are final two blocks later, and that goes on by itself.
const anvil = await startAnvil({ slotsInAnEpoch: 1 })
const ticking = setInterval(() => void anvil.rpc('anvil_mine', ['0x1']).catch(() => undefined), 250)
const folder = mkdtempSync(join(tmpdir(), 'auction-'))
const stop = new AbortController()

const wallet = (addressIndex: number) => {
  const account = mnemonicToAccount('test test test test test test test test test test test junk', {
    addressIndex,
  })
  return createWalletClient({ account, chain: foundry, transport: http(anvil.url) }).extend(
    publicActions,
  )
}
const keyOf = (index: number): Hex =>
  toHex(wallet(index).account.getHdKey().privateKey as Uint8Array)

const { stateAnchor } = await deployContracts(wallet(0))
const { host, transport, close } = await openHost({
  ...{ rpcUrl: anvil.url, folder, stateAnchor, key: keyOf(1), anchorKey: keyOf(2) },
})
try {
  // Starts the enclave, has it deploy its contract, and follows that.
  const { contract, stopped } = await host.start({ signal: stop.signal })
  const address = contract as Address
  console.log(`contract ${address}`)

  // Bidders take the key from a verified document and seal to it.
  const nonce = crypto.getRandomValues(new Uint8Array(32))
  const { output: document } = await host.request('key', nonce)
  const { publicKey } = await assertNitroAttestation(document, {
    ...auctionSimulator().policy,
    freshness: { kind: 'nonce', nonce },
    binding: { userData: 'absent', publicKey: 'x25519' },
  })
  const bid = async (index: number, sealed: (bidder: Address) => Promise<Hex>): Promise<void> => {
    const bidder = wallet(index)
    const args = [await sealed(bidder.account.address)] as const
    const hash = await bidder.writeContract({ address, abi, functionName: 'bid', args })
    await bidder.waitForTransactionReceipt({ hash, pollingInterval: 100 })
  }
  const amount =
    (value: number) =>
    async (bidder: Address): Promise<Hex> => {
      const plaintext = new TextEncoder().encode(JSON.stringify({ amount: value }))
      const { enc, ciphertext } = await hpkeSeal(fromHex(publicKey as Hex, 'bytes'), plaintext, {
        aad: bidAad(bidder),
      })
      return concatHex([toHex(enc), toHex(ciphertext)])
    }
  await bid(3, amount(120))
  await bid(4, amount(180))
  // Anybody may bid anything.
  await bid(6, async () => '0x00')
  // And an enclave may die. Its state is on disk, sealed, and the chain knows which one is the newest.
  transport.kill()
  await bid(5, amount(150))

  const reader = wallet(0)
  const lastBlock = await reader.readContract({ address, abi, functionName: 'lastBlock' })
  const left = lastBlock - (await reader.getBlockNumber()) + 1n
  await anvil.rpc('anvil_mine', [toHex(left > 0n ? left : 1n)])
  const hash = await reader.writeContract({ address, abi, functionName: 'end' })
  await reader.waitForTransactionReceipt({ hash, pollingInterval: 100 })

  const answers = await new Promise<readonly { args: unknown }[]>((resolve) => {
    const look = setInterval(async () => {
      const found = await reader.getContractEvents({
        ...{ address, abi, eventName: 'Answered', fromBlock: 0n },
      })
      if (found.length < 5) return
      clearInterval(look)
      resolve(found)
    }, 250)
  })
  for (const { args } of answers) {
    const { sequence, answer } = args as { sequence: bigint; answer: number }
    console.log(`event ${sequence}: ${['accepted', 'refused', 'winner'][answer]}`)
  }
  const winner = await reader.readContract({ address, abi, functionName: 'winner' })
  const price = await reader.readContract({ address, abi, functionName: 'price' })
  console.log(`winner ${winner} pays ${price}`)
  stop.abort()
  await stopped
  console.log(
    `handled ${(await host.metrics()).handled}, dead letters ${(await host.metrics()).deadLetters}`,
  )
} finally {
  stop.abort()
  await close()
  clearInterval(ticking)
  await anvil.stop()
  rmSync(folder, { recursive: true, force: true })
}
