/** Kinds of settings: what each is, as it stands in a file, in the environment and on a command line. */
import type { Address, Hex } from 'viem'

/** A value as it was given, before it is known to be one. */
export type GivenValue = unknown

const fault: unique symbol = Symbol('fault')

/** What was expected of a value that is none. Never the value, which may be a secret. */
export type Expected = { readonly [fault]: string }

const expected = (reason: string): Expected => ({ [fault]: reason })

/** What was expected, where a value is none. */
export function faultOf(read: unknown): string | undefined {
  return typeof read === 'object' && read !== null && fault in read
    ? (read as Expected)[fault]
    : undefined
}

/** A kind of setting. */
export type Kind<value> = {
  /** What stands for it in a usage text. */
  readonly hint: string
  /** Reads what a TOML file has, or the text of a flag. Never throws. */
  read(given: GivenValue): value | Expected
}

/** One setting of a role. */
export type Setting<value = unknown> = {
  kind: Kind<value>
  description: string
  /** What it is where nothing is said. Left out: it has to be given, unless `optional`. */
  default?: value | undefined
  optional?: true | undefined
}

const text = (given: GivenValue): string | undefined =>
  typeof given === 'string' && given !== '' ? given : undefined

/** Any text. */
export const textKind: Kind<string> = {
  hint: 'text',
  read: (given) => text(given) ?? expected('expected a text'),
}

/** A path; `~` is not expanded: services have no home. */
export const pathKind: Kind<string> = {
  hint: 'path',
  read: (given) => text(given) ?? expected('expected a path'),
}

/** An http or https URL without credentials in it. */
export const urlKind: Kind<string> = { hint: 'url', read: readUrl }

/** A Postgres URL. */
export const databaseKind: Kind<string> = {
  hint: 'postgres://…',
  read: (given) => {
    const value = text(given)
    return value !== undefined && /^postgres(ql)?:\/\//.test(value) && URL.canParse(value)
      ? value
      : expected('expected postgres://…')
  },
}

/** Yes or no. */
export const booleanKind: Kind<boolean> = {
  hint: 'true|false',
  read: (given) => {
    if (given === true || given === 'true') return true
    if (given === false || given === 'false') return false
    return expected('expected true or false')
  },
}

/** A whole number within bounds. */
export function integerKind(least: number, most: number): Kind<number> {
  const reason = `expected a whole number from ${least} to ${most}`
  return {
    hint: 'number',
    read: (given) => {
      const value = typeof given === 'string' && /^-?\d{1,15}$/.test(given) ? Number(given) : given
      return typeof value === 'number' &&
        Number.isSafeInteger(value) &&
        value >= least &&
        value <= most
        ? value
        : expected(reason)
    },
  }
}

/** Seconds, with a fraction where wanted: `least` (0) to a day. */
export function secondsKind(least = 0): Kind<number> {
  return {
    hint: 'seconds',
    read: (given) => {
      const value = typeof given === 'string' && /^\d+(\.\d+)?$/.test(given) ? Number(given) : given
      return typeof value === 'number' && value >= least && value <= 86_400
        ? value
        : expected(`expected seconds, ${least} to 86400`)
    },
  }
}

/** One of some words. */
export function choiceKind<const word extends string>(words: readonly word[]): Kind<word> {
  return {
    hint: words.join('|'),
    read: (given) =>
      words.find((word) => word === given) ?? expected(`expected one of ${words.join(', ')}`),
  }
}

/** An account or contract. */
export const addressKind: Kind<Address> = {
  hint: '0x…',
  read: (given) =>
    typeof given === 'string' && /^0x[0-9a-fA-F]{40}$/.test(given)
      ? (given as Address)
      : expected('expected an address'),
}

/** So many bytes of hex. */
export function hexKind(bytes: number): Kind<Hex> {
  const pattern = new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`)
  return {
    hint: '0x…',
    read: (given) =>
      typeof given === 'string' && pattern.test(given)
        ? (given.toLowerCase() as Hex)
        : expected(`expected ${bytes} bytes as 0x-hex`),
  }
}

/** Several of a kind: a TOML list, or a text with commas. */
export function listKind<value>(kind: Kind<value>, least = 0): Kind<readonly value[]> {
  return {
    hint: `${kind.hint},…`,
    read: (given) => {
      const items = Array.isArray(given) ? given : splitText(given)
      if (items === undefined) return expected('expected a list')
      if (items.length < least) return expected(`expected at least ${least}`)
      const values: value[] = []
      for (const [index, item] of items.entries()) {
        const read = kind.read(item)
        const wrong = faultOf(read)
        if (wrong !== undefined) return expected(`[${index}]: ${wrong}`)
        values.push(read as value)
      }
      return values
    },
  }
}

/** Values by name: a TOML table, or a text such as `a=1,b=2`. */
export function tableKind<value>(
  name: Kind<string>,
  kind: Kind<value>,
): Kind<Readonly<Record<string, value>>> {
  return {
    hint: `name=${kind.hint},…`,
    read: (given) => {
      const entries = entriesOf(given)
      if (entries === undefined) return expected('expected a table')
      const values: Record<string, value> = {}
      const names = new Set<string>()
      for (const [key, item] of entries) {
        const named = name.read(key)
        const read = kind.read(item)
        const wrong = faultOf(named) ?? faultOf(read)
        if (wrong !== undefined) return expected(`${key}: ${wrong}`)
        // Addresses are the same in either case of their letters.
        const same = name === addressKind ? (named as string).toLowerCase() : (named as string)
        if (names.has(same)) return expected(`${key} is named twice`)
        names.add(same)
        values[named as string] = read as value
      }
      return values
    },
  }
}

function entriesOf(given: GivenValue): readonly (readonly [string, unknown])[] | undefined {
  if (typeof given === 'string') {
    const items = splitText(given) ?? []
    return items.map((item) => {
      const at = item.indexOf('=')
      return at === -1 ? ([item, undefined] as const) : [item.slice(0, at), item.slice(at + 1)]
    })
  }
  return typeof given === 'object' && given !== null && !Array.isArray(given)
    ? Object.entries(given)
    : undefined
}

function splitText(given: GivenValue): string[] | undefined {
  if (typeof given !== 'string') return undefined
  return given === '' ? [] : given.split(',').map((item) => item.trim())
}

function readUrl(given: GivenValue): string | Expected {
  const value = text(given)
  if (value === undefined || !URL.canParse(value)) return expected('expected a URL')
  const { protocol, username, password } = new URL(value)
  if (protocol !== 'http:' && protocol !== 'https:') return expected('expected http or https')
  // A URL is in logs and errors; a password must not be.
  if (username !== '' || password !== '') return expected('a URL must not hold a password')
  return value.replace(/\/$/, '')
}
