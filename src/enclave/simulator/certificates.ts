/** Issues certificates of the Nitro profile, and on request ones that break it. */
import { p384 } from '@noble/curves/nist.js'
import { sha256, sha384 } from '@noble/hashes/sha2.js'
import { concat, uintToBytes } from '../../internal/bytes.js'
import { bits, der, derTrue, integer, oid, sequence, time } from './derWrite.js'

/** A P-384 key pair, raw. */
export type SigningKey = { secret: Uint8Array; publicKey: Uint8Array }

/** Which half of the two equivalent signatures is produced. */
export type SignatureForm = 'natural' | 'high' | 'low'

/** What a certificate says. */
export type CertificateSpec = {
  serial: Uint8Array
  issuer: Uint8Array
  subject: Uint8Array
  notBefore: number
  notAfter: number
  publicKey: Uint8Array
  ca: boolean
  pathLength?: number | undefined
  basicConstraintsCritical?: boolean | undefined
  /** Bits of keyUsage by number: 0 digitalSignature, 1 nonRepudiation, 5 keyCertSign, 6 cRLSign. */
  keyUsage: readonly number[]
  keyUsageCritical: boolean
  /** Adds subject and authority key identifiers. */
  keyIdentifiers?: { issuerKey: Uint8Array } | undefined
  /** Extensions as DER, for certificates outside the profile. */
  extraExtensions?: readonly Uint8Array[] | undefined
  /** Replaces the algorithm identifier, for certificates outside the profile. */
  algorithm?: Uint8Array | undefined
  /** Replaces the subject's key, for certificates outside the profile. */
  subjectPublicKeyInfo?: Uint8Array | undefined
}

const ecdsaWithSha384 = sequence(oid('2a8648ce3d040303'))
const order = p384.Point.Fn.ORDER

/** Makes a key from 48 bytes of seed or more, reduced into the range of private keys. */
export function signingKey(seed: Uint8Array): SigningKey {
  const wide = concat(
    sha384(concat(seed, Uint8Array.of(1))),
    sha384(concat(seed, Uint8Array.of(2))),
  )
  let scalar = 0n
  for (const byte of wide) scalar = (scalar << 8n) | BigInt(byte)
  const secret = uintToBytes((scalar % (order - 1n)) + 1n, 48)
  return { secret, publicKey: p384.getPublicKey(secret, false) }
}

/** Signs with SHA-384: `r(48) ‖ s(48)`. */
export type SignP384 = (key: SigningKey, message: Uint8Array) => Uint8Array

/** Deterministic signatures (RFC 6979). */
const deterministic: SignP384 = ({ secret }, message) =>
  p384.sign(message, secret, { lowS: false, prehash: true })

/** Signs, with high or low `s` as asked. */
export function signP384(
  key: SigningKey,
  message: Uint8Array,
  form: SignatureForm = 'natural',
  sign: SignP384 = deterministic,
): Uint8Array {
  const signature = sign(key, message)
  if (form === 'natural') return signature
  const s = BigInt(`0x${hex(signature.subarray(48))}`)
  const isHigh = s > order / 2n
  if (isHigh === (form === 'high')) return signature
  return concat(signature.subarray(0, 48), uintToBytes(order - s, 48))
}

/** Issues a certificate, signed by `issuerKey`. */
export function issueCertificate(
  spec: CertificateSpec,
  issuerKey: SigningKey,
  form: SignatureForm = 'natural',
): Uint8Array {
  const algorithm = spec.algorithm ?? ecdsaWithSha384
  const tbs = sequence(
    der(0xa0, integer(Uint8Array.of(2))),
    integer(spec.serial),
    algorithm,
    spec.issuer,
    sequence(time(spec.notBefore), time(spec.notAfter)),
    spec.subject,
    spec.subjectPublicKeyInfo ?? subjectPublicKeyInfo(spec.publicKey),
    der(0xa3, sequence(...extensions(spec))),
  )
  const raw = signP384(issuerKey, tbs, form)
  const signature = sequence(integer(raw.subarray(0, 48)), integer(raw.subarray(48)))
  return sequence(tbs, algorithm, bits(signature))
}

function subjectPublicKeyInfo(publicKey: Uint8Array): Uint8Array {
  return sequence(sequence(oid('2a8648ce3d0201'), oid('2b81040022')), bits(publicKey))
}

function extensions(spec: CertificateSpec): Uint8Array[] {
  const constraints: Uint8Array[] = []
  if (spec.ca) constraints.push(derTrue)
  if (spec.pathLength !== undefined) constraints.push(integer(Uint8Array.of(spec.pathLength)))
  const out = [extension('551d13', spec.basicConstraintsCritical ?? true, sequence(...constraints))]
  if (spec.keyIdentifiers !== undefined) {
    const identifier = (key: Uint8Array): Uint8Array => sha256(key).subarray(0, 20)
    out.push(
      extension('551d23', false, sequence(der(0x80, identifier(spec.keyIdentifiers.issuerKey)))),
      extension('551d0e', false, der(0x04, identifier(spec.publicKey))),
    )
  }
  if (spec.keyUsage.length > 0)
    out.push(extension('551d0f', spec.keyUsageCritical, keyUsage(spec.keyUsage)))
  return [...out, ...(spec.extraExtensions ?? [])]
}

/** One extension as DER. */
export function extension(oidHex: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(oid(oidHex), ...(critical ? [derTrue] : []), der(0x04, value))
}

function keyUsage(numbers: readonly number[]): Uint8Array {
  const byte = numbers.reduce((sum, number) => sum | (0x80 >> number), 0)
  return bits(Uint8Array.of(byte), 7 - Math.max(...numbers))
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
