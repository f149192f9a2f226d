/** Certificates of memory mode: a commitment that is real, and everything else random. */
import { bn254 } from '@noble/curves/bn254.js'
import { type G1Point, GROUP_ORDER } from '../../core/bn254/curve/points.js'
import { type EigenDaCert, encodePayload } from '../../da/index.js'
import { inverseFourier, symbolsToScalars } from '../../da/kzg/field.js'
import { concat, fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'

/** Secret of the toy ceremony that the fake commits under. */
export const TOY_TAU = 0x746f79n

/** The commitment of a payload under the toy ceremony: one multiplication, because its secret is known. */
export async function toyCommitment(payload: Uint8Array): Promise<G1Point> {
  const coefficients = inverseFourier(symbolsToScalars(encodePayload(payload)))
  const value = coefficients.reduceRight(
    (sum, coefficient) => (sum * TOY_TAU + coefficient) % GROUP_ORDER,
    0n,
  )
  if (value === 0n) return { X: 0n, Y: 0n }
  const { x, y } = bn254.G1.Point.BASE.multiply(value).toAffine()
  return { X: x, Y: y }
}

export function randomCert(
  commitment: G1Point,
  length: number,
  version: 3 | 4,
  randomBytes: (length: number) => Uint8Array,
): EigenDaCert {
  const below = (limit: number): number => {
    const [a, b, c] = randomBytes(3) as unknown as [number, number, number]
    return ((a << 16) | (b << 8) | c) % limit
  }
  const g1 = (): G1Point => ({ X: BigInt(below(1_000)), Y: BigInt(below(1_000)) })
  const g2 = (limit: number) => {
    const limb = (): bigint => BigInt(below(limit))
    return { X: [limb(), limb()], Y: [limb(), limb()] } as const
  }
  const u32 = (): number => below(32)
  const cert: EigenDaCert = {
    version,
    batchHeader: {
      batchRoot: toHex(randomBytes(32)),
      referenceBlockNumber: 4_294_967_200 + below(32),
    },
    blobInclusionInfo: {
      blobCertificate: {
        blobHeader: {
          version: 0,
          quorumNumbers: '0x0001',
          commitment: { commitment, lengthCommitment: g2(1_000), lengthProof: g2(1), length },
          paymentHeaderHash: toHex(randomBytes(32)),
        },
        signature: toHex(randomBytes(48)),
        relayKeys: [u32(), u32()],
      },
      blobIndex: below(1_000),
      inclusionProof: toHex(randomBytes(128)),
    },
    nonSignerStakesAndSignature: {
      nonSignerQuorumBitmapIndices: [u32(), u32()],
      nonSignerPubkeys: [g1()],
      quorumApks: [g1()],
      apkG2: g2(1_000),
      sigma: g1(),
      quorumApkIndices: [u32(), u32()],
      totalStakeIndices: [u32(), u32(), u32()],
      nonSignerStakeIndices: [
        [u32(), u32()],
        [u32(), u32()],
      ],
    },
    signedQuorumNumbers: '0x',
  }
  return version === 4 ? { ...cert, offchainDerivationVersion: 0 } : cert
}

// Bytes that look random and are the same in every run; certificates must merely differ.
export function sequence(): (length: number) => Uint8Array {
  let counter = 0
  return (length) => {
    const blocks: Uint8Array[] = []
    for (let at = 0; at < length; at += 32)
      blocks.push(fromHex(keccakHex(utf8(`fake ${counter++}`))))
    return concat(...blocks).slice(0, length)
  }
}
