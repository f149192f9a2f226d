/**
 * Reads a certificate from its words. In the one canonical ABI encoding the place of every word follows
 * from the lengths before it, so that reading in order, with each offset held against where the reader
 * stands, finds what encoding the result again would find, at a tenth of the cost.
 */
import { type Hex, size } from 'viem'
import type { G1Point, G2Point } from './curve/points.js'
import { CertificateError } from './errors.js'
import type { OperatorInfo } from './table/proofs.js'

/** An operator of the table with the proof that it is there. */
export type OperatorInfoWitness = {
  readonly operatorIndex: number
  readonly operatorInfoProof: Hex
  readonly operatorInfo: OperatorInfo
}

/** A BN254 certificate, ABI-ready. */
export type Certificate = {
  /** Seconds; names the operator table. */
  readonly referenceTimestamp: number
  readonly messageHash: Hex
  readonly signature: G1Point
  readonly apk: G2Point
  readonly nonSignerWitnesses: readonly OperatorInfoWitness[]
}

const WORD = 64
const MAX_UINT32 = 0xffff_ffffn

/**
 * Reads `abi.encode(BN254Certificate)` from lower-case hex.
 *
 * @throws {CertificateError} `MALFORMED` for anything but the canonical encoding.
 */
export function readCertificateWords(encoded: Hex): Certificate {
  if (size(encoded) % 32 !== 0) throw malformed('it is not made of words')
  let at = 2
  const word = (): string => {
    const start = at
    at += WORD
    if (at > encoded.length) throw malformed('it ends too early')
    return encoded.slice(start, at)
  }
  const uint = (): bigint => BigInt(`0x${word()}`)
  const uint32 = (): number => {
    const value = uint()
    if (value > MAX_UINT32) throw malformed('a uint32 does not fit')
    return Number(value)
  }
  const exactly = (value: number): void => {
    if (uint() !== BigInt(value)) throw malformed('it is not in canonical ABI form')
  }
  /** A number of things that take at least so many bytes each: more than the rest holds are none. */
  const count = (bytesEach: number): number => {
    const value = uint()
    if (value * BigInt(bytesEach) > BigInt((encoded.length - at) / 2)) {
      throw malformed('it ends too early')
    }
    return Number(value)
  }
  const bytes = (): Hex => {
    const length = count(1)
    const start = at
    at += Math.ceil(length / 32) * WORD
    const padding = encoded.slice(start + length * 2, at)
    if (/[^0]/.test(padding)) throw malformed('it is not in canonical ABI form')
    return `0x${encoded.slice(start, start + length * 2)}`
  }
  const witness = (): OperatorInfoWitness => {
    const operatorIndex = uint32()
    exactly(3 * 32)
    const infoAt = uint()
    const start = at
    const operatorInfoProof = bytes()
    if (infoAt !== BigInt(3 * 32 + (at - start) / 2)) {
      throw malformed('it is not in canonical ABI form')
    }
    const pubkey = { X: uint(), Y: uint() }
    exactly(3 * 32)
    const weights = Array.from({ length: count(32) }, uint)
    return { operatorIndex, operatorInfoProof, operatorInfo: { pubkey, weights } }
  }

  exactly(32)
  const referenceTimestamp = uint32()
  const messageHash: Hex = `0x${word()}`
  const signature = { X: uint(), Y: uint() }
  const apk = { X: [uint(), uint()] as const, Y: [uint(), uint()] as const }
  exactly(9 * 32)
  // A witness has eight words at least, and its offset.
  const offsets = Array.from({ length: count(9 * 32) }, uint)
  const first = at
  const nonSignerWitnesses = offsets.map((offset) => {
    if (offset !== BigInt(offsets.length * 32 + (at - first) / 2)) {
      throw malformed('it is not in canonical ABI form')
    }
    return witness()
  })
  if (at !== encoded.length)
    throw malformed('it is not in canonical ABI form: bytes follow its end')
  return { referenceTimestamp, messageHash, signature, apk, nonSignerWitnesses }
}

function malformed(detail: string): CertificateError {
  return new CertificateError({ reason: 'MALFORMED', detail })
}
