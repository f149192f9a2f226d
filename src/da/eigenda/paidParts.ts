/**
 * Commitments that were paid for by a write that did not end, for the next write of the same bytes: of
 * all clients of one record, which also share the writes under way.
 */
import { createOrder, createSingleFlight, type SingleFlight } from '../../internal/singleFlight.js'
import { checkedPayments, type Payment, type PaymentRecord } from './payments.js'

/** Milliseconds after which what was paid for is too old to be handed out as new. */
const REUSE_WITHIN = 86_400_000
/** A commitment is some kilobytes; a network that answers no read must not fill the memory. */
const MOST_PARTS = 1_024

export type PaidPart = Omit<Payment, 'key'>

export type PaidParts = {
  /**
   * Reads the record, once, and writes it: what cannot be remembered must not be paid for.
   *
   * @throws What the record answers.
   */
  open(): Promise<void>
  get(key: string): PaidPart | undefined
  /** Kept here at once. What the record answers is left: the payment cannot be taken back. */
  set(key: string, part: PaidPart): Promise<void>
  delete(key: string): Promise<void>
}

/** What clients of one record have in common. */
export type Purse<written> = {
  parts(now: () => number): PaidParts
  /** Writes under way. */
  readonly flights: SingleFlight<written>
}

const purses = new WeakMap<PaymentRecord, Purse<unknown>>()

/** The purse of a record: one for all its clients. */
export function purseOf<written>(record: PaymentRecord): Purse<written> {
  const known = purses.get(record)
  if (known !== undefined) return known as Purse<written>
  const purse = createPurse<written>(record)
  purses.set(record, purse as Purse<unknown>)
  return purse
}

function createPurse<written>(record: PaymentRecord): Purse<written> {
  const parts = new Map<string, PaidPart>()
  const inOrder = createOrder()
  let isRead = false
  const write = (): Promise<void> =>
    inOrder(() => record.write([...parts].map(([key, part]) => ({ key, ...part }))))
  const open = (): Promise<void> =>
    inOrder(async () => {
      if (!isRead) {
        const kept = checkedPayments(await record.read())
        for (const { key, ...part } of kept) if (!parts.has(key)) parts.set(key, part)
        isRead = true
      }
    }).then(write)
  return {
    flights: createSingleFlight<written>('eigenda write'),
    parts: (now) => ({
      open,
      get(key) {
        const part = parts.get(key)
        if (part && now() - part.at >= REUSE_WITHIN) parts.delete(key)
        return parts.get(key)
      },
      async set(key, part) {
        parts.delete(key)
        parts.set(key, part)
        const [oldest] = parts.keys()
        if (parts.size > MOST_PARTS && oldest !== undefined) parts.delete(oldest)
        await write().catch(() => undefined)
      },
      async delete(key) {
        if (parts.delete(key)) await write().catch(() => undefined)
      },
    }),
  }
}
