/** Typed keys and transactions over a {@link KvStore}. */
import { InvalidInputError } from '../../errors/common.js'
import type { Codec } from './codec.js'
import { StoreConflictError } from './errors.js'
import { type KvStore, sameValue } from './kv.js'

declare const storedValue: unique symbol

/** A key with the type of its value. */
export type StoreKey<value> = {
  readonly name: string
  readonly codec: Codec<value>
  readonly [storedValue]?: value
}

/** Defines a key. Names of a framework's own start with `@`. */
export function defineKey<value>(name: string, codec: Codec<value>): StoreKey<value> {
  if (typeof name !== 'string' || name === '') {
    throw new InvalidInputError({ field: 'name', reason: 'expected a text' })
  }
  return { name, codec }
}

/** Reads and writes inside one transaction. */
export interface StoreTransaction {
  get<value>(key: StoreKey<value>): Promise<value | undefined>
  set<value>(key: StoreKey<value>, value: value): void
  delete(key: StoreKey<unknown>): void
  /** Sets where the value is the expected one (by its encoding); tells whether it was. */
  compareAndSet<value>(
    key: StoreKey<value>,
    change: { expected: value | undefined; next: value | undefined },
  ): Promise<boolean>
  /** Names of keys with a prefix, as they were when the transaction began, with its own changes. */
  names(prefix: string): Promise<readonly string[]>
}

/** Typed keys with atomic transactions. */
export interface TypedStore {
  get<value>(key: StoreKey<value>): Promise<value | undefined>
  /**
   * Runs `work` on what is there and writes all of its changes or none. Where something it read has changed
   * meanwhile, it runs again, so `work` has no other effects than on the transaction.
   */
  transaction<result>(
    work: (transaction: StoreTransaction) => Promise<result> | result,
  ): Promise<result>
  close(): Promise<void>
}

const attempts = 16

/**
 * Creates a typed store.
 *
 * @example
 * ```ts
 * import { createTypedStore, defineKey, memoryKv, uint64Codec } from '@newton/policy-sdk/enclave'
 *
 * const count = defineKey('count', uint64Codec)
 * const store = createTypedStore(memoryKv())
 * await store.transaction(async (tx) => tx.set(count, ((await tx.get(count)) ?? 0n) + 1n))
 * ```
 */
export function createTypedStore(kv: KvStore): TypedStore {
  return {
    get: async (key) => decode(key, await kv.get(key.name)),
    transaction: async (work) => {
      for (let attempt = 0; attempt < attempts; attempt++) {
        const { transaction, batch } = openTransaction(kv)
        const result = await work(transaction)
        if (await kv.commit(batch())) return result
      }
      throw new StoreConflictError({ attempts })
    },
    close: () => kv.close(),
  }
}

function openTransaction(kv: KvStore): {
  transaction: StoreTransaction
  batch: () => Parameters<KvStore['commit']>[0]
} {
  const reads = new Map<string, Uint8Array | undefined>()
  const writes = new Map<string, Uint8Array | undefined>()
  const raw = async (name: string): Promise<Uint8Array | undefined> => {
    if (writes.has(name)) return writes.get(name)
    if (!reads.has(name)) reads.set(name, await kv.get(name))
    return reads.get(name)
  }
  const transaction: StoreTransaction = {
    get: async (key) => decode(key, await raw(key.name)),
    set: (key, value) => {
      writes.set(key.name, key.codec.encode(value))
    },
    delete: (key) => {
      writes.set(key.name, undefined)
    },
    compareAndSet: async (key, { expected, next }) => {
      const encode = (value: typeof expected): Uint8Array | undefined =>
        value === undefined ? undefined : key.codec.encode(value)
      if (!sameValue(await raw(key.name), encode(expected))) return false
      writes.set(key.name, encode(next))
      return true
    },
    names: async (prefix) => {
      const stored = (await kv.keys(prefix)).filter((name) => !writes.has(name))
      const own = [...writes].filter(
        ([name, value]) => value !== undefined && name.startsWith(prefix),
      )
      return [...stored, ...own.map(([name]) => name)].sort()
    },
  }
  return {
    transaction,
    batch: () => ({
      checks: [...reads].map(([key, value]) => ({ key, value })),
      writes: [...writes].map(([key, value]) => ({ key, value })),
    }),
  }
}

function decode<value>(key: StoreKey<value>, bytes: Uint8Array | undefined): value | undefined {
  return bytes === undefined ? undefined : key.codec.decode(bytes)
}
