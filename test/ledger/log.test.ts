import { describe, expect, test } from 'vitest'
import {
  type Checkpoint,
  decodeEntryBundle,
  formatTlogProof,
  isFork,
  leafHash,
  logReader,
  noteSigner,
  tilePath,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
  verifyTlogProof,
} from '../../src/ledger/index.js'
import { boundedCache } from '../../src/ledger/log/tileCache.js'
import { definedRoot, writeLog } from './writeLog.js'

const signer = noteSigner({ name: 'example.com/log', seed: new Uint8Array(32).fill(9) })
const text = new TextEncoder()
const entriesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => text.encode(`entry ${at}`))
const open = (files: Map<string, Uint8Array>): Checkpoint => {
  const result = verifyCheckpoint(files.get('checkpoint') as Uint8Array, { log: signer.key })
  if (result.status !== 'verified') throw new Error(result.reason)
  return result.checkpoint
}
const readerOf = (files: Map<string, Uint8Array>, checkpoint = open(files)) =>
  logReader({ checkpoint, read: async (path) => files.get(path) })
const checkpointOf = (entries: readonly Uint8Array[], size: number): Checkpoint => ({
  origin: signer.key.name,
  size: BigInt(size),
  root: definedRoot(entries.slice(0, size).map(leafHash)),
})

describe('a log in tiles', () => {
  test.each([1, 2, 3, 7, 255, 256, 257, 511, 513])(
    'behavior: entries and growth of a log of %i are proved',
    async (count) => {
      const entries = entriesOf(count)
      const files = writeLog({ entries, signer })
      const reader = readerOf(files)
      const { root, size } = open(files)
      for (const at of new Set([0, 1, 127, 254, 255, 256, count >> 1, count - 1])) {
        if (at >= count) continue
        const { entry, proof } = await reader.entry(BigInt(at))
        expect(entry).toEqual(entries[at])
        const claim = { index: BigInt(at), size, root, leaf: leafHash(entry), proof }
        expect(verifyInclusion(claim)).toBe(true)
        expect(verifyInclusion({ ...claim, index: claim.index + 1n })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: [...proof, root] })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: [] })).toBe(count === 1)
      }
      for (const older of new Set([0, 1, 2, 3, 128, 255, 256, count - 1, count])) {
        if (older > count) continue
        const before = checkpointOf(entries, older)
        const proof = await reader.consistency(before)
        const claim = { oldSize: before.size, oldRoot: before.root, newSize: size, newRoot: root }
        expect(verifyConsistency({ ...claim, proof })).toBe(true)
        expect(verifyConsistency({ ...claim, proof: [...proof, root] })).toBe(false)
        const forked = leafHash(Uint8Array.of(older & 255, 1))
        expect(verifyConsistency({ ...claim, oldRoot: forked, proof })).toBe(false)
      }
    },
  )

  test('behavior: a flipped byte of any file is found', async () => {
    const files = writeLog({ entries: entriesOf(300), signer })
    const checkpoint = open(files)
    let found = 0
    for (const [path, bytes] of files) {
      if (path === 'checkpoint') continue
      for (const at of [0, 1, 2, 40, bytes.length - 1]) {
        const mutated = new Map(files)
        const changed = bytes.slice()
        changed[at % bytes.length] = (changed[at % bytes.length] as number) ^ 1
        mutated.set(path, changed)
        const reader = readerOf(mutated, checkpoint)
        const answers = await Promise.allSettled(
          [0n, 1n, 255n, 256n, 299n].map((i) => reader.entry(i)),
        )
        const failures = answers.filter((answer) => answer.status === 'rejected')
        for (const { reason } of failures) expect(reason.code).toBe('LEDGER_LOG_INVALID')
        // Whatever is answered is what the log committed to, whichever byte was changed.
        for (const [slot, index] of [0, 1, 255, 256, 299].entries()) {
          const answer = answers[slot]
          if (answer?.status !== 'fulfilled') continue
          expect(answer.value.entry).toEqual(text.encode(`entry ${index}`))
        }
        if (failures.length > 0) found += 1
      }
    }
    expect(found).toBeGreaterThanOrEqual(20)
  })

  test('behavior: neighbours are proved from files that were read once', async () => {
    const entries = entriesOf(600)
    const files = writeLog({ entries, signer })
    const asked: string[] = []
    const read = async (path: string) => {
      asked.push(path)
      return files.get(path)
    }
    const reader = logReader({ checkpoint: open(files), read })
    for (const [at, entry] of entries.entries()) {
      expect((await reader.entry(BigInt(at))).entry).toEqual(entry)
    }
    expect(new Set(asked).size).toBe(asked.length)
    expect(asked.length).toBeLessThan(10)
    // What is handed out is the caller's: changed bytes change no later answer.
    const first = await reader.entry(0n)
    first.entry.fill(0)
    for (const hash of first.proof) hash.fill(0)
    expect((await reader.entry(0n)).entry).toEqual(entries[0])
  })

  test('behavior: a file that was wrong once is read anew', async () => {
    const entries = entriesOf(600)
    const files = writeLog({ entries, signer })
    for (const path of ['tile/entries/000', 'tile/0/000', 'tile/0/002.p/88', 'tile/1/000.p/2']) {
      const good = files.get(path) as Uint8Array
      const bad = good.slice()
      bad[4] = (bad[4] as number) ^ 1
      for (const wrong of [bad, good.slice(0, -1), undefined]) {
        let isWrong = true
        const read = async (asked: string) => (isWrong && asked === path ? wrong : files.get(asked))
        const reader = logReader({ checkpoint: open(files), read })
        const indices = [0n, 1n, 300n, 599n]
        const failed = await Promise.allSettled(indices.map((index) => reader.entry(index)))
        expect(
          failed.some(({ status }) => status === 'rejected'),
          path,
        ).toBe(true)
        isWrong = false
        for (const index of indices) {
          expect((await reader.entry(index)).entry, path).toEqual(entries[Number(index)])
        }
      }
    }
  })

  test('behavior: what a reader keeps is bounded, and what was asked for last stays', () => {
    const cache = boundedCache<Uint8Array>(100, ({ length }) => length)
    for (const at of [1, 2, 3]) cache.set(`${at}`, new Uint8Array(40).fill(at))
    expect([cache.get('1'), cache.get('2')?.[0], cache.get('3')?.[0]]).toEqual([undefined, 2, 3])
    cache.get('2')
    cache.set('4', new Uint8Array(50))
    expect([cache.get('3'), cache.get('2')?.[0]]).toEqual([undefined, 2])
    // The same key again weighs once; what is heavier than all is not kept.
    for (let at = 0; at < 10; at += 1) cache.set('2', new Uint8Array(50).fill(at))
    expect([cache.get('2')?.[0], cache.get('4')?.length]).toEqual([9, 50])
    cache.set('5', new Uint8Array(101))
    expect(['2', '4', '5'].map((key) => cache.get(key))).toEqual([undefined, undefined, undefined])
    cache.set('6', new Uint8Array(100))
    cache.clear()
    expect(cache.get('6')).toBeUndefined()
  })

  test('behavior: a missing, short or long file is said by its path', async () => {
    const files = writeLog({ entries: entriesOf(300), signer })
    const checkpoint = open(files)
    const path = tilePath({ level: 0, index: 1n, width: 44 })
    const cases: [Uint8Array | undefined, string][] = [
      [undefined, 'missing'],
      [new Uint8Array(44 * 32 - 1), 'malformed'],
      [new Uint8Array(45 * 32), 'malformed'],
      ['no bytes' as never, 'malformed'],
    ]
    for (const [bytes, fault] of cases) {
      const reader = logReader({
        checkpoint,
        read: async (asked) => (asked === path ? bytes : files.get(asked)),
      })
      await expect(reader.entry(299n)).rejects.toMatchObject({ fault, path })
    }
  })

  test('behavior: a partial file that was deleted is read from the full one', async () => {
    const entries = entriesOf(300)
    const older = checkpointOf(entries, 200)
    const reader = readerOf(writeLog({ entries, signer }), older)
    expect((await reader.entry(199n)).entry).toEqual(entries[199])
    await expect(async () => reader.entry(200n)).rejects.toThrow(/index/)
  })

  test('behavior: a fork and a log that shrank are not proved', async () => {
    const entries = entriesOf(300)
    const reader = readerOf(writeLog({ entries, signer }))
    const forked = { ...checkpointOf(entries, 250), root: leafHash(text.encode('x')) }
    await expect(reader.consistency(forked)).rejects.toMatchObject({ fault: 'inconsistent' })
    await expect(async () => reader.consistency({ ...forked, size: 301n })).rejects.toThrow(
      /older\.size/,
    )
    expect(isFork(forked, checkpointOf(entries, 250))).toBe(true)
    expect(isFork(forked, forked)).toBe(false)
  })

  test('behavior: a reader that hangs ends at its deadline', async () => {
    const files = writeLog({ entries: entriesOf(3), signer })
    const reader = logReader({ checkpoint: open(files), read: () => new Promise(() => {}) })
    await expect(reader.entry(0n, { timeout: 20 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    await expect(reader.entry(0n, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/)
  })

  test('behavior: paths are those of the specification', () => {
    const path = (index: bigint, width = 256) => tilePath({ level: 0, index, width })
    expect(path(0n)).toBe('tile/0/000')
    expect(path(1_234_067n)).toBe('tile/0/x001/x234/067')
    expect(path(1_000n, 17)).toBe('tile/0/x001/000.p/17')
    for (const bad of [
      { level: 64 },
      { level: -1 },
      { width: 0 },
      { width: 257 },
      { index: -1n },
    ]) {
      expect(() => tilePath({ level: 0, index: 0n, width: 1, ...bad })).toThrow(/not valid/)
    }
    expect(decodeEntryBundle(Uint8Array.of(0, 1, 7, 0, 0), 2)).toEqual([
      Uint8Array.of(7),
      new Uint8Array(),
    ])
    for (const bad of [[0], [0, 1], [0, 1, 7, 0], [0, 1, 7, 0, 0, 0, 0]]) {
      expect(decodeEntryBundle(Uint8Array.from(bad), 2)).toBeUndefined()
    }
  })
})

describe('proof files', () => {
  const entries = entriesOf(5)
  const files = writeLog({ entries, signer })
  const trust = { log: signer.key }
  const fileOf = async (): Promise<string> => {
    const { proof } = await readerOf(files).entry(3n)
    const checkpoint = new TextDecoder().decode(files.get('checkpoint'))
    return formatTlogProof({ index: 3n, proof, checkpoint })
  }

  test('behavior: an entry is verified from one file', async () => {
    const entry = entries[3] as Uint8Array
    const file = await fileOf()
    expect(verifyTlogProof({ file, entry, trust })).toMatchObject({ status: 'verified', index: 3n })
    const extra = file.replace('\nindex', '\nextra AAAA\nindex')
    expect(verifyTlogProof({ file: extra, entry, trust }).status).toBe('verified')
    const other = verifyTlogProof({ file, entry: entries[2] as Uint8Array, trust })
    expect(other).toEqual({ status: 'invalid', reason: 'inclusion' })
    for (const hostile of [undefined, null, '', '\n\n', 'c2sp.org/tlog-proof@v1\n\n', {}, [1]]) {
      expect(verifyTlogProof({ file: hostile as string, entry, trust }).status).toBe('invalid')
    }
  })

  test('behavior: no changed byte leaves a file valid', async () => {
    const entry = entries[3] as Uint8Array
    const bytes = text.encode(await fileOf())
    for (let at = 0; at < bytes.length; at += 1) {
      const mutated = bytes.slice()
      mutated[at] = (mutated[at] as number) ^ (1 << (at % 8))
      expect(verifyTlogProof({ file: mutated, entry, trust }).status).toBe('invalid')
    }
  })
})
