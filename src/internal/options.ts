/**
 * Checks of option values. An option that is only compared takes a slip of the pen for its
 * default, or for no limit at all.
 */
import { InvalidInputError } from '../errors/common.js'
import { asBytes } from './bytes.js'
import { MAX_TIMER } from './deadline.js'

export { MAX_TIMER }

/** Refuses a value that is none of `choices`. */
export function assertChoice<choice extends string>(
  field: string,
  value: unknown,
  choices: readonly choice[],
): asserts value is choice {
  if ((choices as readonly unknown[]).includes(value)) return
  const known = choices.map((name) => `'${name}'`).join(' or ')
  throw new InvalidInputError({ field, reason: `expected ${known}` })
}

/** Refuses what is neither true nor false: any text, `'false'` too, would be true. */
export function assertFlag(field: string, value: unknown): asserts value is boolean {
  if (typeof value === 'boolean') return
  throw new InvalidInputError({ field, reason: 'expected true or false' })
}

/** Refuses what is no object: a member of it would be read of nothing. */
export function assertObject(field: string, value: unknown): asserts value is object {
  if (typeof value === 'object' && value !== null) return
  throw new InvalidInputError({ field, reason: 'expected an object' })
}

/** Refuses what is no object, or lacks one of these members: its members would be read of nothing. */
export function assertMembers<value extends object>(
  field: string,
  value: value,
  names: readonly (keyof value & string)[],
): void {
  assertObject(field, value)
  for (const name of names) {
    if (value[name] !== undefined && value[name] !== null) continue
    throw new InvalidInputError({ field: `${field}.${name}`, reason: 'it is missing' })
  }
}

/** Refuses what lacks one of these functions. */
export function assertFunctions<value extends object>(
  field: string,
  value: value,
  names: readonly (keyof value & string)[],
): void {
  assertMembers(field, value, names)
  for (const name of names) {
    if (typeof value[name] === 'function') continue
    throw new InvalidInputError({ field: `${field}.${name}`, reason: 'expected a function' })
  }
}

/** Refuses a member that is there and no function. */
export function assertHooks<value extends object>(
  value: value,
  names: readonly (keyof value & string)[],
): void {
  for (const name of names) {
    if (value[name] === undefined || typeof value[name] === 'function') continue
    throw new InvalidInputError({ field: name, reason: 'expected a function' })
  }
}

/** Refuses what is no bytes: a text, or a list of numbers, would be read as zeros or as nothing. */
export function assertBytes(field: string, value: unknown): asserts value is Uint8Array {
  if (asBytes(value) !== undefined) return
  throw new InvalidInputError({ field, reason: 'expected a Uint8Array' })
}

/** Refuses what is no text. */
export function assertText(field: string, value: unknown): asserts value is string {
  if (typeof value === 'string') return
  throw new InvalidInputError({ field, reason: 'expected a string' })
}

/** Refuses what is no list. */
export function assertList(field: string, value: unknown): asserts value is readonly unknown[] {
  if (Array.isArray(value)) return
  throw new InvalidInputError({ field, reason: 'expected an array' })
}

/**
 * Refuses what is no integer from `least` (1) to `most`: `NaN` would pass every comparison with a
 * limit.
 */
export function assertCount(
  field: string,
  value: unknown,
  { least = 1, most = Number.MAX_SAFE_INTEGER }: { least?: number; most?: number } = {},
): asserts value is number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return
  const bound =
    most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`
  throw new InvalidInputError({ field, reason: `expected an integer ${bound}` })
}

/** Refuses what is no number of milliseconds that a timer can wait: `NaN` and `Infinity` fire at once. */
export function assertMilliseconds(field: string, value: unknown): asserts value is number {
  assertRule(field, value, 'milliseconds')
}

/** Refuses members of `given` that are not in `known`: a misspelled limit would limit nothing. */
export function assertKnown(field: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new InvalidInputError({
    field: `${field}.${unknown}`,
    reason: `it is none of ${known.join(', ')}`,
  })
}

/**
 * The time that a clock says, in milliseconds since 1970.
 *
 * @throws InvalidInputError where it says none: `NaN` is before and after nothing.
 */
export function readClock(field: string, clock: () => number): number {
  const now = clock()
  if (Number.isFinite(now) && now >= 0 && now <= MAX_TIME) return now
  throw new InvalidInputError({ field, reason: 'the clock has to answer milliseconds since 1970' })
}

/** A clock whose every answer is looked at by {@link readClock}, the first one now. */
export function checkedClock(field: string, clock: () => number): () => number {
  readClock(field, clock)
  return () => readClock(field, clock)
}

/** The last time that a `Date` has. */
const MAX_TIME = 8_640_000_000_000_000

/** The URL of a service: http or https, nothing else. */
export function assertHttpUrl(field: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new InvalidInputError({ field, reason: 'expected an http or https URL' })
  }
  return url
}

/**
 * The URL of a service that is told a secret: nothing in the clear over a network, and no credentials in
 * the URL, which ends up in logs.
 */
export function assertSecureUrl(
  field: string,
  text: string,
  { protocols = ['https:', 'http:'], hint }: { protocols?: readonly string[]; hint?: string } = {},
): URL {
  if (!URL.canParse(text)) throw new InvalidInputError({ field, reason: 'expected a URL' })
  const url = new URL(text)
  const [secure] = protocols
  const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (!protocols.includes(url.protocol) || (url.protocol !== secure && !local)) {
    throw new InvalidInputError({
      field,
      reason: `expected ${secure}//, which only this machine may do without`,
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInputError({ field, reason: 'a URL must not hold credentials', hint })
  }
  return url
}

/** Refuses what is no JSON text, such as the value that it would be the text of. */
export function assertJsonText(field: string, value: unknown): asserts value is string {
  if (typeof value === 'string') return
  throw new InvalidInputError({
    field,
    reason: `expected JSON as text, got ${value === null ? 'null' : typeof value}`,
    hint: 'JSON.stringify(value), or the text as it was read.',
  })
}

/** What an option may be; `any` is checked where it is used. Bounds are those of an integer. */
export type OptionRule =
  | 'text'
  | 'function'
  | 'flag'
  | 'object'
  | 'list'
  | 'milliseconds'
  | 'uint'
  | 'any'
  | { least: number; most?: number }

/**
 * Refuses options that are no object, lack what is required, have a name that is none, or a value
 * that nothing could come of. `undefined` is a member that is not there; `null` is not.
 */
export function assertOptions<options extends object>(
  options: options,
  known: { readonly [name in keyof options & string]-?: OptionRule },
  { field = 'options', required = [] }: { field?: string; required?: readonly string[] } = {},
): void {
  assertObject(field, options)
  assertKnown(field, options, Object.keys(known))
  for (const [name, rule] of Object.entries(known) as [keyof options & string, OptionRule][]) {
    const value: unknown = options[name]
    if (value === undefined && !required.includes(name)) continue
    assertRule(`${field}.${name}`, value, rule)
  }
}

const rules: Record<
  Exclude<OptionRule, object>,
  readonly [expected: string, is: (value: unknown) => boolean]
> = {
  text: ['expected a text', (value) => typeof value === 'string'],
  function: ['expected a function', (value) => typeof value === 'function'],
  flag: ['expected true or false', (value) => typeof value === 'boolean'],
  object: ['expected an object', (value) => typeof value === 'object' && value !== null],
  list: ['expected an array', (value) => Array.isArray(value)],
  milliseconds: [
    `expected milliseconds from 0 to ${MAX_TIMER}`,
    (value) => typeof value === 'number' && value >= 0 && value <= MAX_TIMER,
  ],
  uint: ['expected a bigint of 0 or more', (value) => typeof value === 'bigint' && value >= 0n],
  any: ['it is missing', (value) => value !== undefined && value !== null],
}

function assertRule(field: string, value: unknown, rule: OptionRule): void {
  if (typeof rule === 'object') {
    assertCount(field, value, rule)
    return
  }
  const [reason, is] = rules[rule]
  if (!is(value)) throw new InvalidInputError({ field, reason })
}
