/**
 * Commitments that were paid for by a write that did not end, for the next write of the same bytes: of
 * all clients of one record, which also share the writes under way.
 */
import type { Hex } from 'viem'
import { withDeadline } from '../../internal/deadline.js'
import { createOrder, createSingleFlight, type SingleFlight } from '../../internal/singleFlight.js'
import type { DaPaid } from '../adapter.js'
import { checkedPayments, type Payment, type PaymentRecord } from './payments.js'

/** Milliseconds after which what was paid for is too old to be handed out as new. */
const REUSE_WITHIN = 86_400_000
/** Milliseconds by which the clock of now may be behind that of a payment. */
const TOLERANCE = 3_600_000
/** Milliseconds for which it is counted how often bytes were paid for in vain: as long as a blob is kept. */
const COUNT_WITHIN = 14 * 86_400_000
/** Milliseconds after which bytes that were paid for in vain are paid for again. It doubles each time. */
const FIRST_PAUSE = 600_000
/** A commitment is some kilobytes; a network that answers no read must not fill the memory. */
const MOST_PARTS = 1_024
/** Writes that did not end, of which is remembered what was paid for. */
const MOST_WRITES = 1_024
/** Milliseconds for one call of the record, where the caller gives no less. */
const RECORD_TIME = 10_000

export type PaidPart = Omit<Payment, 'key'>

export type PaidParts = {
  /**
   * Reads the record, once, and writes it: what cannot be remembered must not be paid for.
   *
   * @throws What the record answers, and {@link TimeoutError} where it does not.
   */
  open(signal: AbortSignal): Promise<void>
  get(key: string): PaidPart | undefined
  /** How often the bytes were paid for in vain, what is there now included. */
  again(key: string): number
  /** Kept here at once. What the record answers is left: the payment cannot be taken back. */
  set(key: string, part: PaidPart, signal: AbortSignal): Promise<void>
  delete(key: string, signal: AbortSignal): Promise<void>
}

/** Milliseconds for which a payment that is not seen stops another one of the same bytes. */
export function pauseAfter({ again = 0 }: Pick<PaidPart, 'again'>): number {
  return Math.min(FIRST_PAUSE * 2 ** again, REUSE_WITHIN)
}

/** What is known of the writes of some bytes, for the errors of those that do not end. */
export type WriteNotes = {
  /** A write begins; call what is returned at its end. */
  begin(hash: Hex): () => void
  /** Something was sent that may cost. */
  sent(hash: Hex): void
  paid(hash: Hex, paid: DaPaid | undefined): void
  paidFor(hash: Hex): DaPaid | undefined
  /** Whether nothing was sent since the first write under way began, and nothing is known as paid. */
  isUnsent(hash: Hex): boolean
}

/** What a dispersal answered, when the record has it, and why it is nothing to keep. */
export type Dispersal = { made: PaidPart; kept?: Promise<void>; error?: unknown }

/** What clients of one record have in common. */
export type Purse<written> = {
  parts(now: () => number): PaidParts
  /** Writes under way. */
  readonly flights: SingleFlight<written>
  /** Parts that are being paid for: whoever wants one, on whatever terms, waits for the one payment. */
  readonly dispersals: SingleFlight<Dispersal>
  readonly notes: WriteNotes
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
  let changes = 0
  // A call that hangs keeps its turn for as long as its caller waits, and never for long.
  const inTurn = <value>(signal: AbortSignal, work: () => Promise<value>): Promise<value> =>
    inOrder(async () => {
      const running = Promise.resolve().then(work)
      running.catch(() => undefined)
      return withDeadline('payment record', { signal, timeout: RECORD_TIME }, () => running)
    })
  const write = (signal: AbortSignal): Promise<void> =>
    inTurn(signal, async () => {
      const before = changes
      await record.write([...parts].map(([key, part]) => ({ key, ...part })))
      // It was overtaken, and what it wrote is older than what is known.
      if (before !== changes) rewrite()
    })
  const rewrite = (): void => {
    write(new AbortController().signal).catch(() => undefined)
  }
  const read = (signal: AbortSignal): Promise<void> =>
    inTurn(signal, async () => {
      if (isRead) return
      // The newest come last.
      const kept = checkedPayments(await record.read()).slice(-MOST_PARTS)
      for (const { key, ...part } of kept) if (!parts.has(key)) parts.set(key, part)
      isRead = true
    })
  return {
    flights: createSingleFlight<written>('eigenda write'),
    dispersals: createSingleFlight<Dispersal>('eigenda dispersal'),
    notes: createNotes(),
    parts: (now) => ({
      async open(signal) {
        await read(signal)
        await write(signal)
      },
      get(key) {
        const part = parts.get(key)
        // One of a time to come was paid for at a time that nobody knows.
        const age = part && now() - part.at
        const isFresh = age !== undefined && age >= -TOLERANCE && age < REUSE_WITHIN
        return isFresh && !part?.isGone ? part : undefined
      },
      again(key) {
        const part = parts.get(key)
        if (!part || Math.abs(now() - part.at) >= COUNT_WITHIN) return 0
        return (part.again ?? 0) + 1
      },
      async set(key, part, signal) {
        changes += 1
        parts.delete(key)
        parts.set(key, part)
        const [oldest] = parts.keys()
        if (parts.size > MOST_PARTS && oldest !== undefined) parts.delete(oldest)
        await write(signal).catch(() => undefined)
      },
      async delete(key, signal) {
        if (!parts.delete(key)) return
        changes += 1
        await write(signal).catch(() => undefined)
      },
    }),
  }
}

function createNotes(): WriteNotes {
  const notes = new Map<Hex, { underWay: number; isSent: boolean; paid?: DaPaid | undefined }>()
  return {
    begin(hash) {
      const note = notes.get(hash) ?? { underWay: 0, isSent: false }
      if (note.underWay === 0) note.isSent = false
      note.underWay += 1
      notes.delete(hash)
      notes.set(hash, note)
      const [oldest] = notes.keys()
      if (notes.size > MOST_WRITES && oldest !== undefined) notes.delete(oldest)
      return () => {
        note.underWay -= 1
      }
    },
    sent(hash) {
      const note = notes.get(hash)
      if (note) note.isSent = true
    },
    paid(hash, paid) {
      const note = notes.get(hash)
      if (note) note.paid = paid
    },
    paidFor: (hash) => notes.get(hash)?.paid,
    isUnsent: (hash) => {
      const note = notes.get(hash)
      return note !== undefined && !note.isSent && note.paid === undefined
    },
  }
}
