/**
 * The hashes a certificate is known by, and its form as a contract argument.
 *
 * ```
 * blobKey  = H(abi.encode(H(abi.encode(uint16 version, bytes sortedQuorums, BlobCommitment)), paymentHeaderHash))
 * certHash = H(abi.encode(blobKey, bytes signature, uint32[] relayKeys))
 * leaf     = H(certHash)     folded with 32-byte siblings by the parity of blobIndex, up to batchRoot
 * storeKey = H(RLP(cert))    without the version byte
 * ```
 */
import type { Hex } from 'viem'
import { concat, fromHex, toHex, uintToBytes } from '../../../internal/bytes.js'
import { keccak, keccakHex } from '../../../internal/keccak.js'
import { type EigenDaCert, encodeCertRlp } from './cert.js'

/**
 * Computes the blob key: what the payer signed and what relays find a blob by.
 *
 * @example
 * ```ts
 * import { computeBlobKey, decodeEigenDaCommitment } from '@newton/policy-sdk/da'
 *
 * const keyOf = (commitment: `0x${string}`) => computeBlobKey(decodeEigenDaCommitment(commitment))
 * ```
 */
export function computeBlobKey(cert: EigenDaCert): Hex {
  const { blobHeader } = cert.blobInclusionInfo.blobCertificate
  const { commitment, lengthCommitment, lengthProof, length } = blobHeader.commitment
  const quorums = fromHex(blobHeader.quorumNumbers, 'quorumNumbers').sort()
  const words = [
    BigInt(blobHeader.version),
    // Offset of the quorums: behind the thirteen words of the head.
    13n * 32n,
    commitment.X,
    commitment.Y,
    ...lengthCommitment.X,
    ...lengthCommitment.Y,
    ...lengthProof.X,
    ...lengthProof.Y,
    BigInt(length),
  ].map((value) => uintToBytes(value, 32))
  const headerHash = keccak(...words, dynamicBytes(quorums))
  return keccakHex(headerHash, fromHex(blobHeader.paymentHeaderHash, 'paymentHeaderHash'))
}

/** Computes the hash of the blob certificate, the preimage of its Merkle leaf. */
export function computeBlobCertificateHash(cert: EigenDaCert): Hex {
  const { signature, relayKeys } = cert.blobInclusionInfo.blobCertificate
  const signatureTail = dynamicBytes(fromHex(signature, 'signature'))
  return keccakHex(
    fromHex(computeBlobKey(cert), 'blobKey'),
    uintToBytes(96, 32),
    uintToBytes(96 + signatureTail.length, 32),
    signatureTail,
    uintToBytes(relayKeys.length, 32),
    ...relayKeys.map((key) => uintToBytes(key, 32)),
  )
}

/** Computes the key under which a proxy's secondary store keeps the payload. */
export function computeProxyStoreKey(cert: EigenDaCert): Hex {
  return keccakHex(encodeCertRlp(cert))
}

/** Computes the batch root that a certificate's inclusion proof leads to; `undefined` for a proof of a wrong length. */
export function computeBatchRoot(cert: EigenDaCert): Hex | undefined {
  const { blobIndex, inclusionProof } = cert.blobInclusionInfo
  const proof = fromHex(inclusionProof, 'inclusionProof')
  if (proof.length % 32 !== 0 || proof.length > 32 * 32) return undefined
  let node = keccak(fromHex(computeBlobCertificateHash(cert), 'certHash'))
  let index = blobIndex
  for (let offset = 0; offset < proof.length; offset += 32) {
    const sibling = proof.subarray(offset, offset + 32)
    node = index % 2 === 0 ? keccak(node, sibling) : keccak(sibling, node)
    index = Math.floor(index / 2)
  }
  // A proof that is too short would place one leaf at many indices.
  return index === 0 ? toHex(node) : undefined
}

function dynamicBytes(bytes: Uint8Array): Uint8Array {
  const padding = new Uint8Array((32 - (bytes.length % 32)) % 32)
  return concat(uintToBytes(bytes.length, 32), bytes, padding)
}
