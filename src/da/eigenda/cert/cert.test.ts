import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { publicVectors } from '../../../../test/publicVectors.js'
import { concat, fromHex, toHex } from '../../../internal/bytes.js'
import { keccak, keccakHex } from '../../../internal/keccak.js'
import {
  blobSymbols,
  decodePayload,
  encodePayload,
  MAX_PAYLOAD_BYTES,
  payloadCapacity,
} from '../payloadCodec.js'
import {
  decodeEigenDaCommitment,
  type EigenDaCert,
  encodeEigenDaCommitment,
  isOpCommitment,
  standardFromOpCommitment,
} from './cert.js'
import {
  computeBatchRoot,
  computeBlobCertificateHash,
  computeBlobKey,
  computeProxyStoreKey,
} from './digest.js'
import { decodeRlp, encodeRlp } from './rlp.js'

const g1 = fc.record({ X: fc.bigInt(0n, 2n ** 256n - 1n), Y: fc.bigInt(0n, 2n ** 256n - 1n) })
const pair = fc.tuple(fc.bigInt(0n, 2n ** 256n - 1n), fc.bigInt(0n, 2n ** 256n - 1n))
const g2 = fc.record({ X: pair, Y: pair })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const u16 = fc.integer({ min: 0, max: 65_535 })
const hexOf = (min: number, max: number) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map(toHex)
const u32s = fc.array(u32, { maxLength: 4 })

const cert: fc.Arbitrary<EigenDaCert> = fc
  .record({
    version: fc.constantFrom(2 as const, 3 as const, 4 as const),
    batchHeader: fc.record({ batchRoot: hexOf(32, 32), referenceBlockNumber: u32 }),
    blobInclusionInfo: fc.record({
      blobCertificate: fc.record({
        blobHeader: fc.record({
          version: u16,
          quorumNumbers: hexOf(0, 5),
          commitment: fc.record({
            commitment: g1,
            lengthCommitment: g2,
            lengthProof: g2,
            length: u32,
          }),
          paymentHeaderHash: hexOf(32, 32),
        }),
        signature: hexOf(0, 65),
        relayKeys: u32s,
      }),
      blobIndex: u32,
      inclusionProof: hexOf(0, 96),
    }),
    nonSignerStakesAndSignature: fc.record({
      nonSignerQuorumBitmapIndices: u32s,
      nonSignerPubkeys: fc.array(g1, { maxLength: 3 }),
      quorumApks: fc.array(g1, { maxLength: 3 }),
      apkG2: g2,
      sigma: g1,
      quorumApkIndices: u32s,
      totalStakeIndices: u32s,
      nonSignerStakeIndices: fc.array(u32s, { maxLength: 3 }),
    }),
    signedQuorumNumbers: hexOf(0, 5),
    offchainDerivationVersion: u16,
  })
  .map(({ offchainDerivationVersion, ...rest }) =>
    rest.version === 4 ? { ...rest, offchainDerivationVersion } : rest,
  )

describe('commitment bytes', () => {
  test('every certificate of every version survives', () => {
    fc.assert(
      fc.property(cert, (value) => {
        const encoded = encodeEigenDaCommitment(value)
        expect(decodeEigenDaCommitment(encoded)).toEqual(value)
        expect(encoded.slice(0, 4)).toBe(`0x0${value.version - 1}`)
      }),
      { numRuns: 150 },
    )
  })
  test('what is accepted encodes to the same bytes', () => {
    fc.assert(
      fc.property(cert, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
        const bytes = fromHex(encodeEigenDaCommitment(value))
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ flip
        let decoded: EigenDaCert
        try {
          decoded = decodeEigenDaCommitment(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'DA_INVALID_COMMITMENT' })
          return
        }
        expect(encodeEigenDaCommitment(decoded)).toBe(toHex(bytes))
      }),
      { numRuns: 500 },
    )
  })
  test('truncated and extended bytes are refused', () => {
    const [value] = fc.sample(cert, { numRuns: 1, seed: 7 }) as [EigenDaCert]
    const bytes = fromHex(encodeEigenDaCommitment(value))
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeEigenDaCommitment(bytes.slice(0, length))).toThrow(/EigenDA commitment/)
    }
    expect(() => decodeEigenDaCommitment(Uint8Array.of(...bytes, 0))).toThrow(
      /follow the certificate/,
    )
  })
  test('text, JSON, V1, op-stack and unknown versions are named', () => {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value)
    const [value] = fc.sample(cert, { numRuns: 1, seed: 8 }) as [EigenDaCert]
    const standard = fromHex(encodeEigenDaCommitment(value))
    expect(() => decodeEigenDaCommitment(text('<html></html>'))).toThrow(/unknown version byte 60/)
    expect(() => decodeEigenDaCommitment(text('{"a":1}'))).toThrow(/unknown version byte 123/)
    expect(() => decodeEigenDaCommitment(Uint8Array.of(0, ...standard.slice(1)))).toThrow(/V1/)
    expect(() => decodeEigenDaCommitment(Uint8Array.of(1, 0, ...standard))).toThrow(/op-stack/)
    expect(() => decodeEigenDaCommitment('0x')).toThrow(/empty/)
    expect(isOpCommitment(standard)).toBe(false)
    expect(standardFromOpCommitment(toHex(Uint8Array.of(1, 0, ...standard)))).toBe(toHex(standard))
    expect(() => standardFromOpCommitment(toHex(standard))).toThrow(/not an op-stack/)
  })
  test('members out of range are refused by name', () => {
    const [value] = fc.sample(cert, { numRuns: 1, seed: 9 }) as [EigenDaCert]
    const broken = (change: (copy: EigenDaCert) => void): (() => Hex) => {
      const copy = structuredClone(value)
      change(copy)
      return () => encodeEigenDaCommitment(copy)
    }
    expect(broken((c) => (c.batchHeader.batchRoot = '0x00'))).toThrow(/batchRoot/)
    expect(broken((c) => (c.batchHeader.referenceBlockNumber = -1))).toThrow(/referenceBlockNumber/)
    expect(broken((c) => (c.blobInclusionInfo.blobIndex = 2 ** 32))).toThrow(/blobIndex/)
    expect(broken((c) => (c.version = 5 as never))).toThrow(/version/)
  })
})

describe('live certificates', () => {
  const folder = publicVectors('eigenda')
  const live =
    folder === undefined
      ? []
      : (JSON.parse(readFileSync(`${folder}/live_sepolia_certs.json`, 'utf8')) as {
          altdaCommitment: Hex
        }[])
  test.skipIf(folder === undefined)('decode, encode back, and hash to what was published', () => {
    const keys = live.map(({ altdaCommitment }) => {
      const standard = standardFromOpCommitment(altdaCommitment)
      const value = decodeEigenDaCommitment(standard)
      expect(encodeEigenDaCommitment(value)).toBe(standard)
      expect(computeBatchRoot(value)).toBe(value.batchHeader.batchRoot)
      return computeBlobKey(value)
    })
    expect(keys.map((key) => [key.slice(0, 10), key.slice(-4)])).toEqual([
      ['0xce612f0f', '45ab'],
      ['0x43785ffe', '8ae2'],
      ['0x22c71d35', 'b060'],
    ])
  })
  test.skipIf(folder === undefined)('a proof of a wrong length or index leads nowhere', () => {
    const value = decodeEigenDaCommitment(
      standardFromOpCommitment((live[0] as { altdaCommitment: Hex }).altdaCommitment),
    )
    const root = value.batchHeader.batchRoot
    expect(
      computeBatchRoot({
        ...value,
        blobInclusionInfo: { ...value.blobInclusionInfo, blobIndex: 1 },
      }),
    ).toBeUndefined()
    for (const proof of ['0x00', toHex(new Uint8Array(33)), toHex(new Uint8Array(32))] as Hex[]) {
      const changed = {
        ...value,
        blobInclusionInfo: { ...value.blobInclusionInfo, inclusionProof: proof },
      }
      expect(computeBatchRoot(changed)).not.toBe(root)
    }
  })
})

describe('hashes of a certificate', () => {
  const [sampled] = fc.sample(cert, { numRuns: 1, seed: 11 }) as [EigenDaCert]
  const at = (blobIndex: number, ...siblings: Uint8Array[]): EigenDaCert => ({
    ...sampled,
    blobInclusionInfo: {
      ...sampled.blobInclusionInfo,
      blobIndex,
      inclusionProof: toHex(concat(...siblings)),
    },
  })
  test('the batch root folds siblings by the parity of the index', () => {
    const leaf = keccak(fromHex(computeBlobCertificateHash(sampled)))
    const [a, b] = [new Uint8Array(32).fill(0xaa), new Uint8Array(32).fill(0xbb)]
    expect(computeBatchRoot(at(0))).toBe(toHex(leaf))
    expect(computeBatchRoot(at(0, a))).toBe(keccakHex(leaf, a))
    expect(computeBatchRoot(at(1, a))).toBe(keccakHex(a, leaf))
    expect(computeBatchRoot(at(2, a, b))).toBe(keccakHex(b, keccak(leaf, a)))
    expect(computeBatchRoot(at(3, a, b))).toBe(keccakHex(b, keccak(a, leaf)))
    // An index beyond the tree would name one leaf twice.
    expect(computeBatchRoot(at(4, a, b))).toBeUndefined()
  })
  test('the store’s key is the hash of the commitment without its version byte', () => {
    expect(computeProxyStoreKey(sampled)).toBe(
      keccakHex(fromHex(encodeEigenDaCommitment(sampled)).slice(1)),
    )
  })
})

describe('RLP', () => {
  test('examples of the specification', () => {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value)
    expect(toHex(encodeRlp(text('dog')))).toBe('0x83646f67')
    expect(toHex(encodeRlp([text('cat'), text('dog')]))).toBe('0xc88363617483646f67')
    expect(toHex(encodeRlp(new Uint8Array()))).toBe('0x80')
    expect(toHex(encodeRlp([]))).toBe('0xc0')
    expect(toHex(encodeRlp([[], [[]], [[], [[]]]]))).toBe('0xc7c0c1c0c3c0c1c0')
    const lorem = text('Lorem ipsum dolor sit amet, consectetur adipisicing elit')
    expect(toHex(encodeRlp(lorem)).slice(0, 6)).toBe('0xb838')
    expect(decodeRlp(encodeRlp([lorem, [lorem]]))).toEqual([lorem, [lorem]])
  })
  test('second encodings are refused', () => {
    for (const hex of [
      '0x8100',
      '0xb800',
      '0xb80100',
      '0xb90001',
      '0x83646f',
      '0xc2',
      '0xc1',
      '0xf800',
      '0x',
      '0x8080',
      `0xb837${'00'.repeat(55)}`,
    ] as Hex[]) {
      expect(() => decodeRlp(fromHex(hex)), hex).toThrow(/EigenDA commitment/)
    }
    expect(() => decodeRlp(new Uint8Array(40).fill(0xc1))).toThrow(/EigenDA commitment/)
  })
})

describe('payload codec', () => {
  test('any payload survives', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), (payload) => {
        const encoded = encodePayload(payload)
        expect(encoded.length).toBe(blobSymbols(payload.length) * 32)
        expect(decodePayload(encoded)).toEqual(payload)
      }),
    )
  })
  test('the price ladder’s edges', () => {
    const edges = [
      126_945, 253_921, 507_873, 1_015_777, 2_031_585, 4_063_201, 8_126_433, 16_252_897,
    ]
    edges.forEach((edge, index) => {
      expect(blobSymbols(edge)).toBe(4_096 * 2 ** index)
      expect(payloadCapacity(4_096 * 2 ** index)).toBe(edge)
      if (edge < MAX_PAYLOAD_BYTES) expect(blobSymbols(edge + 1)).toBe(4_096 * 2 ** (index + 1))
    })
    expect(blobSymbols(1_048_576)).toBe(65_536)
    for (const bad of [-1, 1.5, MAX_PAYLOAD_BYTES + 1, Number.NaN])
      expect(() => blobSymbols(bad)).toThrow(/byteLength/)
  })
  test('each rule that is broken is refused', () => {
    const good = encodePayload(new Uint8Array(40).fill(7))
    const broken = (change: (bytes: Uint8Array) => Uint8Array | undefined): (() => Uint8Array) => {
      const copy = good.slice()
      const bytes = change(copy) ?? copy
      return () => decodePayload(bytes)
    }
    const set = (at: number, value: number) =>
      broken((bytes) => {
        bytes[at] = value
        return undefined
      })
    expect(broken(() => new Uint8Array(0))).toThrow(/whole symbols/)
    expect(broken((bytes) => bytes.slice(0, 31))).toThrow(/whole symbols/)
    expect(broken((bytes) => bytes.slice(0, 33))).toThrow(/whole symbols/)
    expect(broken((bytes) => bytes.slice(0, 96))).toThrow(/power of two/)
    expect(set(0, 1)).toThrow(/start with a zero/)
    expect(set(1, 1)).toThrow(/version 1/)
    for (let at = 6; at < 32; at++) expect(set(at, 1)).toThrow(/padded/)
    expect(set(2, 1)).toThrow(/claims/)
    expect(set(32, 1)).toThrow(/start with a zero/)
    for (const at of [32 + 32 + 10, 96 + 1, 127]) expect(set(at, 1)).toThrow(/follow the payload/)
    expect(() => decodePayload('x' as never)).toThrow(/expected bytes/)
  })
  test('any flipped bit changes the payload or is refused', () => {
    const payload = Uint8Array.from({ length: 62 }, (_, i) => i)
    const good = encodePayload(payload)
    for (let bit = 0; bit < good.length * 8; bit++) {
      const copy = good.slice()
      copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
      let decoded: Uint8Array
      try {
        decoded = decodePayload(copy)
      } catch (error) {
        expect(error).toMatchObject({ code: 'DA_INVALID_ENCODED_PAYLOAD' })
        continue
      }
      expect(decoded).not.toEqual(payload)
    }
  })
})
