/**
 * The certificate path of a document: pinned root, then down to the certificate that signed it.
 *
 * Every rule of the profile is checked before the first key is used, then the signatures downwards.
 */
import type { Hex } from 'viem'
import { bytesEqual, toHex } from '../../../internal/bytes.js'
import { NitroAttestationError, type NitroErrorCode } from '../errors.js'
import { type NitroCertificate, parseCertificate } from './certificate.js'
import { certificateFingerprint } from './roots.js'
import type { VerifyP384 } from './signature.js'

/** A verified path. */
export type NitroChain = {
  /** Root first, the document's own certificate last. */
  certificates: readonly NitroCertificate[]
  /** SHA-256 of each certificate's DER, same order. */
  fingerprints: readonly Hex[]
  leaf: NitroCertificate
  leafKey: Uint8Array
}

/** At which time the path is judged. */
export type ChainClock = {
  /** Milliseconds since 1970. */
  at: number
  /** Milliseconds that the clock may be wrong by, either way. */
  skew: number
  /** Whether `at` is the reader's clock, for the wording of errors. */
  live: boolean
}

/**
 * Verifies the path from a pinned root to the leaf.
 *
 * @throws {NitroAttestationError} with stage `root` or `chain`.
 */
export async function assertChain(parameters: {
  cabundle: readonly Uint8Array[]
  certificate: Uint8Array
  trusted: ReadonlySet<Hex>
  clock: ChainClock
  verify: VerifyP384
  /** What the leaf signed: checked beside the path, and worth nothing where the path is not. */
  signed: { message: Uint8Array; signature: Uint8Array }
}): Promise<NitroChain & { genuine: boolean }> {
  const { cabundle, certificate, trusted, clock, verify, signed } = parameters
  const rootDer = cabundle[0] as Uint8Array
  const root = certificateFingerprint(rootDer)
  if (!trusted.has(root)) {
    throw new NitroAttestationError({
      code: 'UNTRUSTED_ROOT',
      stage: 'root',
      details: `root ${root}`,
    })
  }
  const ders = [...cabundle, certificate]
  const certificates = ders.map(parseCertificate)
  const leaf = certificates[certificates.length - 1] as NitroCertificate
  const authorities = certificates.slice(0, -1)
  const fingerprints = [root, ...ders.slice(1).map(certificateFingerprint)]
  const links = certificates.map((current, index) => ({
    current,
    issuer: certificates[index - 1],
    name: `${fingerprints[index - 1]} ${fingerprints[index]}`,
    where: current === leaf ? 'the leaf' : `cabundle[${index}]`,
  }))
  for (const { current, issuer, where } of links) {
    if (issuer !== undefined) assertNames(current, issuer, where)
  }
  for (const [index, authority] of authorities.entries())
    assertAuthority(authority, `cabundle[${index}]`)
  assertLeaf(leaf)
  for (const [index, authority] of authorities.entries()) {
    assertPathLength(authority, authorities.length - 1 - index, `cabundle[${index}]`)
  }
  for (const { current, where } of links) {
    if (current.unknownCritical.length > 0) {
      throw fault('CRITICAL_EXTENSION', `${where}: object identifier ${current.unknownCritical[0]}`)
    }
    assertValidity(current, clock, where)
  }
  // At most ten, all at once: WebCrypto has threads of its own. The first bad one is the fault.
  const leafKey = leaf.publicKey as Uint8Array
  const own = verify({ publicKey: leafKey, ...signed })
  const issued = links.map(({ name, current, issuer }) => {
    return issuer === undefined ? true : isIssued(name, { current, issuer }, verify)
  })
  const [genuine, ...path] = await Promise.all([own, ...issued])
  for (const [index, valid] of path.entries()) {
    const { current, where } = links[index] as (typeof links)[number]
    if (valid !== true) {
      throw fault('CHAIN', `${where}: signature does not verify, serial ${toHex(current.serial)}`)
    }
  }
  return {
    certificates,
    fingerprints,
    leaf,
    leafKey,
    genuine: genuine === true,
  }
}

function assertNames(current: NitroCertificate, issuer: NitroCertificate, where: string): void {
  if (!bytesEqual(current.issuer, issuer.subject))
    throw fault('CHAIN', `${where}: issuer is another name`)
  // A second self-issued certificate after the anchor would start another path.
  if (bytesEqual(current.issuer, current.subject))
    throw fault('CHAIN', `${where}: issued by itself`)
}

function assertValidity(current: NitroCertificate, clock: ChainClock, where: string): void {
  const { at, skew, live } = clock
  if (at < current.notBefore - skew) {
    const seconds = Math.ceil((current.notBefore - at) / 1000)
    throw fault(
      'CERT_NOT_YET_VALID',
      `${where}: valid from ${iso(current.notBefore)}, the time is ${iso(at)}`,
      live
        ? [`If the document is fresh, your clock is slow by about ${seconds} s: check your clock.`]
        : undefined,
    )
  }
  if (at > current.notAfter + skew) {
    const seconds = Math.ceil((at - current.notAfter) / 1000)
    throw fault(
      'CERT_EXPIRED',
      `${where}: valid to ${iso(current.notAfter)}, the time is ${iso(at)}`,
      live
        ? [
            `Ask for a new document. If it is new already, your clock is fast by ${seconds} s or more: check your clock.`,
            'For a document of the past, use the archived verification.',
          ]
        : undefined,
    )
  }
}

function assertAuthority(current: NitroCertificate, where: string): void {
  const constraints = current.basicConstraints
  if (constraints === undefined || !constraints.ca)
    throw fault('BASIC_CONSTRAINTS', `${where}: not a CA`)
  if (!constraints.critical) throw fault('BASIC_CONSTRAINTS', `${where}: not marked critical`)
  if (current.keyUsage === undefined || !current.keyUsage.keyCertSign) {
    throw fault('KEY_USAGE', `${where}: may not sign certificates`)
  }
  if (current.publicKey === undefined) throw fault('CERT_ALG', `${where}: its key is not P-384`)
}

function assertPathLength(current: NitroCertificate, below: number, where: string): void {
  const allowed = current.basicConstraints?.pathLength
  if (allowed !== undefined && below > allowed) {
    throw fault('PATH_LEN', `${where}: allows ${allowed} CAs below it, there are ${below}`)
  }
}

function assertLeaf(current: NitroCertificate): void {
  const constraints = current.basicConstraints
  if (constraints?.ca === true || constraints?.pathLength !== undefined) {
    throw fault('BASIC_CONSTRAINTS', 'the leaf: is a CA')
  }
  if (current.keyUsage === undefined || !current.keyUsage.digitalSignature) {
    throw fault('KEY_USAGE', 'the leaf: may not sign documents')
  }
  if (current.publicKey === undefined) throw fault('LEAF_KEY', 'the leaf: its key is not P-384')
}

/** Links whose signature was verified: a fact about their bytes, whatever the time and the policy. */
const issuedLinks = new Set<string>()
/** A path has at most eight; few are in force at a time. */
const MOST_LINKS = 1_024

/** `link`: the fingerprints of both. */
async function isIssued(
  link: string,
  { current, issuer }: { current: NitroCertificate; issuer: NitroCertificate },
  verify: VerifyP384,
): Promise<boolean> {
  const { signature, tbs: message } = current
  if (issuedLinks.has(link)) return true
  const valid = await verify({ publicKey: issuer.publicKey as Uint8Array, signature, message })
  if (valid !== true) return false
  for (const oldest of issuedLinks) {
    if (issuedLinks.size < MOST_LINKS) break
    issuedLinks.delete(oldest)
  }
  issuedLinks.add(link)
  return true
}

function iso(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}

function fault(
  code: NitroErrorCode,
  details: string,
  metaMessages?: readonly string[],
): NitroAttestationError {
  return new NitroAttestationError({ code, stage: 'chain', details, metaMessages })
}
