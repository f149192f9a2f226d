/**
 * Source archives: ustar, entries sorted, times and owners zero, one folder at the top. The same files
 * give the same bytes, whoever makes the archive.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { compareBytes, concatAll, copyBytes, toHex, utf8 } from '../../internal/bytes.js'
import {
  assertBytes,
  assertCount,
  assertKnown,
  assertList,
  assertText,
} from '../../internal/options.js'
import { SourceArchiveError } from '../errors.js'

/** A file of a source archive. */
export type SourceFile = {
  /** Path below the top folder, parted by `/`. */
  path: string
  bytes: Uint8Array
  executable?: boolean | undefined
}

/** What an archive may be made of at most. */
export type ArchiveLimits = {
  /** Bytes of the archive as it came. @default 64 MiB */
  archiveBytes?: number | undefined
  /** Bytes after inflating. @default 512 MiB */
  inflatedBytes?: number | undefined
  /** Entries. @default 20,000 */
  entries?: number | undefined
}

/** Limits that hold where none are given. */
export const archiveLimits = {
  archiveBytes: 64 * 1024 * 1024,
  inflatedBytes: 512 * 1024 * 1024,
  entries: 20_000,
} as const satisfies ArchiveLimits

const block = 512
const maxPath = 255

/**
 * Makes a source archive.
 *
 * @throws {SourceArchiveError} for a path that could not be extracted safely, and for none at all.
 * @example
 * ```ts
 * import { createSourceArchive } from '@newton/policy-sdk/provenance'
 *
 * const source = new TextEncoder().encode('export function run(input) { return input }')
 * const { sourceSha256 } = createSourceArchive([{ path: 'plugin.js', bytes: source }])
 * ```
 */
export function createSourceArchive(
  files: readonly SourceFile[],
  { folder = 'source' }: { folder?: string | undefined } = {},
): { archive: Uint8Array; sourceSha256: Hex } {
  assertList('files', files)
  if (files.length === 0) throw fault('malformed', 'it would hold no file')
  if (folder.includes('/')) throw fault('unsafe_path', 'the top folder is one name')
  const entries = new Map<string, Entry>()
  const add = (path: string, entry: Entry): void => {
    assertSafePath(path)
    const before = entries.get(path)
    if (before !== undefined && !(before.folder && entry.folder)) {
      throw fault('unsafe_path', `${JSON.stringify(path)} is there twice`)
    }
    entries.set(path, entry)
  }
  for (const { path, bytes, executable = false } of files) {
    assertText('files.path', path)
    assertBytes(path, bytes)
    const full = `${folder}/${path}`
    const names = full.split('/')
    for (let depth = 1; depth < names.length; depth++) {
      add(names.slice(0, depth).join('/'), { folder: true, bytes: new Uint8Array(), mode: 0o755 })
    }
    add(full, { folder: false, bytes, mode: executable ? 0o755 : 0o644 })
  }
  const sorted = [...entries].sort(([a], [b]) => compareBytes(utf8(a), utf8(b)))
  const archive = concatAll([
    ...sorted.flatMap(([path, entry]) => [header(path, entry), entry.bytes, padding(entry.bytes)]),
    new Uint8Array(2 * block),
  ])
  return { archive, sourceSha256: toHex(sha256(archive)) }
}

/**
 * Reads a source archive, plain or compressed with gzip, into files below its top folder.
 *
 * Links, devices, `..`, absolute paths, paths that differ in case only, a second folder at the top, and
 * more bytes than the limits allow are refused before a file is returned.
 *
 * @param options.sourceSha256 - What the archive must hash to: checked before it is opened.
 * @param options.longNames - Reads long names as GNU tar writes them, which crates have.
 * @throws {SourceArchiveError} for all of that.
 */
export async function readSourceArchive(
  archive: Uint8Array,
  options: ArchiveLimits & {
    sourceSha256?: Hex | undefined
    longNames?: boolean | undefined
  } = {},
): Promise<readonly SourceFile[]> {
  // A misspelled hash would be none.
  assertKnown('options', options, [...Object.keys(archiveLimits), 'sourceSha256', 'longNames'])
  const limits = { ...archiveLimits, ...definedLimits(options) }
  assertBytes('archive', archive)
  if (archive.length > limits.archiveBytes) {
    throw fault(
      'too_large',
      `it has ${archive.length} bytes, at most ${limits.archiveBytes} are read`,
    )
  }
  if (options.sourceSha256 !== undefined && toHex(sha256(archive)) !== options.sourceSha256) {
    throw fault('wrong_hash', `its SHA-256 is not ${options.sourceSha256}`)
  }
  const tar = isGzip(archive) ? await inflate(archive, limits.inflatedBytes) : archive
  return collect(readEntries(tar, limits.entries, options.longNames ?? false))
}

type Entry = { folder: boolean; bytes: Uint8Array; mode: number }
type ReadEntry = Entry & { path: string }

function definedLimits(options: ArchiveLimits): Partial<typeof archiveLimits> {
  const given = Object.entries(options).filter(
    ([name, value]) => Object.hasOwn(archiveLimits, name) && value !== undefined,
  )
  for (const [name, value] of given) assertCount(name, value)
  return Object.fromEntries(given)
}

function* readEntries(
  tar: Uint8Array,
  maxEntries: number,
  longNames: boolean,
): Generator<ReadEntry> {
  let offset = 0
  let longName: string | undefined
  for (let count = 0; ; count++) {
    const head = tar.subarray(offset, offset + block)
    if (head.length < block) throw fault('malformed', 'it ends in the midst of an entry')
    if (head.every((byte) => byte === 0)) break
    if (count === maxEntries) throw fault('too_large', `it has over ${maxEntries} entries`)
    offset += block
    const { path: named, type, size, mode } = readHeader(head)
    if (type === 'L' && longNames && longName === undefined && size <= 2 * block) {
      longName = readText(tar, offset, size)
      offset += Math.ceil(size / block) * block
      continue
    }
    const path = longName ?? named
    longName = undefined
    if (type === 'g' || type === 'x') throw fault('unsafe_entry', 'it has extended headers')
    if (type !== '0' && type !== '5') {
      throw fault('unsafe_entry', `${JSON.stringify(path)} is neither a file nor a folder`)
    }
    if (type === '5' && size !== 0) throw fault('malformed', `the folder ${path} has contents`)
    const bytes = tar.subarray(offset, offset + size)
    if (bytes.length < size) throw fault('malformed', 'it ends in the midst of a file')
    offset += Math.ceil(size / block) * block
    yield { path, folder: type === '5', bytes, mode }
  }
  // Whatever comes after the end would be part of the hash and of nothing else.
  if (tar.subarray(offset).some((byte) => byte !== 0)) {
    throw fault('malformed', 'it goes on after its end')
  }
}

function collect(entries: Iterable<ReadEntry>): SourceFile[] {
  const seen = new Map<string, boolean>()
  const above = new Set<string>()
  // Folders, by the one spelling that each has.
  const spellings = new Map<string, string>()
  const assertSpelling = (folder: string): void => {
    const key = folder.toLowerCase().normalize('NFC')
    if ((spellings.get(key) ?? folder) !== folder) {
      throw fault('unsafe_path', `${JSON.stringify(folder)} is there in two spellings`)
    }
    spellings.set(key, folder)
  }
  const tops = new Set<string>()
  const files: SourceFile[] = []
  for (const { path, folder, bytes, mode } of entries) {
    assertSafePath(path)
    // On some file systems two such names are one file.
    const key = path.toLowerCase().normalize('NFC')
    if (seen.has(key)) throw fault('unsafe_path', `${JSON.stringify(path)} is there twice`)
    const names = key.split('/')
    for (let depth = 1; depth < names.length; depth++) {
      const parent = names.slice(0, depth).join('/')
      if (seen.get(parent) === false) {
        throw fault('unsafe_path', `${JSON.stringify(path)} goes through a file`)
      }
      const spelled = path.split('/').slice(0, depth).join('/')
      assertSpelling(spelled)
      above.add(parent)
    }
    if (!folder && above.has(key)) {
      throw fault('unsafe_path', `${JSON.stringify(path)} is a file and a folder`)
    }
    if (folder) assertSpelling(path)
    seen.set(key, folder)
    const [top = '', ...rest] = path.split('/')
    tops.add(top)
    if (tops.size > 1 || (rest.length === 0 && !folder)) {
      throw fault('not_one_folder', 'everything has to be in one folder at the top')
    }
    if (!folder) {
      files.push({
        path: rest.join('/'),
        bytes: copyBytes(bytes),
        executable: (mode & 0o111) !== 0,
      })
    }
  }
  if (files.length === 0) throw fault('malformed', 'it holds no file')
  return files
}

/** A path that stays where it is put, on every file system. */
function assertSafePath(path: string): void {
  const bytes = utf8(path)
  const isSafe =
    path !== '' &&
    bytes.length <= maxPath &&
    !/\p{Surrogate}/u.test(path) &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
    !/[\u0000-\u001f\u007f\\:*?"<>|]/.test(path) &&
    path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
  if (!isSafe) throw fault('unsafe_path', `${JSON.stringify(path.slice(0, 80))} is not a safe path`)
}

function header(path: string, { folder, bytes, mode }: Entry): Uint8Array {
  const out = new Uint8Array(block)
  const put = (at: number, text: string | Uint8Array): void =>
    out.set(typeof text === 'string' ? utf8(text) : text, at)
  const { prefix, name } = splitPath(utf8(path))
  put(0, name)
  put(100, octal(mode, 7))
  put(108, octal(0, 7))
  put(116, octal(0, 7))
  put(124, octal(bytes.length, 11))
  put(136, octal(0, 11))
  put(156, folder ? '5' : '0')
  put(257, 'ustar\u000000')
  put(345, prefix)
  put(148, '        ')
  put(
    148,
    `${octal(
      out.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\u0000 `,
  )
  return out
}

function readHeader(head: Uint8Array): { path: string; type: string; size: number; mode: number } {
  const sum = head.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0)
  if (readOctal(head, 148, 8) !== sum) throw fault('malformed', 'a header has a wrong checksum')
  if (readText(head, 257, 5) !== 'ustar') throw fault('malformed', 'it is not in the ustar format')
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

function splitPath(path: Uint8Array): { prefix: Uint8Array; name: Uint8Array } {
  if (path.length <= 100) return { prefix: new Uint8Array(), name: path }
  for (let at = path.length - 101; at < path.length && at <= 155; at++) {
    if (at > 0 && path[at] === 0x2f) {
      return { prefix: path.subarray(0, at), name: path.subarray(at + 1) }
    }
  }
  throw fault('unsafe_path', 'a path is too long for the ustar format')
}

function readText(head: Uint8Array, at: number, length: number): string {
  const field = head.subarray(at, at + length)
  const end = field.indexOf(0)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(
      end < 0 ? field : field.subarray(0, end),
    )
  } catch (cause) {
    throw fault('malformed', 'a name is not UTF-8', cause)
  }
}

function readOctal(head: Uint8Array, at: number, length: number): number {
  const text = readText(head, at, length).trim()
  if (!/^[0-7]{1,11}$/.test(text)) throw fault('malformed', 'a number of a header is not octal')
  return Number.parseInt(text, 8)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function padding(bytes: Uint8Array): Uint8Array {
  return new Uint8Array((block - (bytes.length % block)) % block)
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b
}

async function inflate(bytes: Uint8Array, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'))
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return concatAll(parts)
      length += value.length
      if (length > most) throw fault('too_large', `it inflates to over ${most} bytes`)
      parts.push(value)
    }
  } catch (cause) {
    await reader.cancel().catch(() => {})
    if (cause instanceof SourceArchiveError) throw cause
    throw fault('malformed', 'its compression is broken', cause)
  }
}

function fault(
  kind: SourceArchiveError['fault'],
  reason: string,
  cause?: unknown,
): SourceArchiveError {
  return new SourceArchiveError({ fault: kind, reason }, { cause })
}
