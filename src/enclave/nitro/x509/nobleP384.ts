/**
 * The fallback for platforms without P-384, loaded when it is needed. A module of its own, so that bundlers
 * keep of the library what verifying needs.
 */
import { p384 } from '@noble/curves/nist.js'

/** ECDSA P-384 with SHA-384; any `s`. Throws for a key that is no point of the curve. */
export function verifyWithNoble(parameters: {
  publicKey: Uint8Array
  signature: Uint8Array
  message: Uint8Array
}): boolean {
  const { publicKey, signature, message } = parameters
  return p384.verify(signature, message, publicKey, { lowS: false, prehash: true })
}
