/**
 * A strict JSON reader (RFC 8259, I-JSON of RFC 7493).
 *
 * `JSON.parse` keeps the last of two members with one name and rounds large integers without a
 * word; both would let two readers of one text see different values.
 */

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
/** A JSON object. */
export type JsonObject = { readonly [member: string]: Json }

/** Limits and error of {@link parseJsonText}. */
export type JsonTextOptions = {
  maxDepth: number
  /** Builds the error for the value at `path`. */
  fail: (path: string, reason: string) => Error
  /** Value of an integer outside ±(2^53 - 1). Left out: it is refused. */
  largeInteger?: ((source: string) => unknown) | undefined
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259 refuses them unescaped
const plainString = /[^"\\\u0000-\u001f]*/y
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** A text, how far it is read, where that is, and what the reader is held to. */
type Cursor = JsonTextOptions & {
  readonly text: string
  at: number
  /** Names and indices of what is being read. Written out for an error alone. */
  readonly steps: (string | number)[]
}

/** Parses `text`, or throws what `options.fail` returns for the first thing that is refused. */
export function parseJsonText(text: string, options: JsonTextOptions): Json {
  const { fail } = options
  if (typeof text !== 'string') throw fail('$', 'expected text')
  if (text.charCodeAt(0) === 0xfeff) throw fail('$', 'a byte-order mark')
  const cursor: Cursor = { ...options, text, at: 0, steps: [] }
  const value = readValue(cursor)
  skipSpace(cursor)
  if (cursor.at < text.length) {
    throw fail('$', `unexpected text after the value, at offset ${cursor.at}`)
  }
  return value
}

function readValue(cursor: Cursor): Json {
  skipSpace(cursor)
  const character = cursor.text[cursor.at]
  if (character === '{' || character === '[') {
    if (cursor.steps.length >= cursor.maxDepth)
      throw refused(cursor, `nested deeper than ${cursor.maxDepth}`)
    return character === '{' ? readObject(cursor) : readArray(cursor)
  }
  if (character === '"') return readString(cursor)
  for (const value of [true, false, null]) {
    if (!cursor.text.startsWith(`${value}`, cursor.at)) continue
    cursor.at += `${value}`.length
    return value
  }
  return readNumber(cursor)
}

function readObject(cursor: Cursor): Json {
  let object: Record<string, Json> = {}
  cursor.at++
  skipSpace(cursor)
  if (take(cursor, '}')) return object
  for (;;) {
    skipSpace(cursor)
    if (cursor.text[cursor.at] !== '"')
      throw refused(cursor, `expected a member name at offset ${cursor.at}`)
    const name = readString(cursor)
    cursor.steps.push(name)
    if (Object.hasOwn(object, name)) throw refused(cursor, 'a member named twice')
    skipSpace(cursor)
    if (!take(cursor, ':')) throw refused(cursor, `expected ":" at offset ${cursor.at}`)
    const value = readValue(cursor)
    cursor.steps.pop()
    // Assigned, a member named __proto__ would not be data like any other.
    if (name === '__proto__') object = { ...object, [name]: value }
    else object[name] = value
    skipSpace(cursor)
    if (take(cursor, '}')) return object
    if (!take(cursor, ',')) throw refused(cursor, `expected "," or "}" at offset ${cursor.at}`)
  }
}

function readArray(cursor: Cursor): Json {
  const array: Json[] = []
  cursor.at++
  skipSpace(cursor)
  if (take(cursor, ']')) return array
  for (;;) {
    cursor.steps.push(array.length)
    array.push(readValue(cursor))
    cursor.steps.pop()
    skipSpace(cursor)
    if (take(cursor, ']')) return array
    if (!take(cursor, ',')) throw refused(cursor, `expected "," or "]" at offset ${cursor.at}`)
  }
}

function readString(cursor: Cursor): string {
  let out = ''
  cursor.at++
  for (;;) {
    plainString.lastIndex = cursor.at
    const run = plainString.exec(cursor.text)?.[0] ?? ''
    out += run
    cursor.at += run.length
    const character = cursor.text[cursor.at++]
    if (character === '"') break
    if (character !== '\\')
      throw refused(
        cursor,
        `a string is cut short or holds a control character, at offset ${cursor.at - 1}`,
      )
    const letter = cursor.text[cursor.at++] ?? ''
    if (letter === 'u') {
      const digits = cursor.text.slice(cursor.at, cursor.at + 4)
      if (!/^[\da-fA-F]{4}$/.test(digits))
        throw refused(cursor, `a malformed \\u escape at offset ${cursor.at - 2}`)
      out += String.fromCharCode(Number.parseInt(digits, 16))
      cursor.at += 4
    } else {
      const plain = escapes[letter]
      if (plain === undefined) throw refused(cursor, `an unknown escape at offset ${cursor.at - 2}`)
      out += plain
    }
  }
  if (/[\ud800-\udfff]/.test(out) && hasLoneSurrogate(out)) {
    throw refused(cursor, 'a string with a lone surrogate')
  }
  return out
}

function readNumber(cursor: Cursor): number {
  number.lastIndex = cursor.at
  const source = number.exec(cursor.text)?.[0]
  if (source === undefined) throw refused(cursor, `unexpected text at offset ${cursor.at}`)
  cursor.at += source.length
  const value = Number(source)
  if (!Number.isFinite(value)) throw refused(cursor, `${source} is beyond the range of a number`)
  if (/^-?\d+$/.test(source) && !Number.isSafeInteger(value)) {
    if (cursor.largeInteger) return cursor.largeInteger(source) as number
    throw refused(cursor, ambiguousInteger(source))
  }
  // `1e20` would be written as the digits that are refused above.
  if (!cursor.largeInteger && isAmbiguousInteger(value)) {
    throw refused(cursor, ambiguousInteger(source))
  }
  return value
}

/**
 * Whether a number is written as an integer that readers take for different values: beyond
 * ±(2^53 - 1), and below 1e21, from where on numbers are written with an exponent.
 */
export function isAmbiguousInteger(value: number): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < 1e21
}

/** Why such a number is refused, and what to do. */
export function ambiguousInteger(source: string): string {
  return `the integer ${source} is outside ±(2^53 - 1) and would change: write it as a decimal string, "${source}", and have the policy read it with to_number`
}

function refused(cursor: Cursor, reason: string): Error {
  return cursor.fail(
    cursor.steps.reduce<string>((path, step) => `${path}[${JSON.stringify(step)}]`, '$'),
    reason,
  )
}

function take(cursor: Cursor, character: string): boolean {
  if (cursor.text[cursor.at] !== character) return false
  cursor.at++
  return true
}

function skipSpace(cursor: Cursor): void {
  const { text } = cursor
  let { at } = cursor
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at++
  cursor.at = at
}

function hasLoneSurrogate(text: string): boolean {
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)
}
