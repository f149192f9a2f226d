/** Ledgers in directories: files as strangers read them, locks, a second writer, a full start over. */
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkpointSigners, createLedger, fsck, openWriter } from '../../src/ledger/index.js'
import { posixTiles } from '../../src/ledger/node/index.js'
import { folder, open, start } from './ledgerDirectory.js'
import {
  anomaly,
  checkpointSeed,
  fill,
  ledgerName,
  schemas,
  submit,
  testClock,
  verify,
} from './ledgerWorld.js'

const keys = new Map(
  [...checkpointSigners(ledgerName, checkpointSeed)].map(([name, { key }]) => [name, key]),
)
const check = (directory: string) =>
  fsck({ store: posixTiles({ directory }), ledger: ledgerName, keys, schemas, verify })

describe('openLedger', () => {
  test('behavior: files are read-only, the directory is its owner’s, and a start goes on', async () => {
    const directory = folder()
    const first = await open(directory)
    await start(first)
    await fill(first, 20)
    await first.close()
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .map((name) => join(directory, name))
      .filter((path) => /\/(?:tile\/.*\d|checkpoint|head)$/.test(path) && statSync(path).isFile())
    expect(files.length).toBeGreaterThan(10)
    expect(new Set(files.map((path) => statSync(path).mode & 0o777))).toEqual(new Set([0o444]))
    const second = await open(directory)
    expect(second.head()).toEqual(first.head())
    await fill(second, 20, 20)
    await second.close()
    expect(await check(directory)).toMatchObject({ status: 'clean', events: 43n })
    // Look-ups are made again from the logs.
    rmSync(join(directory, '.index'), { recursive: true })
    const third = await open(directory)
    const { events } = await third.readSince('40')
    expect(events.map(({ event }) => event.payload['subject'])).toEqual([
      'number 37',
      'number 38',
      'number 39',
    ])
    await third.close()
  })

  test('error: LEDGER_LOCKED, and a directory that others can read', async () => {
    const directory = folder()
    const ledger = await open(directory, { lookup: 'memory' })
    await expect(open(directory)).rejects.toMatchObject({ code: 'LEDGER_LOCKED' })
    await ledger.close()
    chmodSync(directory, 0o750)
    await expect(open(directory)).rejects.toThrow(/others can read/)
  })

  test('error: LEDGER_STOPPED: the older of two writers on one volume ends at its next batch', async () => {
    const directory = folder()
    const store = posixTiles({ directory })
    // Without the lock, as on a volume where it does not hold.
    const writer = () => openWriter({ ledger: ledgerName, store, checkpointSeed, now: testClock() })
    const older = createLedger({ writer: await writer(), schemas, verify, now: testClock() })
    await start(older)
    await older.flush()
    const newer = createLedger({ writer: await writer(), schemas, verify, now: testClock() })
    await expect(submit(older, anomaly(1))).rejects.toMatchObject({ code: 'LEDGER_STOPPED' })
    await expect(submit(older, anomaly(2))).rejects.toMatchObject({ code: 'LEDGER_STOPPED' })
    expect(
      older
        .stopped()
        ?.walk((error) => (error as { code?: string }).code === 'LEDGER_FILE_CONFLICT'),
    ).toBeDefined()
    expect((await submit(newer, anomaly(3))).status).toBe(201)
    await newer.close()
    expect(await check(directory)).toMatchObject({ status: 'clean', events: 4n })
  })

  test('error: LEDGER_STATE: a commit point from an older backup signs nothing', async () => {
    const directory = folder()
    const ledger = await open(directory, { lookup: 'memory' })
    await start(ledger)
    await ledger.flush()
    const old = readFileSync(join(directory, '.state/head'))
    await fill(ledger, 3)
    await ledger.close()
    const before = readFileSync(join(directory, 'decisions/checkpoint'))
    rmSync(join(directory, '.state/head'))
    writeFileSync(join(directory, '.state/head'), old)
    await expect(open(directory)).rejects.toMatchObject({ code: 'LEDGER_STATE' })
    rmSync(join(directory, '.state/head'))
    await expect(open(directory)).rejects.toMatchObject({ code: 'LEDGER_STATE' })
    expect(readFileSync(join(directory, 'decisions/checkpoint'))).toEqual(before)
  })
})
