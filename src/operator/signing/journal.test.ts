import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createBlsKey } from '../../core/bn254/index.js'
import { concat, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  type OpenSigningJournalParameters,
  openSigningJournal,
  type SigningJournal,
} from './journal.js'
import type { JournalRecord } from './record.js'
import { computeJournalDomain, floorLack } from './rules.js'
import { type JournalStorage, memoryJournalStorage, type WitnessMark } from './storage.js'

const domain = computeJournalDomain({
  chainId: 1n,
  policyRegistry: '0x00000000000000000000000000000000000000aa',
  publicKey: createBlsKey(5n).publicKey,
})
const zero = { block: 0n, timestamp: 0n }
const key = (index: number): `0x${string}` => keccakHex(uintToBytes(index, 4))
const record = (index: number, change: Partial<JournalRecord> = {}): JournalRecord => ({
  kind: 'response',
  key: key(index),
  digest: keccakHex(utf8(`digest ${index}`)),
  height: BigInt(index + 1),
  answer: utf8(`answer ${index}`),
  ...change,
})
const other = keccakHex(utf8('something else'))

function open(
  storage: JournalStorage,
  options: Partial<OpenSigningJournalParameters> = {},
): Promise<SigningJournal> {
  return openSigningJournal({ storage, domain, head: zero, ...options })
}

function witness(): {
  read(): Promise<WitnessMark | undefined>
  write(m: WitnessMark): Promise<void>
  mark: WitnessMark | undefined
} {
  return {
    mark: undefined,
    async read() {
      return this.mark
    },
    async write(mark) {
      this.mark = mark
    },
  }
}

/** A storage that keeps what was synced and, of one write after that, as many bytes as are asked for. */
function forgetful(inner: JournalStorage): JournalStorage & { failAfter(bytes: number): void } {
  let left: number | undefined
  return {
    ...inner,
    failAfter: (bytes) => {
      left = bytes
    },
    append: async (id, bytes) => {
      if (left === undefined) return inner.append(id, bytes)
      await inner.append(id, bytes.subarray(0, left))
      throw new TypeError('the power went')
    },
  }
}

describe('openSigningJournal', () => {
  test('default: a statement is recorded once, and its answer is given again', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    expect(await journal.record(record(1))).toEqual({ status: 'new', answer: utf8('answer 1') })
    expect(await journal.record(record(1, { answer: utf8('later') }))).toEqual({
      status: 'known',
      answer: utf8('answer 1'),
    })
    expect(journal.size()).toBe(1n)
    await journal.close()
    const again = await open(storage)
    expect(await again.find('response', key(1))).toEqual({
      digest: record(1).digest,
      answer: utf8('answer 1'),
    })
    expect(await again.find('outputs', key(1))).toBeUndefined()
    expect((await again.record(record(1))).status).toBe('known')
  })

  test('error: EQUIVOCATION_REFUSED for another digest, also after a restart', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    await journal.record(record(1))
    const refused = { code: 'EQUIVOCATION_REFUSED', recorded: record(1).digest, asked: other }
    await expect(journal.record(record(1, { digest: other }))).rejects.toMatchObject(refused)
    await journal.close()
    const again = await open(storage)
    await expect(again.record(record(1, { digest: other }))).rejects.toMatchObject(refused)
    // Kinds are apart: a document of the same task is another statement.
    expect((await again.record(record(1, { kind: 'document', digest: other }))).status).toBe('new')
  })

  test('behavior: of calls at once with different digests exactly one wins', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    for (let round = 0; round < 20; round++) {
      const results = await Promise.allSettled(
        [...Array(10).keys()].map((call) =>
          journal.record(record(round, { digest: keccakHex(utf8(`call ${call}`)) })),
        ),
      )
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    }
    expect(journal.size()).toBe(20n)
  })

  test('behavior: a second call with the same digest waits until the first is durable', async () => {
    let release = (): void => undefined
    const inner = memoryJournalStorage()
    const journal = await open(
      {
        ...inner,
        append: async (id, bytes) => {
          await new Promise<void>((resolve) => {
            release = resolve
          })
          await inner.append(id, bytes)
        },
      },
      { create: true },
    )
    const seen: string[] = []
    const first = journal.record(record(1)).then(({ status }) => seen.push(status))
    const second = journal.record(record(1)).then(({ status }) => seen.push(status))
    const found = journal.find('response', key(1)).then(() => seen.push('found'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen).toEqual([])
    release()
    await Promise.all([first, second, found])
    expect([...seen].sort()).toEqual(['found', 'known', 'new'])
  })

  test('behavior: what waits shares a sync', async () => {
    const syncs: number[] = []
    const journal = await open(memoryJournalStorage(), {
      create: true,
      onSync: ({ records }) => syncs.push(records),
    })
    await Promise.all([...Array(50).keys()].map((index) => journal.record(record(index))))
    expect(syncs.reduce((sum, count) => sum + count, 0)).toBe(50)
    expect(syncs.length).toBeLessThan(5)
  })

  test('error: JOURNAL_FAILED after a write failed, for the rest of the process', async () => {
    const storage = forgetful(memoryJournalStorage())
    const journal = await open(storage, { create: true })
    await journal.record(record(1))
    storage.failAfter(0)
    await expect(journal.record(record(2))).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    // What was durable before is refused too: nothing is signed by this process any more.
    await expect(journal.record(record(1))).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    await expect(journal.prune(zero)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    await journal.close()
    await expect(journal.record(record(3))).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
  })

  test('error: JOURNAL_FAILED where the witness cannot be written', async () => {
    const journal = await open(memoryJournalStorage(), {
      create: true,
      witness: {
        read: async () => undefined,
        write: async () => {
          throw new TypeError('the other disk is full')
        },
      },
    })
    await expect(journal.record(record(1))).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
  })

  test('error: JOURNAL_MISSING where there is none, or one is to be made beside it', async () => {
    const storage = memoryJournalStorage()
    await expect(open(storage)).rejects.toMatchObject({ code: 'JOURNAL_MISSING' })
    await open(storage, { create: true })
    await expect(open(storage, { create: true })).rejects.toMatchObject({ code: 'JOURNAL_MISSING' })
  })

  test('error: JOURNAL_DAMAGED for the journal of another key, chain or registry', async () => {
    const storage = memoryJournalStorage()
    await open(storage, { create: true })
    await expect(open(storage, { domain: other })).rejects.toMatchObject({
      code: 'JOURNAL_DAMAGED',
    })
  })

  test('error: INVALID_INPUT for what is no record', async () => {
    const journal = await open(memoryJournalStorage(), { create: true })
    for (const change of [
      { kind: 'task' as never },
      { key: '0x12' as const },
      { digest: 'digest' as never },
      { height: -1n },
      { height: 1 as never },
      { answer: 'answer' as never },
      { answer: new Uint8Array(4 * 1024 * 1024 + 1) },
    ]) {
      await expect(journal.record(record(1, change))).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
    await expect(open(memoryJournalStorage(), { segmentBytes: 0 })).rejects.toMatchObject({
      field: 'segmentBytes',
    })
  })
})

describe('a journal after a loss of power', () => {
  test('behavior: cut at every byte of the last frame, it holds what was acknowledged', async () => {
    const full = memoryJournalStorage()
    const journal = await open(full, { create: true })
    await journal.record(record(1))
    const before = (await full.read(1)).length
    await journal.record(record(2))
    const bytes = await full.read(1)
    for (let size = before; size < bytes.length; size++) {
      const storage = memoryJournalStorage()
      await storage.create(1, bytes.slice(0, size))
      const again = await open(storage)
      expect(again.size()).toBe(1n)
      expect((await again.record(record(1))).status).toBe('known')
      expect((await again.record(record(2))).status).toBe('new')
      await again.close()
      // What was written after the cut is read again.
      expect((await open(storage)).size()).toBe(2n)
    }
  })

  test('behavior: zeros behind the last frame, as a size without its data, are cut', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    await journal.record(record(1))
    await storage.append(1, new Uint8Array(500))
    expect((await open(storage)).size()).toBe(1n)
  })

  test('behavior: a failed write that half arrived is no record', async () => {
    const inner = memoryJournalStorage()
    const storage = forgetful(inner)
    const journal = await open(storage, { create: true })
    await journal.record(record(1))
    storage.failAfter(60)
    await expect(journal.record(record(2))).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    const again = await open(inner)
    expect(again.size()).toBe(1n)
    expect((await again.record(record(2, { digest: other }))).status).toBe('new')
  })

  test('behavior: a segment that was never begun is discarded', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    await journal.record(record(1))
    await storage.create(2, utf8('NEWTJN'))
    expect((await open(storage)).size()).toBe(1n)
    expect(await storage.segments()).toEqual([1])
    // The only one there is says nothing: only who makes a new one replaces it.
    const only = memoryJournalStorage()
    await only.create(1, utf8('NEWTJN'))
    await expect(open(only)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' })
    await open(only, { create: true })
  })

  test('behavior: every flipped byte is noticed, and no changed statement is believed', async () => {
    const full = memoryJournalStorage()
    const mark = witness()
    const journal = await open(full, { create: true, witness: mark, segmentBytes: 300 })
    for (let index = 0; index < 5; index++) await journal.record(record(index))
    const ids = await full.segments()
    expect(ids.length).toBeGreaterThan(1)
    let refused = 0
    for (const id of ids) {
      const bytes = await full.read(id)
      for (let at = 0; at < bytes.length; at++) {
        const storage = memoryJournalStorage()
        for (const each of ids) {
          const copy = await full.read(each)
          if (each === id) copy[at] = (copy[at] as number) ^ 0x40
          await storage.create(each, copy)
        }
        const head = { block: 100n, timestamp: 100n }
        const opened = await open(storage, { witness: mark, head }).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'JOURNAL_DAMAGED' })
          return undefined
        })
        if (opened === undefined) refused++
        // The last frame, cut as a torn end: the witness knows better, so the floor holds.
        else expect(opened.floor, `segment ${id} byte ${at}`).toEqual(head)
      }
    }
    expect(refused).toBeGreaterThan(200)
  })

  test('error: JOURNAL_DAMAGED for a segment that is missing in between', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true, segmentBytes: 300 })
    for (let index = 0; index < 8; index++) await journal.record(record(index))
    const ids = await storage.segments()
    expect(ids.length).toBeGreaterThan(2)
    await storage.remove(ids[1] as number)
    await expect(open(storage)).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' })
  })
})

describe('an old copy of a journal', () => {
  const head = { block: 50n, timestamp: 50n }

  test('behavior: without a witness nothing up to the head is signed unless it is there', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    await journal.record(record(10))
    const again = await open(storage, { head })
    expect(again.floor).toEqual(head)
    expect((await again.record(record(10))).status).toBe('known')
    const low = { code: 'JOURNAL_FLOOR' }
    await expect(again.record(record(11))).rejects.toMatchObject(low)
    await expect(again.record(record(12, { height: 50n }))).rejects.toMatchObject(low)
    await expect(again.record(record(13, { kind: 'commit', height: 50n }))).rejects.toMatchObject(
      low,
    )
    expect((await again.record(record(14, { height: 51n }))).status).toBe('new')
  })

  test('behavior: a witness that agrees lifts the floor; one that is ahead does not', async () => {
    const storage = memoryJournalStorage()
    const mark = witness()
    const journal = await open(storage, { create: true, witness: mark })
    await journal.record(record(10))
    const backup = memoryJournalStorage()
    await backup.create(1, await storage.read(1))
    await journal.record(record(11))
    const agreed = await open(storage, { head, witness: mark })
    expect(agreed.floor).toBeUndefined()
    expect((await agreed.record(record(12))).status).toBe('new')
    const restored = await open(backup, { head, witness: mark })
    expect(restored.floor).toEqual(head)
    await expect(restored.record(record(11, { digest: other }))).rejects.toMatchObject({
      code: 'JOURNAL_FLOOR',
    })
  })

  test('behavior: the floor of a restored copy outlives every start after it, whatever the witness says then', async () => {
    const storage = memoryJournalStorage()
    const mark = witness()
    const journal = await open(storage, { create: true, witness: mark })
    await journal.record(record(10))
    const backup = memoryJournalStorage()
    await backup.create(1, await storage.read(1))
    // Signed after the copy was made, by the journal that is lost.
    await journal.record(record(20))
    const first = await open(backup, { head, witness: mark })
    // One record above the floor, and the witness agrees with the copy from now on.
    await first.record(record(60))
    for (const later of [70n, 80n]) {
      const again = await open(backup, { head: { block: later, timestamp: later }, witness: mark })
      expect(again.floor).toEqual(head)
      await expect(again.record(record(20, { digest: other }))).rejects.toMatchObject({
        code: 'JOURNAL_FLOOR',
      })
      expect((await again.record(record(Number(later), { height: 65n }))).status).toBe('new')
      await again.prune({ block: 12n, timestamp: 1n })
    }
  })

  test('behavior: a new journal beside a witness that knows better has its floor for good', async () => {
    const mark = witness()
    mark.mark = { counter: 9n, hash: other }
    const storage = memoryJournalStorage()
    const made = await open(storage, { create: true, head, witness: mark })
    await made.record(record(60))
    const again = await open(storage, { head: { block: 70n, timestamp: 70n }, witness: mark })
    expect(again.floor).toEqual(head)
    await expect(again.record(record(20))).rejects.toMatchObject({ code: 'JOURNAL_FLOOR' })
  })

  test('error: a floor that could not be written down opens nothing', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    await journal.record(record(10))
    const full = { ...storage, create: () => Promise.reject(new Error('disk full')) }
    await expect(open(full, { head })).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
  })

  test('behavior: a witness behind by one, as a crash in between leaves it, agrees', async () => {
    const storage = memoryJournalStorage()
    const mark = witness()
    const journal = await open(storage, { create: true, witness: mark })
    await journal.record(record(1))
    const behind = mark.mark
    await journal.record(record(2))
    mark.mark = behind
    expect((await open(storage, { head, witness: mark })).floor).toBeUndefined()
    mark.mark = { counter: 1n, hash: other }
    expect((await open(storage, { head, witness: mark })).floor).toEqual(head)
  })
})

describe('prune', () => {
  test('default: old segments go, what they held is refused from then on, also after a restart', async () => {
    const storage = memoryJournalStorage()
    const mark = witness()
    const journal = await open(storage, { create: true, witness: mark, segmentBytes: 400 })
    for (let index = 0; index < 20; index++) await journal.record(record(index))
    const before = (await storage.segments()).length
    const removed = await journal.prune({ block: 11n, timestamp: 1n })
    expect(removed).toBeGreaterThan(1)
    expect((await storage.segments()).length).toBe(before - removed + 1)
    await expect(journal.record(record(0, { digest: other }))).rejects.toMatchObject({
      code: 'JOURNAL_FLOOR',
    })
    expect((await journal.record(record(19))).status).toBe('known')
    await journal.close()
    const again = await open(storage, { witness: mark })
    expect(again.floor).toBeUndefined()
    expect(again.size()).toBe(20n)
    await expect(again.record(record(0, { digest: other }))).rejects.toMatchObject({
      code: 'JOURNAL_FLOOR',
    })
    expect((await again.record(record(19))).status).toBe('known')
    await expect(again.record(record(19, { digest: other }))).rejects.toMatchObject({
      code: 'EQUIVOCATION_REFUSED',
    })
  })

  test('behavior: all can go, a mark is never lowered, and records go on', async () => {
    const storage = memoryJournalStorage()
    const journal = await open(storage, { create: true })
    await journal.record(record(1))
    await journal.record(record(2, { kind: 'commit', height: 9n }))
    expect(await journal.prune({ block: 100n, timestamp: 9n })).toBe(0)
    expect(await journal.prune({ block: 1n, timestamp: 10n })).toBe(1)
    expect(await journal.prune({ block: 100n, timestamp: 10n })).toBe(0)
    expect((await journal.record(record(200))).status).toBe('new')
    const again = await open(storage)
    expect(again.size()).toBe(3n)
    await expect(again.record(record(50))).rejects.toMatchObject({ code: 'JOURNAL_FLOOR' })
  })
})

test('property: whatever is asked in whatever order, a key has one digest for ever', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          index: fc.nat(6),
          digest: fc.nat(2),
          kind: fc.constantFrom('outputs', 'response', 'document', 'commit'),
          act: fc.constantFrom('record', 'record', 'record', 'restart', 'prune'),
        }),
        { maxLength: 40 },
      ),
      async (steps) => {
        const storage = memoryJournalStorage()
        let journal = await open(storage, { create: true, segmentBytes: 500 })
        const signed = new Map<string, string>()
        for (const { index, digest, kind, act } of steps) {
          if (act === 'restart') {
            await journal.close()
            journal = await open(storage, { segmentBytes: 500 })
            continue
          }
          if (act === 'prune') {
            await journal.prune({ block: BigInt(index), timestamp: BigInt(digest) })
            continue
          }
          const asked = toHex(concat(uintToBytes(digest, 32)))
          const name = `${kind} ${index}`
          const done = await journal
            .record(record(index, { kind, digest: asked }))
            .then(() => true)
            .catch(({ code }: { code: string }) => {
              expect(['EQUIVOCATION_REFUSED', 'JOURNAL_FLOOR']).toContain(code)
              return false
            })
          if (!done) continue
          expect(signed.get(name) ?? asked).toBe(asked)
          signed.set(name, asked)
        }
      },
    ),
    { numRuns: 150 },
  )
})

test('floorLack: until tasks of now lie above the floor', () => {
  const at = (head: bigint, referenceDelay = 2n) =>
    floorLack({ floor: { block: 100n }, head, referenceDelay })
  expect(at(100n)).toContain('in 3 blocks')
  expect(at(102n)).toContain('in 1 blocks')
  expect(at(103n)).toBeUndefined()
  expect(at(100n, 0n)).toContain('in 1 blocks')
  expect(at(101n, 0n)).toBeUndefined()
  // A node that is behind what was seen at the start.
  expect(at(90n)).toContain('in 13 blocks')
  expect(floorLack({ floor: undefined, head: 0n, referenceDelay: 20n })).toBeUndefined()
})

describe('recordAll', () => {
  const word = (text: string) => keccakHex(utf8(text))
  const statement = (kind: 'response' | 'document', text: string, height = 10n) => ({
    ...{ kind, key: word('task'), digest: word(text), height, answer: utf8(text) },
  })

  test('behavior: both are there after one sync, and come back together', async () => {
    const syncs: number[] = []
    const storage = memoryJournalStorage()
    const journal = await open(storage, {
      create: true,
      onSync: ({ records }) => syncs.push(records),
    })
    const both = [statement('response', 'a'), statement('document', 'b')]
    expect((await journal.recordAll(both)).map(({ status }) => status)).toEqual(['new', 'new'])
    expect(syncs).toEqual([2])
    const again = await journal.recordAll(both)
    expect(again.map(({ status, answer }) => [status, new TextDecoder().decode(answer)])).toEqual([
      ['known', 'a'],
      ['known', 'b'],
    ])
    await journal.close()
    const reopened = await open(storage)
    expect((await reopened.find('document', word('task')))?.digest).toBe(word('b'))
  })

  test('error: where one of them is refused, none is entered', async () => {
    const journal = await open(memoryJournalStorage(), {
      create: true,
      head: { block: 9n, timestamp: 9n },
    })
    await journal.record(statement('response', 'a'))
    const second = [statement('document', 'b'), statement('response', 'other')]
    await expect(journal.recordAll(second)).rejects.toMatchObject({ code: 'EQUIVOCATION_REFUSED' })
    const low = [
      statement('document', 'b', 10n),
      { ...statement('document', 'c', 9n), key: word('low') },
    ]
    await expect(journal.recordAll(low)).rejects.toMatchObject({ code: 'JOURNAL_FLOOR' })
    const twice = [statement('document', 'b'), statement('document', 'c')]
    await expect(journal.recordAll(twice)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await journal.find('document', word('task'))).toBeUndefined()
    expect(journal.size()).toBe(1n)
    expect(await journal.recordAll([])).toEqual([])
  })

  test('behavior: of several that run at once one wins whole', async () => {
    const journal = await open(memoryJournalStorage(), { create: true })
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((text) =>
        journal.recordAll([statement('response', text), statement('document', text)]),
      ),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    const [response, document] = await Promise.all(
      (['response', 'document'] as const).map((kind) => journal.find(kind, word('task'))),
    )
    expect(response?.digest).toBe(document?.digest)
  })
})
