import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'

/**
 * Nonces a verifier has issued. One counts once, and only after the document around it was verified:
 * otherwise anyone could use up a nonce with a forged document.
 */
export type NonceLog = {
  /** A fresh nonce of 32 bytes. */
  issue(): Uint8Array
  /** Whether the nonce was issued here, is not too old and was not used; uses it up. */
  consume(nonce: Uint8Array): boolean | Promise<boolean>
}

/**
 * Creates a log of nonces in memory.
 *
 * @param parameters.ttl - Milliseconds a nonce may be used for. @default 300000
 * @param parameters.max - Most nonces kept; the oldest go first. @default 10000
 * @example
 * ```ts
 * import { createNonceLog } from '@newton/policy-sdk/enclave'
 *
 * const log = createNonceLog()
 * const nonce = log.issue()
 * log.consume(nonce) // true
 * log.consume(nonce) // false
 * ```
 */
export function createNonceLog(
  parameters: {
    ttl?: number | undefined
    max?: number | undefined
    now?: (() => number) | undefined
    randomBytes?: ((length: number) => Uint8Array) | undefined
  } = {},
): NonceLog {
  const {
    ttl = 300_000,
    max = 10_000,
    now = Date.now,
    randomBytes = defaultRandomBytes,
  } = parameters
  if (!(ttl > 0) || !(max >= 1)) {
    throw new InvalidInputError({ field: 'ttl, max', reason: 'expected positive numbers' })
  }
  const issued = new Map<Hex, number>()
  return {
    issue: () => {
      const nonce = randomBytes(32)
      for (const [key, at] of issued) {
        if (issued.size < max && now() - at <= ttl) break
        issued.delete(key)
      }
      issued.set(toHex(nonce), now())
      return nonce
    },
    consume: (nonce) => {
      const key = toHex(nonce)
      const at = issued.get(key)
      issued.delete(key)
      return at !== undefined && now() - at <= ttl
    },
  }
}

/** Random bytes from the platform. */
export function defaultRandomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}
