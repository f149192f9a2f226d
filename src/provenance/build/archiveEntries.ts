/** Entries of a ustar archive, one after another, as its headers name them. */
import { SourceArchiveError } from '../errors.js'

/** An entry as it is in an archive: its path may lead anywhere. */
export type ReadEntry = { path: string; folder: boolean; bytes: Uint8Array; mode: number }

/** Bytes of a header, and what contents are filled up to. */
export const block = 512
/** Work that a header is, in bytes: reading its fields takes longer than copying it. */
const headerWork = 8_192
/** Bytes that are looked through at once. */
const part = 1024 * 1024

/** How an archive is read. */
export type ReadingOptions = {
  /** Entries at most. */
  entries: number
  /** Reads long names as GNU tar writes them. */
  longNames: boolean
  /** Waits for a turn of the event loop now and then. */
  turn: (done: number) => Promise<void>
}

/**
 * Reads entries.
 *
 * @throws {SourceArchiveError} for what is no archive, and for what is neither a file nor a folder.
 */
export async function* readEntries(
  tar: Uint8Array,
  { entries, longNames, turn }: ReadingOptions,
): AsyncGenerator<ReadEntry> {
  let offset = 0
  let longName: string | undefined
  for (let count = 0; ; count++) {
    await turn(headerWork)
    const head = tar.subarray(offset, offset + block)
    if (head.length < block) throw archiveFault('malformed', 'it ends in the midst of an entry')
    if (isZero(head)) break
    if (count === entries) throw archiveFault('too_large', `it has over ${entries} entries`)
    offset += block
    const { path: named, type, size, mode } = readHeader(head)
    if (type === 'L' && longNames && longName === undefined && size <= 2 * block) {
      longName = readText(tar, offset, size)
      offset += Math.ceil(size / block) * block
      continue
    }
    const path = longName ?? named
    longName = undefined
    if (type === 'g' || type === 'x') throw archiveFault('unsafe_entry', 'it has extended headers')
    if (type !== '0' && type !== '5') {
      throw archiveFault('unsafe_entry', `${JSON.stringify(path)} is neither a file nor a folder`)
    }
    if (type === '5' && size !== 0) {
      throw archiveFault('malformed', `the folder ${path} has contents`)
    }
    const bytes = tar.subarray(offset, offset + size)
    if (bytes.length < size) throw archiveFault('malformed', 'it ends in the midst of a file')
    offset += Math.ceil(size / block) * block
    yield { path, folder: type === '5', bytes, mode }
    await turn(size)
  }
  // Whatever comes after the end would be part of the hash and of nothing else.
  for (; offset < tar.length; offset += part) {
    if (!isZero(tar.subarray(offset, offset + part))) {
      throw archiveFault('malformed', 'it goes on after its end')
    }
    await turn(part)
  }
}

/** A refusal of an archive. */
export function archiveFault(
  kind: SourceArchiveError['fault'],
  reason: string,
  cause?: unknown,
): SourceArchiveError {
  return new SourceArchiveError({ fault: kind, reason }, { cause })
}

function readHeader(head: Uint8Array): { path: string; type: string; size: number; mode: number } {
  const sum = head.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
  if (readOctal(head, 148, 8) !== sum) {
    throw archiveFault('malformed', 'a header has a wrong checksum')
  }
  if (readText(head, 257, 5) !== 'ustar') {
    throw archiveFault('malformed', 'it is not in the ustar format')
  }
  const prefix = readText(head, 345, 155)
  const name = readText(head, 0, 100)
  const path = (prefix === '' ? name : `${prefix}/${name}`).replace(/^\.\//, '').replace(/\/$/, '')
  const flag = head[156] as number
  return {
    path,
    type: flag === 0 ? '0' : String.fromCharCode(flag),
    size: readOctal(head, 124, 12),
    mode: readOctal(head, 100, 8),
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function readText(head: Uint8Array, at: number, length: number): string {
  const field = head.subarray(at, at + length)
  const end = field.indexOf(0)
  try {
    return decoder.decode(end < 0 ? field : field.subarray(0, end))
  } catch (cause) {
    throw archiveFault('malformed', 'a name is not UTF-8', cause)
  }
}

function readOctal(head: Uint8Array, at: number, length: number): number {
  const text = readText(head, at, length).trim()
  if (!/^[0-7]{1,11}$/.test(text)) {
    throw archiveFault('malformed', 'a number of a header is not octal')
  }
  return Number.parseInt(text, 8)
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false
  return true
}
