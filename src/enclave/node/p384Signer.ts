/** P-384 signatures by OpenSSL: a tenth of the time that the simulator's own take. */
import { createPrivateKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import type { SignP384 } from '../simulator/certificates.js'

/**
 * A signer for `createSimulator` in processes that sign a document for each evaluation. Its signatures are
 * randomized: documents of the same seed are no longer the same bytes.
 */
export function nodeP384Signer(): SignP384 {
  const keys = new WeakMap<Uint8Array, KeyObject>()
  return ({ secret, publicKey }, message) => {
    let key = keys.get(secret)
    if (key === undefined) {
      const parts = [secret, publicKey.subarray(1, 49), publicKey.subarray(49)]
      const [d, x, y] = parts.map((bytes) => Buffer.from(bytes).toString('base64url'))
      const jwk = { kty: 'EC', crv: 'P-384', d, x, y } as JsonWebKey
      key = createPrivateKey({ key: jwk, format: 'jwk' })
      keys.set(secret, key)
    }
    return Uint8Array.from(sign('sha384', message, { key, dsaEncoding: 'ieee-p1363' }))
  }
}
