/** Byte strings as files named by their hash. */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import { BytesCorruptError } from '../errors.js'
import { defaultHasher } from '../hash/hasher.js'
import type { ByteStore } from '../store/store.js'

/**
 * Creates a byte store in a directory: `<directory>/<first byte>/<hash>`. Stores of several chains
 * may share one directory.
 *
 * A file is written beside its place, flushed, and renamed: under a name there are all the bytes
 * or none. Reads check the hash.
 *
 * @param options.hash - What names bytes. Default: keccak-256.
 * @example
 * ```ts
 * import { fileBytes } from '@newton/policy-sdk/statetree/node'
 *
 * const bytes = await fileBytes({ directory: './artifacts' })
 * ```
 */
export async function fileBytes(options: {
  directory: string
  hash?: ((bytes: Uint8Array) => Uint8Array) | undefined
}): Promise<ByteStore> {
  const { directory, hash = (bytes) => defaultHasher().hash(bytes) } = options
  const incoming = join(directory, 'incoming')
  await mkdir(incoming, { recursive: true })
  // What a killed process left half written. Young files may be another process's.
  const now = Date.now()
  for (const name of await readdir(incoming)) {
    const file = join(incoming, name)
    const age = await stat(file).then(
      ({ mtimeMs }) => now - mtimeMs,
      () => 0,
    )
    if (age > 3_600_000) await rm(file, { force: true })
  }
  const place = (name: Hex): { folder: string; file: string; key: Hex } => {
    const key = toHex(fixedFromHex(name, 32, 'hash'))
    const folder = join(directory, key.slice(2, 4))
    return { folder, file: join(folder, key.slice(2)), key }
  }
  const exists = (file: string): Promise<boolean> =>
    stat(file).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false
        throw error
      },
    )
  return {
    has: (name) => exists(place(name).file),
    async get(name) {
      const { file, key } = place(name)
      let bytes: Uint8Array
      try {
        bytes = new Uint8Array(await readFile(file))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
      const actual = toHex(hash(bytes))
      if (actual !== key) throw new BytesCorruptError({ hash: key, actual })
      return bytes
    },
    async put(name, bytes) {
      const { folder, file, key } = place(name)
      const actual = toHex(hash(bytes))
      if (actual !== key) throw new BytesCorruptError({ hash: key, actual })
      if (await exists(file)) return
      const made = await mkdir(folder, { recursive: true })
      const draft = join(incoming, randomUUID())
      try {
        const handle = await open(draft, 'wx')
        try {
          await handle.writeFile(bytes)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(draft, file)
      } catch (error) {
        await rm(draft, { force: true })
        throw error
      }
      await syncFolder(folder)
      if (made !== undefined) await syncFolder(directory)
    },
    async delete(name) {
      await rm(place(name).file, { force: true })
    },
    async list() {
      const found: Hex[] = []
      for (const folder of await readdir(directory)) {
        if (!/^[0-9a-f]{2}$/.test(folder)) continue
        for (const name of await readdir(join(directory, folder))) {
          if (/^[0-9a-f]{64}$/.test(name)) found.push(`0x${name}`)
        }
      }
      return found.sort()
    },
  }
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
