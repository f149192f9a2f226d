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
await fill(ledger, 300)
await ledger.close()

describe('fsck', () => {
  test('behavior: a good ledger is clean', async () => {
    expect(await check(store)).toMatchObject({ status: 'clean', faults: [], events: 307n })
  })

  test('behavior: a flipped bit of any file is found', async () => {
    const classes = [...store.files.keys()].filter((path) => !path.startsWith('.state/staging'))
    expect(classes.some((path) => path.startsWith('decisions/tile/1/'))).toBe(true)
    for (const path of classes) {
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
  })

  test('behavior: a file that is gone is found', async () => {
    for (const path of [...store.files.keys()]) {
      const bytes = store.files.get(path) as Uint8Array
      store.files.delete(path)
      const report = await check(store)
      store.files.set(path, bytes)
      expect({ path, status: report.status }).toEqual({ path, status: 'faulty' })
    }
    expect((await check(store)).status).toBe('clean')
  })

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
