/** Who calls a gateway: bearer keys, of which only hashes are kept. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'

/** Whether a key is one of a caller's. Anything but `true` is no. */
export type HoldsKey = (caller: string, keyHash: Hex) => boolean | Promise<boolean>

/** Names the caller of a request by its `authorization` header; `undefined` where it is none. */
export type CallerCheck = {
  (authorization: string | null | undefined): string | undefined | Promise<string | undefined>
  /**
   * Whether a key, by {@link hashApiKey} of what follows `Bearer ` (of the whole header where it is no such
   * key), still is one of the caller's. A gateway asks before it tells by a webhook: one whose key was taken away
   * ends. A gateway with `webhooks` refuses a check without it; a function around {@link apiKeyCallers} hands it
   * on: `Object.assign(own, { holds: keys.holds })`.
   */
  readonly holds?: HoldsKey | undefined
  /** `true`: whoever comes is let in, under one name. Such a gateway sends no webhooks. */
  readonly anybody?: boolean | undefined
}

/** What a gateway keeps of an API key. Keys are random, so a hash without salt gives nothing away. */
export function hashApiKey(key: string): Hex {
  return keccakHex(utf8(key))
}

/**
 * Recognizes callers by `authorization: Bearer <key>`.
 *
 * @param keys - {@link hashApiKey} of each caller's keys, by the caller's name.
 * @throws {InvalidInputError} for a hash that is none, or one that two callers have.
 * @example
 * ```ts
 * import { apiKeyCallers, hashApiKey } from '@newton/policy-sdk/operator'
 *
 * const callers = apiKeyCallers({ shop: [hashApiKey('a key of 32 random bytes')] })
 * await callers('Bearer a key of 32 random bytes') // 'shop'
 * ```
 */
export function apiKeyCallers(keys: Readonly<Record<string, readonly Hex[]>>): CallerCheck {
  const byHash = new Map<string, string>()
  for (const [name, hashes] of Object.entries(keys)) {
    for (const hash of hashes) {
      if (!/^0x[0-9a-f]{64}$/.test(hash)) {
        throw new InvalidInputError({ field: `keys.${name}`, reason: 'expected hashes of keys' })
      }
      if (byHash.has(hash)) {
        throw new InvalidInputError({
          field: `keys.${name}`,
          reason: 'another caller has this key',
        })
      }
      byHash.set(hash, name)
    }
  }
  const check = (authorization: string | null | undefined): string | undefined => {
    const hash = hashAuthorization(authorization)
    return hash === undefined ? undefined : byHash.get(hash)
  }
  return Object.assign(check, {
    holds: (caller: string, keyHash: Hex) => byHash.get(keyHash) === caller,
  })
}

/** {@link hashApiKey} of the key of an `authorization` header; `undefined` where there is none. */
export function hashAuthorization(authorization: string | null | undefined): Hex | undefined {
  const [, key] = /^Bearer ([\x21-\x7e][\x20-\x7e]{0,511})$/.exec(authorization ?? '') ?? []
  return key === undefined ? undefined : hashApiKey(key)
}

/** {@link hashAuthorization}, or the hash of the whole header for a check of callers that reads another kind. */
export function hashCredential(authorization: string | null | undefined): Hex {
  return hashAuthorization(authorization) ?? hashApiKey(authorization ?? '')
}

/** Takes whoever comes for one caller. For networks of one machine, and behind a proxy that asks. */
export function anyCaller(): CallerCheck {
  return Object.assign(() => 'anyone', { anybody: true })
}
