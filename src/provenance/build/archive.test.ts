import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { concat, toHex, utf8 } from '../../internal/bytes.js'
import { SourceArchiveError } from '../errors.js'
import {
  archiveLimits,
  createSourceArchive,
  readSourceArchive,
  type SourceFile,
} from './archive.js'

const directory = mkdtempSync(join(tmpdir(), 'archive-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const files: SourceFile[] = [
  { path: 'src/lib.rs', bytes: utf8('fn main() {}') },
  { path: 'build.sh', bytes: utf8('#!/bin/sh\n'), executable: true },
  { path: 'Cargo.toml', bytes: new Uint8Array(700).fill(0x61) },
]
const sorted = [...files]
  .sort((a, b) => (a.path < b.path ? -1 : 1))
  .map((file) => ({ executable: false, ...file }))

describe('createSourceArchive', () => {
  test('behavior: the order of files means nothing, and tar reads it', async () => {
    const { archive, sourceSha256 } = createSourceArchive(files)
    expect(createSourceArchive([...files].reverse())).toEqual({ archive, sourceSha256 })
    expect(await readSourceArchive(archive, { sourceSha256 })).toEqual(sorted)
    const path = join(directory, 'a.tar')
    writeFileSync(path, archive)
    const listed = execFileSync('tar', ['--utc', '-tvf', path], { encoding: 'utf8' })
    expect(
      listed
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/).join(' ')),
    ).toEqual(
      [
        'drwxr-xr-x 0/0 0 1970-01-01 00:00 source/',
        '-rw-r--r-- 0/0 700 1970-01-01 00:00 source/Cargo.toml',
        '-rwxr-xr-x 0/0 10 1970-01-01 00:00 source/build.sh',
        'drwxr-xr-x 0/0 0 1970-01-01 00:00 source/src/',
        '-rw-r--r-- 0/0 12 1970-01-01 00:00 source/src/lib.rs',
      ].map((line) =>
        line.replace(/\/$/, (slash) =>
          line.startsWith('d') && !listed.includes('source/\n') ? '' : slash,
        ),
      ),
    )
  })

  test('behavior: what GNU tar makes is read, plain and compressed', async () => {
    const from = join(directory, 'made')
    execFileSync('mkdir', ['-p', join(from, 'top/deep')])
    writeFileSync(join(from, 'top/deep/a.txt'), 'a')
    execFileSync('tar', ['--format=ustar', '-cf', join(directory, 'b.tar'), '-C', from, 'top'])
    const tar = new Uint8Array(readFileSync(join(directory, 'b.tar')))
    const expected = [{ path: 'deep/a.txt', bytes: utf8('a'), executable: false }]
    expect(await readSourceArchive(tar)).toEqual(expected)
    expect(await readSourceArchive(new Uint8Array(gzipSync(tar)))).toEqual(expected)
  })

  test('behavior: long paths are split as ustar does', async () => {
    const path = `${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(60)}`
    const { archive } = createSourceArchive([{ path, bytes: utf8('x') }])
    expect((await readSourceArchive(archive))[0]?.path).toBe(path)
    expect(() => createSourceArchive([{ path: 'f'.repeat(101), bytes: utf8('x') }])).toThrow(
      expect.objectContaining({ fault: 'unsafe_path' }),
    )
  })

  test.each([
    '../x',
    'a/../b',
    '/etc/passwd',
    'a//b',
    './a',
    'a/',
    '',
    'a\\b',
    'c:x',
    'a\u0000b',
    'a\nb',
    '\ud800',
    'x'.repeat(260),
  ])('error: the path %j', (path) => {
    expect(() => createSourceArchive([{ path, bytes: utf8('x') }])).toThrow(
      expect.objectContaining({ fault: 'unsafe_path', code: 'SOURCE_ARCHIVE_INVALID' }),
    )
  })

  test('error: twice, file and folder at once, nothing', () => {
    const at =
      (...paths: string[]): (() => unknown) =>
      () =>
        createSourceArchive(paths.map((path) => ({ path, bytes: utf8('x') })))
    expect(at('a', 'a')).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    expect(at('a', 'a/b')).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    expect(at('a/b', 'a')).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    expect(at('a', 'A')).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    expect(at('d/a', 'D/b')).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    expect(at('\u00e9', 'e\u0301')).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    expect(at()).toThrow(expect.objectContaining({ fault: 'malformed' }))
  })

  test('error: more bytes than are read', () => {
    const bytes = new Uint8Array(archiveLimits.archiveBytes)
    expect(() => createSourceArchive([{ path: 'a', bytes }])).toThrow(
      expect.objectContaining({ fault: 'too_large' }),
    )
  })
})

/** A header as it should not be, with a checksum that is right. */
function entry(name: string, { type = '0', size = 0, linkname = '' } = {}): Uint8Array {
  const head = new Uint8Array(512)
  const put = (at: number, text: string): void => head.set(utf8(text), at)
  put(0, name)
  put(100, '0000644')
  put(124, size.toString(8).padStart(11, '0'))
  put(156, type)
  put(157, linkname)
  put(257, 'ustar\u000000')
  put(148, '        ')
  put(
    148,
    `${head
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\u0000 `,
  )
  return concat(head, new Uint8Array(Math.ceil(size / 512) * 512))
}
const end = new Uint8Array(1024)
const top = entry('s/', { type: '5' })

describe('readSourceArchive', () => {
  test.each([
    [
      'a symbolic link',
      [top, entry('s/a', { type: '2', linkname: '/etc/passwd' })],
      'unsafe_entry',
    ],
    ['a hard link', [top, entry('s/a', { type: '1', linkname: 's/b' })], 'unsafe_entry'],
    ['a character device', [top, entry('s/a', { type: '3' })], 'unsafe_entry'],
    ['a block device', [top, entry('s/a', { type: '4' })], 'unsafe_entry'],
    ['a pipe', [top, entry('s/a', { type: '6' })], 'unsafe_entry'],
    ['an extended header', [top, entry('s/a', { type: 'x' })], 'unsafe_entry'],
    ['a sparse file', [top, entry('s/a', { type: 'S' })], 'unsafe_entry'],
    ['a way up', [top, entry('s/../../x')], 'unsafe_path'],
    ['an absolute path', [entry('/s/a')], 'unsafe_path'],
    ['a file twice', [top, entry('s/a'), entry('s/a')], 'unsafe_path'],
    ['names that differ in case', [top, entry('s/A'), entry('s/a')], 'unsafe_path'],
    ['folders that differ in case', [top, entry('s/a/D/x'), entry('s/a/d/y')], 'unsafe_path'],
    [
      'a folder that is there in two cases',
      [top, entry('s/D/', { type: '5' }), entry('s/d/y')],
      'unsafe_path',
    ],
    ['a file under a file', [top, entry('s/a'), entry('s/a/b')], 'unsafe_path'],
    ['a file over a folder', [top, entry('s/a/b'), entry('s/a')], 'unsafe_path'],
    ['two folders', [top, entry('s/a'), entry('t/a')], 'not_one_folder'],
    ['a file at the top', [entry('a')], 'not_one_folder'],
    ['no file', [top], 'malformed'],
    ['more than it says', [top, entry('s/a', { size: 10 }).subarray(0, 512)], 'malformed'],
  ])('error: %s', async (_name, parts, fault) => {
    const closed = _name === 'more than it says' ? parts : [...parts, end]
    await expect(readSourceArchive(concat(...closed))).rejects.toMatchObject({
      code: 'SOURCE_ARCHIVE_INVALID',
      fault,
    })
  })

  test('error: a wrong hash, before anything is read', async () => {
    const { archive } = createSourceArchive(files)
    await expect(
      readSourceArchive(archive, { sourceSha256: `0x${'00'.repeat(32)}` }),
    ).rejects.toMatchObject({ fault: 'wrong_hash' })
  })

  test('error: too large as it comes, inflated, or in entries', async () => {
    const { archive } = createSourceArchive(files)
    await expect(
      readSourceArchive(archive, { archiveBytes: archive.length - 1 }),
    ).rejects.toMatchObject({ fault: 'too_large' })
    await expect(readSourceArchive(archive, { entries: 4 })).rejects.toMatchObject({
      fault: 'too_large',
    })
    expect(await readSourceArchive(archive, { entries: 5 })).toHaveLength(3)
    const bomb = new Uint8Array(gzipSync(new Uint8Array(8 * 1024 * 1024)))
    await expect(readSourceArchive(bomb, { inflatedBytes: 1024 * 1024 })).rejects.toMatchObject({
      fault: 'too_large',
    })
    await expect(readSourceArchive(archive, { entries: Number.NaN })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('error: something after the end', async () => {
    const { archive } = createSourceArchive(files)
    await expect(readSourceArchive(concat(archive, entry('s/a')))).rejects.toMatchObject({
      fault: 'malformed',
    })
    await expect(
      readSourceArchive(new Uint8Array(gzipSync(archive)).subarray(0, 100)),
    ).rejects.toMatchObject({ fault: 'malformed' })
  })

  test('behavior: thousands of entries take no time to speak of', async () => {
    const many = Array.from({ length: 2_000 }, (_, i) => ({ path: `d${i}/f`, bytes: utf8('x') }))
    const { archive } = createSourceArchive(many)
    expect(await readSourceArchive(archive)).toHaveLength(2_000)
  })

  test('fuzz: a changed byte is refused, or leaves safe paths only', async () => {
    const { archive } = createSourceArchive(files)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(archive.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const other = archive.slice()
          other[at] = (other[at] as number) ^ flip
          try {
            for (const { path } of await readSourceArchive(other)) {
              expect(path).not.toMatch(/^\/|(^|\/)\.\.?(\/|$)/)
            }
          } catch (error) {
            if (!(error instanceof SourceArchiveError)) throw error
          }
        },
      ),
    )
  })
})

/** An archive of empty files with these paths, below one folder that has no entry itself. */
const empty = (paths: readonly string[]): Uint8Array =>
  concat(...paths.map((path) => entry(`s/${path}`)), end)
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => i.toString(36))

describe('readSourceArchive, of an archive that is small and makes much work', () => {
  test('error: folders that paths only go through count as those that have an entry', async () => {
    const deep = `${'a/'.repeat(20)}f`
    // One folder at the top, and 22 names each.
    for (const [paths, count] of [
      [names(10).map((name) => `${name}/${deep}`), 1 + 10 * 22],
      [names(10).map((name) => `x/${deep}${name}`), 1 + 21 + 10],
      [names(10), 11],
    ] as const) {
      const read = (entries: number) => readSourceArchive(empty(paths), { entries })
      expect(await read(count)).toHaveLength(10)
      await expect(read(count - 1)).rejects.toMatchObject({ fault: 'too_large' })
    }
    const many = empty(names(1_000).map((name) => `${name}/${deep}`))
    expect(many.length).toBeLessThan(1024 * 1024)
    await expect(readSourceArchive(many)).rejects.toMatchObject({ fault: 'too_large' })
  })

  test('error: paths of more names than a source has reason for, made or read', async () => {
    const of = (count: number): string => names(count).join('/')
    expect(await readSourceArchive(empty([of(31)]))).toHaveLength(1)
    await expect(readSourceArchive(empty([of(32)]))).rejects.toMatchObject({ fault: 'unsafe_path' })
    const make = (count: number) => () =>
      createSourceArchive([{ path: of(count), bytes: utf8('') }])
    expect(make(31)).not.toThrow()
    expect(make(32)).toThrow(expect.objectContaining({ fault: 'unsafe_path' }))
    const files = names(20_000).map((path) => ({ path, bytes: utf8('') }))
    expect(() => createSourceArchive(files)).toThrow(
      expect.objectContaining({ fault: 'too_large' }),
    )
  })

  test('behavior: each name is looked at once, however deep it is', async () => {
    const path = (name: string): string => `${names(30).join('/')}${name}`
    const archive = empty(names(200).map(path))
    const normalize = vi.spyOn(String.prototype, 'normalize')
    try {
      await readSourceArchive(archive)
      const length = normalize.mock.contexts.reduce<number>((sum, it) => sum + `${it}`.length, 0)
      expect(length).toBeLessThanOrEqual(200 * (path('aa').length + 2))
    } finally {
      normalize.mockRestore()
    }
  })

  const slow: [string, () => Uint8Array, boolean][] = [
    ['entries', () => empty(names(4_000)), false],
    ['bytes to hash', () => concat(top, entry('s/a', { size: 2 ** 22 }), end), true],
    [
      'bytes to copy',
      () => concat(...names(4).map((it) => entry(`s/${it}`, { size: 2 ** 22 })), end),
      false,
    ],
    ['bytes after the end', () => concat(empty(['a']), new Uint8Array(2 ** 24)), false],
    [
      'bytes to inflate',
      () => new Uint8Array(gzipSync(concat(empty(['a']), new Uint8Array(2 ** 24)))),
      false,
    ],
  ]
  test.each(slow)('behavior: other work goes on among many %s', async (_, make, hashed) => {
    const archive = make()
    const sourceSha256 = hashed ? toHex(sha256(archive)) : undefined
    let [beats, ended] = [0, false]
    const beat = (): void => {
      beats += 1
      if (!ended) setImmediate(beat)
    }
    setImmediate(beat)
    await readSourceArchive(archive, { sourceSha256 })
    ended = true
    expect(beats).toBeGreaterThan(2)
  })

  test.each(slow)('error: a signal ends it among many %s', async (_, make, hashed) => {
    const archive = make()
    const sourceSha256 = hashed ? toHex(sha256(archive)) : undefined
    const controller = new AbortController()
    setImmediate(() => controller.abort(new TypeError('enough')))
    const { signal } = controller
    await expect(readSourceArchive(archive, { sourceSha256, signal })).rejects.toThrow('enough')
  })

  test('behavior: what is read is what was hashed, whoever writes meanwhile', async () => {
    const archive = concat(top, entry('s/a', { size: 2 ** 22 }), end)
    const sourceSha256 = toHex(sha256(archive))
    setImmediate(() => archive.fill(0x61, 1024, 1024 + 2 ** 22))
    const [file] = await readSourceArchive(archive, { sourceSha256 })
    expect(archive[1024]).toBe(0x61)
    expect(file?.bytes.every((byte) => byte === 0)).toBe(true)
  })
})
