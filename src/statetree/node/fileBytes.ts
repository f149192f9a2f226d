/** Byte strings as files named by their hash. */
import { randomUUID } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { bytesEqual, copyBytes } from '../../internal/bytes.js'
import { makeDirectory } from '../../internal/node/directories.js'
import { assertBytes, assertOptions } from '../../internal/options.js'
import { StoreWriteError } from '../errors.js'
import { assertNamed, byteName, type HashBytes } from '../store/byteNames.js'
import type { ByteStore } from '../store/store.js'

/**
 * Creates a byte store in a directory: `<directory>/<first byte>/<hash>`. Stores of several chains
 * may share one directory.
 *
 * A file is written beside its place, flushed, and renamed: under a name there are all the bytes
 * or none. Reads check the hash. A file that was damaged since is replaced by the next `put`.
 *
 * @param options.hash - What names bytes. Default: keccak-256 or SHA-256, as the tree's hasher is.
 * @throws {StoreWriteError} from `put` when the disk is full or fails; what was there is kept.
 * @example
 * ```ts
 * import { fileBytes } from '@newton/policy-sdk/statetree/node'
 *
 * const bytes = await fileBytes({ directory: './artifacts' })
 * ```
 */
export async function fileBytes(options: {
  directory: string
  hash?: HashBytes | undefined
}): Promise<ByteStore> {
  assertOptions(options, { directory: 'text', hash: 'function' }, { required: ['directory'] })
  const { directory, hash } = options
  const incoming = join(directory, 'incoming')
  try {
    await makeDirectory(incoming)
    await removeDrafts(incoming)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'there is no such directory'
    throw new StoreWriteError({ path: directory, reason }, { cause })
  }
  const place = (name: Hex): Place => {
    const key = byteName(name)
    const folder = join(directory, key.slice(2, 4))
    return { directory, incoming, folder, file: join(folder, key.slice(2)), key }
  }
  return {
    has: async (name) => (await fileSize(place(name).file)) !== undefined,
    async get(name) {
      const { file, key } = place(name)
      const bytes = await readWhole(file)
      if (bytes !== undefined) assertNamed(key, bytes, hash)
      return bytes
    },
    async put(name, bytes, { checked = false } = {}) {
      assertBytes('bytes', bytes)
      const at = place(name)
      // The caller may go on with its buffer while the file is written.
      const own = checked ? bytes : copyBytes(bytes)
      if (!checked) assertNamed(at.key, own, hash)
      await save(at, own)
    },
    async delete(name) {
      await rm(place(name).file, { force: true })
    },
    list: () => listNames(directory),
  }
}

type Place = { directory: string; incoming: string; folder: string; file: string; key: Hex }

// What a killed process left half written. Young files may be another process's.
async function removeDrafts(incoming: string): Promise<void> {
  const now = Date.now()
  for (const name of await readdir(incoming)) {
    const file = join(incoming, name)
    const age = await stat(file).then(
      ({ mtimeMs }) => now - mtimeMs,
      () => 0,
    )
    if (age > 3_600_000) await rm(file, { force: true })
  }
}

// Whether a file has exactly these bytes: that it is there says nothing of what is in it.
async function holds(file: string, bytes: Uint8Array): Promise<boolean> {
  if ((await fileSize(file)) !== bytes.length) return false
  const found = await readWhole(file).catch(() => undefined)
  return found !== undefined && bytesEqual(found, bytes)
}

async function save(at: Place, bytes: Uint8Array): Promise<void> {
  const draft = join(at.incoming, randomUUID())
  try {
    // Found whole, it may still be another writer's that is not flushed yet.
    if (await holds(at.file, bytes)) {
      await syncFolder(at.folder)
      return
    }
    const made = await makeDirectory(at.folder)
    await writeDraft(draft, bytes)
    await rename(draft, at.file)
    await syncFolder(at.folder)
    if (made !== undefined) await syncFolder(at.directory)
  } catch (cause) {
    await rm(draft, { force: true }).catch(() => {})
    const reason = cause instanceof Error ? cause.message : 'the file cannot be written'
    throw new StoreWriteError({ path: at.file, reason }, { cause })
  }
}

async function writeDraft(draft: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(draft, 'wx')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function listNames(directory: string): Promise<Hex[]> {
  const found: Hex[] = []
  for (const folder of await readdir(directory)) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue
    for (const name of await readdir(join(directory, folder))) {
      if (/^[0-9a-f]{64}$/.test(name)) found.push(`0x${name}`)
    }
  }
  return found.sort()
}

/** Bytes of a file, or `undefined` where there is none. */
function fileSize(file: string): Promise<number | undefined> {
  return stat(file).then(({ size }) => size, absent)
}

function readWhole(file: string): Promise<Uint8Array | undefined> {
  return readFile(file).then((bytes) => new Uint8Array(bytes), absent)
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

// A rename is durable once its directory is. Not every platform can flush one.
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EINVAL' && code !== 'EPERM' && code !== 'EISDIR') throw error
  } finally {
    await handle.close()
  }
}
