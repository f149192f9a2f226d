/**
 * A sealed-bid auction as an enclave application.
 *
 * Bids are sealed to the enclave's key, so neither the chain nor the host sees them. The enclave checks
 * each event against the chain, keeps the bids, and in the end names the winner and the price, signed with
 * a key that the contract knows.
 */
import {
  AppRefusalError,
  bytesCodec,
  type ChainProofs,
  defineEnclaveApp,
  defineKey,
  defineRequest,
  type EnclaveApp,
  type EnclaveContext,
  jsonCodec,
  type RequestRoute,
} from '@newton/policy-sdk/enclave'
import type { EvmChainClient, EvmEvent, EvmTransaction } from '@newton/policy-sdk/registry'
import {
  type Address,
  concatHex,
  decodeEventLog,
  encodeAbiParameters,
  encodeDeployData,
  encodeFunctionData,
  fromHex,
  getCreate2Address,
  type Hex,
  keccak256,
  toHex,
} from 'viem'
import {
  sealedBidAuctionAbi as abi,
  sealedBidAuctionBytecode,
} from './sealedBidAuction.generated.js'

/** Chain that the image is made for, and blocks in which bids are taken. */
export const CHAIN_ID = 31_337
export const BLOCKS = 1_000n
/** Deploys by CREATE2 on most chains, so that whoever sends the transaction makes the same contract. */
const deployer: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C'
/** As the contract counts them. */
const kinds = { accepted: 0, refused: 1, winner: 2 } as const

type Answer = { kind: number; bidder: Address; amount: number; signature: Hex }
type Routes = {
  bid: RequestRoute<Uint8Array, Answer>
  end: RequestRoute<Uint8Array, Answer>
  key: RequestRoute<Uint8Array, Uint8Array>
}
type Bid = { bidder: Address; amount: number }

/** The bids so far, best first. Only handlers in the enclave read it. */
const bids = defineKey(
  'bids',
  jsonCodec<Bid[]>((value) => value as Bid[]),
)

/** Additional data that a bid is sealed under: another bidder cannot send it as its own. */
export const bidAad = (bidder: Address): Uint8Array =>
  new TextEncoder().encode(`auction/bid/${bidder.toLowerCase()}`)

/** What the contract checks: an answer to one event of one contract on one chain. */
async function sign(
  { keys }: Pick<EnclaveContext, 'keys'>,
  place: { contract: string; sequence: bigint },
  answer: Omit<Answer, 'signature'>,
): Promise<Answer> {
  const { kind, bidder, amount } = answer
  const words = ['uint256', 'address', 'uint256', 'uint8', 'address', 'uint256'] as const
  const hash = keccak256(
    encodeAbiParameters(
      words.map((type) => ({ type })),
      [BigInt(CHAIN_ID), place.contract, place.sequence, kind, bidder, BigInt(amount)] as never,
    ),
  )
  return { ...answer, signature: await (await keys.evmAccount('answers')).sign({ hash }) }
}

/** Where the request came from, for handlers that only events reach. */
function eventOf({ origin }: EnclaveContext): { contract: string; sequence: bigint } {
  if (origin.type !== 'event') throw new AppRefusalError({ reason: 'EVENTS_ONLY' })
  return origin
}

/** The event itself, proved: the host only carries it. */
async function provenEvent(
  proof: Uint8Array,
  { context, proofs }: { context: EnclaveContext; proofs: ChainProofs },
): Promise<{ name: string; args: { sequence: bigint; bidder?: Address; sealedBid?: Hex } }> {
  const { contract, sequence } = eventOf(context)
  const { log } = await proofs.event(proof, { contract })
  const { topics, data } = log
  const event = decodeEventLog({ abi, data, topics: topics as [Hex, ...Hex[]], strict: true })
  const { eventName: name, args } = event as never as {
    eventName: string
    args: { sequence: bigint }
  }
  // A proof of another event of the contract answers nothing: the host has to bring the right one.
  if (args.sequence !== sequence) throw new TypeError('a proof of another event')
  return { name, args }
}

/** Anybody can bid garbage: it is refused, and the auction goes on. */
async function openBid(
  bidder: Address,
  sealed: Hex,
  keys: EnclaveContext['keys'],
): Promise<number> {
  try {
    const bytes = fromHex(sealed, 'bytes')
    const opened = await keys.open('bids', {
      enc: bytes.slice(0, 32),
      ciphertext: bytes.slice(32),
      context: { aad: bidAad(bidder) },
    })
    const { amount } = JSON.parse(new TextDecoder().decode(opened)) as { amount: unknown }
    if (typeof amount === 'number' && Number.isSafeInteger(amount) && amount > 0) return amount
  } catch {
    // Why it does not open is the bidder's business.
  }
  throw new AppRefusalError({ reason: 'BAD_BID' })
}

async function takeBid(
  proof: Uint8Array,
  context: EnclaveContext,
  proofs: ChainProofs,
): Promise<Answer> {
  const { name, args } = await provenEvent(proof, { context, proofs })
  const { bidder, sealedBid } = args
  if (name !== 'Bid' || bidder === undefined || sealedBid === undefined) {
    throw new TypeError('a proof of something else')
  }
  const { keys, store } = context
  const amount = await openBid(bidder, sealedBid, keys)
  const all = [...((await store.get(bids)) ?? []), { bidder, amount }]
  store.set(
    bids,
    all.sort((a, b) => b.amount - a.amount),
  )
  return sign(context, eventOf(context), { kind: kinds.accepted, bidder, amount: 0 })
}

async function endAuction(
  proof: Uint8Array,
  context: EnclaveContext,
  proofs: ChainProofs,
): Promise<Answer> {
  const { name } = await provenEvent(proof, { context, proofs })
  if (name !== 'Ended') throw new TypeError('a proof of something else')
  const [best, second] = (await context.store.get(bids)) ?? []
  if (best === undefined) throw new AppRefusalError({ reason: 'NO_BIDS' })
  // The second price: what the winner would have had to outbid.
  const amount = second?.amount ?? best.amount
  const { bidder } = best
  return sign(context, eventOf(context), { kind: kinds.winner, bidder, amount })
}

/** What goes to the contract. */
function answerCall(
  { contract, sequence }: { contract: string; sequence: bigint },
  { kind, bidder, amount, signature }: Answer,
): EvmTransaction {
  const args = [sequence, kind, bidder, BigInt(amount), signature] as const
  const data = encodeFunctionData({ abi, functionName: 'answer', args })
  return { to: contract as Address, data }
}

const answerCodec = jsonCodec<Answer>((value) => value as Answer)
const nobody: Address = `0x${'00'.repeat(20)}`

/**
 * The application. Host and enclave both make it; the host runs no handler and needs no `proofs`.
 *
 * @param proofs - How the enclave checks what it is told of the chain.
 */
export function auction(
  proofs: ChainProofs | undefined,
): EnclaveApp<EvmEvent, Routes, EvmTransaction> {
  const checked = (): ChainProofs => {
    if (proofs === undefined) throw new TypeError('the host runs no handlers')
    return proofs
  }
  const route = (name: 'Bid' | 'Ended', type: 'bid' | 'end') => ({
    matches: (event: EvmEvent) => event.name === name,
    build: async (event: Parameters<EvmChainClient['proveEvent']>[0], chain: unknown) => ({
      type,
      input: await (chain as EvmChainClient).proveEvent(event),
    }),
    transaction: (
      [answer]: readonly { type: string; output: unknown }[],
      { event }: { event: { contract: string; sequence: bigint } },
    ) => (answer === undefined ? undefined : answerCall(event, answer.output as Answer)),
    // The contract takes its answers in order, so a refusal is one too.
    refused: (
      _: unknown,
      {
        event,
        signed,
      }: { event: { contract: string; sequence: bigint }; signed: Uint8Array | undefined },
    ) => (signed === undefined ? undefined : answerCall(event, answerCodec.decode(signed))),
  })
  return defineEnclaveApp<EvmEvent, Routes, EvmTransaction>({
    name: 'sealed-bid-auction',
    requests: {
      bid: defineRequest({
        ...{ input: bytesCodec, output: answerCodec },
        handle: (proof, context) => takeBid(proof, context, checked()),
      }),
      end: defineRequest({
        ...{ input: bytesCodec, output: answerCodec },
        handle: (proof, context) => endAuction(proof, context, checked()),
      }),
      // Bidders ask for a document that carries the key they seal to.
      key: defineRequest({
        ...{ input: bytesCodec, output: bytesCodec },
        handle: async (nonce, { attestor, keys }) => {
          const publicKey = fromHex(await keys.publicKey('bids'), 'bytes')
          return attestor.attest({ publicKey, nonce })
        },
      }),
    },
    events: { bid: route('Bid', 'bid'), ended: route('Ended', 'end') },
    signRefusal: async (place, { keys }) => {
      return answerCodec.encode(
        await sign({ keys }, place, { kind: kinds.refused, bidder: nobody, amount: 0 }),
      )
    },
    deploy: async ({ keys }) => {
      const { address } = await keys.evmAccount('answers')
      const bytecode = encodeDeployData({
        abi,
        bytecode: sealedBidAuctionBytecode,
        args: [address, BLOCKS],
      })
      const salt = toHex(0, { size: 32 })
      const contract = getCreate2Address({ from: deployer, salt, bytecode })
      const data = concatHex([salt, bytecode])
      return { transaction: { to: deployer, data, creates: contract }, contract }
    },
  })
}
