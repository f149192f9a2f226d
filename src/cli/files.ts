import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Json, type JsonObject, parseJsonBytes } from '../core/index.js'
import { FileAccessError, UsageError } from './errors.js'
import { heed } from './terminal/interrupt.js'
import type { Terminal } from './terminal/output.js'
import { quotedWord } from './terminal/quoting.js'

/** Bytes of a file named on the command line. */
export async function readBytes(terminal: Terminal, path: string): Promise<Uint8Array> {
  await heed(terminal.signal)
  try {
    return new Uint8Array(await readFile(resolve(terminal.cwd, path)))
  } catch (cause) {
    throw new FileAccessError({ path, action: 'read' }, { cause })
  }
}

/**
 * A value that may come as an option or as a word of its own place.
 *
 * @throws {UsageError} where both are given.
 */
export function oneOf(
  args: Readonly<Record<string, unknown>>,
  { option, position }: { option: string; position: number },
): string | undefined {
  const given = args[option] as string | undefined
  const word = (args['_'] as readonly string[])[position]
  if (given !== undefined && word !== undefined) {
    throw new UsageError(`--${option} and the word ${quotedWord(word)} are for the same file.`, {
      metaMessages: ['Give one of them.'],
    })
  }
  return given ?? word
}

/** Whether a value is the JSON object itself and no path. */
export function isInline(value: string): boolean {
  return value.trimStart().startsWith('{')
}

/** A JSON object in a file, or written on the command line itself, read strictly. */
export async function readJsonObject(terminal: Terminal, path: string): Promise<JsonObject> {
  const bytes = isInline(path) ? new TextEncoder().encode(path) : await readBytes(terminal, path)
  const value = parseJsonBytes(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const what = isInline(path) ? 'What was given' : path
    throw new UsageError(`${what} does not hold a JSON object.`)
  }
  return value as JsonObject
}

/** Writes a file whole: JSON that ends with a newline. Tells its path on stderr. */
export async function writeJson(terminal: Terminal, path: string, value: Json): Promise<void> {
  await heed(terminal.signal)
  try {
    await writeFile(resolve(terminal.cwd, path), `${JSON.stringify(value, undefined, 2)}\n`)
  } catch (cause) {
    throw new FileAccessError({ path, action: 'written' }, { cause })
  }
  terminal.stderr(`written ${path}\n`)
}
