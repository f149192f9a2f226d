/** Who calls a gateway: bearer keys, of which only hashes are kept. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'

/** Names the caller of a request by its `authorization` header; `undefined` where it is none. */
export type CallerCheck = (
  authorization: string | null | undefined,
) => string | undefined | Promise<string | undefined>

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
  return (authorization) => {
    const [, key] = /^Bearer ([\x21-\x7e][\x20-\x7e]{0,511})$/.exec(authorization ?? '') ?? []
    return key === undefined ? undefined : byHash.get(hashApiKey(key))
  }
}

/** Takes whoever comes for one caller. For networks of one machine, and behind a proxy that asks. */
export function anyCaller(): CallerCheck {
  return () => 'anyone'
}
