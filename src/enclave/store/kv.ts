/** What typed stores are kept in. */
import { isWellFormed } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, copyBytes, utf8 } from '../../internal/bytes.js'
import { StoreClosedError } from './errors.js'
import { createNameIndex } from './nameIndex.js'

/** Most bytes of a key in UTF-8. */
export const MAX_KEY_BYTES = 1024

/** A set of writes that happen all or not at all, and only if every check holds. */
export type KvBatch = {
  /** What must be there now; `undefined` for nothing. */
  checks: readonly { key: string; value: Uint8Array | undefined }[]
  /** Which keys must be there under a prefix now, ascending: no more, no fewer. */
  ranges?: readonly { prefix: string; keys: readonly string[] }[] | undefined
  /** What is there afterwards; `undefined` deletes. */
  writes: readonly { key: string; value: Uint8Array | undefined }[]
}

/**
 * Keys and bytes. Keys are text without lone surrogates of 1 to 1,024 bytes in UTF-8, and sort by their
 * UTF-16 units; prefixes likewise, and may be empty. Anything else is an `InvalidInputError`, a call after
 * `close` a `StoreClosedError`, a fault of the medium a `StoreFailedError`.
 *
 * `testKvStore` declares all of this as tests.
 */
export interface KvStore {
  /** Whether putting an older state in place of the newest would be noticed. Absent means no. */
  readonly rollbackProtected?: boolean | undefined
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
  const map = new Map<string, Uint8Array>()
  const names = createNameIndex()
  for (const [key, value] of initial) {
    assertKey(key)
    map.set(key, copyBytes(value))
    names.add(key)
  }
  let closed = false
  const assertOpen = (): void => {
    if (closed) throw new StoreClosedError()
  }
  return {
    get: async (key) => {
      assertOpen()
      assertKey(key)
      return map.get(key)?.slice()
    },
    keys: async (prefix) => {
      assertOpen()
      assertPrefix(prefix)
      return names.withPrefix(prefix)
    },
    commit: async (batch) => {
      assertOpen()
      assertBatch(batch)
      const holds = batchHolds(batch, {
        value: (key) => map.get(key),
        keys: (prefix) => names.withPrefix(prefix),
      })
      if (!holds) return false
      for (const { key, value } of batch.writes) {
        if (value === undefined) {
          map.delete(key)
          names.delete(key)
        } else {
          map.set(key, copyBytes(value))
          names.add(key)
        }
      }
      return true
    },
    close: async () => {
      closed = true
    },
  }
}

/** Whether everything that a batch asks to be there is there. */
export function batchHolds(
  { checks, ranges = [] }: KvBatch,
  now: {
    value(key: string): Uint8Array | undefined
    keys(prefix: string): readonly string[]
  },
): boolean {
  return (
    checks.every(({ key, value }) => sameValue(now.value(key), value)) &&
    ranges.every(({ prefix, keys }) => sameNames(now.keys(prefix), keys))
  )
}

/** Whether a stored value is the expected one. */
export function sameValue(
  actual: Uint8Array | undefined,
  expected: Uint8Array | undefined,
): boolean {
  if (actual === undefined || expected === undefined) return actual === expected
  return bytesEqual(actual, expected)
}

function sameNames(actual: readonly string[], expected: readonly string[]): boolean {
  return actual.length === expected.length && actual.every((name, at) => name === expected[at])
}

/** Throws `InvalidInputError` for what is no key. */
export function assertKey(key: unknown, field = 'key'): asserts key is string {
  assertPrefix(key, field)
  if (key === '')
    throw new InvalidInputError({ field, reason: 'expected a text that is not empty' })
}

/** Throws `InvalidInputError` for what no key can start with. */
export function assertPrefix(prefix: unknown, field = 'prefix'): asserts prefix is string {
  if (typeof prefix !== 'string') throw new InvalidInputError({ field, reason: 'expected a text' })
  if (prefix.length > MAX_KEY_BYTES || utf8(prefix).length > MAX_KEY_BYTES) {
    throw new InvalidInputError({
      field,
      reason: `expected at most ${MAX_KEY_BYTES} bytes in UTF-8`,
    })
  }
  if (!isWellFormed(prefix)) {
    throw new InvalidInputError({
      field,
      reason: 'a lone surrogate has no UTF-8 form',
      hint: 'Cut names at whole characters, or encode them first.',
    })
  }
}

/** Throws `InvalidInputError` for what is no batch. */
export function assertBatch({ checks, ranges = [], writes }: KvBatch): void {
  for (const { prefix } of ranges) assertPrefix(prefix)
  for (const { key, value } of [...checks, ...writes]) {
    assertKey(key)
    if (value !== undefined && !(value instanceof Uint8Array)) {
      throw new InvalidInputError({ field: 'value', reason: 'expected bytes or undefined' })
    }
  }
}

/** A batch that its caller can no longer change. */
export function copyBatch({ checks, ranges, writes }: KvBatch): KvBatch {
  const copy = ({ key, value }: KvBatch['writes'][number]): KvBatch['writes'][number] => ({
    key,
    value: value && copyBytes(value),
  })
  return {
    checks: checks.map(copy),
    ranges: ranges?.map(({ prefix, keys }) => ({ prefix, keys: [...keys] })),
    writes: writes.map(copy),
  }
}
