/**
 * DSSE envelopes with Ed25519:
 * `signature = Ed25519("DSSEv1" SP len(type) SP type SP len(body) SP body)`.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { canonicalBytes, type Json, parseJsonBytes } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromBase64, toBase64 } from '../../internal/base64.js'
import { concat, copyBytes, toHex, utf8 } from '../../internal/bytes.js'
import { STATEMENT_MEDIA_TYPE, type Statement } from './statement.js'

/** A signed statement. */
export type DsseEnvelope = {
  payloadType: string
  /** base64 of the statement. */
  payload: string
  signatures: readonly { keyid: string; sig: string }[]
}

/** Signs statements. The key is used for nothing else. */
export type StatementSigner = {
  keyId: string
  publicKey: Uint8Array
  sign(statement: Statement): DsseEnvelope
}

const maxPayload = 262_144

/**
 * Makes a signer of statements from an Ed25519 seed.
 *
 * @example
 * ```ts
 * import { statementSigner } from '@newton/policy-sdk/provenance'
 *
 * const signer = statementSigner({ keyId: 'verifier', seed: new Uint8Array(32).fill(1) })
 * ```
 */
export function statementSigner({
  keyId,
  seed,
}: {
  keyId: string
  seed: Uint8Array
}): StatementSigner {
  if (!(seed instanceof Uint8Array) || seed.length !== 32) {
    throw new InvalidInputError({ field: 'seed', reason: 'expected 32 bytes' })
  }
  const secret = copyBytes(seed)
  return {
    keyId,
    publicKey: ed25519.getPublicKey(secret),
    sign: (statement) => {
      const body = canonicalBytes(statement as Json)
      const sig = ed25519.sign(preAuthentication(STATEMENT_MEDIA_TYPE, body), secret)
      return {
        payloadType: STATEMENT_MEDIA_TYPE,
        payload: toBase64(body),
        signatures: [{ keyid: keyId, sig: toBase64(sig) }],
      }
    },
  }
}

/** What a check of an envelope found. */
export type StatementVerdict =
  | { status: 'verified'; statement: Statement; keyIds: readonly string[] }
  | { status: 'refused'; reason: string }

/**
 * Checks an envelope against keys, by their ids. One signature of a known key is enough. Never throws.
 */
export function verifyStatement(
  envelope: unknown,
  trust: { publicKeys: Readonly<Record<string, Uint8Array>> },
): StatementVerdict {
  try {
    return verdictOf(envelope, trust)
  } catch {
    // Members that throw when they are read: no JSON has such.
    return { status: 'refused', reason: 'it is no envelope' }
  }
}

function verdictOf(
  envelope: unknown,
  trust: { publicKeys: Readonly<Record<string, Uint8Array>> },
): StatementVerdict {
  const publicKeys = trust?.publicKeys ?? {}
  const read = readEnvelope(envelope)
  if (read === undefined) return { status: 'refused', reason: 'it is no envelope' }
  if (read.payloadType !== STATEMENT_MEDIA_TYPE) {
    return { status: 'refused', reason: 'it holds no in-toto statement' }
  }
  const message = preAuthentication(read.payloadType, read.body)
  // Each key once, whatever it is called: whoever counts them counts signers.
  const signers = new Map<string, string>()
  for (const { keyid, sig } of read.signatures) {
    const key = Object.hasOwn(publicKeys, keyid) ? publicKeys[keyid] : undefined
    if (key === undefined || !isSigned(sig, message, key)) continue
    if (!signers.has(toHex(key))) signers.set(toHex(key), keyid)
  }
  const keyIds = [...signers.values()]
  if (keyIds.length === 0) return { status: 'refused', reason: 'no known key signed it' }
  try {
    const statement = parseJsonBytes(read.body) as Statement
    if (isStatement(statement)) return { status: 'verified', statement, keyIds }
  } catch {
    // It is signed, and no JSON.
  }
  return { status: 'refused', reason: 'it holds no in-toto statement' }
}

/** Statement v1 of in-toto: of something that a digest names, and of a kind. */
function isStatement(value: Statement): boolean {
  if (value?._type !== 'https://in-toto.io/Statement/v1') return false
  const { predicateType, subject } = value
  if (typeof predicateType !== 'string' || predicateType === '') return false
  return Array.isArray(subject) && subject.length > 0 && subject.every(isNamed)
}

function isNamed(subject: unknown): boolean {
  const digests: unknown = (subject as { digest?: unknown } | null)?.digest
  if (typeof digests !== 'object' || digests === null || Array.isArray(digests)) return false
  const values = Object.values(digests)
  return values.length > 0 && values.every((each) => typeof each === 'string' && each !== '')
}

function readEnvelope(
  value: unknown,
):
  | { payloadType: string; body: Uint8Array; signatures: { keyid: string; sig: Uint8Array }[] }
  | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { payloadType, payload, signatures } = value as Record<string, unknown>
  if (typeof payloadType !== 'string' || typeof payload !== 'string') return undefined
  if (payload.length > maxPayload || !Array.isArray(signatures) || signatures.length > 16) {
    return undefined
  }
  const body = fromBase64(payload)
  if (body === undefined) return undefined
  const read = signatures.flatMap((each: unknown) => {
    const { keyid, sig } = (each ?? {}) as Record<string, unknown>
    const bytes = typeof sig === 'string' ? fromBase64(sig) : undefined
    return typeof keyid === 'string' && bytes !== undefined ? [{ keyid, sig: bytes }] : []
  })
  return { payloadType, body, signatures: read }
}

function isSigned(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, key, { zip215: false })
  } catch {
    return false
  }
}

function preAuthentication(type: string, body: Uint8Array): Uint8Array {
  const label = utf8(type)
  return concat(utf8(`DSSEv1 ${label.length} `), label, utf8(` ${body.length} `), body)
}
