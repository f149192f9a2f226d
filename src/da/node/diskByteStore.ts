/**
 * The second cache tier on disk: content-addressed files, bounded, oldest use first out.
 *
 * An artifact that the tree still needs is never evicted, even above the bound.
 */
import { rm, stat, utimes } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { assertBytes, assertOptions } from '../../internal/options.js'
import type { ByteStore } from '../cache/byteStore.js'
import { listFiles, onDisk, readBounded, removeLeftovers, writeFileDurably } from './fileDa.js'

/** Options of {@link diskByteStore}. */
export type DiskByteStoreOptions = {
  directory: string
  /** Bytes above which the least recently used files go. @default 5 GiB */
  maxBytes?: number | undefined
  /** Whether an artifact must stay, because the tree still needs it. */
  isNeeded?: ((hash: Hex) => boolean | Promise<boolean>) | undefined
  onEvict?: ((hash: string, byteLength: number) => void) | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
}

/**
 * Creates a disk tier in a directory of its own. One process at a time should own the directory;
 * files of another are found again when this one starts.
 *
 * @example
 * ```ts
 * import { diskByteStore } from '@newton/policy-sdk/da/node'
 *
 * diskByteStore({ directory: '/tmp/newton-cache', maxBytes: 1024 ** 3 })
 * ```
 */
export function diskByteStore(options: DiskByteStoreOptions): ByteStore {
  assertOptions(
    options,
    {
      directory: 'text',
      maxBytes: { least: 1 },
      isNeeded: 'function',
      onEvict: 'function',
      now: 'function',
    },
    { required: ['directory'] },
  )
  const { directory, maxBytes = 5 * 1024 ** 3, isNeeded, onEvict, now = Date.now } = options
  // Size by key; insertion order is order of use.
  let index: Promise<Map<string, number>> | undefined
  let total = 0

  const load = async (): Promise<Map<string, number>> => {
    await removeLeftovers(directory, 3_600_000, now())
    const found: { key: string; size: number; usedAt: number }[] = []
    for (const path of await listFiles(directory)) {
      if (!path.endsWith('.bin')) continue
      const info = await stat(path).catch(() => undefined)
      if (info) found.push({ key: keyOf(path), size: info.size, usedAt: info.mtimeMs })
    }
    found.sort((a, b) => a.usedAt - b.usedAt)
    total = found.reduce((sum, { size }) => sum + size, 0)
    return new Map(found.map(({ key, size }) => [key, size]))
  }
  const ready = (): Promise<Map<string, number>> => {
    index ??= load().catch((error: unknown) => {
      index = undefined
      throw error
    })
    return index
  }

  function forget(held: Map<string, number>, key: string): void {
    total -= held.get(key) ?? 0
    held.delete(key)
  }

  async function evict(held: Map<string, number>, keep: string): Promise<void> {
    for (const [key, size] of [...held]) {
      if (total <= maxBytes) return
      if (key === keep || !held.has(key)) continue
      if (await isNeeded?.(key as Hex)) continue
      forget(held, key)
      await rm(pathOf(directory, key), { force: true })
      onEvict?.(key, size)
    }
  }

  const store: ByteStore = {
    name: 'disk',
    async read(key, io = {}) {
      const held = await ready()
      const path = pathOf(directory, key)
      const bytes = await readBounded(path, Math.max(maxBytes, held.get(key) ?? 0), io.signal)
      forget(held, key)
      // A pipe, a device or more than the whole cache may hold: a miss, and the next fill replaces it.
      if (bytes === undefined || typeof bytes === 'string') return undefined
      held.set(key, bytes.length)
      total += bytes.length
      const time = new Date(now())
      // The order of use survives a restart as the files' times; losing one is harmless.
      await utimes(path, time, time).catch(() => undefined)
      return bytes
    },
    async write(key, bytes, io = {}) {
      assertBytes('bytes', bytes)
      const held = await ready()
      await writeFileDurably(pathOf(directory, key), bytes, { signal: io.signal })
      forget(held, key)
      held.set(key, bytes.length)
      total += bytes.length
      await evict(held, key)
    },
    async remove(key) {
      const held = await ready()
      forget(held, key)
      await rm(pathOf(directory, key), { force: true })
    },
    async has(key) {
      return (await ready()).has(key)
    },
    async usage() {
      const held = await ready()
      return { entries: held.size, bytes: total }
    },
  }
  return {
    name: store.name,
    read: (key, io) => onDisk('disk', () => store.read(key, io)),
    write: (key, bytes, io) => onDisk('disk', () => store.write(key, bytes, io)),
    remove: (key) => onDisk('disk', () => store.remove(key)),
    has: (key) => onDisk('disk', () => store.has(key)),
    usage: () => onDisk('disk', () => store.usage()),
  }
}

function pathOf(directory: string, key: string): string {
  // Keys become file names: nothing but what artifact hashes are made of.
  if (!/^0x[0-9a-f]{1,180}$/.test(key)) {
    throw new InvalidInputError({
      field: 'key',
      reason: `${JSON.stringify(key)} cannot be a file name`,
    })
  }
  return join(directory, key.slice(2, 4), `${key}.bin`)
}

function keyOf(path: string): string {
  return basename(path).slice(0, -'.bin'.length)
}
