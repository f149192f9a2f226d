import fc from 'fast-check'
import { type Address, encodeAbiParameters, type Hex, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import { joinShares } from '../../../test/support/certificates.js'
import { fromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import {
  addG1,
  addG2,
  BN254_CERTIFICATE_TYPEHASH,
  blsKeyFromSeed,
  type Certificate,
  computeOperatorInfoLeaf,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  decodeCertificate,
  encodeCertificate,
  G1_INFINITY,
  G2_INFINITY,
  GROUP_ORDER,
  type OperatorTableError,
  operatorWitness,
  type TableOperator,
  type VerifyCertificateParameters,
  verifyCertificate,
  verifyOperatorProof,
} from './index.js'

const referenceTimestamp = 1_750_000_000
const messageHash: Hex = `0x${'5a'.repeat(32)}`
const digest = computeSignableDigest({ referenceTimestamp, messageHash })

const address = (index: number): Address => toHex(uintToBytes(index + 1, 20))
const keys = Array.from({ length: 5 }, (_, index) => blsKeyFromSeed(utf8(`operator ${index}`)))
const operators: TableOperator[] = keys.map((key, index) => ({
  operator: address(index),
  ...key.publicKey,
  weights: [100n + BigInt(index), 1000n],
}))
const table = createOperatorTable(operators)
const foreign = blsKeyFromSeed(utf8('foreign'))

const shares = (signers: readonly number[]) =>
  signers.map((index) => ({
    operator: address(index),
    signature: keys[index]?.sign(digest) as { X: bigint; Y: bigint },
  }))
const build = (signers: readonly number[]): Certificate =>
  joinShares({ table, referenceTimestamp, messageHash, shares: shares(signers) })
const against = (
  certificate: Certificate,
  overrides: Partial<VerifyCertificateParameters> = {},
): VerifyCertificateParameters => ({
  certificate,
  table: table.info,
  referenceTimestamp,
  messageHash,
  quorumBps: 6_000,
  ...overrides,
})
const codeOf = (parameters: VerifyCertificateParameters): string => {
  const outcome = verifyCertificate(parameters)
  return outcome.status === 'valid' ? 'valid' : outcome.code
}
const faultOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return (error as OperatorTableError).fault
  }
  return 'none'
}

const certificate = build([0, 2, 3, 4])

describe('digest', () => {
  test('type hash and reference value', () => {
    const type = 'BN254Certificate(uint32 referenceTimestamp,bytes32 messageHash)'
    expect(keccak256(toHex(utf8(type)))).toBe(BN254_CERTIFICATE_TYPEHASH)
    // A state commit's published pair of message hash and signable digest.
    expect(
      computeSignableDigest({
        referenceTimestamp: 1_750_000_000,
        messageHash: '0x39e539b3143406576c94519b849eaa051207fd81a53d84823d10e47ec0fcfec0',
      }),
    ).toBe('0x2f2c81b5a759b8fe41855f89e28ea10fb19f5dafd741b447f59f01c55cfaf1fa')
  })

  test('error: members that do not fit', () => {
    expect(() => computeSignableDigest({ referenceTimestamp: 2 ** 32, messageHash })).toThrow()
    expect(() => computeSignableDigest({ referenceTimestamp: 1, messageHash: '0x' })).toThrow()
  })
})

describe('operator table', () => {
  test('leaves are salted ABI encodings, the root pads to a power of two', () => {
    const leaves = operators.map(({ pubkey, weights }) => {
      const encoded = encodeAbiParameters(
        [
          {
            type: 'tuple',
            components: [
              {
                name: 'pubkey',
                type: 'tuple',
                components: [
                  { name: 'X', type: 'uint256' },
                  { name: 'Y', type: 'uint256' },
                ],
              },
              { name: 'weights', type: 'uint256[]' },
            ],
          },
        ],
        [{ pubkey, weights }],
      )
      const leaf = keccak256(`0x75${encoded.slice(2)}`)
      expect(computeOperatorInfoLeaf({ pubkey, weights })).toBe(leaf)
      return leaf
    })
    const zero: Hex = `0x${'00'.repeat(32)}`
    const pair = (a: Hex, b: Hex): Hex => keccak256(`${a}${b.slice(2)}` as Hex)
    const [a, b, c, d, e] = leaves as [Hex, Hex, Hex, Hex, Hex]
    const root = pair(pair(pair(a, b), pair(c, d)), pair(pair(e, zero), pair(zero, zero)))
    expect(table.info.operatorInfoTreeRoot).toBe(root)
    expect(table.info.numOperators).toBe(5n)
    expect(table.info.totalWeights).toEqual([510n, 5000n])
    expect(table.proof(4)).toBe(
      `0x${zero.slice(2)}${pair(zero, zero).slice(2)}${pair(pair(a, b), pair(c, d)).slice(2)}`,
    )
  })

  test('a table keeps what it checked, whatever its caller does with his objects', () => {
    const own = structuredClone(operators) as TableOperator[]
    const built = createOperatorTable(own)
    const before = structuredClone(built.operators)
    const [one, two] = own as [
      { pubkey: unknown; weights: bigint[]; operator: unknown },
      TableOperator,
    ]
    one.weights[0] = 10n ** 30n
    Object.assign(one.pubkey as object, two.pubkey)
    one.operator = two.operator
    expect(built.operators).toEqual(before)
    expect(() => {
      ;(built.operators[0] as unknown as { weights: bigint[] }).weights[0] = 1n
    }).toThrow(TypeError)
  })

  test('one operator: the root is the leaf, the proof empty', () => {
    const single = createOperatorTable([operators[0] as TableOperator])
    expect(single.info.operatorInfoTreeRoot).toBe(
      computeOperatorInfoLeaf(operators[0] as TableOperator),
    )
    expect(single.proof(0)).toBe('0x')
  })

  test('every proof verifies at its index only, and no byte of it can change', () => {
    const { operatorInfoTreeRoot: root, numOperators } = table.info
    operators.forEach((info, operatorIndex) => {
      const proof = table.proof(operatorIndex)
      const valid = { info, operatorIndex, proof, root, numOperators }
      expect(verifyOperatorProof(valid)).toBe(true)
      expect(verifyOperatorProof({ ...valid, operatorIndex: (operatorIndex + 1) % 5 })).toBe(false)
      expect(verifyOperatorProof({ ...valid, operatorIndex: operatorIndex + 8 })).toBe(false)
      expect(verifyOperatorProof({ ...valid, proof: `${proof}00` })).toBe(false)
      expect(verifyOperatorProof({ ...valid, proof: proof.slice(0, -64) as Hex })).toBe(false)
      expect(verifyOperatorProof({ ...valid, root: `0x${'00'.repeat(32)}` })).toBe(false)
      expect(verifyOperatorProof({ ...valid, info: { ...info, weights: [1n, 1n] } })).toBe(false)
      expect(verifyOperatorProof({ ...valid, info: null as never })).toBe(false)
      const bytes = fromHex(proof)
      for (let i = 0; i < bytes.length; i++) {
        const flipped = Uint8Array.from(bytes, (byte, at) => (at === i ? byte ^ 0x80 : byte))
        expect(verifyOperatorProof({ ...valid, proof: toHex(flipped) })).toBe(false)
      }
    })
  })

  const [first, second] = operators as [TableOperator, TableOperator]
  const minus: TableOperator = { ...second, ...createBlsKey(GROUP_ORDER - 5n).publicKey }
  const plus: TableOperator = { ...first, ...createBlsKey(5n).publicKey }
  test.each<[string, TableOperator[], string]>([
    ['no operators', [], 'EMPTY_OPERATOR_SET'],
    ['no weights', [{ ...first, weights: [] }], 'EMPTY_WEIGHTS'],
    ['other number of weights', [first, { ...second, weights: [1n] }], 'WEIGHTS_LENGTH_MISMATCH'],
    [
      'weights that overflow',
      [
        { ...first, weights: [2n ** 256n - 1n] },
        { ...second, weights: [1n] },
      ],
      'WEIGHT_OVERFLOW',
    ],
    ['a negative weight', [{ ...first, weights: [-1n] }], 'WEIGHT_OVERFLOW'],
    ['an operator twice', [first, { ...second, operator: first.operator }], 'DUPLICATE_OPERATOR'],
    ['a key twice', [first, { ...first, operator: second.operator }], 'DUPLICATE_PUBKEY'],
    ['keys of two secrets', [{ ...first, pubkeyG2: second.pubkeyG2 }], 'KEY_MISMATCH'],
    ['keys that cancel out', [plus, minus], 'AGGREGATE_AT_INFINITY'],
  ])('error: %s', (_name, entries, fault) => {
    expect(faultOf(() => createOperatorTable(entries))).toBe(fault)
  })

  test('error: malformed keys and addresses', () => {
    expect(() => createOperatorTable([{ ...first, pubkey: G1_INFINITY }])).toThrow(
      'operators[0].pubkey',
    )
    expect(() => createOperatorTable([{ ...first, pubkeyG2: G2_INFINITY }])).toThrow('pubkeyG2')
    expect(() => createOperatorTable([{ ...first, operator: '0x' }])).toThrow(
      'operators[0].operator',
    )
    expect(() => table.proof(5)).toThrow('`index`')
  })
})

describe('encoding', () => {
  test('round-trips and is canonical', () => {
    const encoded = encodeCertificate(certificate)
    expect(decodeCertificate(encoded)).toEqual(certificate)
    expect(() => decodeCertificate(`${encoded}${'00'.repeat(32)}`)).toThrow('canonical')
    expect(() => decodeCertificate('0x')).toThrow('MALFORMED')
    expect(() => decodeCertificate('nothing' as Hex)).toThrow('MALFORMED')
    expect(() => decodeCertificate(encoded.slice(0, -64) as Hex)).toThrow('MALFORMED')
    expect(() => encodeCertificate({ ...certificate, referenceTimestamp: -1 })).toThrow('MALFORMED')
  })

  test('no byte of an encoded certificate can change', () => {
    const bytes = fromHex(encodeCertificate(certificate))
    const codes = new Map<string, number>()
    for (let i = 0; i < bytes.length; i++) {
      const flipped = Uint8Array.from(bytes, (byte, at) =>
        at === i ? byte ^ (1 << (i % 8)) : byte,
      )
      let code: string
      try {
        code = codeOf(against(decodeCertificate(flipped)))
      } catch (error) {
        code = (error as { reason: string }).reason
      }
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
    expect(codes.has('valid')).toBe(false)
    expect([...codes.keys()].sort()).toEqual(
      [
        'MALFORMED',
        'MESSAGE_HASH_MISMATCH',
        'INVALID_OPERATOR_INDEX',
        'POINT_NOT_ON_CURVE',
        'UNKNOWN_OPERATOR',
        'WRONG_TABLE',
      ].sort(),
    )
  })
})

describe('verifyCertificate', () => {
  test('valid, with the weight that signed', () => {
    expect(verifyCertificate(against(certificate))).toEqual({
      status: 'valid',
      signedWeights: [409n, 4000n],
    })
    expect(codeOf(against(build([0, 1, 2, 3, 4]), { quorumBps: 10_000 }))).toBe('valid')
  })

  test('quorum holds for every strategy, at the exact boundary too', () => {
    // 409 of 510 is 8019.6 basis points, 4000 of 5000 is 8000.
    expect(codeOf(against(certificate, { quorumBps: 8_000 }))).toBe('valid')
    expect(codeOf(against(certificate, { quorumBps: 8_001 }))).toBe('QUORUM_NOT_MET')
    for (const quorumBps of [0, -1, 10_001, 1.5, Number.NaN]) {
      expect(codeOf(against(certificate, { quorumBps }))).toBe('INVALID_QUORUM')
    }
  })

  const witness = (index: number) => operatorWitness(table, index)
  const withWitnesses = (nonSignerWitnesses: Certificate['nonSignerWitnesses']): Certificate => ({
    ...certificate,
    nonSignerWitnesses,
  })
  const [two] = [build([0, 2, 3])]
  const low = { quorumBps: 1 }
  const g1 = certificate.signature

  test.each<[string, VerifyCertificateParameters, string]>([
    ['a table of another time', against({ ...certificate, referenceTimestamp: 1 }), 'WRONG_TABLE'],
    [
      'a timestamp far off',
      against({ ...certificate, referenceTimestamp: 0xffff_ffff }),
      'WRONG_TABLE',
    ],
    [
      'another message',
      against({ ...certificate, messageHash: `0x${'00'.repeat(32)}` }),
      'MESSAGE_HASH_MISMATCH',
    ],
    [
      'a stale table',
      against(certificate, { staleness: { now: referenceTimestamp + 61, maxAge: 60 } }),
      'CERTIFICATE_STALE',
    ],
    [
      'a time that is no number',
      against(certificate, { staleness: { now: Number.NaN, maxAge: 60 } }),
      'CERTIFICATE_STALE',
    ],
    [
      'an age that is no number',
      against(certificate, { staleness: { now: referenceTimestamp, maxAge: Number.NaN } }),
      'CERTIFICATE_STALE',
    ],
    [
      'a table just fresh',
      against(certificate, { staleness: { now: referenceTimestamp + 60, maxAge: 60 } }),
      'valid',
    ],
    [
      'a signer dropped from the sum',
      against({
        ...certificate,
        signature: addG1(
          [g1, build([0]).signature].map((p, i) =>
            i === 1
              ? {
                  X: p.X,
                  Y:
                    21888242871839275222246405745257275088696311157297823662689037894645226208583n -
                    p.Y,
                }
              : p,
          ),
        ),
      }),
      'SIGNATURE_INVALID',
    ],
    [
      'a signer counted twice',
      against({ ...certificate, signature: addG1([g1, build([0]).signature]) }),
      'SIGNATURE_INVALID',
    ],
    [
      'a signer counted twice in the key too',
      against({
        ...certificate,
        signature: addG1([g1, build([0]).signature]),
        apk: addG2([certificate.apk, operators[0]?.pubkeyG2 as never]),
      }),
      'UNKNOWN_OPERATOR',
    ],
    [
      'a foreign signer',
      against({
        ...certificate,
        signature: addG1([g1, foreign.sign(digest)]),
        apk: addG2([certificate.apk, foreign.publicKey.pubkeyG2]),
      }),
      'UNKNOWN_OPERATOR',
    ],
    [
      'a signer hidden as a non-signer',
      against(withWitnesses([witness(1), witness(2)]), low),
      'UNKNOWN_OPERATOR',
    ],
    [
      'a non-signer left out',
      against({ ...certificate, nonSignerWitnesses: [] }),
      'UNKNOWN_OPERATOR',
    ],
    [
      'non-signers not sorted',
      against({ ...two, nonSignerWitnesses: [witness(4), witness(1)] }, low),
      'NON_SIGNERS_NOT_SORTED',
    ],
    [
      'a non-signer repeated',
      against(withWitnesses([witness(1), witness(1)]), low),
      'DUPLICATE_NON_SIGNER',
    ],
    [
      'an index past the table',
      against(withWitnesses([{ ...witness(1), operatorIndex: 5 }]), low),
      'INVALID_OPERATOR_INDEX',
    ],
    [
      'an entry under another index',
      against(withWitnesses([{ ...witness(1), operatorIndex: 2 }]), low),
      'UNKNOWN_OPERATOR',
    ],
    [
      'other weights',
      against(
        withWitnesses([
          { ...witness(1), operatorInfo: { ...witness(1).operatorInfo, weights: [0n, 0n] } },
        ]),
        low,
      ),
      'UNKNOWN_OPERATOR',
    ],
    [
      'a signature at infinity',
      against({ ...certificate, signature: G1_INFINITY }),
      'POINT_AT_INFINITY',
    ],
    ['a key at infinity', against({ ...certificate, apk: G2_INFINITY }), 'POINT_AT_INFINITY'],
    [
      'a signature off the curve',
      against({ ...certificate, signature: { X: g1.X, Y: g1.X } }),
      'POINT_NOT_ON_CURVE',
    ],
    [
      'the other root',
      against({
        ...certificate,
        signature: {
          X: g1.X,
          Y: 21888242871839275222246405745257275088696311157297823662689037894645226208583n - g1.Y,
        },
      }),
      'SIGNATURE_INVALID',
    ],
    ['nobody signed', against(withWitnesses([0, 1, 2, 3, 4].map(witness)), low), 'QUORUM_NOT_MET'],
    [
      'no operators',
      against(certificate, { table: { ...table.info, numOperators: 0n } }),
      'EMPTY_OPERATOR_SET',
    ],
    [
      'no weights',
      against(certificate, { table: { ...table.info, totalWeights: [] } }),
      'EMPTY_WEIGHTS',
    ],
    [
      'no stake',
      against(certificate, { table: { ...table.info, totalWeights: [0n, 1n] } }),
      'ZERO_TOTAL_WEIGHT',
    ],
    [
      'totals that overflow',
      against(certificate, { table: { ...table.info, totalWeights: [2n ** 256n - 1n, 5000n] } }),
      'WEIGHT_OVERFLOW',
    ],
    [
      'totals below a non-signer',
      against(certificate, { table: { ...table.info, totalWeights: [50n, 5000n] } }),
      'WEIGHT_UNDERFLOW',
    ],
    [
      'totals of another length',
      against(certificate, { table: { ...table.info, totalWeights: [510n] } }),
      'WEIGHTS_LENGTH_MISMATCH',
    ],
    [
      'a table whose key is off the curve',
      against(certificate, { table: { ...table.info, aggregatePubkey: { X: 1n, Y: 3n } } }),
      'POINT_NOT_ON_CURVE',
    ],
    [
      'a timestamp that is no uint32',
      against({ ...certificate, referenceTimestamp: 2 ** 40 }),
      'MALFORMED',
    ],
    ['witnesses that are no list', against(withWitnesses(7 as never)), 'MALFORMED'],
  ])('%s', (_name, parameters, code) => {
    expect(codeOf(parameters)).toBe(code)
  })

  test('never throws on other types', () => {
    for (const value of [undefined, null, 1, 'x', {}, []]) {
      expect(codeOf(value as never)).toBe('MALFORMED')
      expect(codeOf(against(value as never))).toBe('MALFORMED')
      expect(['MALFORMED', 'EMPTY_OPERATOR_SET']).toContain(
        codeOf(against(certificate, { table: value as never })),
      )
    }
  })

  test('thousands of non-signers are refused without hashing them', () => {
    const many = Array.from({ length: 50_000 }, (_, operatorIndex) => ({
      ...witness(1),
      operatorIndex,
    }))
    expect(codeOf(against(withWitnesses(many)))).toBe('TOO_MANY_NON_SIGNERS')
    const large = { ...table.info, numOperators: 60_000n }
    const started = performance.now()
    expect(codeOf(against(withWitnesses(many), { table: large }))).toBe('UNKNOWN_OPERATOR')
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('property: any set of signers of a quorum verifies, and none other does', () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }), (signers) => {
        const built = build(signers)
        const met = [0, 1].every((strategy) => {
          const weight = signers.reduce(
            (sum, i) => sum + (operators[i]?.weights[strategy] as bigint),
            0n,
          )
          return weight * 10_000n >= (table.info.totalWeights[strategy] as bigint) * 6_000n
        })
        expect(codeOf(against(built))).toBe(met ? 'valid' : 'QUORUM_NOT_MET')
      }),
      { numRuns: 8 },
    )
  })
})
