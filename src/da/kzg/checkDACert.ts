/**
 * The question that only the chain can answer: whether a quorum signed a certificate.
 *
 * `checkDACert(bytes abiCert) view returns (uint8)` of EigenDA's verifier router: 1 is success, 6
 * an invalid certificate, 7 an internal error that is worth asking again. The certificate goes as
 * one ABI-encoded tuple; V2 certificates are not taken any more.
 */
import {
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  parseAbi,
  parseAbiParameters,
} from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertOptions } from '../../internal/options.js'
import type { EigenDaCert } from '../eigenda/cert/cert.js'
import { DaProtocolError, DaUnavailableError } from '../errors.js'

const structs = [
  'struct G1 { uint256 X; uint256 Y; }',
  'struct G2 { uint256[2] X; uint256[2] Y; }',
  'struct BatchHeader { bytes32 batchRoot; uint32 referenceBlockNumber; }',
  'struct BlobCommitment { G1 commitment; G2 lengthCommitment; G2 lengthProof; uint32 length; }',
  'struct BlobHeader { uint16 version; bytes quorumNumbers; BlobCommitment commitment; bytes32 paymentHeaderHash; }',
  'struct BlobCertificate { BlobHeader blobHeader; bytes signature; uint32[] relayKeys; }',
  'struct BlobInclusionInfo { BlobCertificate blobCertificate; uint32 blobIndex; bytes inclusionProof; }',
  'struct NonSigners { uint32[] nonSignerQuorumBitmapIndices; G1[] nonSignerPubkeys; G1[] quorumApks; G2 apkG2; G1 sigma; uint32[] quorumApkIndices; uint32[] totalStakeIndices; uint32[][] nonSignerStakeIndices; }',
] as const
const certV3 = parseAbiParameters([
  'CertV3 cert',
  ...structs,
  'struct CertV3 { BatchHeader batchHeader; BlobInclusionInfo blobInclusionInfo; NonSigners nonSignerStakesAndSignature; bytes signedQuorumNumbers; }',
])
const certV4 = parseAbiParameters([
  'CertV4 cert',
  ...structs,
  'struct CertV4 { BatchHeader batchHeader; BlobInclusionInfo blobInclusionInfo; NonSigners nonSignerStakesAndSignature; bytes signedQuorumNumbers; uint16 offchainDerivationVersion; }',
])
const verifierAbi = parseAbi(['function checkDACert(bytes abiEncodedCert) view returns (uint8)'])

/**
 * Encodes a certificate as the argument of `checkDACert`.
 *
 * @throws {InvalidInputError} for V2 certificates.
 */
export function encodeCertAbi(cert: EigenDaCert): Hex {
  if (cert.version === 3) return encodeAbiParameters(certV3, [mutable(cert)] as never)
  if (cert.version === 4) {
    const offchainDerivationVersion = cert.offchainDerivationVersion ?? 0
    return encodeAbiParameters(certV4, [{ ...mutable(cert), offchainDerivationVersion }] as never)
  }
  throw new InvalidInputError({
    field: 'cert',
    reason: 'the verifier contract takes V3 and V4 certificates only',
  })
}

/**
 * Makes the hook that {@link assertEigenDaCert} asks, of a way to call a contract.
 *
 * @example
 * ```ts
 * import { checkDACertWith } from '@newton/policy-sdk/da/kzg'
 *
 * const checkDACert = checkDACertWith({
 *   router: '0x17ec4112c4BbD540E2c1fE0A49D264a280176F0D',
 *   call: async ({ to, data }) => '0x01', // (await client.call({ to, data })).data
 * })
 * ```
 */
export function checkDACertWith(options: {
  /** `EigenDACertVerifierRouter`; look it up in the `EigenDADirectory`. */
  router: Hex
  /** An `eth_call` at a block after the certificate's reference block. */
  call: (request: { to: Hex; data: Hex }, options: IoOptions) => Promise<Hex | undefined>
}): (cert: EigenDaCert, options: IoOptions) => Promise<number> {
  const needed = { router: 'text', call: 'function' } as const
  assertOptions(options, needed, { required: Object.keys(needed) })
  const { router, call } = options
  const source = 'checkDACert'
  return async (cert, io) => {
    const data = encodeFunctionData({
      abi: verifierAbi,
      functionName: 'checkDACert',
      args: [encodeCertAbi(cert)],
    })
    const answer = await call({ to: router, data }, io)
    if (answer === undefined || !/^0x[0-9a-fA-F]{1,64}$/.test(answer)) {
      throw new DaProtocolError({ source, reason: 'the contract answered with no number' })
    }
    const status = Number(BigInt(answer))
    if (status === 7)
      throw new DaUnavailableError({ source, reason: 'the contract reports an internal error' })
    return status
  }
}

// viem's types want arrays that can be written; none is.
function mutable({
  version: _version,
  offchainDerivationVersion: _derivation,
  ...rest
}: EigenDaCert) {
  return rest
}
