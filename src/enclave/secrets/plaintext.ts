/**
 * Secrets before they are sealed and after they are opened: the bytes of one JSON object.
 *
 * Errors of parsers and validators are not kept as causes here, because they quote their input.
 */
import {
  CanonicalJsonError,
  canonicalBytes,
  type Json,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import { asBytes, fromUtf8 } from '../../internal/bytes.js'
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
export function secretsBytes(
  secrets: Uint8Array | JsonObject,
  validation: SecretsValidation = 'skip',
): Uint8Array {
  let value: Json
  let bytes: Uint8Array
  const given = asBytes(secrets)
  if (given === undefined && ArrayBuffer.isView(secrets)) {
    throw new SecretsInvalidError({ reason: 'expected a Uint8Array or a plain object' })
  }
  try {
    if (given !== undefined) {
      bytes = new Uint8Array(given)
      value = parseJsonBytes(bytes)
    } else {
      value = secrets as JsonObject
      bytes = canonicalBytes(value)
    }
  } catch (error) {
    throw new SecretsInvalidError({
      reason: 'they are not JSON',
      places: error instanceof CanonicalJsonError ? [jsonPlace(error.path, validation)] : [],
    })
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

/** Place of what is no JSON, told as those of schemas are. */
function jsonPlace(path: string, validation: SecretsValidation): string {
  const segments = path
    .split(/[.[\]]/)
    .slice(1)
    .filter((segment) => segment !== '')
    .map((segment) => segment.replaceAll('"', ''))
  const pointer = segments.map((segment) => `/${segment}`).join('')
  return `json:${publicPath(pointer, validation === 'skip' ? '' : validation.schemaJson)}`
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
