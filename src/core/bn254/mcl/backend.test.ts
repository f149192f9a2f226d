import { bn254 } from '@noble/curves/bn254.js'
import fc from 'fast-check'
import mcl from 'mcl-wasm'
import { afterAll, describe, expect, test } from 'vitest'
import { joinShares } from '../../../../test/support/certificates.js'
import { toHex, uintToBytes, utf8 } from '../../../internal/bytes.js'
import { fromNobleG2 } from '../curve/points.js'
import {
  buildCertificate,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  explainPossession,
  explainSignature,
  G1_GENERATOR,
  G1_INFINITY,
  type G1Point,
  G2_GENERATOR,
  G2_INFINITY,
  type G2Point,
  GROUP_ORDER,
  nobleBackend,
  type OperatorTable,
  provePossession,
  verifyCertificate,
} from '../index.js'
import { mclBackend } from './index.js'

const backend = await mclBackend()
const scalar = fc.bigInt(0n, GROUP_ORDER - 1n)
const g1 = (k: bigint): G1Point => (k === 0n ? G1_INFINITY : createBlsKey(k).publicKey.pubkey)
const g2 = (k: bigint): G2Point => (k === 0n ? G2_INFINITY : createBlsKey(k).publicKey.pubkeyG2)

describe('a key that signs by a backend', () => {
  const digestOf = (n: bigint) => toHex(uintToBytes(n, 32))

  test('property: signs as it does without one', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, GROUP_ORDER - 1n), fc.bigInt(0n, 2n ** 256n - 1n), (secret, n) => {
        const digest = digestOf(n)
        expect(createBlsKey(secret, { backend }).sign(digest)).toEqual(
          createBlsKey(secret).sign(digest),
        )
      }),
      { numRuns: 15, examples: [[1n, 0n]] },
    )
  })

  test('never gives it the secret, but two parts of it that are new each time', () => {
    const secret = 1_234_567n
    const seen: bigint[] = []
    const watched = {
      combineG1(terms: Parameters<typeof backend.combineG1>[0]) {
        seen.push(...terms.map((term) => term.scalar))
        return backend.combineG1(terms)
      },
    }
    const key = createBlsKey(secret, { backend: watched })
    for (let turn = 0; turn < 4; turn++) key.sign(digestOf(7n))
    // One product when the key is made, to see that the backend multiplies, and one a signature.
    expect(new Set(seen).size).toBe(10)
    for (let at = 0; at < seen.length; at += 2) {
      expect(((seen[at] as bigint) + (seen[at + 1] as bigint)) % GROUP_ORDER).toBe(secret)
    }
    expect(seen.every((part) => part > 2n ** 128n)).toBe(true)
  })

  test('parts at the edges: least, most, and one more than all; none and all would be the secret', () => {
    const secret = 5n
    const expected = createBlsKey(secret).sign(digestOf(9n))
    const from = (part: bigint) => (length: number) => uintToBytes(part, length)
    for (const part of [1n, secret - 1n, secret + 1n, GROUP_ORDER - 1n]) {
      const key = createBlsKey(secret, { backend, randomBytes: from(part) })
      expect(key.sign(digestOf(9n))).toEqual(expected)
    }
    for (const part of [0n, secret]) {
      expect(() => createBlsKey(secret, { backend, randomBytes: from(part) })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
  })

  test('options that are none, misspelled or of no use are refused at once', () => {
    const bad: unknown[] = [null, 7, 'mcl', { backnd: backend }, { randomBytes: null }]
    for (const none of [null, {}, 'mcl', mclBackend, { combineG1: true }])
      bad.push({ backend: none })
    for (const options of bad) {
      expect(() => createBlsKey(5n, options as object), JSON.stringify(options)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
    const none = { backend: undefined, randomBytes: undefined }
    expect(createBlsKey(5n, none).sign(digestOf(9n))).toEqual(createBlsKey(5n).sign(digestOf(9n)))
  })
})

describe('mclBackend agrees with nobleBackend', () => {
  test('property: combinations of G1', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(scalar, scalar), { maxLength: 3 }), (terms) => {
        const list = terms.map(([secret, k]) => ({ point: g1(secret), scalar: k }))
        expect(backend.combineG1(list)).toEqual(nobleBackend.combineG1(list))
      }),
      {
        numRuns: 15,
        examples: [
          [[]],
          [[[0n, 5n]]],
          [[[7n, 0n]]],
          [
            [
              [3n, 1n],
              [GROUP_ORDER - 3n, 1n],
            ],
          ],
        ],
      },
    )
  })

  test('property: pairing products, and one divided by another', () => {
    fc.assert(
      fc.property(scalar, scalar, (a, b) => {
        const pairs = (last: bigint) => [
          { g1: g1((GROUP_ORDER - a) % GROUP_ORDER), g2: g2(b) },
          { g1: g1(last), g2: G2_GENERATOR },
        ]
        const product = (a * b) % GROUP_ORDER
        const wrong = (product + 1n) % GROUP_ORDER
        for (const one of [backend, nobleBackend]) {
          const right = one.pairingProduct(pairs(product))
          const other = one.pairingProduct(pairs(wrong))
          expect(right.isOne()).toBe(true)
          expect(other.isOne()).toBe(false)
          expect(other.over(other).isOne()).toBe(true)
          expect(other.over(right).isOne()).toBe(false)
          const rest = one.pairingProduct([{ g1: G1_GENERATOR, g2: G2_GENERATOR }])
          expect(other.over(rest).isOne()).toBe(true)
          const foreign = (one === backend ? nobleBackend : backend).pairingProduct([])
          expect(() => other.over(foreign)).toThrow('the product is of another backend')
        }
      }),
      {
        numRuns: 4,
        examples: [
          [0n, 5n],
          [5n, 0n],
          [1n, 1n],
        ],
      },
    )
  })

  test('points of the curve outside the subgroup', () => {
    const { Fp2 } = bn254.fields
    for (let c0 = 1n, found = 0; found < 3; c0++) {
      const x = { c0, c1: 3n }
      const right = Fp2.add(Fp2.mul(Fp2.sqr(x), x), bn254.G2.Point.CURVE().b)
      let y: typeof x
      try {
        y = Fp2.sqrt(right)
      } catch {
        continue
      }
      found++
      const point = fromNobleG2(bn254.G2.Point.fromAffine({ x, y }))
      expect(backend.isInSubgroup(point)).toBe(false)
      expect(nobleBackend.isInSubgroup(point)).toBe(false)
    }
    for (const point of [G2_GENERATOR, g2(77n), G2_INFINITY]) {
      expect(backend.isInSubgroup(point)).toBe(true)
      expect(nobleBackend.isInSubgroup(point)).toBe(true)
    }
  })

  test('verdicts on signatures, each fault', () => {
    const key = createBlsKey(1234567n)
    const foreign = createBlsKey(7654321n)
    const digest = toHex(uintToBytes(42, 32))
    const valid = { digest, signature: key.sign(digest), ...key.publicKey }
    const cases = [
      valid,
      { ...valid, signature: foreign.sign(digest) },
      { ...valid, digest: toHex(uintToBytes(43, 32)) },
      { ...valid, pubkey: foreign.publicKey.pubkey },
      { ...valid, pubkeyG2: foreign.publicKey.pubkeyG2 },
      { ...valid, signature: G1_INFINITY },
      { ...valid, signature: { X: 1n, Y: 1n } },
      { ...valid, digest: '0x' as const },
    ]
    expect(cases.map((one) => explainSignature(one, { backend }))).toEqual(
      cases.map((one) => explainSignature(one)),
    )
    expect(explainSignature(valid, { backend })).toBeUndefined()
  })

  test('tables and certificates, bad shares left out', async () => {
    const messageHash = toHex(uintToBytes(9, 32))
    const referenceTimestamp = 1_750_000_000
    const digest = computeSignableDigest({ referenceTimestamp, messageHash })
    const keys = Array.from({ length: 30 }, (_, i) => createBlsKey(BigInt(i + 1_000)))
    const operators = keys.map((key, i) => ({
      operator: toHex(uintToBytes(i + 1, 20)),
      ...key.publicKey,
      weights: [1n],
    }))
    const table: OperatorTable = createOperatorTable(operators, { backend })
    expect(table.info).toEqual(createOperatorTable(operators).info)
    const shares = keys.slice(0, 25).map((key, i) => ({
      operator: operators[i]?.operator as `0x${string}`,
      signature: key.sign(i % 11 === 3 ? messageHash : digest),
    }))
    const parameters = { table, referenceTimestamp, messageHash, shares }
    const built = await buildCertificate({ ...parameters, backend })
    expect(built).toEqual(await buildCertificate(parameters))
    expect(built.refused.map(({ index }) => index)).toEqual([3, 14])
    const against = { ...parameters, certificate: built.certificate, table: table.info }
    for (const quorumBps of [5_000, 9_000]) {
      const outcome = verifyCertificate({ ...against, quorumBps, backend })
      expect(outcome).toEqual(verifyCertificate({ ...against, quorumBps }))
      expect(outcome.status).toBe(quorumBps === 5_000 ? 'valid' : 'reject')
    }
  })
})

describe('another curve in the process', () => {
  afterAll(() => mcl.init(mcl.BN_SNARK1))

  test('error: BN254_BACKEND from each call, and no verdict', async () => {
    const product = backend.pairingProduct([])
    await mcl.init(mcl.BLS12_381)
    const refused = expect.objectContaining({ code: 'BN254_BACKEND' })
    await expect(mclBackend()).rejects.toEqual(refused)
    const calls = [
      () => backend.combineG1([]),
      () => backend.isInSubgroup(G2_GENERATOR),
      () => backend.pairingProduct([]),
      () => product.isOne(),
      () => product.over(product),
    ]
    for (const call of calls) expect(call).toThrow(/another curve/)
    const digest = toHex(utf8('x'.repeat(32)))
    const key = createBlsKey(5n)
    const check = { digest, signature: key.sign(digest), ...key.publicKey }
    expect(() => explainSignature(check, { backend })).toThrow(/another curve/)
    const context = { chainId: 1, verifier: address, operator: address }
    const proof = await provePossession(key, context)
    const possession = { ...context, ...key.publicKey, proof }
    expect(() => explainPossession(possession, { backend })).toThrow(/another curve/)
    const table = createOperatorTable([{ operator: address, ...key.publicKey, weights: [1n] }])
    const certificate = joinShares({
      table,
      referenceTimestamp: 1,
      messageHash: digest,
      shares: [{ operator: address, signature: check.signature }],
    })
    const against = { table: table.info, referenceTimestamp: 1, messageHash: digest }
    expect(() => verifyCertificate({ ...against, certificate, quorumBps: 1, backend })).toThrow(
      /another curve/,
    )
  })
})

const address = toHex(uintToBytes(1, 20))
