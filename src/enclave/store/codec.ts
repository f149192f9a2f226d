/** How values cross between host and enclave, and into stores: as bytes, never as objects. */
import { canonicalBytes, type Json, parseJsonBytes } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, uintToBytes } from '../../internal/bytes.js'

/** Turns values into bytes and back. `decode` throws for bytes that are none of its values. */
export interface Codec<value> {
  encode(value: value): Uint8Array
  decode(bytes: Uint8Array): value
}

/**
 * Canonical JSON, checked on the way in.
 *
 * @param parse - Turns parsed JSON into the value; throws for what is none.
 * @example
 * ```ts
 * import { jsonCodec } from '@newton/policy-sdk/enclave'
 *
 * const name = jsonCodec((value) => String(value))
 * name.decode(name.encode('x')) // 'x'
 * ```
 */
export function jsonCodec<value extends Json>(parse: (value: Json) => value): Codec<value> {
  return {
    encode: (value) => canonicalBytes(value),
    decode: (bytes) => parse(parseJsonBytes(bytes)),
  }
}

/** Bytes as they are. */
export const bytesCodec: Codec<Uint8Array> = {
  encode: (value) => new Uint8Array(value),
  decode: (bytes) => new Uint8Array(bytes),
}

/** An unsigned integer of 64 bits. */
export const uint64Codec: Codec<bigint> = {
  encode: (value) => uintToBytes(value, 8),
  decode: (bytes) => {
    if (bytes.length !== 8)
      throw new InvalidInputError({ field: 'bytes', reason: 'expected 8 bytes' })
    return bytesToUint(bytes)
  },
}
