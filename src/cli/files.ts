import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Json, type JsonObject, parseJsonBytes } from '../core/index.js'
import { FileAccessError, UsageError } from './errors.js'
import type { Terminal } from './terminal/output.js'

/** Bytes of a file named on the command line. */
export async function readBytes(terminal: Terminal, path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(resolve(terminal.cwd, path)))
  } catch (cause) {
    throw new FileAccessError({ path, action: 'read' }, { cause })
  }
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
    throw new UsageError(`${path} does not hold a JSON object.`)
  }
  return value as JsonObject
}

/** Writes a file whole: JSON that ends with a newline. Tells its path on stderr. */
export async function writeJson(terminal: Terminal, path: string, value: Json): Promise<void> {
  try {
    await writeFile(resolve(terminal.cwd, path), `${JSON.stringify(value, undefined, 2)}\n`)
  } catch (cause) {
    throw new FileAccessError({ path, action: 'written' }, { cause })
  }
  terminal.stderr(`written ${path}\n`)
}
