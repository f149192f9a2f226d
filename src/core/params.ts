/**
 * Params of an instance, as bytes on chain.
 *
 * UTF-8 of the canonical form of a JSON object, or zero bytes where there are none. The bytes `{}`
 * are refused: they would be a second id for the same thing.
 */
import { BaseError } from '../errors/base.js'
import { InvalidInputError } from '../errors/common.js'
import {
  canonicalBytes,
  isCanonicalJson,
  type JsonObject,
  parseJsonBytes,
} from './canonicalJson.js'
import { MAX_PARAMS_BYTES } from './ids.js'

/**
 * Encodes params as the bytes that go on chain. `undefined` and `{}` give zero bytes.
 *
 * Integers beyond ±(2^53 - 1), amounts in wei first of all, are given as decimal strings.
 *
 * @throws {CanonicalJsonError} for a value canonical JSON refuses, with its path.
 * @throws {InvalidInputError} for anything but an object, or more than 8,192 bytes.
 * @example
 * ```ts
 * import { encodeParams } from '@newton/policy-sdk'
 *
 * encodeParams({ maxAmount: '5000000000000000000', perDay: 3 })
 * ```
 */
export function encodeParams(params: JsonObject | undefined): Uint8Array {
  if (params === undefined) return new Uint8Array()
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new InvalidInputError({ field: 'params', reason: 'expected a JSON object' })
  }
  const bytes = canonicalBytes(params)
  if (bytes.length === 2) return new Uint8Array()
  if (bytes.length > MAX_PARAMS_BYTES) {
    throw new InvalidInputError({
      field: 'params',
      reason: `at most ${MAX_PARAMS_BYTES} bytes in canonical form, got ${bytes.length}`,
    })
  }
  // What operators cannot read is not written: an instance is never changed again.
  decodeParams(bytes)
  return bytes
}

/**
 * Decodes params as they stand on chain. Zero bytes are `{}`.
 *
 * @throws {ParamsNotCanonicalError} for bytes that no SDK would have written: no decision can rest
 * on them.
 */
export function decodeParams(bytes: Uint8Array): JsonObject {
  if (bytes.length === 0) return {}
  if (bytes.length > MAX_PARAMS_BYTES) {
    throw new ParamsNotCanonicalError(`${bytes.length} bytes, more than ${MAX_PARAMS_BYTES}`)
  }
  if (bytes.length === 2 || bytes[0] !== 0x7b || !isCanonicalJson(bytes)) {
    throw new ParamsNotCanonicalError('expected zero bytes or a non-empty object in RFC 8785 form')
  }
  return parseJsonBytes(bytes) as JsonObject
}

/** Params on chain are not canonical. The contract cannot check it, so a reader must. */
export class ParamsNotCanonicalError extends BaseError {
  override readonly name = 'ParamsNotCanonicalError'
  override readonly code = 'PARAMS_NOT_CANONICAL'

  constructor(reason: string) {
    super(`The params are not canonical JSON: ${reason}.`, {
      metaMessages: [
        'Deploy a new instance with params encoded by encodeParams(); nothing is evaluated on these.',
      ],
    })
  }
}
