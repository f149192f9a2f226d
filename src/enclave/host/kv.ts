/** What typed stores are kept in. */
import { bytesEqual } from '../../internal/bytes.js'

/** A set of writes that happen all or not at all, and only if every check holds. */
export type KvBatch = {
  /** What must be there now; `undefined` for nothing. */
  checks: readonly { key: string; value: Uint8Array | undefined }[]
  /** What is there afterwards; `undefined` deletes. */
  writes: readonly { key: string; value: Uint8Array | undefined }[]
}

/** Keys and bytes. Keys sort by their UTF-16 units. */
export interface KvStore {
  get(key: string): Promise<Uint8Array | undefined>
  /** Keys that start with `prefix`, ascending. */
  keys(prefix: string): Promise<readonly string[]>
  /** @returns Whether every check held and the writes happened. */
  commit(batch: KvBatch): Promise<boolean>
  close(): Promise<void>
}

/**
 * Creates a store in memory.
 *
 * @example
 * ```ts
 * import { memoryKv } from '@newton/policy-sdk/enclave'
 *
 * const kv = memoryKv()
 * await kv.commit({ checks: [], writes: [{ key: 'a', value: Uint8Array.of(1) }] })
 * ```
 */
export function memoryKv(initial: Iterable<readonly [string, Uint8Array]> = []): KvStore {
  const map = new Map<string, Uint8Array>(initial)
  return {
    get: async (key) => map.get(key)?.slice(),
    keys: async (prefix) => [...map.keys()].filter((key) => key.startsWith(prefix)).sort(),
    commit: async (batch) => applyBatch(map, batch),
    close: async () => undefined,
  }
}

/** Applies a batch to a map, if its checks hold. */
export function applyBatch(map: Map<string, Uint8Array>, { checks, writes }: KvBatch): boolean {
  if (!checks.every(({ key, value }) => sameValue(map.get(key), value))) return false
  for (const { key, value } of writes) {
    if (value === undefined) map.delete(key)
    else map.set(key, value.slice())
  }
  return true
}

/** Whether a stored value is the expected one. */
export function sameValue(
  actual: Uint8Array | undefined,
  expected: Uint8Array | undefined,
): boolean {
  if (actual === undefined || expected === undefined) return actual === expected
  return bytesEqual(actual, expected)
}
