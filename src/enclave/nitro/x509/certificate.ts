/**
 * Certificates in the profile of the Nitro PKI (RFC 5280): version 3, P-384, ecdsa-with-SHA384.
 *
 * Only what the chain's verification needs is read; anything outside the profile is refused rather
 * than skipped.
 */

import { NitroAttestationError } from '../errors.js'
import {
  bitString,
  derBoolean,
  derFault,
  derReader,
  derTags,
  derTime,
  unsignedInteger,
} from './der.js'

/** A parsed certificate. Nothing about it is verified. */
export type NitroCertificate = {
  /** All of its bytes. */
  der: Uint8Array
  /** The signed part, `tbsCertificate`. */
  tbs: Uint8Array
  /** Issuer and subject names as DER, compared byte for byte. */
  issuer: Uint8Array
  subject: Uint8Array
  serial: Uint8Array
  /** Milliseconds since 1970, both included. */
  notBefore: number
  notAfter: number
  /** Uncompressed P-384 point, 97 bytes; `undefined` where the key is of another kind. */
  publicKey: Uint8Array | undefined
  /** DER `SEQUENCE { r, s }`, as the bytes `r(48) ‖ s(48)`. */
  signature: Uint8Array
  /** `undefined` where the extension is not there. */
  basicConstraints: { critical: boolean; ca: boolean; pathLength: number | undefined } | undefined
  /** Bits of keyUsage, most significant first: 0 digitalSignature, 5 keyCertSign. */
  keyUsage: { digitalSignature: boolean; keyCertSign: boolean } | undefined
  /** Object identifiers, hex, of critical extensions that are not read here. */
  unknownCritical: readonly string[]
}

const ecdsaWithSha384 = '300a06082a8648ce3d040303'
const p384Algorithm = '301006072a8648ce3d020106052b81040022'
const basicConstraintsOid = '551d13'
const keyUsageOid = '551d0f'

/**
 * Parses one certificate.
 *
 * @throws {NitroAttestationError} `CERT_DER` for bytes that are no certificate of this profile,
 * `CERT_ALG` for another signature algorithm.
 */
export function parseCertificate(der: Uint8Array): NitroCertificate {
  const outer = derReader(der)
  const certificate = derReader(outer.next(derTags.sequence).content)
  outer.end()
  const tbs = certificate.next(derTags.sequence)
  const algorithm = certificate.next(derTags.sequence)
  const signatureBits = bitString(certificate.next(derTags.bitString))
  certificate.end()

  const fields = derReader(tbs.content)
  const version = derReader(fields.next(derTags.version).content)
  const number = version.next(derTags.integer).content
  version.end()
  if (number.length !== 1 || number[0] !== 2) throw derFault('a version other than 3')
  const serial = unsignedInteger(fields.next(derTags.integer))
  if (serial.length > 20) throw derFault('a serial number of more than 20 bytes')
  const innerAlgorithm = fields.next(derTags.sequence)
  if (hex(innerAlgorithm.bytes) !== ecdsaWithSha384 || hex(algorithm.bytes) !== ecdsaWithSha384) {
    throw new NitroAttestationError({
      code: 'CERT_ALG',
      stage: 'chain',
      details: 'a signature algorithm other than ecdsa-with-SHA384',
    })
  }
  const issuer = fields.next(derTags.sequence).bytes
  const validity = derReader(fields.next(derTags.sequence).content)
  const notBefore = derTime(validity.any())
  const notAfter = derTime(validity.any())
  validity.end()
  const subject = fields.next(derTags.sequence).bytes
  const publicKey = p384Key(fields.next(derTags.sequence).content)
  const extensions = derReader(fields.next(derTags.extensions).content)
  const list = extensions.next(derTags.sequence).content
  extensions.end()
  fields.end()
  if (signatureBits.unused !== 0) throw derFault('a signature that is not whole bytes')
  return {
    der,
    tbs: tbs.bytes,
    issuer,
    subject,
    serial,
    notBefore,
    notAfter,
    publicKey,
    signature: rawSignature(signatureBits.bits),
    ...readExtensions(list),
  }
}

/** Turns DER `SEQUENCE { INTEGER r, INTEGER s }` into 96 bytes. Throws `CERT_DER`. */
export function rawSignature(der: Uint8Array): Uint8Array {
  const outer = derReader(der)
  const pair = derReader(outer.next(derTags.sequence).content)
  outer.end()
  const out = new Uint8Array(96)
  for (const end of [48, 96]) {
    const integer = unsignedInteger(pair.next(derTags.integer))
    if (integer.length > 48) throw derFault('a signature part of more than 48 bytes')
    out.set(integer, end - integer.length)
  }
  pair.end()
  return out
}

function p384Key(content: Uint8Array): Uint8Array | undefined {
  const spki = derReader(content)
  const algorithm = spki.next(derTags.sequence)
  const key = bitString(spki.next(derTags.bitString))
  spki.end()
  const usable =
    hex(algorithm.bytes) === p384Algorithm &&
    key.unused === 0 &&
    key.bits.length === 97 &&
    key.bits[0] === 4
  return usable ? key.bits : undefined
}

type Extensions = Pick<NitroCertificate, 'basicConstraints' | 'keyUsage' | 'unknownCritical'>

function readExtensions(list: Uint8Array): Extensions {
  const reader = derReader(list)
  const seen = new Set<string>()
  const unknownCritical: string[] = []
  let basicConstraints: NitroCertificate['basicConstraints']
  let keyUsage: NitroCertificate['keyUsage']
  while (!reader.done()) {
    const extension = derReader(reader.next(derTags.sequence).content)
    const oid = hex(extension.next(derTags.oid).content)
    if (seen.has(oid)) throw derFault('an extension twice')
    seen.add(oid)
    let critical = false
    if (extension.peek() === derTags.boolean) {
      critical = derBoolean(extension.next(derTags.boolean))
      // DER leaves a default out; `critical FALSE` spelled out is a second form of the same thing.
      if (!critical) throw derFault('a default value that is spelled out')
    }
    const value = extension.next(derTags.octetString).content
    extension.end()
    if (oid === basicConstraintsOid) basicConstraints = { critical, ...readBasicConstraints(value) }
    else if (oid === keyUsageOid) keyUsage = readKeyUsage(value)
    else if (critical) unknownCritical.push(oid)
  }
  return { basicConstraints, keyUsage, unknownCritical }
}

function readBasicConstraints(value: Uint8Array): { ca: boolean; pathLength: number | undefined } {
  const outer = derReader(value)
  const fields = derReader(outer.next(derTags.sequence).content)
  outer.end()
  let ca = false
  let pathLength: number | undefined
  if (fields.peek() === derTags.boolean) {
    ca = derBoolean(fields.next(derTags.boolean))
    if (!ca) throw derFault('a default value that is spelled out')
  }
  if (fields.peek() === derTags.integer) {
    const octets = unsignedInteger(fields.next(derTags.integer))
    if (octets.length > 1) throw derFault('a path length above 255')
    pathLength = octets[0] ?? 0
  }
  fields.end()
  return { ca, pathLength }
}

function readKeyUsage(value: Uint8Array): { digitalSignature: boolean; keyCertSign: boolean } {
  const outer = derReader(value)
  const { bits } = bitString(outer.next(derTags.bitString))
  outer.end()
  if (bits.length < 1 || bits.length > 2) throw derFault('a key usage of an unexpected length')
  const first = bits[0] as number
  return { digitalSignature: (first & 0x80) !== 0, keyCertSign: (first & 0x04) !== 0 }
}

function hex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0')
  return out
}
