/** Long records: what a write costs, and what a crash in it leaves. */
import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import type { Payment } from '../eigenda/payments.js'
import { keptRecord, type RenewalRecord } from '../retention/journal/records.js'
import { artifactPath, fileDa } from './fileDa.js'
import { fileJournal } from './fileJournal.js'
import { filePayments } from './filePayments.js'

const root = await mkdtemp(join(tmpdir(), 'record-log-'))
afterAll(() => rm(root, { recursive: true, force: true }))

const commitments = Array.from({ length: 200 }, (_, at) => encodeEigenDaCommitment(certAt(at, at)))
const commitmentOf = (at: number) => commitments[at % commitments.length] as `0x${string}`
const payment = (at: number): Payment => ({
  key: `0/1 ${at}`,
  commitment: commitmentOf(at),
  at: 1_700_000_000_000,
})
const renewal = (at: number): RenewalRecord =>
  keptRecord({
    state: 'paid',
    artifactHash: `0x${at.toString(16).padStart(64, '0')}`,
    locator: { kind: 'eigenDa', commitments: [commitmentOf(at)] },
    expiresAt: 1_700_000_000,
  })
const files = {
  filePayments: {
    open: filePayments,
    make: payment,
    other: (one: object) => ({ ...one, again: 3 }),
  },
  fileJournal: {
    open: fileJournal,
    make: renewal,
    other: (one: object) => ({ ...one, state: 'held' }),
  },
} as unknown as Record<
  string,
  {
    open(options: { path: string }): {
      read(): Promise<readonly object[]>
      write(records: readonly object[]): Promise<void>
      close(): Promise<void>
    }
    make(at: number): object
    other(one: object): object
  }
>
const lengthOf = (record: unknown): number => JSON.stringify(record).length

describe.each(Object.entries(files))('%s', (name, { open, make, other }) => {
  test('behavior: a long one grows with what is written, and not with its square', async () => {
    const path = join(root, `${name}-grows.json`)
    const file = open({ path })
    const records: object[] = []
    let replaced = 0
    let most = 0
    let before: bigint | undefined
    for (let at = 0; at < 1_000; at++) {
      records.push(make(at))
      await file.write(records)
      const { ino, size } = await stat(path, { bigint: true })
      if (ino !== before && at > 400) replaced += 1
      before = ino
      most = Math.max(most, Number(size))
    }
    expect(replaced).toBeLessThanOrEqual(4)
    expect(most).toBeLessThanOrEqual(3 * 1_000 * lengthOf(make(999)))
    expect(await file.read()).toEqual(records)
    await file.close()
    const next = open({ path })
    expect(await next.read()).toEqual(records)
    // What has gone is not kept for ever.
    await next.write([])
    expect(await readFile(path, 'utf8')).toBe('[]')
    await next.close()
  })

  test('behavior: after any change it is read as it was written, in its order', async () => {
    const path = join(root, `${name}-changes.json`)
    const file = open({ path })
    let records = Array.from({ length: 400 }, (_, at) => make(at))
    await file.write(records)
    const changes: ((list: object[]) => object[])[] = [
      (list) => list,
      (list) => [...list.slice(1), list[0] as object],
      (list) => list.map((one, at) => (at === 100 ? other(one) : one)),
      (list) => list.filter((_, at) => at % 50 !== 7),
      (list) => [...list.slice(0, 20), ...list.slice(21), other(list[20] as object)],
      (list) => [...list].reverse(),
      (list) => [...list, make(1_000), make(1_001)],
      (list) => [make(1_002), ...list],
      (list) => list.slice(0, 300),
      (list) => [...list.slice(50), ...list.slice(0, 50)],
      (list) => list.slice(0, 1),
      () => Array.from({ length: 320 }, (_, at) => make(at + 2_000)),
    ]
    for (const [index, change] of [...changes, ...changes].entries()) {
      records = change(records)
      await file.write(records)
      expect(await file.read(), `change ${index}`).toEqual(records)
    }
    await file.close()
    const next = open({ path })
    expect(await next.read()).toEqual(records)
    await next.close()
  })

  /** A long file with two lines behind it, and what was in it at each end. */
  async function withLines(path: string) {
    const file = open({ path })
    const records = Array.from({ length: 400 }, (_, at) => make(at))
    await file.write(records)
    const first = [...records, make(400)]
    await file.write(first)
    const before = await readFile(path)
    const last = [...first.slice(1), other(first[0] as object), make(401)]
    await file.write(last)
    await file.close()
    const after = await readFile(path)
    expect(after.subarray(0, before.length).equals(before)).toBe(true)
    return { records, first, last, before, after }
  }
  async function reading(path: string): Promise<readonly object[]> {
    const file = open({ path })
    try {
      return await file.read()
    } finally {
      await file.close()
    }
  }

  test('behavior: a crash in a write leaves what was there before, or all of it', async () => {
    const path = join(root, `${name}-cut.json`)
    const { first, last, before, after } = await withLines(path)
    const cuts = Array.from({ length: 40 }, (_, at) =>
      at < 20 ? at : Math.ceil(((after.length - before.length) * (at - 19)) / 20),
    )
    for (const cut of cuts) {
      await writeFile(path, after.subarray(0, before.length + cut))
      const isWhole = cut >= after.length - before.length - 1
      expect(await reading(path), `${cut} bytes`).toEqual(isWhole ? last : first)
    }
    // Zeros where a block of it did not reach the disk, the length of which did.
    for (const [from, to] of [
      [0, 1],
      [0, 100],
      [0, after.length - before.length],
      [5, 300],
      [40, 50],
      [100, after.length - before.length - 1],
      [100, after.length - before.length],
    ] as const) {
      const holed = Uint8Array.from(after)
      holed.fill(0, before.length + from, before.length + to)
      await writeFile(path, holed)
      expect(await reading(path), `${from} to ${to}`).toEqual(first)
    }
    // The next process writes on what it has read.
    await writeFile(path, after.subarray(0, after.length - 50))
    const file = open({ path })
    const found = await file.read()
    expect(found).toEqual(first)
    await file.write([...found, make(402)])
    expect(await file.read()).toEqual([...first, make(402)])
    await file.close()
    expect(await reading(path)).toEqual([...first, make(402)])
  })

  test('error: INVALID_INPUT for damage in what was written before', async () => {
    const path = join(root, `${name}-damage.json`)
    const { records, before, after } = await withLines(path)
    const damages: [string, (bytes: Uint8Array) => Uint8Array][] = [
      ['zeros in the list', (bytes) => bytes.fill(0, 1_000, 1_010)],
      [
        'zeros in a line before the last',
        (bytes) => bytes.fill(0, before.length - 20, before.length - 1),
      ],
      [
        'a letter in a line before the last',
        (bytes) => bytes.fill(33, before.length - 3, before.length - 2),
      ],
      ['a letter in the last line', (bytes) => bytes.fill(33, after.length - 3, after.length - 2)],
      ['a line of something else', (bytes) => Buffer.concat([bytes, Buffer.from('\n{}\n')])],
      ['an end of something else', (bytes) => Buffer.concat([bytes, Buffer.from('\nnonsense')])],
      [
        'a record that is none',
        (bytes) => Buffer.concat([bytes, Buffer.from('\n{"changed":[{}],"gone":[]}\n')]),
      ],
    ]
    for (const [what, damage] of damages) {
      await writeFile(path, damage(Uint8Array.from(after)))
      await expect(reading(path), what).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: expect.stringMatching(/journal|payments/),
      })
    }
    // One that a person has put into lines is read as before.
    await writeFile(
      path,
      JSON.stringify(JSON.parse(before.toString().split('\n')[0] as string), null, 2),
    )
    expect(await reading(path)).toEqual(records)
  })

  test('behavior: what somebody else did to the file meanwhile is replaced, and not added to', async () => {
    const path = join(root, `${name}-others.json`)
    const file = open({ path })
    let records = Array.from({ length: 400 }, (_, at) => make(at))
    await file.write(records)
    const others = [
      () => appendFile(path, '\n'),
      () => truncate(path, 10_000),
      async () => {
        const bytes = await readFile(path)
        await writeFile(path, bytes.fill(32, 5_000, 6_000))
      },
      () => rm(path),
      () => link(path, `${path}.copy`),
    ]
    for (const [index, other] of others.entries()) {
      await other()
      const kept = await readFile(path).catch(() => undefined)
      records = [...records, make(500 + index)]
      await file.write(records)
      expect(await file.read(), `${index}`).toEqual(records)
      // A second name of the file keeps what it had.
      if (index === 4) expect(await readFile(`${path}.copy`)).toEqual(kept)
    }
    await file.close()
  })
})

describe('what killed writers leave', () => {
  const draft = `${crypto.randomUUID()}.tmp`

  test('behavior: drafts of a locked file go when it is taken, and nothing else does', async () => {
    const folder = await mkdtemp(join(root, 'drafts-'))
    const others = ['other.json', `other.json.${draft}`, `file.json.x.tmp`, 'file.json.bak']
    for (const name of [...others, `file.json.${draft}`]) await writeFile(join(folder, name), 'x')
    const file = fileJournal({ path: join(folder, 'file.json') })
    expect(await file.read()).toEqual([])
    await file.close()
    expect((await readdir(folder)).sort()).toEqual([...others, 'file.json.lock'].sort())
  })

  test('behavior: drafts of a store go with the next write beside them, where nobody writes to them', async () => {
    const directory = await mkdtemp(join(root, 'store-'))
    const bytes = Uint8Array.of(1, 2, 3)
    const path = artifactPath(directory, computeArtifactHash(bytes))
    await mkdir(dirname(path), { recursive: true })
    const [old, fresh] = [`${path}.${draft}`, `${path}.${crypto.randomUUID()}.tmp`]
    for (const name of [old, fresh]) await writeFile(name, 'x')
    const yesterday = new Date(Date.now() - 90_000_000)
    await utimes(old, yesterday, yesterday)
    await fileDa({ directory }).put(bytes)
    expect((await readdir(dirname(path))).sort()).toEqual([basename(path), basename(fresh)].sort())
  })
})
