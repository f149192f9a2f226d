/** Reads members of parameters and results: each is there, of its type, and no other is. */
import type { Address, Hex } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { inOneLine } from '../../errors/words.js'

/** An object that has the members in `required`, perhaps those in `optional`, and no others. */
export function readMembers(
  value: Json | undefined,
  path: string,
  members: { required: readonly string[]; optional?: readonly string[] | undefined },
): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(path, 'expected an object')
  }
  const object = value as JsonObject
  const { required, optional = [] } = members
  for (const name of required) {
    if (!Object.hasOwn(object, name)) throw bad(`${path}.${name}`, 'it is missing')
  }
  for (const name of Object.keys(object)) {
    if (!required.includes(name) && !optional.includes(name)) {
      throw bad(`${path}.${inOneLine(name, 64)}`, 'there is no such member')
    }
  }
  return object
}

/** Lower-case hex of any even length, at most `maxBytes`. */
export function readHex(value: Json | undefined, path: string, maxBytes = 1_048_576): Hex {
  if (typeof value !== 'string' || !/^0x(?:[0-9a-f]{2})*$/.test(value)) {
    throw bad(path, 'expected lower-case hex')
  }
  if (value.length > 2 + 2 * maxBytes) throw bad(path, `expected at most ${maxBytes} bytes`)
  return value as Hex
}

/** 32 bytes in lower-case hex. */
export function readWord(value: Json | undefined, path: string): Hex {
  return readSized(value, path, 32)
}

/** An address in lower-case hex. */
export function readAddress(value: Json | undefined, path: string): Address {
  return readSized(value, path, 20)
}

function readSized(value: Json | undefined, path: string, size: number): Hex {
  const hex = readHex(value, path, size)
  if (hex.length !== 2 + 2 * size) throw bad(path, `expected ${size} bytes`)
  return hex
}

/** An unsigned integer of at most 32 bytes as decimal text. */
export function readUint(value: Json | undefined, path: string): bigint {
  if (typeof value !== 'string' || !/^(?:0|[1-9]\d{0,77})$/.test(value)) {
    throw bad(path, 'expected decimal text')
  }
  return BigInt(value)
}

/** A number of seconds that fits four bytes. */
export function readSeconds(value: Json | undefined, path: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    throw bad(path, 'expected a number of seconds')
  }
  return value
}

/** A list of at most `max` entries. */
export function readList(value: Json | undefined, path: string, max: number): readonly Json[] {
  if (!Array.isArray(value)) throw bad(path, 'expected a list')
  if (value.length > max) throw bad(path, `expected at most ${max} entries`)
  return value as readonly Json[]
}

/** Text of at most `max` characters. */
export function readText(value: Json | undefined, path: string, max = 1_024): string {
  if (typeof value !== 'string' || value.length > max) throw bad(path, 'expected text')
  return value
}

/** Values by 32-byte names in lower-case hex. */
export function readByWord<value>(
  value: Json | undefined,
  path: string,
  read: (value: Json, path: string) => value,
): Readonly<Record<Hex, value>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(path, 'expected an object')
  }
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([name, entry]) => [
      readWord(name, `${path}.${name.slice(0, 80)}`),
      read(entry, `${path}.${name}`),
    ]),
  )
}

function bad(field: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field, reason })
}
