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

/** Parses `text`, or throws what `options.fail` returns for the first thing that is refused. */
export function parseJsonText(text: string, options: JsonTextOptions): Json {
  const { maxDepth, fail } = options
  let at = 0

  if (typeof text !== 'string') throw fail('$', 'expected text')
  if (text.charCodeAt(0) === 0xfeff) throw fail('$', 'a byte-order mark')
  const value = readValue('$', 1)
  skipSpace()
  if (at < text.length) throw fail('$', `unexpected text after the value, at offset ${at}`)
  return value

  function readValue(path: string, depth: number): Json {
    skipSpace()
    const character = text[at]
    if (character === '{' || character === '[') {
      if (depth > maxDepth) throw fail(path, `nested deeper than ${maxDepth}`)
      return character === '{' ? readObject(path, depth) : readArray(path, depth)
    }
    if (character === '"') return readString(path)
    if (text.startsWith('true', at)) return literal(4, true)
    if (text.startsWith('false', at)) return literal(5, false)
    if (text.startsWith('null', at)) return literal(4, null)
    return readNumber(path)
  }

  function readObject(path: string, depth: number): Json {
    // Built with defineProperty: a member named __proto__ is data like any other.
    const object: Record<string, Json> = {}
    at++
    skipSpace()
    if (take('}')) return object
    for (;;) {
      skipSpace()
      if (text[at] !== '"') throw fail(path, `expected a member name at offset ${at}`)
      const name = readString(path)
      const here = `${path}[${JSON.stringify(name)}]`
      if (Object.hasOwn(object, name)) throw fail(here, 'a member named twice')
      skipSpace()
      if (!take(':')) throw fail(here, `expected ":" at offset ${at}`)
      const value = readValue(here, depth + 1)
      Object.defineProperty(object, name, {
        value,
        enumerable: true,
        writable: true,
        configurable: true,
      })
      skipSpace()
      if (take('}')) return object
      if (!take(',')) throw fail(path, `expected "," or "}" at offset ${at}`)
    }
  }

  function readArray(path: string, depth: number): Json {
    const array: Json[] = []
    at++
    skipSpace()
    if (take(']')) return array
    for (;;) {
      array.push(readValue(`${path}[${array.length}]`, depth + 1))
      skipSpace()
      if (take(']')) return array
      if (!take(',')) throw fail(path, `expected "," or "]" at offset ${at}`)
    }
  }

  function readString(path: string): string {
    let out = ''
    at++
    for (;;) {
      plainString.lastIndex = at
      const run = plainString.exec(text)?.[0] ?? ''
      out += run
      at += run.length
      const character = text[at++]
      if (character === '"') break
      if (character !== '\\')
        throw fail(path, `a string is cut short or holds a control character, at offset ${at - 1}`)
      const letter = text[at++] ?? ''
      if (letter === 'u') {
        const digits = text.slice(at, at + 4)
        if (!/^[\da-fA-F]{4}$/.test(digits))
          throw fail(path, `a malformed \\u escape at offset ${at - 2}`)
        out += String.fromCharCode(Number.parseInt(digits, 16))
        at += 4
      } else {
        const plain = escapes[letter]
        if (plain === undefined) throw fail(path, `an unknown escape at offset ${at - 2}`)
        out += plain
      }
    }
    if (/[\ud800-\udfff]/.test(out) && hasLoneSurrogate(out)) {
      throw fail(path, 'a string with a lone surrogate')
    }
    return out
  }

  function readNumber(path: string): number {
    number.lastIndex = at
    const source = number.exec(text)?.[0]
    if (source === undefined) throw fail(path, `unexpected text at offset ${at}`)
    at += source.length
    const value = Number(source)
    if (!Number.isFinite(value)) throw fail(path, `${source} is beyond the range of a number`)
    if (/^-?\d+$/.test(source) && !Number.isSafeInteger(value)) {
      throw fail(path, `the integer ${source} is outside ±(2^53 - 1) and would change`)
    }
    return value
  }

  function literal<value extends Json>(length: number, value: value): value {
    at += length
    return value
  }

  function take(character: string): boolean {
    if (text[at] !== character) return false
    at++
    return true
  }

  function skipSpace(): void {
    while (text[at] === ' ' || text[at] === '\n' || text[at] === '\t' || text[at] === '\r') at++
  }
}

function hasLoneSurrogate(text: string): boolean {
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)
}
