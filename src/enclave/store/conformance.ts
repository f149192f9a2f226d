/**
 * What every `KvStore` has to do, as tests for any framework with `describe`, `test` and `expect`.
 */
import type { TestApi } from '../../core/interfaces/testApi.js'
import { utf8 } from '../../internal/bytes.js'
import { type KvBatch, type KvStore, MAX_KEY_BYTES } from './kv.js'

/** The part of a test framework that the suite uses. Vitest and Jest have it. */
export type KvTestApi = TestApi

/** How the suite gets at stores. */
export type KvUnderTest = {
  name: string
  /** A new, empty store. */
  open(): Promise<KvStore>
  /** Closes a store and opens it again with its content. Without it, the store is kept open. */
  reopen?: ((store: KvStore) => Promise<KvStore>) | undefined
}

type Body = (kv: KvStore, reopen: (kv: KvStore) => Promise<KvStore>) => Promise<KvStore | undefined>

const b = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes)
const put = (key: string, value: Uint8Array | undefined): KvBatch => ({
  checks: [],
  writes: [{ key, value }],
})

/**
 * Declares the conformance suite of a store.
 *
 * @example
 * ```ts
 * import { memoryKv, testKvStore } from '@newton/policy-sdk/enclave'
 * import { describe, expect, test } from 'vitest'
 *
 * testKvStore({ describe, test, expect }, { name: 'memory', open: async () => memoryKv() })
 * ```
 */
export function testKvStore(api: KvTestApi, under: KvUnderTest): void {
  const reopen = under.reopen ?? (async (kv: KvStore) => kv)
  const declare = (cases: Readonly<Record<string, Body>>): void => {
    for (const [name, body] of Object.entries(cases)) {
      api.test(name, async () => {
        const kv = await under.open()
        const last = await body(kv, reopen)
        await (last ?? kv).close()
      })
    }
  }
  api.describe(`KvStore: ${under.name}`, () => {
    declare(contentCases(api))
    declare(nameCases(api))
    declare(checkCases(api))
    declare(faultCases(api))
  })
}

function contentCases({ expect }: KvTestApi): Record<string, Body> {
  return {
    'reads what was written, deletes, and keeps it when opened again': async (first, reopen) => {
      expect(await first.get('a')).toBe(undefined)
      const writes = [
        { key: 'p/2', value: b(2) },
        { key: 'p/1', value: b() },
        { key: 'q', value: b(3) },
      ]
      expect(await first.commit({ checks: [], writes })).toBe(true)
      await first.commit(put('q', undefined))
      const kv = await reopen(first)
      expect(await kv.get('p/1')).toEqual(b())
      expect(await kv.get('p/2')).toEqual(b(2))
      expect(await kv.get('q')).toBe(undefined)
      return kv
    },
    'the last of several writes of one key counts': async (kv) => {
      const writes = [
        { key: 'a', value: b(1) },
        { key: 'a', value: undefined },
        { key: 'a', value: b(3) },
      ]
      await kv.commit({ checks: [], writes })
      expect(await kv.get('a')).toEqual(b(3))
      return undefined
    },
    'values are copies, in and out': async (kv) => {
      const value = b(1, 2)
      const done = kv.commit(put('a', value))
      value.fill(9)
      await done
      const read = (await kv.get('a')) as Uint8Array
      read.fill(7)
      expect(await kv.get('a')).toEqual(b(1, 2))
      return undefined
    },
    'takes thousands of keys in one batch': async (first, reopen) => {
      const writes = Array.from({ length: 3_000 }, (_, i) => ({ key: `n/${i}`, value: b(i & 255) }))
      await first.commit({ checks: [], writes })
      const kv = await reopen(first)
      expect((await kv.keys('n/')).length).toBe(3_000)
      expect(await kv.get('n/2999')).toEqual(b(2999 & 255))
      return kv
    },
  }
}

function nameCases({ expect }: KvTestApi): Record<string, Body> {
  const refused = [
    '',
    'balance/\ud800',
    '\udc00',
    'x\ud83d',
    'k'.repeat(MAX_KEY_BYTES + 1),
    'ä'.repeat(MAX_KEY_BYTES / 2 + 1),
  ]
  return {
    'lists by prefix, in the order of UTF-16 units': async (kv) => {
      const names = ['p', 'p/', 'p/1', 'p/10', 'p/2', 'p0', 'q', 'ä', '\u{1F600}', '\uffee']
      for (const name of [...names].reverse()) await kv.commit(put(name, utf8(name)))
      expect(await kv.keys('')).toEqual([...names].sort())
      expect(await kv.keys('p/')).toEqual(['p/', 'p/1', 'p/10', 'p/2'])
      expect(await kv.keys('p/1')).toEqual(['p/1', 'p/10'])
      expect(await kv.keys('zz')).toEqual([])
      return undefined
    },
    'names of any text that has a UTF-8 form stay apart': async (first, reopen) => {
      const names = ['a\u0000b', 'a', 'a\u0000', '\ufffd', '\u00e4', 'a\u0308', '__proto__']
      names.push('n'.repeat(MAX_KEY_BYTES), 'ä'.repeat(MAX_KEY_BYTES / 2))
      for (const [at, name] of names.entries()) await first.commit(put(name, b(at)))
      const kv = await reopen(first)
      for (const [at, name] of names.entries()) expect(await kv.get(name)).toEqual(b(at))
      expect((await kv.keys('')).length).toBe(names.length)
      return kv
    },
    'names that are empty, too long, or no whole text are refused everywhere': async (kv) => {
      await kv.commit(put('\ufffd', b(1)))
      const refusal = { code: 'INVALID_INPUT' }
      for (const name of refused) {
        await expect(kv.get(name)).rejects.toMatchObject(refusal)
        await expect(kv.commit(put(name, b(2)))).rejects.toMatchObject(refusal)
        await expect(kv.commit(put(name, undefined))).rejects.toMatchObject(refusal)
        const checks = [{ key: name, value: undefined }]
        await expect(kv.commit({ checks, writes: [] })).rejects.toMatchObject(refusal)
        if (name !== '') await expect(kv.keys(name)).rejects.toMatchObject(refusal)
      }
      expect(await kv.keys('')).toEqual(['\ufffd'])
      expect(await kv.get('\ufffd')).toEqual(b(1))
      return undefined
    },
  }
}

function checkCases({ expect }: KvTestApi): Record<string, Body> {
  return {
    'a batch whose check does not hold writes nothing': async (kv) => {
      await kv.commit(put('a', b(1)))
      const failing = [
        { key: 'a', value: undefined },
        { key: 'a', value: b(2) },
        { key: 'a', value: b(1, 0) },
        { key: 'b', value: b() },
      ]
      const writes = [{ key: 'c', value: b(9) }]
      for (const check of failing) {
        const checks = [{ key: 'a', value: b(1) }, check]
        expect(await kv.commit({ checks, writes })).toBe(false)
      }
      expect(await kv.get('c')).toBe(undefined)
      expect(await kv.commit({ checks: [{ key: 'b', value: undefined }], writes })).toBe(true)
      return undefined
    },
    'a batch whose list of keys does not hold writes nothing': async (kv) => {
      await kv.commit(put('p/1', b(1)))
      const writes = [{ key: 'p/2', value: b(2) }]
      for (const keys of [[], ['p/2'], ['p/1', 'p/2'], ['p/1', 'p/1']]) {
        expect(await kv.commit({ checks: [], ranges: [{ prefix: 'p/', keys }], writes })).toBe(
          false,
        )
      }
      const ranges = [
        { prefix: 'p/', keys: ['p/1'] },
        { prefix: 'q/', keys: [] },
      ]
      expect(await kv.commit({ checks: [], ranges, writes })).toBe(true)
      expect(await kv.commit({ checks: [], ranges, writes: [] })).toBe(false)
      return undefined
    },
    'of batches at once with one check, one happens': async (kv) => {
      const batch = (value: number): KvBatch => ({
        checks: [{ key: 'a', value: undefined }],
        writes: [{ key: 'a', value: b(value) }],
      })
      const happened = await Promise.all([1, 2, 3, 4].map((value) => kv.commit(batch(value))))
      expect(happened.filter(Boolean).length).toBe(1)
      expect(await kv.get('a')).toEqual(b(happened.indexOf(true) + 1))
      return undefined
    },
  }
}

function faultCases({ expect }: KvTestApi): Record<string, Body> {
  return {
    'values that are no bytes are refused': async (kv) => {
      const batch = { checks: [], writes: [{ key: 'a', value: 'x' as never }] }
      await expect(kv.commit(batch)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      expect(await kv.get('a')).toBe(undefined)
      return undefined
    },
    'a closed store says so, and closes again': async (kv) => {
      await kv.close()
      const refusal = { code: 'STORE_CLOSED' }
      await expect(kv.get('a')).rejects.toMatchObject(refusal)
      await expect(kv.keys('')).rejects.toMatchObject(refusal)
      await expect(kv.commit(put('a', b(1)))).rejects.toMatchObject(refusal)
      return undefined
    },
  }
}
