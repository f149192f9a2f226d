/** Ed25519 of OpenSSL: some twenty times as quick as in JavaScript, by the same strict rules. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { InvalidInputError } from '../../errors/common.js'
import { concat } from '../../internal/bytes.js'
import { type EventSigner, strictEd25519, type VerifySignature } from '../events/signature.js'

const spkiPrefix = Uint8Array.from(Buffer.from('302a300506032b6570032100', 'hex'))
const pkcs8Prefix = Uint8Array.from(Buffer.from('302e020100300506032b657004220420', 'hex'))

/**
 * Verifies signatures with OpenSSL. What it would take and other implementations refuse is refused
 * first: see `strictEd25519`.
 *
 * @example
 * ```ts
 * import { opensslVerify } from '@newton/policy-sdk/ledger/node'
 *
 * opensslVerify()(new Uint8Array(64), new Uint8Array(32), new Uint8Array(32)) // false
 * ```
 */
export function opensslVerify(options: { maxKeys?: number | undefined } = {}): VerifySignature {
  const { maxKeys = 1_024 } = options
  const keys = new Map<string, KeyObject>()
  return strictEd25519((signature, message, publicKey) => {
    const name = Buffer.from(publicKey).toString('base64')
    let key = keys.get(name)
    if (key === undefined) {
      const der = Buffer.from(concat(spkiPrefix, publicKey))
      key = createPublicKey({ key: der, format: 'der', type: 'spki' })
      if (keys.size >= maxKeys) keys.clear()
      keys.set(name, key)
    }
    return verify(null, message, key, signature)
  }, maxKeys)
}

/**
 * A signer of events from a 32-byte seed, with OpenSSL.
 *
 * @throws {InvalidInputError} for a seed of another length.
 */
export function opensslEventSigner(seed: Uint8Array): EventSigner {
  if (!(seed instanceof Uint8Array) || seed.length !== 32) {
    throw new InvalidInputError({ field: 'seed', reason: 'it has 32 bytes' })
  }
  const der = Buffer.from(concat(pkcs8Prefix, seed))
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    publicKey: Uint8Array.from(spki.subarray(spkiPrefix.length)),
    sign: (message) => Uint8Array.from(sign(null, message, key)),
  }
}
