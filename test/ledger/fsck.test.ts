/** Each class of file, one bit changed or the file gone: it is found, and named. */
import { describe, expect, test } from 'vitest'
import { checkpointSigners, fsck, type MemoryTiles, memoryTiles } from '../../src/ledger/index.js'
import { checkpointSeed, fill, ledgerName, openTestLedger, schemas, verify } from './ledgerWorld.js'

const keys = new Map(
  [...checkpointSigners(ledgerName, checkpointSeed)].map(([name, { key }]) => [name, key]),
)
const check = (store: MemoryTiles) => fsck({ store, ledger: ledgerName, keys, schemas, verify })

const store = memoryTiles()
const ledger = await openTestLedger({ store })
await fill(ledger, 260)
await ledger.close()

/** One file of each class: by log and kind, the newest and the oldest of the partial ones. */
const classes = ((): { newest: string[]; oldest: string[] } => {
  const newest = new Map<string, string>()
  const oldest = new Map<string, string>()
  for (const path of store.files.keys()) {
    const name = path.replace(/\.p\/\d+$/, '.p')
    if (!oldest.has(name)) oldest.set(name, path)
    newest.set(name, path)
  }
  return { newest: [...newest.values()], oldest: [...oldest.values()] }
})()

describe('fsck', () => {
  test('behavior: a good ledger is clean', async () => {
    expect(await check(store)).toMatchObject({ status: 'clean', faults: [], events: 267n })
  })

  test('behavior: a flipped bit of any file is found', async () => {
    const paths = new Set([...classes.newest, ...classes.oldest])
    expect([...paths].some((path) => path.startsWith('decisions/tile/1/'))).toBe(true)
    expect(paths.size).toBeGreaterThan(15)
    for (const path of paths) {
      const bytes = store.files.get(path) as Uint8Array
      const at = Math.floor(bytes.length * 0.7)
      bytes[at] = (bytes[at] as number) ^ 1
      const report = await check(store)
      bytes[at] = (bytes[at] as number) ^ 1
      expect({ path, status: report.status }).toEqual({ path, status: 'faulty' })
      // The file is named, or what it made of the entries and the chain.
      const [log = ''] = path.split('/')
      expect(
        report.faults.some((fault) => fault.path.includes(log) || /event|chain/.test(fault.path)),
      ).toBe(true)
    }
  }, 120_000)

  test('behavior: a file that is gone is found', async () => {
    // Partial files of older sizes may go; those of the newest size may not.
    for (const path of classes.newest) {
      const bytes = store.files.get(path) as Uint8Array
      store.files.delete(path)
      const report = await check(store)
      store.files.set(path, bytes)
      expect({ path, status: report.status }).toEqual({ path, status: 'faulty' })
    }
    expect((await check(store)).status).toBe('clean')
  }, 120_000)

  test('behavior: a key that is not the ledger’s, and a ledger that is not there', async () => {
    const other = new Map(
      [...checkpointSigners(ledgerName, new Uint8Array(32).fill(9))].map(([name, { key }]) => [
        name,
        key,
      ]),
    )
    expect(await fsck({ store, ledger: ledgerName, keys: other, verify })).toMatchObject({
      status: 'faulty',
      faults: expect.arrayContaining([
        { path: 'audit/checkpoint', fault: expect.stringMatching(/signed/) },
      ]),
    })
    expect(await check(memoryTiles())).toMatchObject({ faults: [{ path: '.state/head' }] })
  })
})
