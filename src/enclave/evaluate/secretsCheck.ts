/**
 * Whether sealed secrets fit their schema, judged where they can be opened. Of what is inside only the
 * places leave that the public schema names too.
 */
import type { Address, Hex } from 'viem'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import { isPolicySdkError } from '../../errors/base.js'
import { fixedFromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import type { CborMap } from '../cbor/read.js'
import { EnvelopeInvalidError, SecretsInvalidError } from '../secrets/errors.js'
import type { DecryptionKey } from '../secrets/keys.js'
import { assertSecretsFit } from '../secrets/plaintext.js'
import { createSecretsOpener } from '../secrets/seal.js'
import { bytesOf, textOf } from '../wire/body.js'
import { EnclaveProtocolError } from '../wire/errors.js'
import { WireRefusal } from '../wire/server.js'
import type { Answer } from './answers.js'

/** Sealed secrets that are to be judged. */
export type SecretsCheck = {
  chainId: bigint
  client: Address
  policyDataInstanceId: Hex
  envelope: Uint8Array
  /** The secrets schema of the instance's template. */
  schemaJson: string
}

/** The request's body. */
export function secretsCheckBody(check: SecretsCheck): {
  [member: string]: Uint8Array | string
} {
  return {
    chainId: uintToBytes(check.chainId, 32, 'chainId'),
    client: fixedFromHex(check.client, 20, 'client'),
    instance: fixedFromHex(check.policyDataInstanceId, 32, 'policyDataInstanceId'),
    envelope: check.envelope,
    schema: check.schemaJson,
  }
}

/** Judges inside the enclave. */
export async function checkSecretsInside(
  body: CborMap,
  inside: { key: DecryptionKey; schemas: SchemaValidator },
  signal: AbortSignal,
): Promise<Answer> {
  const { envelope, schemaJson, ...names } = readCheck(body)
  try {
    const opener = createSecretsOpener({ keys: [inside.key] })
    const plaintext = await opener.openSecrets({ ...names, envelope }, { signal })
    try {
      await assertSecretsFit(plaintext, { validator: inside.schemas, schemaJson })
    } finally {
      plaintext.fill(0)
    }
    return { status: 'valid' }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof SecretsInvalidError) {
      return { status: 'invalid', places: [...error.places] }
    }
    // An envelope that does not open: its code says why, and holds nothing of it.
    return { status: 'unopened', code: isPolicySdkError(error) ? error.code : 'UNEXPECTED' }
  }
}

/**
 * Reads the enclave's answer.
 *
 * @throws {SecretsInvalidError} where the secrets do not fit, with their places.
 * @throws {EnvelopeInvalidError} where the enclave cannot open the envelope.
 */
export function assertSecretsChecked(body: CborMap): void {
  const status = textOf(body, 'status')
  if (status === 'valid') return
  if (status === 'unopened') {
    const reason = `the enclave cannot open it: ${codeOf(body)}`
    throw new EnvelopeInvalidError({ field: 'ciphertext', reason })
  }
  if (status !== 'invalid') {
    throw new EnclaveProtocolError({ fault: 'body', details: 'status' })
  }
  const given = body.get('places')
  const places = Array.isArray(given) ? given : []
  throw new SecretsInvalidError({
    reason: 'they do not fit their schema',
    places: places.filter((place): place is string => typeof place === 'string').slice(0, 64),
  })
}

function codeOf(body: CborMap): string {
  const code = body.get('code')
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : 'UNEXPECTED'
}

function readCheck(body: CborMap): SecretsCheck {
  try {
    return {
      chainId: BigInt(toHex(bytesOf(body, 'chainId', 32))),
      client: toHex(bytesOf(body, 'client', 20)),
      policyDataInstanceId: toHex(bytesOf(body, 'instance', 32)),
      envelope: bytesOf(body, 'envelope'),
      schemaJson: textOf(body, 'schema'),
    }
  } catch {
    throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
  }
}
