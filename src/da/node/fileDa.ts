/**
 * The embedded store: one file per artifact, named by its keccak-256, under two directory levels.
 *
 * A file appears whole or not at all: bytes go to a temporary file in the same directory, are
 * synced, renamed, and the directory is synced. Nothing is ever overwritten with other bytes.
 */
import { constants, type Dirent } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { makeDirectory } from '../../internal/node/directories.js'
import { assertOptions } from '../../internal/options.js'
import { createDaAdapter, type DaHooks, requireArtifactHash } from '../adapter.js'
import {
  DaIntegrityError,
  DaNotFoundError,
  DaPayloadTooLargeError,
  DaUnavailableError,
} from '../errors.js'
import { atLeastOne, hookRules } from '../internal/optionRules.js'

/** Bytes read between two looks at the caller's signal. */
const READ_STEP = 16_777_216
/** Milliseconds after which nobody is writing to a temporary file any more. */
const OLD_DRAFT = 86_400_000

/** Options of {@link fileDa}. */
export type FileDaOptions = DaHooks & {
  /** Where files go; created when missing. */
  directory: string
  /** Name in locators; a locator without a name matches every store. @default '' */
  name?: string | undefined
  /** Most bytes of one artifact. @default 64 MiB */
  maxBytes?: number | undefined
}

/**
 * Creates a store of content-addressed files. Safe for several processes on one directory.
 *
 * @throws {DaUnavailableError} from its calls when the disk refuses.
 * @example
 * ```ts
 * import { fileDa } from '@newton/policy-sdk/da/node'
 *
 * const da = fileDa({ directory: '/tmp/newton-artifacts' })
 * const { artifactHash, locator } = await da.put(new TextEncoder().encode('package example\n'))
 * await da.getWithVerification(locator, artifactHash)
 * ```
 */
export function fileDa(options: FileDaOptions): DaClient {
  assertOptions(
    options,
    { ...hookRules, directory: 'text', name: 'text', maxBytes: atLeastOne },
    { required: ['directory'] },
  )
  const { directory, name = '', maxBytes = 67_108_864 } = options
  const source = name === '' ? 'file' : `file:${name}`
  const swept = new Set<string>()
  /** What killed writers have left in a folder goes with the first write to it. */
  const removeOldDrafts = async (folder: string): Promise<void> => {
    if (swept.has(folder)) return
    swept.add(folder)
    await removeLeftovers(folder, OLD_DRAFT).catch(() => undefined)
  }
  return createDaAdapter(
    {
      kind: 'file',
      source,
      retention: { kind: 'permanent' },
      supports: (locator) =>
        locator.kind === 'keccakStore' && (locator.name === '' || locator.name === name),
      async put(bytes, { hash, signal, onProgress }) {
        if (bytes.length > maxBytes) {
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        }
        const path = artifactPath(directory, hash)
        await onDisk(source, async () => {
          if (await holds(path, hash, bytes.length)) return
          await removeOldDrafts(dirname(path))
          await writeFileDurably(path, bytes, { signal })
        })
        onProgress?.({ loaded: bytes.length, total: bytes.length })
        return { locator: { kind: 'keccakStore', name }, checks: ['keccak256'] }
      },
      async read(_locator, { artifactHash, signal, onProgress }) {
        const hash = requireArtifactHash(source, artifactHash)
        const bytes = await onDisk(source, () =>
          readBounded(artifactPath(directory, hash), maxBytes, signal),
        )
        if (bytes === undefined) throw new DaNotFoundError({ source, what: `artifact ${hash}` })
        if (typeof bytes === 'string') {
          throw new DaIntegrityError({
            source,
            expected: hash,
            reason:
              bytes === 'too large'
                ? `the file is over ${maxBytes} bytes`
                : 'what has its name is not a file',
          })
        }
        onProgress?.({ loaded: bytes.length, total: bytes.length })
        return bytes
      },
      async head(_locator, { artifactHash }) {
        const hash = requireArtifactHash(source, artifactHash)
        return onDisk(source, async () => {
          const size = await fileSize(artifactPath(directory, hash))
          return size === undefined
            ? { status: 'missing' }
            : { status: 'available', byteLength: size }
        })
      },
    },
    options,
  )
}

/** Where the file of an artifact is: `<directory>/ab/abcdef….bin`. */
export function artifactPath(directory: string, hash: Hex): string {
  const hex = hash.slice(2).toLowerCase()
  return join(directory, hex.slice(0, 2), `${hex}.bin`)
}

/** Writes a file so that it is there whole after a crash at any instant, or not there. */
export async function writeFileDurably(
  path: string,
  bytes: Uint8Array,
  { signal, mode }: { signal?: AbortSignal | undefined; mode?: number | undefined } = {},
): Promise<void> {
  const folder = dirname(path)
  await makeDirectoryDurably(folder)
  const temporary = `${path}.${crypto.randomUUID()}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    signal?.throwIfAborted()
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(folder)
}

/** Removes temporary files that a crash left behind and that are older than `olderThan` ms. */
export async function removeLeftovers(
  directory: string,
  olderThan: number,
  now: number = Date.now(),
): Promise<number> {
  let removed = 0
  for (const path of await listFiles(directory)) {
    if (!path.endsWith('.tmp')) continue
    const info = await stat(path).catch(() => undefined)
    if (info && now - info.mtimeMs > olderThan) {
      await rm(path, { force: true })
      removed += 1
    }
  }
  return removed
}

/** All files below `directory`; none when it does not exist. */
export async function listFiles(directory: string): Promise<string[]> {
  let entries: Dirent[]
  try {
    entries = await readdir(directory, { withFileTypes: true, recursive: true })
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/**
 * A file's bytes, `undefined` when there is none, `'too large'` above `limit`, `'not a file'` for a
 * pipe, a device or a directory of its name. No more is read than the size it had when opened.
 */
export async function readBounded(
  path: string,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array | 'too large' | 'not a file' | undefined> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    // A pipe without a writer would keep a blocking open waiting for ever.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const info = await file.stat()
    if (!info.isFile()) return 'not a file'
    if (info.size > limit) return 'too large'
    const bytes = new Uint8Array(info.size)
    let filled = 0
    while (filled < bytes.length) {
      signal?.throwIfAborted()
      const length = Math.min(bytes.length - filled, READ_STEP)
      const { bytesRead } = await file.read(bytes, filled, length, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  } finally {
    await file.close()
  }
}

/** Makes a directory that is there after a crash too. */
export async function makeDirectoryDurably(folder: string): Promise<void> {
  const first = await makeDirectory(folder)
  // A new directory is only durable once its parent is.
  if (first !== undefined) {
    for (let at = folder; at.length >= first.length; at = dirname(at))
      await syncDirectory(dirname(at))
  }
}

async function syncDirectory(folder: string): Promise<void> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(folder, 'r')
  } catch {
    // Some systems do not open directories; there the rename is as durable as it gets.
    return
  }
  try {
    await handle.sync()
  } catch {
    // Same: not every file system syncs directories.
  } finally {
    await handle.close()
  }
}

// What has the right name and is another thing, or longer, is damage, and is replaced by the right bytes.
async function holds(path: string, hash: Hex, length: number): Promise<boolean> {
  const found = await readBounded(path, length)
  if (found === 'not a file') await rm(path, { force: true, recursive: true })
  return found instanceof Uint8Array && longKeccakHex(found) === hash
}

async function fileSize(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path)
    return info.isFile() ? info.size : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown })?.code === 'ENOENT'
}

/** Runs work on files; what the file system refuses is an error of the package. */
export async function onDisk<value>(source: string, work: () => Promise<value>): Promise<value> {
  try {
    return await work()
  } catch (error) {
    const code = (error as { code?: unknown })?.code
    if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) throw error
    throw new DaUnavailableError(
      { source, reason: `the file system answered ${code}` },
      { cause: error },
    )
  }
}
