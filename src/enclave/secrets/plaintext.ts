/**
 * Secrets before they are sealed and after they are opened: the bytes of one JSON object.
 *
 * Errors of parsers and validators are not kept as causes here, because they quote their input.
 */
import {
  canonicalBytes,
  type Json,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { SecretsInvalidError } from './errors.js'

/** Largest plaintext. */
export const MAX_SECRETS_BYTES = 65_536

/** How the plaintext is checked before it is sealed. */
export type SecretsValidation = { validator: SchemaValidator; schemaJson: string } | 'skip'

/**
 * Turns secrets into the bytes that are sealed: a copy of given bytes, or canonical JSON of an object.
 *
 * @throws {SecretsInvalidError} for anything but one JSON object of at most 64 KiB.
 */
export function secretsBytes(secrets: Uint8Array | JsonObject): Uint8Array {
  let value: Json
  let bytes: Uint8Array
  try {
    if (secrets instanceof Uint8Array) {
      bytes = new Uint8Array(secrets)
      value = parseJsonBytes(bytes)
    } else {
      value = secrets
      bytes = canonicalBytes(secrets)
    }
  } catch {
    throw new SecretsInvalidError({ reason: 'they are not JSON' })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SecretsInvalidError({ reason: 'they are not a JSON object' })
  }
  if (bytes.length > MAX_SECRETS_BYTES) {
    throw new SecretsInvalidError({ reason: `${bytes.length} bytes, at most ${MAX_SECRETS_BYTES}` })
  }
  return bytes
}

/**
 * Checks secrets against their schema.
 *
 * @throws {SecretsInvalidError} that names profiles and places, never values.
 */
export async function assertSecretsFit(
  bytes: Uint8Array,
  validation: SecretsValidation,
): Promise<void> {
  if (validation === 'skip') return
  const { validator, schemaJson } = validation
  let verdict: Awaited<ReturnType<SchemaValidator['validate']>>
  try {
    verdict = await validator.validate({ schemaJson, valueJson: fromUtf8(bytes) })
  } catch {
    throw new SecretsInvalidError({ reason: 'the validator failed' })
  }
  if (verdict.status === 'valid') return
  const issues =
    verdict.status === 'invalid' || verdict.status === 'unusable-schema' ? verdict.issues : []
  throw new SecretsInvalidError({
    reason:
      verdict.status === 'unusable-schema'
        ? 'their schema is not usable'
        : 'they do not fit their schema',
    places: [
      ...new Set(issues.map(({ profile, path }) => `${profile}:${publicPath(path, schemaJson)}`)),
    ],
  })
}

/** A path keeps what the public schema names too; a name of the caller's own could be a secret. */
function publicPath(path: string, schemaJson: string): string {
  return path
    .split('/')
    .map((segment) => {
      if (segment === '' || /^\d{1,4}$/.test(segment)) return segment
      return schemaJson.includes(JSON.stringify(segment)) ? segment : '*'
    })
    .join('/')
}
