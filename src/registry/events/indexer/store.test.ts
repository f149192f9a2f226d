import { describe, expect, test } from 'vitest'
import { account, createPolicyChain } from '../../../../test/registry/policyChain.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { indexRegistry, type RegistryIndex } from './indexer.js'
import { listPolicyInstances } from './lists.js'
import { type IndexHandle, type IndexStore, memoryIndexStore } from './store.js'
import { serializeIndexState } from './text.js'

const alice = account(0xa11ce)
const bob = account(0xb0b)

/** A store whose records can be looked at and changed. */
function openStore(): IndexStore & { records: Map<string, Uint8Array>; fail?: Error | undefined } {
  const store = {
    records: new Map<string, Uint8Array>(),
    fail: undefined as Error | undefined,
    async open(): Promise<IndexHandle> {
      return {
        records: () => store.records,
        async write(changes) {
          if (store.fail !== undefined) throw store.fail
          for (const [key, value] of changes) {
            if (value === null) store.records.delete(key)
            else store.records.set(key, value)
          }
        },
        close: async () => undefined,
      }
    },
  }
  return store
}
const textOf = (index: RegistryIndex): string => serializeIndexState(index.state)

describe('an index in a store', () => {
  test('default: goes on from what is stored, and reads nothing twice', async () => {
    const chain = createPolicyChain()
    chain.move(alice)
    chain.move(alice)
    for (let i = 0; i < 5; i++) chain.mine()
    const events = await chain.events(chain.node())
    const store = memoryIndexStore()
    const first = await indexRegistry({ events, fromBlock: 0n, store })
    const text = textOf(first)
    await first.close()
    const second = await indexRegistry({ events, fromBlock: 0n, store })
    expect(textOf(second)).toBe(text)
    chain.move(bob)
    for (let i = 0; i < 3; i++) chain.mine()
    expect((await second.sync()).applied).toBeGreaterThan(0)
    await second.close()
    const fresh = await indexRegistry({ events, fromBlock: 0n })
    const third = await indexRegistry({ events, fromBlock: 0n, store })
    for (const client of [alice, bob]) {
      for (let block = 0n; block <= (fresh.state.cursor?.number ?? 0n); block++) {
        expect(third.policySlotAt({ client, block })).toBe(fresh.policySlotAt({ client, block }))
      }
    }
    expect(listPolicyInstances(third)).toEqual(listPolicyInstances(fresh))
  })

  test('behavior: what a reorganization takes back is taken back in the store', async () => {
    const chain = createPolicyChain()
    chain.move(alice)
    for (let i = 0; i < 3; i++) chain.mine()
    const store = openStore()
    const events = await chain.events(chain.node())
    const index = await indexRegistry({ events, fromBlock: 0n, store, confirmations: 0 })
    chain.move(bob)
    chain.move(alice)
    await index.sync()
    const moved = store.records.size
    chain.reorganize(2)
    for (let i = 0; i < 4; i++) chain.mine()
    await index.sync()
    expect(store.records.size).toBeLessThan(moved + 4)
    const again = await indexRegistry({ events, fromBlock: 0n, store, confirmations: 0 })
    expect(textOf(again)).toBe(textOf(index))
    expect(again.policySlotAt({ client: bob, block: again.state.cursor?.number ?? 0n })).toBeNull()
  })

  test('behavior: a write that failed is made up for by the next one', async () => {
    const chain = createPolicyChain()
    const store = openStore()
    const events = await chain.events(chain.node())
    const index = await indexRegistry({ events, fromBlock: 0n, store, confirmations: 0 })
    chain.move(alice)
    store.fail = new Error('no space left')
    await expect(index.sync()).rejects.toThrow('no space left')
    store.fail = undefined
    chain.mine()
    await index.sync()
    const again = await indexRegistry({ events, fromBlock: 0n, store, confirmations: 0 })
    expect(textOf(again)).toBe(textOf(index))
  })

  test('error: one index has a store at a time', async () => {
    const chain = createPolicyChain()
    const events = await chain.events(chain.node())
    const store = memoryIndexStore()
    const index = await indexRegistry({ events, fromBlock: 0n, store })
    await expect(indexRegistry({ events, fromBlock: 0n, store })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'store',
    })
    await index.close()
    await index.close()
    await expect(index.sync()).rejects.toThrow('it was closed')
    const handed = await indexRegistry({ events, fromBlock: 0n, store })
    await handed.close()
    // An index that cannot begin gives its store back.
    const down = { ...events, getLatestBlock: () => Promise.reject(new Error('down')) }
    await expect(indexRegistry({ events: down, fromBlock: 0n, store })).rejects.toThrow('down')
    await (await indexRegistry({ events, fromBlock: 0n, store })).close()
    const both = { events, fromBlock: 0n, store, state: handed.serialize() }
    await expect(indexRegistry(both)).rejects.toThrow('either a state or a store')
  })

  test('error: INVALID_INPUT for a store of another chain', async () => {
    const chain = createPolicyChain()
    for (let i = 0; i < 3; i++) chain.mine()
    const events = await chain.events(chain.node())
    const store = memoryIndexStore()
    await (await indexRegistry({ events, fromBlock: 0n, store })).close()
    const elsewhere = { ...events, chainId: events.chainId + 1n }
    await expect(indexRegistry({ events: elsewhere, fromBlock: 0n, store })).rejects.toMatchObject({
      field: 'store',
    })
  })

  test('error: INVALID_INPUT for a text that was damaged anywhere', async () => {
    const chain = createPolicyChain()
    for (let i = 0; i < 3; i++) chain.move(alice)
    for (let i = 0; i < 3; i++) chain.mine()
    const events = await chain.events(chain.node())
    const text = (await indexRegistry({ events, fromBlock: 0n })).serialize()
    const junk = [null, '', 0, -1, 1.5, 'x', '0x', '-1n', [], {}, [null], true]
    const places: string[][] = []
    const visit = (value: unknown, path: string[]): void => {
      places.push(path)
      for (const name of Object.keys(Object(value)).slice(0, 20)) {
        if (typeof value === 'object') visit((value as never)[name], [...path, name])
      }
    }
    visit(JSON.parse(text), [])
    expect(places.length).toBeGreaterThan(80)
    let refused = 0
    for (const path of places) {
      for (const value of junk) {
        const hostile = JSON.parse(text)
        const parent = path.slice(0, -1).reduce((one, name) => one[name], hostile)
        if (path.length > 0) parent[path.at(-1) as string] = value
        const state = JSON.stringify(path.length === 0 ? value : hostile)
        const error = await indexRegistry({ events, fromBlock: 0n, state }).then(
          // What is worked out from the rest, or read again, is right whatever the text has.
          ({ policySlotAt, state: { policySlots, cursor, policyInstances: rows } }) => {
            expect(cursor?.number).toBe(5n)
            if (policySlots.size > 0 && rows.size === 3) {
              expect(policySlotAt({ client: alice, block: 5n })).toBe(chain.slotAt(alice, 5))
            }
            return undefined
          },
          (thrown: unknown) => thrown,
        )
        if (error === undefined) continue
        refused++
        expect(isPolicySdkError(error), `${path.join('.')} ${JSON.stringify(value)}`).toBe(true)
      }
    }
    expect(refused).toBeGreaterThan(places.length * 6)
  })

  test('error: INDEX_STORE for every record that was damaged', async () => {
    const chain = createPolicyChain()
    chain.move(alice)
    for (let i = 0; i < 3; i++) chain.mine()
    const store = openStore()
    const events = await chain.events(chain.node())
    await indexRegistry({ events, fromBlock: 0n, store })
    const whole = new Map(store.records)
    const code = async (change: () => void): Promise<unknown> => {
      store.records = new Map(whole)
      change()
      return indexRegistry({ events, fromBlock: 0n, store }).then(
        () => 'read',
        (error: { code?: string }) => error.code,
      )
    }
    expect(await code(() => undefined)).toBe('read')
    for (const [key, value] of whole) {
      if (!'TDPI'.includes(key[0] as string)) continue
      // Place and block are not part of an id, nor is the first sender of a template; all else is.
      for (let at = 'PI'.includes(key[0] as string) ? 12 : 32; at < value.length; at++) {
        const damaged = value.map((byte, index) => (index === at ? byte ^ 1 : byte))
        expect(await code(() => store.records.set(key, damaged)), `${key} ${at}`).toBe(
          'INDEX_STORE',
        )
      }
    }
    expect(await code(() => store.records.delete('m'))).toBe('INDEX_STORE')
    expect(await code(() => store.records.set('m', Uint8Array.of(2)))).toBe('INDEX_STORE')
    expect(await code(() => store.records.set('x', Uint8Array.of(2)))).toBe('INDEX_STORE')
    for (const kind of ['s', 'b']) {
      const key = [...whole.keys()].find((name) => name.startsWith(kind)) as string
      for (const length of [0, 31, 33]) {
        expect(await code(() => store.records.set(key, new Uint8Array(length)))).toBe('INDEX_STORE')
      }
    }
  })
})
