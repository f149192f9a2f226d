/** Bodies of frames: deterministic CBOR, read strictly. */
import { EnclaveCborError } from '../cbor/errors.js'
import { type CborMap, type CborValue, readCbor } from '../cbor/read.js'
import { type CborInput, writeCbor } from '../cbor/write.js'
import { EnclaveProtocolError, type RemoteErrorCode, remoteErrorCodes } from './errors.js'

/** What both sides say in their greeting. Nothing of it is trusted. */
export type Greeting = {
  versions: readonly number[]
  maxFrame: number
  maxInflight: number
  implementation: string
}

/** Reads a body that must be a map. Throws `EnclaveProtocolError`. */
export function readBody(body: Uint8Array): CborMap {
  let value: CborValue
  try {
    value = readCbor(body, { form: 'strict', depth: 16, items: 65_536 })
  } catch (cause) {
    if (!(cause instanceof EnclaveCborError)) throw cause
    throw new EnclaveProtocolError({ fault: 'body', details: cause.shortMessage }, { cause })
  }
  if (!(value instanceof Map)) throw badBody('expected a map')
  return value
}

/** Encodes a body. */
export function writeBody(body: { readonly [key: string]: CborInput | undefined }): Uint8Array {
  return writeCbor(body)
}

/** A greeting's body. */
export function greetingBody(greeting: Greeting): Uint8Array {
  return writeBody({ ...greeting })
}

/** Reads a greeting. Throws `EnclaveProtocolError`. */
export function readGreeting(body: Uint8Array): Greeting {
  const map = readBody(body)
  const versions = map.get('versions')
  if (!Array.isArray(versions) || versions.length > 16) throw badBody('versions')
  const implementation = textOf(map, 'implementation')
  if (implementation.length > 200) throw badBody('implementation')
  return {
    versions: versions.map((version) => {
      if (typeof version !== 'number') throw badBody('versions')
      return version
    }),
    maxFrame: positive(map, 'maxFrame'),
    maxInflight: positive(map, 'maxInflight'),
    implementation,
  }
}

/** An ERROR frame's body. Its text says what kind of failure it is and never quotes an input. */
export function errorBody(error: {
  code: RemoteErrorCode
  reason?: string | undefined
  retryable: boolean
}): Uint8Array {
  return writeBody({
    code: error.code,
    message: error.code.toLowerCase().replaceAll('_', ' '),
    retryable: error.retryable,
    details: error.reason === undefined ? undefined : { reason: error.reason },
  })
}

/** Reads an ERROR frame's body; a code that is not known reads as `ENCLAVE_INTERNAL`. */
export function readErrorBody(body: Uint8Array): {
  code: RemoteErrorCode
  reason: string | undefined
  retryable: boolean
} {
  const map = readBody(body)
  const given = textOf(map, 'code')
  const details = map.get('details')
  const reason = details instanceof Map ? details.get('reason') : undefined
  return {
    code: remoteErrorCodes.find((code) => code === given) ?? 'ENCLAVE_INTERNAL',
    // The other side may not be an enclave at all: only what looks like a code is passed on.
    reason:
      typeof reason === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(reason) ? reason : undefined,
    retryable: map.get('retryable') === true,
  }
}

/** Member that must be text. */
export function textOf(map: CborMap, name: string): string {
  const value = map.get(name)
  if (typeof value === 'string') return value
  throw badBody(name)
}

/** Member that must be bytes, of `size` where given. */
export function bytesOf(map: CborMap, name: string, size?: number): Uint8Array {
  const value = map.get(name)
  if (value instanceof Uint8Array && (size === undefined || value.length === size)) return value
  throw badBody(name)
}

/** Member that must be a safe integer of zero or more. */
export function countOf(map: CborMap, name: string): number {
  const value = map.get(name)
  if (typeof value === 'number' && value >= 0) return value
  throw badBody(name)
}

function positive(map: CborMap, name: string): number {
  const value = countOf(map, name)
  if (value < 1) throw badBody(name)
  return value
}

function badBody(details: string): EnclaveProtocolError {
  return new EnclaveProtocolError({ fault: 'body', details })
}
