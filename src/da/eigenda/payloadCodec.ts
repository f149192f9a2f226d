/**
 * Payload codec version 0: arbitrary bytes as field elements.
 *
 * ```
 * encoded = 0x00 ‖ version(1) ‖ length(4, big-endian) ‖ 26 zeros
 *           then 0x00 ‖ chunk(31, zero-padded) for every chunk
 *           then zeros up to a power of two of 32-byte symbols
 * ```
 * The zero byte in front of each symbol keeps it below the field's modulus. Decoding refuses
 * everything that encoding would not have made, except more symbols than needed: a certificate
 * fixes their number, and the network accepts such blobs. Source: Layr-Labs/eigenda,
 * `encoding/codec`.
 */
import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, uintToBytes } from '../../internal/bytes.js'
import { InvalidEncodedPayloadError } from './errors.js'

/** Bytes of a symbol. */
export const SYMBOL_BYTES = 32
/** Most symbols of a blob: 16 MiB. */
export const MAX_BLOB_SYMBOLS = 524_288
/** Most bytes of a payload in one blob. */
export const MAX_PAYLOAD_BYTES = 16_252_897

const chunkBytes = 31

/**
 * Number of symbols of the blob that a payload of `byteLength` bytes becomes, a power of two.
 *
 * @throws {InvalidInputError} above 16,252,897 bytes.
 * @example
 * ```ts
 * import { blobSymbols } from '@newton/policy-sdk/da'
 *
 * blobSymbols(126_945) // 4096
 * blobSymbols(126_946) // 8192
 * ```
 */
export function blobSymbols(byteLength: number): number {
  if (!Number.isInteger(byteLength) || byteLength < 0 || byteLength > MAX_PAYLOAD_BYTES) {
    throw new InvalidInputError({
      field: 'byteLength',
      reason: `expected 0 to ${MAX_PAYLOAD_BYTES}, got ${byteLength}`,
    })
  }
  const needed = 1 + Math.ceil(byteLength / chunkBytes)
  let symbols = 1
  while (symbols < needed) symbols *= 2
  return symbols
}

/** Most bytes of a payload in a blob of `symbols` symbols. */
export function payloadCapacity(symbols: number): number {
  return Math.max(0, (symbols - 1) * chunkBytes)
}

/**
 * Encodes a payload.
 *
 * @throws {InvalidInputError} above 16,252,897 bytes.
 */
export function encodePayload(payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(blobSymbols(payload.length) * SYMBOL_BYTES)
  out.set(uintToBytes(payload.length, 4), 2)
  let at = SYMBOL_BYTES
  for (let offset = 0; offset < payload.length; offset += chunkBytes) {
    out.set(payload.subarray(offset, offset + chunkBytes), at + 1)
    at += SYMBOL_BYTES
  }
  return out
}

/**
 * Decodes an encoded payload, strictly.
 *
 * @throws {InvalidEncodedPayloadError} naming the first rule that is broken.
 */
export function decodePayload(encoded: Uint8Array): Uint8Array {
  if (!(encoded instanceof Uint8Array)) fail('expected bytes')
  const symbols = encoded.length / SYMBOL_BYTES
  if (symbols < 1 || !Number.isInteger(symbols))
    fail(`${encoded.length} bytes are not whole symbols`)
  if (symbols > MAX_BLOB_SYMBOLS || (symbols & (symbols - 1)) !== 0) {
    fail(`${symbols} symbols are not a power of two up to ${MAX_BLOB_SYMBOLS}`)
  }
  if (encoded[1] !== 0) fail(`unknown version ${encoded[1]}`)
  const length = Number(bytesToUint(encoded.subarray(2, 6)))
  for (let i = 6; i < SYMBOL_BYTES; i++)
    if (encoded[i] !== 0) fail('the header is not padded with zeros')
  if (length > payloadCapacity(symbols))
    fail(`it claims ${length} bytes and holds ${payloadCapacity(symbols)} at most`)
  for (let i = 0; i < encoded.length; i += SYMBOL_BYTES) {
    if (encoded[i] !== 0) fail(`symbol ${i / SYMBOL_BYTES} does not start with a zero`)
  }
  const payload = new Uint8Array(length)
  let read = 0
  for (let at = SYMBOL_BYTES; at < encoded.length; at += SYMBOL_BYTES) {
    const take = Math.min(chunkBytes, length - read)
    payload.set(encoded.subarray(at + 1, at + 1 + take), read)
    read += take
    for (let i = at + 1 + take; i < at + SYMBOL_BYTES; i++)
      if (encoded[i] !== 0) fail('bytes follow the payload')
  }
  return payload
}

function fail(reason: string): never {
  throw new InvalidEncodedPayloadError({ reason })
}
