/** Writes inside a transaction that count only once they are taken over. */
import { InvalidInputError } from '../../errors/common.js'
import { sameValue } from './kv.js'
import type { StoreKey, StoreTransaction } from './typedStore.js'

/** A transaction on top of another one. */
export type Overlay = {
  transaction: StoreTransaction
  /** Writes all of it to the transaction below. */
  takeOver(): void
}

/**
 * Creates an overlay. Names that start with `@` are a framework's own: they are not written.
 *
 * @param below - What is read through, and written to once.
 */
export function createOverlay(below: StoreTransaction): Overlay {
  type Written = { key: StoreKey<unknown>; bytes: Uint8Array | undefined }
  const written = new Map<string, Written>()
  const write = (key: StoreKey<unknown>, bytes: Uint8Array | undefined): void => {
    if (key.name.startsWith('@')) {
      throw new InvalidInputError({
        field: 'key',
        reason: "names that start with @ are the framework's",
      })
    }
    written.set(key.name, { key, bytes })
  }
  const get = async <value>(key: StoreKey<value>): Promise<value | undefined> => {
    const own = written.get(key.name)
    if (own === undefined) return below.get(key)
    return own.bytes === undefined ? undefined : key.codec.decode(own.bytes)
  }
  return {
    transaction: {
      get,
      set: (key, value) => write(key as StoreKey<unknown>, key.codec.encode(value)),
      delete: (key) => write(key, undefined),
      compareAndSet: async (key, { expected, next }) => {
        const encode = (value: typeof expected): Uint8Array | undefined =>
          value === undefined ? undefined : key.codec.encode(value)
        if (!sameValue(encode(await get(key)), encode(expected))) return false
        write(key as StoreKey<unknown>, encode(next))
        return true
      },
      names: async (prefix) => {
        const kept = (await below.names(prefix)).filter((name) => !written.has(name))
        const own = [...written].filter(
          ([name, { bytes }]) => bytes !== undefined && name.startsWith(prefix),
        )
        return own.length === 0 ? kept : [...kept, ...own.map(([name]) => name)].sort()
      },
    },
    takeOver: () => {
      for (const { key, bytes } of written.values()) {
        if (bytes === undefined) below.delete(key)
        else below.set(key, key.codec.decode(bytes))
      }
    },
  }
}
