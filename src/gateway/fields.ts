/**
 * Reads fields of the gateway's answers into ABI-ready values.
 *
 * The gateway mixes camelCase and snake_case, hex with and without `0x`, byte arrays as numbers, and
 * integers as numbers, hex or decimal text. Each of these is read; anything else is an error that
 * names the path. Nothing is guessed: a missing field is missing.
 */
import type { Address, Hex } from 'viem'
import type { Json } from '../core/canonicalJson.js'
import type { Intent } from '../core/intent.js'
import { toHex } from '../internal/bytes.js'
import type { IoOptions } from '../internal/deadline.js'
import { GatewayResponseError } from './errors.js'

/** A JSON object of an answer with the path that leads to it. */
export type Fields = {
  readonly value: Readonly<Record<string, unknown>>
  readonly path: string
  readonly method: string
}

/** A request for a result that is an object. */
export type FieldsCall = (method: string, params: Json, io?: IoOptions) => Promise<Fields>

/** The object at `path`. */
export function fieldsOf(
  value: unknown,
  { path, method }: { path: string; method: string },
): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong({ path, method }, 'expected an object')
  }
  return { value: value as Record<string, unknown>, path, method }
}

/** A member by its camelCase name, read under either spelling. */
export function member(fields: Fields, name: string): unknown {
  const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return fields.value[name] ?? fields.value[snake]
}

/** An object member. */
export function objectField(fields: Fields, name: string): Fields {
  return fieldsOf(member(fields, name), { path: join(fields, name), method: fields.method })
}

/** A list member. */
export function listField(fields: Fields, name: string): readonly unknown[] {
  const value = member(fields, name)
  if (!Array.isArray(value)) throw wrong(at(fields, name), 'expected a list')
  return value
}

/** A text member; `undefined` where it is missing or null. */
export function textField(fields: Fields, name: string): string | undefined {
  const value = member(fields, name)
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrong(at(fields, name), 'expected text')
  return value
}

/** Text members that must be there. */
export function textFields<name extends string>(
  fields: Fields,
  names: readonly name[],
): Record<name, string> {
  const entries = names.map((name) => {
    const text = textField(fields, name)
    if (text === undefined) throw wrong(at(fields, name), 'expected text')
    return [name, text]
  })
  return Object.fromEntries(entries) as Record<name, string>
}

/** Bytes of any length: hex of either form, or a list of byte values. */
export function bytesField(fields: Fields, name: string, size?: number): Hex {
  const value = member(fields, name)
  const bytes = readBytes(value)
  if (bytes === undefined) throw wrong(at(fields, name), 'expected bytes')
  if (size !== undefined && bytes.length !== 2 + 2 * size) {
    throw wrong(at(fields, name), `expected ${size} bytes`)
  }
  return bytes
}

/** A 32-byte word. */
export const wordField = (fields: Fields, name: string): Hex => bytesField(fields, name, 32)
/** An address. */
export const addressField = (fields: Fields, name: string): Address => bytesField(fields, name, 20)

/** An unsigned integer: a safe number, `0x` hex, or decimal text. */
export function uintField(fields: Fields, name: string): bigint {
  const value = member(fields, name)
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'string' && /^(?:0x[\da-fA-F]{1,64}|\d{1,78})$/.test(value))
    return BigInt(value)
  throw wrong(at(fields, name), 'expected an unsigned integer')
}

/** An unsigned integer of 32 bits. */
export function uint32Field(fields: Fields, name: string): number {
  const value = uintField(fields, name)
  if (value > 0xffff_ffffn) throw wrong(at(fields, name), 'expected 32 bits')
  return Number(value)
}

/** A boolean member. Anything but `true` and `false` is an error, not a decision. */
export function booleanField(fields: Fields, name: string): boolean {
  const value = member(fields, name)
  if (typeof value !== 'boolean') throw wrong(at(fields, name), 'expected a boolean')
  return value
}

/** An intent. */
export function intentField(fields: Fields, name: string): Intent {
  const intent = objectField(fields, name)
  return {
    from: addressField(intent, 'from'),
    to: addressField(intent, 'to'),
    value: uintField(intent, 'value'),
    data: bytesField(intent, 'data'),
    chainId: uintField(intent, 'chainId'),
    functionSignature: bytesField(intent, 'functionSignature'),
  }
}

function readBytes(value: unknown): Hex | undefined {
  if (typeof value === 'string') {
    const digits = value.startsWith('0x') ? value.slice(2) : value
    return /^(?:[\da-fA-F]{2})*$/.test(digits) ? `0x${digits.toLowerCase()}` : undefined
  }
  if (!Array.isArray(value)) return undefined
  const isByte = (one: unknown): boolean =>
    Number.isInteger(one) && (one as number) >= 0 && (one as number) < 256
  return value.every(isByte) ? toHex(Uint8Array.from(value as number[])) : undefined
}

function join({ path }: Fields, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function at(fields: Fields, name: string): { path: string; method: string } {
  return { path: join(fields, name), method: fields.method }
}

function wrong(
  { path, method }: { path: string; method: string },
  reason: string,
): GatewayResponseError {
  return new GatewayResponseError({ method, reason: `\`${path}\`: ${reason}` })
}
