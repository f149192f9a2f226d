/**
 * The outer COSE_Sign1 (RFC 9052) of a Nitro attestation document.
 *
 * Read in the one form that AWS produces, because the hash of the document's bytes is an identity on
 * chain and neither the outer lengths nor the unprotected header are covered by the signature.
 */
import { concat } from '../../internal/bytes.js'
import { type CborHead, readCborHead } from '../cbor/read.js'
import { cborHead } from '../cbor/write.js'
import { NitroAttestationError, type NitroErrorCode, type NitroStage } from './errors.js'

/** Largest payload: AWS's specification says 1 to 16384 bytes. */
export const MAX_PAYLOAD_BYTES = 16_384
/** Largest document that is looked at. */
export const MAX_DOCUMENT_BYTES: number = MAX_PAYLOAD_BYTES + 128

/** The three parts that matter, as views of the document. */
export type CoseSign1 = {
  /** The protected header's bytes, always `a1013822`. */
  protectedHeader: Uint8Array
  payload: Uint8Array
  /** `r(48) ‖ s(48)`, big-endian; its length is not checked here. */
  signature: Uint8Array
}

const es384Header = Uint8Array.of(0xa1, 0x01, 0x38, 0x22)
/** How every document starts: array(4), bstr(4). */
const opening = Uint8Array.of(0x84, 0x44)

/**
 * Splits a document into header, payload and signature.
 *
 * @throws {NitroAttestationError} with stage `size`, `cose` or `header`.
 */
export function parseCoseSign1(document: Uint8Array): CoseSign1 {
  if (document.length > MAX_DOCUMENT_BYTES) throw oversized(document)
  const view = new DataView(document.buffer, document.byteOffset, document.byteLength)
  let offset = 0

  const head = (strict: boolean): CborHead => {
    try {
      return readCborHead(view, offset, strict)
    } catch (cause) {
      throw fault('MALFORMED', 'cose', 'an item is cut short', offset, cause)
    }
  }
  /** A definite-length item in its shortest form. */
  const shortest = (major: number): number => {
    const item = head(false)
    if (item.major === 6) throw fault('NON_CANONICAL_OUTER', 'cose', 'a tag', offset)
    if (item.major !== major) throw fault('MALFORMED', 'cose', 'an item of another type', offset)
    const { argument } = item
    if (item.indefinite || cborHead(major, argument).length !== item.size) {
      throw fault(
        'NON_CANONICAL_OUTER',
        'cose',
        'a length that is not definite and shortest',
        offset,
      )
    }
    if (typeof argument !== 'number')
      throw fault('MALFORMED', 'cose', 'a length beyond the end', offset)
    offset += item.size
    return argument
  }
  const bytes = (): Uint8Array => {
    const length = shortest(2)
    if (length > document.length - offset) {
      throw fault('MALFORMED', 'cose', 'a length beyond the end', offset)
    }
    const out = document.subarray(offset, offset + length)
    offset += length
    return out
  }

  const count = shortest(4)
  if (count !== 4) throw fault('MALFORMED', 'cose', `an array of ${count} instead of 4`, 0)
  const protectedHeader = bytes()
  const unprotectedAt = offset
  const entries = shortest(5)
  if (entries !== 0)
    throw fault('UNPROTECTED_NOT_EMPTY', 'header', `${entries} entries`, unprotectedAt)
  const payload = bytes()
  const signature = bytes()
  if (offset !== document.length)
    throw fault('TRAILING', 'cose', `${document.length - offset} bytes`, offset)

  if (!sameBytes(protectedHeader, es384Header)) throw fault('ALG', 'header', undefined, 1)
  if (payload.length > MAX_PAYLOAD_BYTES)
    throw fault('PAYLOAD_SIZE', 'size', `${payload.length} bytes`)
  return { protectedHeader, payload, signature }
}

/** The bytes that are signed: `["Signature1", protected, external_aad = h'', payload]`. */
export function signatureStructure(sign1: CoseSign1): Uint8Array {
  return concat(
    Uint8Array.of(0x84, 0x6a),
    new TextEncoder().encode('Signature1'),
    cborHead(2, sign1.protectedHeader.length),
    sign1.protectedHeader,
    Uint8Array.of(0x40),
    cborHead(2, sign1.payload.length),
    sign1.payload,
  )
}

/** Joins the parts as AWS does: untagged, empty unprotected header, shortest lengths. */
export function encodeCoseSign1(sign1: CoseSign1): Uint8Array {
  return concat(
    Uint8Array.of(0x84),
    cborHead(2, sign1.protectedHeader.length),
    sign1.protectedHeader,
    Uint8Array.of(0xa0),
    cborHead(2, sign1.payload.length),
    sign1.payload,
    cborHead(2, sign1.signature.length),
    sign1.signature,
  )
}

/** The protected header of every document: `{ 1: -35 }`, ES384. */
export function es384ProtectedHeader(): Uint8Array {
  return es384Header.slice()
}

function oversized(document: Uint8Array): NitroAttestationError {
  const details = `${document.length} bytes, at most ${MAX_DOCUMENT_BYTES}`
  const looksGenuine = sameBytes(document.subarray(0, 2), opening)
  return fault(looksGenuine ? 'PAYLOAD_SIZE' : 'MALFORMED', 'size', details)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}

function fault(
  code: NitroErrorCode,
  stage: NitroStage,
  details?: string,
  offset?: number,
  cause?: unknown,
): NitroAttestationError {
  return new NitroAttestationError(
    { code, stage, details, offset },
    cause === undefined ? {} : { cause },
  )
}
