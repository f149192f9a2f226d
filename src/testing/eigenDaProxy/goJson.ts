/** JSON as Go's decoder reads the first value of a body, with the words of its errors. */

/** The first JSON value of a text, or what Go's `encoding/json` says of it. */
export function readGoJson(text: string): { value: unknown } | { message: string } {
  const reader: Reader = { text, at: 0 }
  skipSpace(reader)
  if (reader.at === text.length) return { message: 'EOF' }
  try {
    const start = reader.at
    passValue(reader)
    return { value: JSON.parse(text.slice(start, reader.at)) as unknown }
  } catch (error) {
    if (error instanceof GoSyntaxError) return { message: error.message }
    throw error
  }
}

type Reader = { readonly text: string; at: number }

class GoSyntaxError extends Error {}

function passValue(reader: Reader): void {
  const first = peek(reader)
  if (first === '{') passList(reader, '}', 'object key:value pair', passPair)
  else if (first === '[') passList(reader, ']', 'array element', passValue)
  else if (first === '"') passString(reader)
  else if (/[-\d]/.test(first)) passNumber(reader)
  else if (first === 't') passLiteral(reader, 'true')
  else if (first === 'f') passLiteral(reader, 'false')
  else if (first === 'n') passLiteral(reader, 'null')
  else refuse(reader, 'looking for beginning of value')
}

function passList(
  reader: Reader,
  end: string,
  what: string,
  passItem: (reader: Reader) => void,
): void {
  reader.at += 1
  skipSpace(reader)
  if (peek(reader) === end) {
    reader.at += 1
    return
  }
  for (;;) {
    skipSpace(reader)
    passItem(reader)
    skipSpace(reader)
    const next = peek(reader)
    if (next !== ',' && next !== end) refuse(reader, `after ${what}`)
    reader.at += 1
    if (next === end) return
  }
}

function passPair(reader: Reader): void {
  if (peek(reader) !== '"') refuse(reader, 'looking for beginning of object key string')
  passString(reader)
  skipSpace(reader)
  if (peek(reader) !== ':') refuse(reader, 'after object key')
  reader.at += 1
  skipSpace(reader)
  passValue(reader)
}

function passString(reader: Reader): void {
  for (reader.at += 1; ; reader.at += 1) {
    const next = peek(reader)
    if (next === '"') break
    if (next < ' ') refuse(reader, 'in string literal')
    if (next === '\\') passEscape(reader)
  }
  reader.at += 1
}

function passEscape(reader: Reader): void {
  reader.at += 1
  const next = peek(reader)
  if (!'bfnrt\\/"u'.includes(next)) refuse(reader, 'in string escape code')
  for (let digits = next === 'u' ? 4 : 0; digits > 0; digits--) {
    reader.at += 1
    if (!/[\da-fA-F]/.test(peek(reader))) refuse(reader, 'in \\u hexadecimal character escape')
  }
}

function passNumber(reader: Reader): void {
  const digits = (after: string): void => {
    if (!/\d/.test(peek(reader))) refuse(reader, after)
    while (/\d/.test(reader.text[reader.at] ?? '')) reader.at += 1
  }
  if (peek(reader) === '-') reader.at += 1
  if (peek(reader) === '0') reader.at += 1
  else digits('in numeric literal')
  if (reader.text[reader.at] === '.') {
    reader.at += 1
    digits('after decimal point in numeric literal')
  }
  if (/[eE]/.test(reader.text[reader.at] ?? '')) {
    reader.at += 1
    if (/[-+]/.test(peek(reader))) reader.at += 1
    digits('in exponent of numeric literal')
  }
}

function passLiteral(reader: Reader, word: string): void {
  for (const [index, letter] of [...word].entries()) {
    if (peek(reader) !== letter)
      refuse(reader, `in literal ${word} (expecting ${quote(word[index] as string)})`)
    reader.at += 1
  }
}

function skipSpace(reader: Reader): void {
  while (/[ \t\r\n]/.test(reader.text[reader.at] ?? '')) reader.at += 1
}

/** The next character, which must be there. */
function peek({ text, at }: Reader): string {
  const next = text[at]
  if (next === undefined) throw new GoSyntaxError('unexpected EOF')
  return next
}

function refuse(reader: Reader, context: string): never {
  throw new GoSyntaxError(`invalid character ${quote(peek(reader))} ${context}`)
}

function quote(character: string): string {
  if (character === "'") return "'\\''"
  if (character === '"') return `'"'`
  return `'${JSON.stringify(character).slice(1, -1)}'`
}
