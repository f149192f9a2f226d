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
import { givingWay } from '../../internal/pause.js'
import { archiveFault, block, type ReadEntry, readEntries } from './archiveEntries.js'
import { type ArchiveTree, createArchiveTree, safeNames } from './archiveTree.js'

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
  /** Files and folders, those that paths only go through among them. @default 20,000 */
  entries?: number | undefined
}

/** Limits that hold where none are given. */
export const archiveLimits = {
  archiveBytes: 64 * 1024 * 1024,
  inflatedBytes: 512 * 1024 * 1024,
  entries: 20_000,
} as const satisfies ArchiveLimits

/** Bytes that are hashed at once. */
const hashPart = 512 * 1024

/**
 * Makes a source archive.
 *
 * @throws {SourceArchiveError} for what {@link readSourceArchive} refuses: paths that could not be extracted
 * safely, too many or too large files, none at all.
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
  if (files.length === 0) throw archiveFault('malformed', 'it would hold no file')
  if (folder.includes('/')) throw archiveFault('unsafe_path', 'the top folder is one name')
  // Whoever reads it refuses what this does, and nothing else.
  const tree = createArchiveTree(archiveLimits.entries)
  const entries = new Map<string, Entry>()
  const add = (path: string, entry: Entry): void => {
    tree.add(path, entry.folder ? 'folder' : 'file')
    entries.set(path, entry)
  }
  for (const { path, bytes, executable = false } of files) {
    assertText('files.path', path)
    assertBytes(path, bytes)
    const full = `${folder}/${path}`
    const names = safeNames(full)
    for (let depth = 1; depth < names.length; depth++) {
      const above = names.slice(0, depth).join('/')
      if (entries.has(above)) continue
      add(above, { folder: true, bytes: new Uint8Array(), mode: 0o755 })
    }
    add(full, { folder: false, bytes, mode: executable ? 0o755 : 0o644 })
  }
  const sorted = [...entries].sort(([a], [b]) => compareBytes(utf8(a), utf8(b)))
  const archive = concatAll([
    ...sorted.flatMap(([path, entry]) => [header(path, entry), entry.bytes, padding(entry.bytes)]),
    new Uint8Array(2 * block),
  ])
  if (archive.length > archiveLimits.archiveBytes) {
    throw archiveFault('too_large', `at most ${archiveLimits.archiveBytes} bytes are read`)
  }
  return { archive, sourceSha256: toHex(sha256(archive)) }
}

/**
 * Reads a source archive, plain or compressed with gzip, into files below its top folder.
 *
 * Links, devices, `..`, absolute paths, paths that differ in case only, a second folder at the top, and
 * more bytes, files or folders than the limits allow are refused before a file is returned. A large one
 * takes a while, in which other work goes on.
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
    /** Ends it in its midst. */
    signal?: AbortSignal | undefined
  } = {},
): Promise<readonly SourceFile[]> {
  // A misspelled hash would be none.
  assertKnown('options', options, [
    ...Object.keys(archiveLimits),
    'sourceSha256',
    'longNames',
    'signal',
  ])
  const limits = { ...archiveLimits, ...definedLimits(options) }
  assertBytes('archive', archive)
  if (archive.length > limits.archiveBytes) {
    throw archiveFault(
      'too_large',
      `it has ${archive.length} bytes, at most ${limits.archiveBytes} are read`,
    )
  }
  const turn = givingWay(options.signal)
  // Other work goes on meanwhile: what is read has to be what was hashed.
  const own = copyBytes(archive)
  if (options.sourceSha256 !== undefined && (await hashOf(own, turn)) !== options.sourceSha256) {
    throw archiveFault('wrong_hash', `its SHA-256 is not ${options.sourceSha256}`)
  }
  const tar = isGzip(own) ? await inflate(own, limits.inflatedBytes, turn) : own
  const { entries } = limits
  const reading = { entries, longNames: options.longNames ?? false, turn }
  return collectFiles(readEntries(tar, reading), createArchiveTree(entries))
}

type Entry = { folder: boolean; bytes: Uint8Array; mode: number }

function definedLimits(options: ArchiveLimits): Partial<typeof archiveLimits> {
  const given = Object.entries(options).filter(
    ([name, value]) => Object.hasOwn(archiveLimits, name) && value !== undefined,
  )
  for (const [name, value] of given) assertCount(name, value)
  return Object.fromEntries(given)
}

async function collectFiles(
  entries: AsyncIterable<ReadEntry>,
  tree: ArchiveTree,
): Promise<SourceFile[]> {
  let top: string | undefined
  const files: SourceFile[] = []
  for await (const { path, folder, bytes, mode } of entries) {
    tree.add(path, folder ? 'folder' : 'file')
    const [first = '', ...rest] = path.split('/')
    top ??= first
    if (first !== top || (rest.length === 0 && !folder)) {
      throw archiveFault('not_one_folder', 'everything has to be in one folder at the top')
    }
    if (!folder) {
      const executable = (mode & 0o111) !== 0
      files.push({ path: rest.join('/'), bytes: copyBytes(bytes), executable })
    }
  }
  if (files.length === 0) throw archiveFault('malformed', 'it holds no file')
  return files
}

/** SHA-256 of an archive, which may take a while. */
async function hashOf(bytes: Uint8Array, turn: (done: number) => Promise<void>): Promise<Hex> {
  const hash = sha256.create()
  for (let at = 0; at < bytes.length; at += hashPart) {
    hash.update(bytes.subarray(at, at + hashPart))
    // Hashing takes ten times as long as copying.
    await turn(10 * hashPart)
  }
  return toHex(hash.digest())
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

function splitPath(path: Uint8Array): { prefix: Uint8Array; name: Uint8Array } {
  if (path.length <= 100) return { prefix: new Uint8Array(), name: path }
  for (let at = path.length - 101; at < path.length && at <= 155; at++) {
    if (at > 0 && path[at] === 0x2f) {
      return { prefix: path.subarray(0, at), name: path.subarray(at + 1) }
    }
  }
  throw archiveFault('unsafe_path', 'a path is too long for the ustar format')
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

async function inflate(
  bytes: Uint8Array,
  most: number,
  turn: (done: number) => Promise<void>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'))
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw archiveFault('malformed', 'its compression is broken', cause)
      })
      if (done) return concatAll(parts)
      length += value.length
      if (length > most) throw archiveFault('too_large', `it inflates to over ${most} bytes`)
      parts.push(value)
      await turn(value.length)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
