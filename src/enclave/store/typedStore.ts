/** Typed keys and transactions over a {@link KvStore}. */
import { type Claim, createClaims, type Footprint, joinFootprints } from './claims.js'
import type { Codec } from './codec.js'
import { StoreConflictError } from './errors.js'
import { assertKey, assertPrefix, type KvBatch, type KvStore, sameValue } from './kv.js'

declare const storedValue: unique symbol

/** A key with the type of its value. */
export type StoreKey<value> = {
  readonly name: string
  readonly codec: Codec<value>
  readonly [storedValue]?: value
}

/**
 * Defines a key. Names of a framework's own start with `@`.
 *
 * @throws {InvalidInputError} for a name that is empty, longer than 1,024 bytes in UTF-8, or holds a lone
 * surrogate: names cut inside a character would become one.
 */
export function defineKey<value>(name: string, codec: Codec<value>): StoreKey<value> {
  assertKey(name, 'name')
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
  /** Names of keys with a prefix, with its own changes. A name that comes or goes meanwhile is a conflict. */
  names(prefix: string): Promise<readonly string[]>
}

/** Typed keys with atomic transactions. */
export interface TypedStore {
  /** Whether putting an older state in place of the newest would be noticed. */
  readonly rollbackProtected: boolean
  get<value>(key: StoreKey<value>): Promise<value | undefined>
  /**
   * Runs `work` on what is there and writes all of its changes or none, as if transactions ran one after
   * another. Where something it read has changed meanwhile, absent keys and lists of names included, it runs
   * again, in turn with others that lost on the same keys; so `work` has no other effects than on the
   * transaction. What `work` throws counts only where it had seen one consistent state.
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
  const claims = createClaims()
  return {
    rollbackProtected: kv.rollbackProtected === true,
    get: async (key) => decode(key, await kv.get(key.name)),
    transaction: async (work) => {
      let claim: Claim | undefined
      try {
        for (let attempt = 0; attempt < attempts; attempt++) {
          const opened = openTransaction(kv)
          const done = await settled(work, opened.transaction)
          const batch = opened.batch()
          const own = claim
          const blocked = claims.blocks(
            batch.writes.map(({ key }) => key),
            own,
          )
          if (!blocked) {
            if (done.failed) {
              // A failure on a torn view is none: it is told only where nothing had changed.
              if (await kv.commit({ ...batch, writes: [] })) throw done.cause
            } else if (await kv.commit(batch)) return done.result
          }
          const footprint = joinFootprints(claim?.footprint, footprintOf(batch))
          claim?.release()
          claim = claims.enter(footprint)
          await claim.granted
        }
      } finally {
        claim?.release()
      }
      throw new StoreConflictError({ attempts })
    },
    close: () => kv.close(),
  }
}

async function settled<result>(
  work: (transaction: StoreTransaction) => Promise<result> | result,
  transaction: StoreTransaction,
): Promise<{ failed: false; result: result } | { failed: true; cause: unknown }> {
  try {
    return { failed: false, result: await work(transaction) }
  } catch (cause) {
    return { failed: true, cause }
  }
}

function footprintOf({ checks, ranges = [], writes }: KvBatch): Footprint {
  return {
    keys: new Set([...checks, ...writes].map(({ key }) => key)),
    prefixes: new Set(ranges.map(({ prefix }) => prefix)),
  }
}

function openTransaction(kv: KvStore): { transaction: StoreTransaction; batch: () => KvBatch } {
  const reads = new Map<string, Promise<Uint8Array | undefined>>()
  const seen = new Map<string, Uint8Array | undefined>()
  const lists = new Map<string, Promise<readonly string[]>>()
  const listed = new Map<string, readonly string[]>()
  const writes = new Map<string, Uint8Array | undefined>()
  const raw = async (name: string): Promise<Uint8Array | undefined> => {
    if (writes.has(name)) return writes.get(name)
    // The first answer is the one that is checked, also where two reads of one key overlap.
    let read = reads.get(name)
    if (read === undefined) {
      read = kv.get(name)
      reads.set(name, read)
    }
    const value = await read
    seen.set(name, value)
    return writes.has(name) ? writes.get(name) : value
  }
  const stored = async (prefix: string): Promise<readonly string[]> => {
    let list = lists.get(prefix)
    if (list === undefined) {
      list = kv.keys(prefix)
      lists.set(prefix, list)
    }
    const names = await list
    listed.set(prefix, names)
    return names
  }
  const transaction: StoreTransaction = {
    get: async (key) => decode(key, await raw(key.name)),
    set: (key, value) => {
      assertKey(key.name)
      writes.set(key.name, key.codec.encode(value))
    },
    delete: (key) => {
      assertKey(key.name)
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
      assertPrefix(prefix)
      const kept = (await stored(prefix)).filter((name) => !writes.has(name))
      const own = [...writes].filter(
        ([name, value]) => value !== undefined && name.startsWith(prefix),
      )
      return own.length === 0 ? kept : [...kept, ...own.map(([name]) => name)].sort()
    },
  }
  return {
    transaction,
    batch: () => ({
      checks: [...seen].map(([key, value]) => ({ key, value })),
      ranges: [...listed].map(([prefix, keys]) => ({ prefix, keys })),
      writes: [...writes].map(([key, value]) => ({ key, value })),
    }),
  }
}

function decode<value>(key: StoreKey<value>, bytes: Uint8Array | undefined): value | undefined {
  return bytes === undefined ? undefined : key.codec.decode(bytes)
}
