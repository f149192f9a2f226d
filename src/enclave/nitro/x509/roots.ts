import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../../errors/common.js'
import { fixedFromHex, toHex } from '../../../internal/bytes.js'

/** A root certificate, named by the SHA-256 of its DER. */
export type NitroRoot = { sha256: Hex }

/**
 * The root of AWS's commercial partitions (`CN=aws.nitro-enclaves`, 2019 to 2049), SHA-256 of its DER.
 * Not the SHA-256 of the zip file that AWS publishes it in.
 */
export const AWS_NITRO_ROOT_SHA256: Hex =
  '0x641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b'

/** keccak-256 of the same DER: what `EnclaveVersionRegistry.rootCertHash` holds when it is set. */
export const AWS_NITRO_ROOT_KECCAK256: Hex =
  '0x311d96fcd5c5e0ccf72ef548e2ea7d4c0cd53ad7c4cc49e67471aed41d61f185'

/** Fingerprint of a certificate: SHA-256 of its DER. */
export function certificateFingerprint(der: Uint8Array): Hex {
  return toHex(sha256(der))
}

/**
 * The fingerprints a policy trusts.
 *
 * @throws {InvalidInputError} where roots other than AWS's come without `insecureTrustRoot: true`.
 */
export function trustedFingerprints(policy: {
  roots?: 'aws' | readonly NitroRoot[] | undefined
  insecureTrustRoot?: boolean | undefined
}): ReadonlySet<Hex> {
  const { roots = 'aws', insecureTrustRoot } = policy
  if (roots === 'aws') return new Set([AWS_NITRO_ROOT_SHA256])
  if (!Array.isArray(roots) || roots.length === 0) {
    throw new InvalidInputError({
      field: 'policy.roots',
      reason: "expected 'aws' or one root at least",
    })
  }
  const hashes = roots.map((root: NitroRoot, index) =>
    toHex(fixedFromHex(root?.sha256, 32, `policy.roots[${index}].sha256`)),
  )
  if (hashes.some((hash) => hash !== AWS_NITRO_ROOT_SHA256) && insecureTrustRoot !== true) {
    throw new InvalidInputError({
      field: 'policy.insecureTrustRoot',
      reason: 'a root other than the one of AWS is trusted only with `insecureTrustRoot: true`',
      hint: 'A document under another root says nothing about AWS hardware. Use it for the simulator.',
    })
  }
  return new Set(hashes)
}
