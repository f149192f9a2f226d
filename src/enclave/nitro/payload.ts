/**
 * The signed payload of a Nitro attestation document.
 *
 * AWS changed its encoder in 2025 from definite to indefinite-length maps; both are read, in any
 * order of keys, with or without shortest lengths. The limits are those of AWS's CDDL.
 */

import { EnclaveCborError } from '../cbor/errors.js'
import { type CborMap, type CborValue, readCbor } from '../cbor/read.js'
import { NitroAttestationError, type NitroErrorCode } from './errors.js'

/** Most certificates in `cabundle`. AWS sends four. */
export const MAX_CABUNDLE = 10

/** A payload within its limits. Nothing in it is to be trusted before the signature is checked. */
export type NitroPayload = {
  moduleId: string
  /** Milliseconds since 1970. */
  timestamp: number
  /** PCR values by index, 48 bytes each. */
  pcrs: ReadonlyMap<number, Uint8Array>
  certificate: Uint8Array
  cabundle: readonly Uint8Array[]
  /** `undefined` where absent or null; empty is another thing. */
  publicKey: Uint8Array | undefined
  userData: Uint8Array | undefined
  nonce: Uint8Array | undefined
  /** Names of fields that are not known here. AWS may add some. */
  unknownFields: readonly string[]
}

const knownFields = new Set([
  'module_id',
  'digest',
  'timestamp',
  'pcrs',
  'certificate',
  'cabundle',
  'public_key',
  'user_data',
  'nonce',
])

/**
 * Reads and checks a payload.
 *
 * @throws {NitroAttestationError} with stage `payload`, or `kind` for a NitroTPM document.
 */
export function parseNitroPayload(bytes: Uint8Array): NitroPayload {
  const map = readMap(bytes)
  // The same root signs documents of ordinary machines: absent `pcrs` must never read as "no PCRs".
  if (map.has('nitrotpm_pcrs')) {
    throw new NitroAttestationError({
      code: 'NOT_ENCLAVE_DOC',
      stage: 'kind',
      details: 'the field `nitrotpm_pcrs` is present',
    })
  }
  const moduleId = text(map, 'module_id')
  const moduleBytes = new TextEncoder().encode(moduleId).length
  if (moduleBytes < 1 || moduleBytes > 256)
    throw fault('FIELD_LENGTH', `module_id: ${moduleBytes} bytes`)
  const digest = required(map, 'digest')
  if (digest !== 'SHA384')
    throw fault('DIGEST', `got ${typeof digest === 'string' ? digest : typeof digest}`)
  return {
    moduleId,
    timestamp: timestamp(map),
    pcrs: pcrBank(map),
    certificate: sized(map, 'certificate', 1),
    cabundle: bundle(map),
    publicKey: optional(map, 'public_key', 1),
    userData: optional(map, 'user_data', 0),
    nonce: optional(map, 'nonce', 0),
    unknownFields: [...map.keys()].map(String).filter((name) => !knownFields.has(name)),
  }
}

function readMap(bytes: Uint8Array): CborMap {
  let value: CborValue
  try {
    value = readCbor(bytes, { form: 'lenient', depth: 8, items: 1024 })
  } catch (cause) {
    if (!(cause instanceof EnclaveCborError)) throw cause
    const code =
      cause.fault === 'trailing'
        ? 'TRAILING'
        : cause.fault === 'duplicate'
          ? 'DUPLICATE_KEY'
          : 'MALFORMED'
    throw new NitroAttestationError(
      { code, stage: 'payload', details: cause.shortMessage, offset: cause.offset },
      { cause },
    )
  }
  if (!(value instanceof Map)) throw fault('MALFORMED', 'the payload is not a map')
  return value
}

function required(map: CborMap, name: string): CborValue {
  const value = map.get(name)
  if (value === undefined) throw fault('FIELD_MISSING', name)
  return value
}

function text(map: CborMap, name: string): string {
  const value = required(map, name)
  if (typeof value !== 'string') throw fault('FIELD_TYPE', `${name}: expected text`)
  return value
}

function timestamp(map: CborMap): number {
  const value = required(map, 'timestamp')
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw fault('FIELD_TYPE', 'timestamp: expected an unsigned integer')
  }
  if (typeof value === 'bigint' || value <= 0) throw fault('TIMESTAMP', `${value}`)
  return value
}

function sized(map: CborMap, name: string, least: number): Uint8Array {
  const value = required(map, name)
  if (!(value instanceof Uint8Array)) throw fault('FIELD_TYPE', `${name}: expected bytes`)
  if (value.length < least || value.length > 1024)
    throw fault('FIELD_LENGTH', `${name}: ${value.length} bytes`)
  return value
}

function optional(map: CborMap, name: string, least: number): Uint8Array | undefined {
  const value = map.get(name)
  return value === undefined || value === null ? undefined : sized(map, name, least)
}

function pcrBank(map: CborMap): ReadonlyMap<number, Uint8Array> {
  const value = required(map, 'pcrs')
  if (!(value instanceof Map)) throw fault('FIELD_TYPE', 'pcrs: expected a map')
  const bank = new Map<number, Uint8Array>()
  for (const [index, content] of value) {
    if (typeof index === 'string') throw fault('PCR_KEY_TYPE', `index ${JSON.stringify(index)}`)
    if (typeof index === 'bigint' || index < 0 || index > 31)
      throw fault('PCR_INDEX', `index ${index}`)
    if (!(content instanceof Uint8Array))
      throw fault('FIELD_TYPE', `pcrs[${index}]: expected bytes`)
    if (content.length !== 48) throw fault('PCR_LENGTH', `pcrs[${index}]: ${content.length} bytes`)
    bank.set(index, content)
  }
  if (bank.size < 1) throw fault('PCR_COUNT', 'no PCR at all')
  return bank
}

function bundle(map: CborMap): readonly Uint8Array[] {
  const value = required(map, 'cabundle')
  if (!Array.isArray(value)) throw fault('FIELD_TYPE', 'cabundle: expected an array')
  if (value.length < 1 || value.length > MAX_CABUNDLE)
    throw fault('CABUNDLE', `${value.length} certificates`)
  return value.map((entry, index) => {
    if (!(entry instanceof Uint8Array))
      throw fault('CABUNDLE', `cabundle[${index}]: expected bytes`)
    if (entry.length < 1 || entry.length > 1024) {
      throw fault('CABUNDLE', `cabundle[${index}]: ${entry.length} bytes`)
    }
    return entry
  })
}

function fault(code: NitroErrorCode, details: string): NitroAttestationError {
  return new NitroAttestationError({ code, stage: 'payload', details })
}
