/** What was paid for in writes that did not end, as it is kept. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { decodeEigenDaCommitment } from './cert/cert.js'

/** A certificate that was paid for and could not be checked yet. */
export type Payment = {
  /** Which part of which bytes it is for. */
  key: string
  commitment: Hex
  /** Milliseconds since the epoch. */
  at: number
  /** Whether it was read back once, and what came was not these bytes. */
  isDoubted?: boolean | undefined
  /** Milliseconds since the epoch when the network first said that it is not there. */
  missingAt?: number | undefined
  /** How often these bytes were paid for before that without being seen. */
  again?: number | undefined
  /** Whether it is given up, and only its count is left. */
  isGone?: boolean | undefined
}

/**
 * Where payments are kept, for the clients of one EigenDA network. `write` replaces all of them, whole
 * or not at all. Only one process may hold a record at a time.
 */
export interface PaymentRecord {
  read(): Promise<readonly Payment[]>
  write(payments: readonly Payment[]): Promise<void>
}

/**
 * Creates a record in memory, for clients of one process that pay from one purse.
 *
 * @example
 * ```ts
 * import { eigenDa, memoryPayments } from '@newton/policy-sdk/da'
 *
 * const payments = memoryPayments()
 * const one = eigenDa({ url: 'http://127.0.0.1:3100', payments })
 * const other = eigenDa({ url: 'http://127.0.0.1:3101', payments })
 * ```
 */
export function memoryPayments(): PaymentRecord {
  let text = encodePayments([])
  return {
    async read() {
      return decodePayments(text)
    },
    async write(payments) {
      text = encodePayments(payments)
    },
  }
}

/**
 * Text form of payments.
 *
 * @throws {InvalidInputError} for what could not be read again.
 */
export function encodePayments(payments: readonly Payment[]): string {
  return JSON.stringify(checkedPayments(payments))
}

/**
 * Reads the text form.
 *
 * @throws {InvalidInputError} when it is damaged: writing without it could pay twice.
 */
export function decodePayments(text: string): Payment[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    return refuse('it is not JSON', cause)
  }
  return checkedPayments(parsed)
}

/** @throws {InvalidInputError} for what is no list of payments. */
export function checkedPayments(list: unknown): Payment[] {
  if (!Array.isArray(list)) return refuse('it is not a list')
  return list.map((value: Record<string, unknown> | null): Payment => {
    const { key, commitment, at, isDoubted, missingAt, again, isGone } = value ?? {}
    if (typeof key !== 'string' || !isCommitment(commitment) || !Number.isFinite(at))
      return refuse('an entry is no payment')
    const payment: Payment = { key, commitment, at: at as number }
    if (isDoubted === true) payment.isDoubted = true
    if (Number.isFinite(missingAt)) payment.missingAt = missingAt as number
    if (Number.isSafeInteger(again)) payment.again = again as number
    if (isGone === true) payment.isGone = true
    return payment
  })
}

/** Certificates that were read; a record is written and read far more often than it gets a new one. */
const readable = new Set<string>()
/** Above it all are read anew. */
const MOST_READABLE = 4_096

/** Whether it is what a dispersal answers: what is none is handed out, and paid for, in vain. */
function isCommitment(value: unknown): value is Hex {
  if (typeof value !== 'string' || !/^0x([0-9a-f]{2})+$/.test(value)) return false
  if (readable.has(value)) return true
  try {
    decodeEigenDaCommitment(value as Hex)
  } catch {
    return false
  }
  if (readable.size >= MOST_READABLE) readable.clear()
  readable.add(value)
  return true
}

/** @throws {InvalidInputError} that a record is damaged. */
export function refuse(reason: string, cause?: unknown): never {
  const hint = 'Look at what was paid for last before the file is removed.'
  throw new InvalidInputError(
    { field: 'payments', reason, hint },
    cause === undefined ? {} : { cause },
  )
}
