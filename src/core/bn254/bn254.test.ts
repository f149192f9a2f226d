import { bn254 } from '@noble/curves/bn254.js'
import fc from 'fast-check'
import { encodeAbiParameters, type Hex, keccak256 } from 'viem'
import { describe, expect, test } from 'vitest'
import { bytesToUint, concat, fromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import {
  addG1,
  addG2,
  blsKeyFromSeed,
  computePossessionDigest,
  createBlsKey,
  decodeG1,
  decodeG2,
  encodeG1,
  encodeG2,
  explainPossession,
  explainSignature,
  FIELD_MODULUS,
  G1_GENERATOR,
  G1_INFINITY,
  type G1Point,
  G2_GENERATOR,
  G2_INFINITY,
  type G2Point,
  GROUP_ORDER,
  hashToG1,
  InvalidBlsSecretError,
  InvalidPointError,
  provePossession,
  randomBlsKey,
  verifyPossession,
  verifySignature,
} from './index.js'

const digest: Hex = `0x${'11'.repeat(32)}`
const key = blsKeyFromSeed(utf8('a'))
const other = blsKeyFromSeed(utf8('b'))

/** Modular power, written apart from the code under test. */
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = base % FIELD_MODULUS
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % FIELD_MODULUS
    square = (square * square) % FIELD_MODULUS
  }
  return result
}

const errorOf = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('expected a throw')
}

describe('hashToG1', () => {
  test('agrees with an independent try-and-increment, by Euler criterion', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        let x = bytesToUint(bytes) % FIELD_MODULUS
        for (;;) {
          const square = (x * x * x + 3n) % FIELD_MODULUS
          if (square === 0n || power(square, (FIELD_MODULUS - 1n) / 2n) === 1n) break
          x = (x + 1n) % FIELD_MODULUS
        }
        const point = hashToG1(toHex(bytes))
        expect(point.X).toBe(x)
        expect((point.Y * point.Y - (x * x * x + 3n)) % FIELD_MODULUS).toBe(0n)
        // The exponent of EigenLayer's library picks this one of the two roots.
        const exponent = 0xc19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f52n
        expect(point.Y).toBe(power((x * x * x + 3n) % FIELD_MODULUS, exponent))
      }),
      { numRuns: 40 },
    )
  })

  test('reduces a digest at or above the modulus', () => {
    const above = toHex(uintToBytes(FIELD_MODULUS + 5n, 32))
    expect(hashToG1(above)).toEqual(hashToG1(toHex(uintToBytes(5n, 32))))
  })

  test('error: a digest that is not 32 bytes', () => {
    expect(() => hashToG1('0x11')).toThrow('`digest` is not valid')
  })
})

describe('keys', () => {
  test('secret 1 has the generators as its keys', () => {
    expect(createBlsKey(1n).publicKey).toEqual({ pubkey: G1_GENERATOR, pubkeyG2: G2_GENERATOR })
  })

  test('secret 2 doubles, as EIP-196 has it', () => {
    // 2 · (1, 2), the well-known result of ECADD(G, G).
    expect(createBlsKey(2n).publicKey.pubkey).toEqual({
      X: 0x030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3n,
      Y: 0x15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4n,
    })
  })

  test('bytes and bigint are one secret', () => {
    expect(createBlsKey(uintToBytes(77n, 32)).publicKey).toEqual(createBlsKey(77n).publicKey)
  })

  test.each([
    ['zero', 0n],
    ['negative', -1n],
    ['the order', GROUP_ORDER],
    ['31 bytes', new Uint8Array(31).fill(1)],
    ['a string', '0x01' as unknown as bigint],
  ])('error: %s', (_name, secret) => {
    const error = errorOf(() => createBlsKey(secret))
    expect(error).toBeInstanceOf(InvalidBlsSecretError)
    expect((error as Error).message).not.toContain(String(GROUP_ORDER))
  })

  test('a seed gives one key, another seed another', () => {
    expect(blsKeyFromSeed(utf8('a')).publicKey).toEqual(key.publicKey)
    expect(other.publicKey).not.toEqual(key.publicKey)
    expect(() => blsKeyFromSeed(new Uint8Array(0))).toThrow('`seed`')
  })

  test('random keys take the injected randomness', () => {
    const fixed = (length: number): Uint8Array => new Uint8Array(length).fill(9)
    expect(randomBlsKey(fixed).publicKey).toEqual(randomBlsKey(fixed).publicKey)
    expect(randomBlsKey().publicKey).not.toEqual(randomBlsKey().publicKey)
  })

  test('a key object does not carry its secret', () => {
    expect(Object.keys(createBlsKey(1234567n))).toEqual(['publicKey', 'sign'])
  })
})

describe('points', () => {
  // On the twist, outside the subgroup: found by solving the curve equation for small x.
  const outside = ((): G2Point => {
    const { Fp2 } = bn254.fields
    for (let c0 = 1n; ; c0++) {
      const x = { c0, c1: 0n }
      const square = Fp2.add(Fp2.mul(Fp2.sqr(x), x), bn254.G2.Point.CURVE().b)
      try {
        const y = Fp2.sqrt(square)
        return { X: [x.c1, x.c0], Y: [y.c1, y.c0] }
      } catch {}
    }
  })()

  test('G1 and G2 codecs round-trip, imaginary part first', () => {
    const { pubkey, pubkeyG2 } = key.publicKey
    expect(decodeG1(encodeG1(pubkey))).toEqual(pubkey)
    expect(decodeG2(encodeG2(pubkeyG2))).toEqual(pubkeyG2)
    const { x, y } = bn254.G2.Point.BASE.toAffine()
    const words = [x.c1, x.c0, y.c1, y.c0].map((word) => uintToBytes(word, 32))
    expect(encodeG2(G2_GENERATOR)).toEqual(concat(...words))
    const abi = encodeAbiParameters(
      [
        {
          type: 'tuple',
          components: [
            { name: 'X', type: 'uint256[2]' },
            { name: 'Y', type: 'uint256[2]' },
          ],
        },
      ],
      [pubkeyG2],
    )
    expect(toHex(encodeG2(pubkeyG2))).toBe(abi)
  })

  const g1 = key.publicKey.pubkey
  const g2 = key.publicKey.pubkeyG2
  test.each<[string, unknown, string]>([
    ['infinity', G1_INFINITY, 'POINT_AT_INFINITY'],
    ['off curve', { X: g1.X, Y: g1.Y + 1n }, 'POINT_NOT_ON_CURVE'],
    ['x out of range', { X: g1.X + FIELD_MODULUS, Y: g1.Y }, 'COORDINATE_OUT_OF_RANGE'],
    ['y out of range', { X: g1.X, Y: FIELD_MODULUS }, 'COORDINATE_OUT_OF_RANGE'],
    ['negative', { X: -1n, Y: 2n }, 'COORDINATE_OUT_OF_RANGE'],
    ['numbers', { X: 1, Y: 2 }, 'MALFORMED_POINT'],
    ['null', null, 'MALFORMED_POINT'],
  ])('G1 %s is refused as a signature', (_name, point, fault) => {
    const check = { digest, signature: point as G1Point, ...key.publicKey }
    expect(explainSignature(check)).toBe(fault)
    expect(verifySignature(check)).toBe(false)
  })

  test.each<[string, unknown, string]>([
    ['infinity', G2_INFINITY, 'POINT_AT_INFINITY'],
    ['off curve', { X: g2.X, Y: [g2.Y[0], g2.Y[1] ^ 1n] }, 'POINT_NOT_ON_CURVE'],
    ['swapped', { X: [g2.X[1], g2.X[0]], Y: [g2.Y[1], g2.Y[0]] }, 'POINT_NOT_ON_CURVE'],
    ['outside the subgroup', outside, 'POINT_NOT_IN_SUBGROUP'],
    ['out of range', { X: [FIELD_MODULUS, 0n], Y: g2.Y }, 'COORDINATE_OUT_OF_RANGE'],
    ['one word', { X: [1n], Y: g2.Y }, 'MALFORMED_POINT'],
  ])('G2 %s is refused as a key', (_name, point, fault) => {
    const signature = key.sign(digest)
    const { pubkey } = key.publicKey
    expect(explainSignature({ digest, signature, pubkey, pubkeyG2: point as G2Point })).toBe(fault)
    const error = errorOf(() => addG2([point as G2Point, outside]))
    expect(error).toBeInstanceOf(InvalidPointError)
  })

  test('codecs refuse what is no point', () => {
    expect(() => decodeG1(new Uint8Array(64))).toThrow('infinity')
    expect(() => decodeG1(new Uint8Array(63))).toThrow('expected 64 bytes')
    expect(() => decodeG2(new Uint8Array(127))).toThrow('expected 128 bytes')
    expect(() => encodeG2(outside)).toThrow('subgroup')
  })

  test('sums are those of the secrets', () => {
    const [a, b] = [createBlsKey(11n), createBlsKey(31n)]
    const sum = createBlsKey(42n).publicKey
    expect(addG1([a.publicKey.pubkey, b.publicKey.pubkey])).toEqual(sum.pubkey)
    expect(addG2([a.publicKey.pubkeyG2, b.publicKey.pubkeyG2])).toEqual(sum.pubkeyG2)
    const minus = createBlsKey(GROUP_ORDER - 11n).publicKey
    expect(addG1([a.publicKey.pubkey, minus.pubkey])).toEqual(G1_INFINITY)
    expect(addG2([])).toEqual(G2_INFINITY)
  })
})

describe('verifySignature', () => {
  test('agrees with the plain pairing equation', () => {
    const signature = key.sign(digest)
    const left = bn254.pairing(
      bn254.G1.Point.fromAffine({ x: signature.X, y: signature.Y }),
      bn254.G2.Point.BASE,
    )
    const hashed = hashToG1(digest)
    const { X, Y } = key.publicKey.pubkeyG2
    const right = bn254.pairing(
      bn254.G1.Point.fromAffine({ x: hashed.X, y: hashed.Y }),
      bn254.G2.Point.fromAffine({ x: { c0: X[1], c1: X[0] }, y: { c0: Y[1], c1: Y[0] } }),
    )
    expect(bn254.fields.Fp12.eql(left, right)).toBe(true)
    expect(verifySignature({ digest, signature, ...key.publicKey })).toBe(true)
  })

  test('property: aggregates verify; another digest, signature or key does not', () => {
    const secrets = fc.uniqueArray(fc.bigInt({ min: 1n, max: GROUP_ORDER - 1n }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(secrets, fc.uint8Array({ minLength: 32, maxLength: 32 }), (values, bytes) => {
        const keys = values.map((secret) => createBlsKey(secret))
        const message = toHex(bytes)
        const check = {
          digest: message,
          signature: addG1(keys.map((one) => one.sign(message))),
          pubkey: addG1(keys.map((one) => one.publicKey.pubkey)),
          pubkeyG2: addG2(keys.map((one) => one.publicKey.pubkeyG2)),
        }
        fc.pre(check.pubkey.X !== 0n)
        expect(explainSignature(check)).toBeUndefined()
        const flipped = Uint8Array.from(bytes, (byte, index) => (index === 7 ? byte ^ 1 : byte))
        expect(explainSignature({ ...check, digest: toHex(flipped) })).toBe('SIGNATURE_INVALID')
        expect(explainSignature({ ...check, signature: G1_GENERATOR })).toBe('SIGNATURE_INVALID')
        expect(explainSignature({ ...check, pubkeyG2: other.publicKey.pubkeyG2 })).toBe(
          'KEY_MISMATCH',
        )
        expect(explainSignature({ ...check, pubkey: other.publicKey.pubkey })).toBe('KEY_MISMATCH')
      }),
      { numRuns: 5 },
    )
  })

  test('never throws on other types', () => {
    for (const value of [undefined, null, 1, 'x', {}, [], { digest: 5 }]) {
      expect(verifySignature(value as never)).toBe(false)
    }
    const check = { signature: key.sign(digest), ...key.publicKey }
    expect(explainSignature({ ...check, digest: '0x11' })).toBe('MALFORMED_DIGEST')
  })
})

describe('proof of possession', () => {
  const context = {
    chainId: 31337n,
    verifier: `0x${'aa'.repeat(20)}`,
    operator: `0x${'bb'.repeat(20)}`,
  } as const

  test('the digest is the ABI encoding of its parts', () => {
    const { pubkey, pubkeyG2 } = key.publicKey
    const uint256 = { type: 'uint256' } as const
    const encoded = encodeAbiParameters(
      [
        { type: 'bytes32' },
        uint256,
        { type: 'address' },
        { type: 'address' },
        uint256,
        uint256,
        { type: 'uint256[2]' },
        { type: 'uint256[2]' },
      ],
      [
        keccak256(toHex(utf8('NewtonBN254ProofOfPossessionV1'))),
        context.chainId,
        context.verifier,
        context.operator,
        pubkey.X,
        pubkey.Y,
        pubkeyG2.X,
        pubkeyG2.Y,
      ],
    )
    expect(fromHex(encoded)).toHaveLength(320)
    expect(computePossessionDigest({ ...context, ...key.publicKey })).toBe(keccak256(encoded))
  })

  test('only for this chain, verifier, operator and key', async () => {
    const proof = await provePossession(key, context)
    const valid = { ...context, ...key.publicKey, proof }
    expect(verifyPossession(valid)).toBe(true)
    expect(explainPossession({ ...valid, chainId: 1n })).toBe('SIGNATURE_INVALID')
    expect(explainPossession({ ...valid, verifier: context.operator })).toBe('SIGNATURE_INVALID')
    expect(explainPossession({ ...valid, operator: context.verifier })).toBe('SIGNATURE_INVALID')
    expect(explainPossession({ ...valid, ...other.publicKey })).toBe('SIGNATURE_INVALID')
    expect(explainPossession({ ...valid, pubkeyG2: other.publicKey.pubkeyG2 })).toBe('KEY_MISMATCH')
    expect(explainPossession({ ...valid, operator: '0x' })).toBe('MALFORMED_DIGEST')
    expect(verifyPossession(null as never)).toBe(false)
  })
})
