/**
 * A power cut before and after each write of a run. What was acknowledged is there, no published
 * checkpoint shrinks or forks, and the ledger is clean once it was opened.
 */
import { expect, test } from 'vitest'
import type { TileStore } from '../../src/core/interfaces/tileStore.js'
import {
  checkpointSigners,
  fsck,
  type Ledger,
  memoryTiles,
  parseCheckpoint,
} from '../../src/ledger/index.js'
import { parseNote } from '../../src/ledger/log/note.js'
import {
  anomaly,
  bodyOf,
  checkpointSeed,
  fill,
  ledgerName,
  openTestLedger,
  schemas,
  testClock,
  verify,
} from './ledgerWorld.js'

const keys = new Map(
  [...checkpointSigners(ledgerName, checkpointSeed)].map(([name, { key }]) => [name, key]),
)

/** A store that is cut off at its `last` write: before it, after it, or half way through a list. */
function cutOff(store: TileStore, last: number, how: 'before' | 'half' | 'after'): TileStore {
  let writes = 0
  const guard = async <value>(work: () => Promise<value>, half?: () => Promise<unknown>) => {
    writes += 1
    if (writes < last) return work()
    if (writes === last && how === 'after') await work()
    if (writes === last && how === 'half') await half?.()
    throw new Error('power cut')
  }
  return {
    read: store.read,
    list: store.list,
    create: (files) =>
      guard(
        () => store.create(files),
        () => store.create(files.slice(0, Math.ceil(files.length / 2))),
      ),
    replace: (file) => guard(() => store.replace(file)),
    remove: (paths) =>
      guard(
        () => store.remove(paths),
        () => store.remove(paths.slice(0, Math.ceil(paths.length / 2))),
      ),
  }
}

const base = memoryTiles()
const made = await openTestLedger({ store: base })
await fill(made, 254)
await made.close()

const clone = () => {
  const store = memoryTiles()
  for (const [path, bytes] of base.files) store.files.set(path, bytes.slice())
  return store
}
const published = (files: Map<string, Uint8Array>) =>
  parseCheckpoint(parseNote(files.get('decisions/checkpoint') as Uint8Array)?.text ?? '')

test.each(['before', 'half', 'after'] as const)(
  'behavior: a cut %s each write',
  async (how) => {
    let finished = false
    let cuts = 0
    for (let last = 1; !finished; last += 1) {
      const store = clone()
      const acknowledged: string[] = []
      try {
        const cut: Ledger = await openTestLedger({
          store: cutOff(store, last, how),
          cutInterval: 0,
          now: testClock(Date.UTC(2026, 1, 1)),
        })
        // Across the end of a tile: partial files go.
        for (let at = 0; at < 4; at += 1) {
          const { bytes, body } = await bodyOf(cut, anomaly(1_000 + at))
          const result = await cut.submit(bytes, { ack: at % 2 === 0 ? 'durable' : 'published' })
          if (result.status === 201) acknowledged.push(body.payload.ets.event_id)
        }
        await cut.close()
        finished = cut.stopped() === undefined
      } catch {
        cuts += 1
      }
      const before = published(store.files)
      const again = await openTestLedger({ store, now: testClock(Date.UTC(2026, 2, 1)) })
      for (const id of acknowledged) expect((await again.event(id))?.event.event_id).toBe(id)
      await fill(again, 2, 2_000)
      await again.close()
      const after = published(store.files)
      expect(after?.size).toBeGreaterThan(before?.size ?? 0n)
      const report = await fsck({ store, ledger: ledgerName, keys, schemas, verify })
      expect({ last, faults: report.faults }).toEqual({ last, faults: [] })
    }
    expect(cuts).toBeGreaterThan(15)
  },
  120_000,
)
