/** What is remembered changes how long a verdict takes, never the verdict. */
import type { Address, Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { joinShares } from '../../../../test/support/certificates.js'
import { fromHex, toHex, uintToBytes, utf8 } from '../../../internal/bytes.js'
import {
  type Bn254Backend,
  blsKeyFromSeed,
  type Certificate,
  computeSignableDigest,
  createOperatorTable,
  explainSignature,
  nobleBackend,
  operatorWitness,
  verifyCertificate,
  verifyOperatorProof,
} from '../index.js'

const referenceTimestamp = 1_750_000_000
const messageHash: Hex = `0x${'5b'.repeat(32)}`
const digest = computeSignableDigest({ referenceTimestamp, messageHash })
const address = (index: number): Address => toHex(uintToBytes(index + 1, 20))
const keys = Array.from({ length: 7 }, (_, i) => blsKeyFromSeed(utf8(`known ${i}`)))
const tableOf = (weight: bigint) =>
  createOperatorTable(
    keys.map((key, i) => ({ operator: address(i), ...key.publicKey, weights: [weight] })),
  )
const shares = (signers: readonly number[], signed = digest) =>
  signers.map((i) => ({
    operator: address(i),
    signature: (keys[i] as (typeof keys)[0]).sign(signed),
  }))

/** A backend of its own, which knows nothing yet, and what was asked of it. */
function counting(changes: Partial<Bn254Backend> = {}) {
  const asked = { pairings: 0, subgroups: 0, combinations: 0 }
  const backend: Bn254Backend = {
    ...nobleBackend,
    ...changes,
    combineG1: (terms) => {
      asked.combinations++
      return nobleBackend.combineG1(terms)
    },
    isInSubgroup: (point) => {
      asked.subgroups++
      return (changes.isInSubgroup ?? nobleBackend.isInSubgroup)(point)
    },
    pairingProduct: (pairs) => {
      asked.pairings++
      return (changes.pairingProduct ?? nobleBackend.pairingProduct)(pairs)
    },
  }
  return { backend, asked }
}

describe('keys that are known', () => {
  test('behavior: a key that passed is not checked again, and its signatures are', () => {
    const { backend, asked } = counting()
    const { publicKey } = keys[0] as (typeof keys)[0]
    const check = { digest, ...publicKey, signature: keys[0]?.sign(digest) as never }
    for (let i = 0; i < 3; i++) expect(explainSignature(check, { backend })).toBe(undefined)
    expect(asked).toEqual({ pairings: 3, subgroups: 1, combinations: 2 })
    const other = { ...check, signature: keys[0]?.sign(messageHash) as never }
    expect(explainSignature(other, { backend })).toBe('SIGNATURE_INVALID')
    const foreign = { ...check, signature: keys[1]?.sign(digest) as never }
    expect(explainSignature(foreign, { backend })).toBe('SIGNATURE_INVALID')
    const mixed = { ...check, pubkeyG2: keys[1]?.publicKey.pubkeyG2 as never }
    expect(explainSignature(mixed, { backend })).toBe('KEY_MISMATCH')
    const both = { ...mixed, signature: keys[1]?.sign(digest) as never }
    expect(explainSignature(both, { backend })).toBe('KEY_MISMATCH')
  })

  test('behavior: a refused key is not remembered', () => {
    const { backend, asked } = counting()
    const pubkey = keys[0]?.publicKey.pubkey as never
    const pubkeyG2 = keys[1]?.publicKey.pubkeyG2 as never
    const check = { digest, pubkey, pubkeyG2, signature: keys[0]?.sign(digest) as never }
    for (let i = 0; i < 2; i++) expect(explainSignature(check, { backend })).toBe('KEY_MISMATCH')
    expect(asked.subgroups).toBe(2)
  })

  test('behavior: what one backend found says nothing of another', () => {
    const one = { isOne: () => true, over: () => one }
    const wrong = counting({ isInSubgroup: () => true, pairingProduct: () => one })
    const pubkey = keys[2]?.publicKey.pubkey as never
    const pubkeyG2 = keys[3]?.publicKey.pubkeyG2 as never
    const check = { digest, pubkey, pubkeyG2, signature: keys[3]?.sign(digest) as never }
    expect(explainSignature(check, { backend: wrong.backend })).toBe(undefined)
    expect(explainSignature(check)).toBe('KEY_MISMATCH')
  })
})

describe('entries that are known', () => {
  const verdict = (certificate: Certificate, table = tableOf(100n)): string => {
    const against = { certificate, table: table.info, referenceTimestamp, messageHash }
    const outcome = verifyCertificate({ ...against, quorumBps: 1 })
    return outcome.status === 'valid' ? 'valid' : outcome.code
  }

  test('behavior: any change of an entry or its proof is refused, before and after it is known', () => {
    const table = tableOf(103n)
    const build = (signers: readonly number[]) =>
      joinShares({ table, referenceTimestamp, messageHash, shares: shares(signers) })
    const certificate = build([0, 2, 3, 6])
    const [first, ...rest] = certificate.nonSignerWitnesses as Certificate['nonSignerWitnesses']
    if (first === undefined) throw new Error('there is one')
    const { operatorInfo: info, operatorInfoProof: proof } = first
    const bytes = fromHex(proof)
    const changed: Partial<typeof first>[] = [
      ...Array.from(bytes, (_, at) => ({
        operatorInfoProof: toHex(bytes.map((byte, i) => (i === at ? byte ^ 0x10 : byte))),
      })),
      { operatorInfoProof: `${proof}00` },
      { operatorInfoProof: `${proof}${'00'.repeat(32)}` },
      { operatorInfoProof: proof.slice(0, -64) as Hex },
      { operatorInfoProof: proof.slice(0, -1) as Hex },
      { operatorInfoProof: `1x${proof.slice(2)}` as Hex },
      { operatorInfoProof: `${proof.slice(0, -1)}g` as Hex },
      { operatorInfo: { ...info, weights: [104n] } },
      { operatorInfo: { ...info, weights: [] } },
      { operatorInfo: { ...info, weights: [103n, 0n] } },
      { operatorInfo: { ...info, pubkey: { X: info.pubkey.X, Y: info.pubkey.Y + 1n } } },
      { operatorInfo: { ...info, pubkey: keys[0]?.publicKey.pubkey as never } },
      { operatorIndex: first.operatorIndex - 1 },
      { operatorIndex: first.operatorIndex + 1 },
    ]
    const verdicts = () =>
      changed.map((change) => {
        const nonSignerWitnesses = [{ ...first, ...change }, ...rest]
        return verdict({ ...certificate, nonSignerWitnesses }, table)
      })
    const before = verdicts()
    expect(new Set(before)).toEqual(new Set(['UNKNOWN_OPERATOR']))
    for (let i = 0; i < 2; i++) expect(verdict(certificate, table)).toBe('valid')
    expect(verdicts()).toEqual(before)
    // Every operator, in an order that meets nodes of others half way up.
    for (const signers of [[0], [5], [0, 1, 2, 3, 4, 5], [3, 6], [6]]) {
      expect(verdict(build(signers), table)).toBe('valid')
    }
    expect(verdicts()).toEqual(before)
  })

  test('behavior: entries of one table are none of another', () => {
    const [known, other] = [tableOf(107n), tableOf(108n)]
    const witness = operatorWitness(known, 4)
    const entry = {
      ...{ info: witness.operatorInfo, operatorIndex: 4, proof: witness.operatorInfoProof },
      numOperators: 7n,
    }
    const root = known.info.operatorInfoTreeRoot
    for (let i = 0; i < 2; i++) expect(verifyOperatorProof({ ...entry, root })).toBe(true)
    const upper = `0x${entry.proof.slice(2).toUpperCase()}` as const
    expect(verifyOperatorProof({ ...entry, root, proof: upper })).toBe(true)
    expect(verifyOperatorProof({ ...entry, root: other.info.operatorInfoTreeRoot })).toBe(false)
    for (const numOperators of [4n, 16n, 0n, 2n ** 256n]) {
      expect(verifyOperatorProof({ ...entry, root, numOperators })).toBe(false)
    }
    // As deep a tree of one more operator has the same proofs, as it has in the contract.
    expect(verifyOperatorProof({ ...entry, root, numOperators: 8n })).toBe(true)
  })

  test('behavior: more tables than are remembered are judged as before', () => {
    const tables = Array.from({ length: 300 }, (_, i) => tableOf(BigInt(200 + i)))
    for (const table of [...tables, ...tables.slice(0, 5)]) {
      const { operatorInfo: info, operatorInfoProof: proof } = operatorWitness(table, 1)
      const { operatorInfoTreeRoot: root, numOperators } = table.info
      const entry = { info, proof, root, numOperators, operatorIndex: 1 }
      expect(verifyOperatorProof(entry)).toBe(true)
      expect(verifyOperatorProof({ ...entry, operatorIndex: 2 })).toBe(false)
    }
  })
})
