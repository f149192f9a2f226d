/**
 * Canonical JSON: RFC 8785 behind a strict gate.
 *
 * `json-canonicalize` writes the bytes. The gate refuses first whatever would make two readers
 * disagree: what JSON cannot hold, what `JSON.stringify` would change or drop, and integers that a
 * double would change silently. What it lets through, {@link parseJson} reads back. See docs/decisions/core-canonical-json.md.
 */
import { canonicalize } from 'json-canonicalize'
import { BaseError } from '../errors/base.js'
import { fromUtf8, utf8 } from '../internal/bytes.js'
import { ambiguousInteger, isAmbiguousInteger, type Json, parseJsonText } from './jsonText.js'

export type { Json, JsonObject } from './jsonText.js'

/** Deepest nesting accepted, the outermost value being depth 1. */
export const MAX_JSON_DEPTH = 64

/**
 * Serializes a value as RFC 8785 canonical JSON text.
 *
 * @param value - null, booleans, finite numbers, well-formed strings, plain arrays and objects.
 * Integers are ±(2^53 - 1) at most: amounts in wei are decimal strings.
 * @throws {CanonicalJsonError} with the path of the first value that is refused.
 * @example
 * ```ts
 * import { canonicalJson } from '@newton/policy-sdk'
 *
 * canonicalJson({ b: 1, a: [true, null] }) // '{"a":[true,null],"b":1}'
 * ```
 */
export function canonicalJson(value: Json): string {
  assertJson(value)
  return canonicalize(value)
}

/** UTF-8 bytes of {@link canonicalJson}. */
export function canonicalBytes(value: Json): Uint8Array {
  return utf8(canonicalJson(value))
}

/**
 * Parses JSON text strictly: no duplicate member names, no byte-order mark, no lone surrogates,
 * no integer outside ±(2^53 - 1) in whatever form, nesting at most 64 deep.
 *
 * @throws {CanonicalJsonError} with the path of the offending value.
 */
export function parseJson(text: string): Json {
  return parseJsonText(text, {
    maxDepth: MAX_JSON_DEPTH,
    fail: (path, reason) => new CanonicalJsonError({ path, reason }),
  })
}

/**
 * Parses UTF-8 JSON bytes strictly. See {@link parseJson}.
 *
 * @throws {InvalidInputError} for invalid UTF-8.
 * @throws {CanonicalJsonError} with the path of the offending value.
 */
export function parseJsonBytes(bytes: Uint8Array): Json {
  return parseJson(fromUtf8(bytes))
}

/** Whether `bytes` are exactly the canonical form of the JSON value they hold. Never throws. */
export function isCanonicalJson(bytes: Uint8Array): boolean {
  try {
    return fromUtf8(bytes) === canonicalJson(parseJsonBytes(bytes))
  } catch {
    return false
  }
}

/**
 * Checks that a JavaScript value is JSON that survives canonicalization unchanged.
 *
 * @throws {CanonicalJsonError} with the path of the first value that is refused.
 */
export function assertJson(value: unknown): asserts value is Json {
  visit(value, '$', 1)
}

function visit(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) throw refuse(path, `${value} has no JSON form`)
      if (isAmbiguousInteger(value)) throw refuse(path, ambiguousInteger(String(value)))
      return
    case 'string':
      if (!isWellFormed(value))
        throw refuse(path, 'a string with a lone surrogate has no UTF-8 form')
      return
    case 'object':
      break
    case 'bigint':
      throw refuse(path, `the bigint ${value} has no JSON form: write it as a decimal string`)
    default:
      throw refuse(path, `a value of type ${typeof value} has no JSON form`)
  }
  if (value === null) return
  if (depth > MAX_JSON_DEPTH) throw refuse(path, `nested deeper than ${MAX_JSON_DEPTH}`)
  if (Array.isArray(value)) visitArray(value, path, depth)
  else visitObject(value as object, path, depth)
}

/** `Object.prototype`, of this realm or another one (an iframe, jsdom, `node:vm`), or none. */
function isPlain(prototype: object | null): boolean {
  if (prototype === Object.prototype || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

function visitArray(value: unknown[], path: string, depth: number): void {
  const prototype = Object.getPrototypeOf(value)
  // The prototype of arrays is one itself, in every realm; that of a class derived from it is none.
  const isPlainArray = prototype === Array.prototype || isForeignArray(prototype)
  if (!isPlainArray) throw refuse(path, 'expected a plain array')
  // Own keys beyond the indices, accessors and holes would all be lost or run code.
  const keys = Reflect.ownKeys(value)
  if (keys.length !== value.length + 1) throw refuse(path, 'an array with holes or extra members')
  for (let index = 0; index < value.length; index++) {
    const property = Object.getOwnPropertyDescriptor(value, index)
    const at = `${path}[${index}]`
    if (property === undefined) throw refuse(at, 'a hole in an array')
    if (!('value' in property)) throw refuse(at, 'an accessor is not data')
    visit(property.value, at, depth + 1)
  }
}

function isForeignArray(prototype: unknown): boolean {
  return (
    Array.isArray(prototype) &&
    Object.hasOwn(prototype, 'concat') &&
    isPlain(Object.getPrototypeOf(prototype))
  )
}

function visitObject(value: object, path: string, depth: number): void {
  if (!isPlain(Object.getPrototypeOf(value))) {
    throw refuse(
      path,
      'expected a plain object: no class instance, boxed value, Map, Date or bytes',
    )
  }
  for (const key of Reflect.ownKeys(value)) {
    if (typeof key === 'symbol') throw refuse(path, 'a member named by a symbol')
    const at = memberPath(path, key)
    if (!isWellFormed(key)) throw refuse(at, 'a member name with a lone surrogate')
    const property = Object.getOwnPropertyDescriptor(value, key)
    if (property === undefined || !('value' in property))
      throw refuse(at, 'an accessor is not data')
    if (!property.enumerable) throw refuse(at, 'a member that is not enumerable')
    // Serializers ask for this member by name, some even where it is data.
    if (key === 'toJSON') throw refuse(at, 'a member named toJSON changes what serializers write')
    visit(property.value, at, depth + 1)
  }
}

/** Path of a member in the form of errors: `$.a["odd name"][0]`. */
export function memberPath(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`
}

/** Whether a text has no lone surrogate, and so a UTF-8 form of its own. */
export function isWellFormed(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0xd800 || unit > 0xdfff) continue
    const next = text.charCodeAt(i + 1)
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return false
    i++
  }
  return true
}

function refuse(path: string, reason: string): CanonicalJsonError {
  return new CanonicalJsonError({ path, reason })
}

/** A value or a text that canonical JSON refuses. `path` says where. */
export class CanonicalJsonError extends BaseError {
  override readonly name = 'CanonicalJsonError'
  override readonly code = 'JSON_NOT_CANONICAL'
  /** Path of the refused value, from `$`. */
  readonly path: string

  constructor({ path, reason }: { path: string; reason: string }) {
    super(`JSON at ${path} is refused: ${reason}.`, {
      metaMessages: ['Only JSON that every reader understands alike can be hashed.'],
    })
    this.path = path
  }
}
