/** What is handed over stays what it was: a `Buffer`, whose `slice` is a view, as well as a plain array. */
import { expect, test } from 'vitest'
import { memoryDa } from '../src/da/index.js'
import { createKeyManager, memoryKv } from '../src/enclave/index.js'

const given = (fill: number): Buffer => Buffer.alloc(32, fill)

test('behavior: keys are those of the secret that was given, wiped or not', async () => {
  const pcr0 = new Uint8Array(48).fill(7)
  const masterSecret = given(1)
  const keys = createKeyManager({ masterSecret, pcr0 })
  masterSecret.fill(0)
  const same = createKeyManager({ masterSecret: new Uint8Array(32).fill(1), pcr0 })
  expect((await keys.evmAccount('q')).address).toBe((await same.evmAccount('q')).address)
})

test('behavior: a store keeps what was committed, whatever becomes of it', async () => {
  const kv = memoryKv()
  const value = given(1)
  const committing = kv.commit({ checks: [], writes: [{ key: 'a', value }] })
  value.fill(2)
  await committing
  value.fill(3)
  const read = (await kv.get('a')) as Uint8Array
  expect([1, 2]).toContain(read[0])
  const before = Uint8Array.from(read)
  read.fill(4)
  expect(await kv.get('a')).toEqual(before)
})

test('behavior: so do artifacts in memory', async () => {
  const da = memoryDa()
  const bytes = given(1)
  const { locator, artifactHash } = await da.put(bytes)
  bytes.fill(2)
  expect(await da.get(locator, { artifactHash })).toEqual(new Uint8Array(32).fill(1))
})
