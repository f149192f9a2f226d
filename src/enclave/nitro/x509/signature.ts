/**
 * ECDSA P-384 with SHA-384, by WebCrypto where there is one, else by `@noble/curves`.
 *
 * Half of AWS's signatures have a high `s` (measured), so both accept it. The fallback is loaded when it is
 * needed, so that bundlers can leave it out of what a page loads first.
 */
import { InvalidInputError } from '../../../errors/common.js'
import { bytesToUint, toHex } from '../../../internal/bytes.js'

/** What checks signatures. Both give the same verdict on every input. */
export type P384Backend = 'auto' | 'webcrypto' | 'noble'

/** Checks one signature. Never throws on hostile input. */
export type VerifyP384 = (parameters: {
  /** Uncompressed point, 97 bytes. */
  publicKey: Uint8Array
  /** `r(48) ‖ s(48)`. */
  signature: Uint8Array
  message: Uint8Array
}) => Promise<boolean>

/** Order of the P-384 base point (SEC 2, section 2.5.1). */
const order =
  0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n

/**
 * Gives the function that checks signatures.
 *
 * @param backend - `auto` takes WebCrypto, and noble where the platform has none for P-384.
 * @throws {InvalidInputError} when `webcrypto` is asked for where there is none.
 */
export function p384Verifier(backend: P384Backend = 'auto'): VerifyP384 {
  const subtle = (globalThis as { crypto?: Crypto }).crypto?.subtle
  if (backend === 'noble') return withNoble
  if (backend !== 'auto' && backend !== 'webcrypto') {
    throw new InvalidInputError({ field: 'backend', reason: 'expected auto, webcrypto or noble' })
  }
  if (subtle === undefined) {
    if (backend === 'auto') return withNoble
    throw new InvalidInputError({
      field: 'backend',
      reason: 'this platform has no WebCrypto here',
      hint: 'Pages without HTTPS have none: use `auto` or `noble`.',
    })
  }
  const fallback = backend === 'auto'
  return (parameters) => withWebCrypto(subtle, fallback, parameters)
}

const withNoble: VerifyP384 = async (parameters) => {
  if (!inRange(parameters.signature)) return false
  const { verifyWithNoble } = await import('./nobleP384.js')
  try {
    return verifyWithNoble(parameters)
  } catch {
    // A key that is no point of the curve.
    return false
  }
}

async function withWebCrypto(
  subtle: SubtleCrypto,
  fallback: boolean,
  parameters: Parameters<VerifyP384>[0],
): Promise<boolean> {
  const { publicKey, signature, message } = parameters
  if (!inRange(signature)) return false
  try {
    const key = await keyOf(subtle, publicKey)
    return await subtle.verify(
      { name: 'ECDSA', hash: 'SHA-384' },
      key,
      signature as BufferSource,
      message as BufferSource,
    )
  } catch {
    // Either the key is no point of the curve or the platform lacks P-384; noble tells which.
    return fallback ? withNoble(parameters) : false
  }
}

/** Keys as the platform holds them, by their bytes: those of a path sign for hours, the root for years. */
const imported = new Map<string, CryptoKey>()
const MOST_KEYS = 256

async function keyOf(subtle: SubtleCrypto, bytes: Uint8Array): Promise<CryptoKey> {
  const name = toHex(bytes)
  const known = imported.get(name)
  if (known !== undefined) return known
  const algorithm = { name: 'ECDSA', namedCurve: 'P-384' }
  const key = await subtle.importKey('raw', bytes as BufferSource, algorithm, false, ['verify'])
  for (const oldest of imported.keys()) {
    if (imported.size < MOST_KEYS) break
    imported.delete(oldest)
  }
  imported.set(name, key)
  return key
}

function inRange(signature: Uint8Array): boolean {
  if (signature.length !== 96) return false
  const r = bytesToUint(signature.subarray(0, 48))
  const s = bytesToUint(signature.subarray(48))
  return r > 0n && r < order && s > 0n && s < order
}
