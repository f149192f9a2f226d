/**
 * A sealed-bid auction as an enclave application.
 *
 * Bids are sealed to the enclave's key, so neither the chain nor the host sees them. The enclave keeps the
 * best one and, when the auction ends, reveals the winner and the price, with a document that attests it.
 */
import {
  type AppChainEvent,
  AppRefusalError,
  bytesCodec,
  defineEnclaveApp,
  defineKey,
  defineRequest,
  type EnclaveApp,
  type EnclaveContext,
  jsonCodec,
  type RequestRoute,
} from '@newton/policy-sdk/enclave'

/** What the auction's contract emits. */
export type AuctionEvent =
  | { type: 'bid'; bidder: string; enc: string; ciphertext: string }
  | { type: 'ended' }

/** What is submitted to the contract. */
export type AuctionTransaction =
  | { type: 'accepted'; bidder: string }
  | { type: 'winner'; bidder: string; price: number }
  | { type: 'refused'; reason: string }

type Bid = { bidder: string; amount: number }
type Routes = {
  bid: RequestRoute<{ bidder: string; enc: string; ciphertext: string }, { bidder: string }>
  end: RequestRoute<Uint8Array, { bidder: string; price: number }>
}

const text = (value: unknown): string => {
  if (typeof value !== 'string') throw new TypeError('expected text')
  return value
}
const record = (value: unknown): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null) throw new TypeError('expected an object')
  return value as Record<string, unknown>
}

/** The bids so far, best first. Only handlers in the enclave read it. */
const bids = defineKey(
  'bids',
  jsonCodec<Bid[]>((value) =>
    (value as unknown[]).map((entry) => {
      const { bidder, amount } = record(entry)
      return { bidder: text(bidder), amount: Number(amount) }
    }),
  ),
)

/** Additional data that a bid is sealed under: another bidder cannot send it as its own. */
export const bidAad = (bidder: string): Uint8Array =>
  new TextEncoder().encode(`auction/bid/${bidder}`)

const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))

/** Anybody can bid garbage: it is refused, attested, and the auction goes on. */
async function openBid(
  input: { bidder: string; enc: string; ciphertext: string },
  keys: EnclaveContext['keys'],
): Promise<number> {
  try {
    const opened = await keys.open('bids', {
      enc: fromHex(input.enc),
      ciphertext: fromHex(input.ciphertext),
      context: { aad: bidAad(input.bidder) },
    })
    const { amount } = record(JSON.parse(new TextDecoder().decode(opened)))
    if (typeof amount === 'number' && Number.isSafeInteger(amount) && amount > 0) return amount
  } catch {
    // Why it does not open is the bidder's business.
  }
  throw new AppRefusalError({ reason: 'BAD_BID' })
}

async function takeBid(
  input: { bidder: string; enc: string; ciphertext: string },
  { keys, store }: EnclaveContext,
): Promise<{ bidder: string }> {
  const { bidder } = input
  const amount = await openBid(input, keys)
  const all = [...((await store.get(bids)) ?? []), { bidder, amount }]
  store.set(
    bids,
    all.sort((a, b) => b.amount - a.amount),
  )
  return { bidder }
}

async function endAuction(
  _: Uint8Array,
  { store }: EnclaveContext,
): Promise<{ bidder: string; price: number }> {
  const [best, second] = (await store.get(bids)) ?? []
  if (best === undefined) throw new AppRefusalError({ reason: 'NO_BIDS' })
  // The second price: what the winner would have had to outbid.
  return { bidder: best.bidder, price: second?.amount ?? best.amount }
}

/** The application. Host and enclave both import it; the host runs no handler. */
export const auction: EnclaveApp<AuctionEvent, Routes, AuctionTransaction> = defineEnclaveApp<
  AuctionEvent,
  Routes,
  AuctionTransaction
>({
  name: 'sealed-bid-auction',
  requests: {
    bid: defineRequest({
      input: jsonCodec((value) => {
        const { bidder, enc, ciphertext } = record(value)
        return { bidder: text(bidder), enc: text(enc), ciphertext: text(ciphertext) }
      }),
      output: jsonCodec((value) => ({ bidder: text(record(value)['bidder']) })),
      handle: takeBid,
    }),
    end: defineRequest({
      input: bytesCodec,
      output: jsonCodec((value) => {
        const { bidder, price } = record(value)
        return { bidder: text(bidder), price: Number(price) }
      }),
      handle: endAuction,
    }),
  },
  events: {
    bid: {
      matches: ({ type }) => type === 'bid',
      build: ({ event }: AppChainEvent<AuctionEvent>) => {
        const { bidder, enc, ciphertext } = event as Extract<AuctionEvent, { type: 'bid' }>
        return { type: 'bid', input: { bidder, enc, ciphertext } }
      },
      transaction: ([answer]) =>
        answer?.type === 'bid' ? { type: 'accepted', bidder: answer.output.bidder } : undefined,
      refused: ({ reason }) => ({ type: 'refused', reason }),
    },
    ended: {
      matches: ({ type }) => type === 'ended',
      build: () => ({ type: 'end', input: new Uint8Array(0) }),
      transaction: ([answer]) =>
        answer?.type === 'end' ? { type: 'winner', ...answer.output } : undefined,
      refused: ({ reason }) => ({ type: 'refused', reason }),
    },
  },
})
