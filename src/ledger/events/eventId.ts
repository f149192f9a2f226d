/** Ids of events: UUID version 7 (RFC 9562), lower case. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, randomBytes as nobleRandomBytes } from '@noble/hashes/utils.js'
import { InvalidInputError } from '../../errors/common.js'
import { concat, uintToBytes, utf8 } from '../../internal/bytes.js'

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Whether a text is an id that an event may have. */
export function isEventId(text: unknown): text is string {
  return typeof text === 'string' && form.test(text)
}

/** Unix milliseconds in an id. */
export function eventIdTime(eventId: string): number {
  return Number.parseInt(eventId.slice(0, 8) + eventId.slice(9, 13), 16)
}

/**
 * Makes ids that grow: 12 bits count those of one millisecond.
 *
 * @example
 * ```ts
 * import { eventIds } from '@newton/policy-sdk/ledger'
 *
 * const next = eventIds()
 * next() < next() // true
 * ```
 */
export function eventIds(
  options: {
    now?: (() => number) | undefined
    randomBytes?: ((length: number) => Uint8Array) | undefined
  } = {},
): () => string {
  const { now = Date.now, randomBytes = nobleRandomBytes } = options
  let last = -1
  let count = 0
  return () => {
    const time = Math.max(Math.trunc(now()), last)
    count = time === last ? count + 1 : 0
    // A full count borrows the next millisecond, as RFC 9562 section 6.2 allows.
    last = count > 0xfff ? time + 1 : time
    if (count > 0xfff) count = 0
    return format(last, uintToBytes(count, 2), randomBytes(8))
  }
}

/**
 * The id of something that has a name of its own: the same for the same time and name, so that
 * recording it again is no second event.
 *
 * @throws {InvalidInputError} for a time that no id holds.
 * @example
 * ```ts
 * import { deriveEventId } from '@newton/policy-sdk/ledger'
 *
 * deriveEventId({ time: 1_767_225_600_000, key: 'evaluation 0x01' })
 * ```
 */
export function deriveEventId(parameters: { time: number; key: string }): string {
  const { time, key } = parameters
  const hash = sha256(concat(utf8('newton.ledger.event-id/1\n'), utf8(key)))
  return format(time, hash.slice(0, 2), hash.slice(2, 10))
}

function format(time: number, high: Uint8Array, low: Uint8Array): string {
  if (!Number.isSafeInteger(time) || time < 0 || time >= 2 ** 48) {
    throw new InvalidInputError({ field: 'time', reason: 'it is milliseconds since 1970' })
  }
  const bytes = concat(uintToBytes(time, 6), high.slice(0, 2), low.slice(0, 8))
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  const hex = bytesToHex(bytes)
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return [...parts, hex.slice(20)].join('-')
}
