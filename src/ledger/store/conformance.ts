/**
 * What every `TileStore` has to do, as tests for any framework with `describe`, `test` and `expect`.
 *
 * A ledger is as good as its store: `create` never changes a file, `replace` is the one decision between
 * two writers, and what a call answered for is there after a restart.
 */
import type { TestApi } from '../../core/interfaces/testApi.js'
import type { TileStore } from '../../core/interfaces/tileStore.js'
import { utf8 } from '../../internal/bytes.js'

/** The part of a test framework that the suite uses. Vitest and Jest have it. */
export type TileTestApi = TestApi

/** How the suite gets at stores. */
export type TileStoreUnderTest = {
  name: string
  /** A new, empty store. */
  open(): Promise<TileStore>
  /** The same files in another instance, as another process has them. Left out: the same instance. */
  reopen?: ((store: TileStore) => Promise<TileStore>) | undefined
}

const conflict = { code: 'LEDGER_FILE_CONFLICT' }

/**
 * Declares the conformance suite of a tile store.
 *
 * @example
 * ```ts
 * import { memoryTiles, testTileStore } from '@newton/policy-sdk/ledger'
 * import { describe, expect, test } from 'vitest'
 *
 * testTileStore({ describe, test, expect }, { name: 'memory', open: async () => memoryTiles() })
 * ```
 */
export function testTileStore(api: TileTestApi, under: TileStoreUnderTest): void {
  api.describe(`tile store: ${under.name}`, () => {
    testFiles(api, under)
    testReplacing(api, under)
    testRemoving(api, under)
  })
}

async function sameStore(store: TileStore): Promise<TileStore> {
  return store
}

async function textOf(store: TileStore, path: string): Promise<string | undefined> {
  const file = await store.read(path)
  return file && new TextDecoder().decode(file.bytes)
}

function testFiles(
  { test, expect }: TileTestApi,
  { open, reopen = sameStore }: TileStoreUnderTest,
): void {
  test('keeps files, those of a folder beside a file of its name too', async () => {
    const store = await open()
    expect(await store.read('log/tile/0/000')).toBe(undefined)
    const large = new Uint8Array(70_000).map((_, at) => at % 251)
    await store.create([
      { path: 'log/tile/0/000.p/1', bytes: utf8('one') },
      { path: 'log/tile/0/000', bytes: large },
      { path: 'log/tile/entries/x001/234', bytes: new Uint8Array(0) },
    ])
    const again = await reopen(store)
    expect((await again.read('log/tile/0/000'))?.bytes).toEqual(large)
    expect(await textOf(again, 'log/tile/0/000.p/1')).toBe('one')
    expect((await again.read('log/tile/entries/x001/234'))?.bytes.length).toBe(0)
    expect((await again.list('log')).sort()).toEqual([
      ...['log/tile/0/000', 'log/tile/0/000.p/1', 'log/tile/entries/x001/234'],
    ])
    expect(await again.list('lo')).toEqual([])
  })

  test('writes a file once: the same bytes again are done, others are refused and change nothing', async () => {
    const store = await open()
    await store.create([{ path: 'log/a', bytes: utf8('first') }])
    await store.create([
      { path: 'log/a', bytes: utf8('first') },
      { path: 'log/b', bytes: utf8('other') },
    ])
    await expect(store.create([{ path: 'log/a', bytes: utf8('second') }])).rejects.toMatchObject(
      conflict,
    )
    const again = await reopen(store)
    expect(await textOf(again, 'log/a')).toBe('first')
    expect(await textOf(again, 'log/b')).toBe('other')
  })

  test('does not hand out its own bytes, nor keep those of the caller', async () => {
    const store = await open()
    const bytes = utf8('mine')
    await store.create([{ path: 'log/a', bytes }])
    bytes[0] = 0
    const read = await store.read('log/a')
    read?.bytes.fill(0)
    expect(await textOf(await reopen(store), 'log/a')).toBe('mine')
  })
}

function testReplacing(
  { test, expect }: TileTestApi,
  { open, reopen = sameStore }: TileStoreUnderTest,
): void {
  test('replaces a file of the version that was read, and no other', async () => {
    const store = await open()
    const path = 'log/checkpoint'
    const first = await store.replace({ path, bytes: utf8('1'), version: undefined })
    await expect(
      store.replace({ path, bytes: utf8('x'), version: undefined }),
    ).rejects.toMatchObject(conflict)
    const second = await store.replace({ path, bytes: utf8('2'), version: first.version })
    await expect(
      store.replace({ path, bytes: utf8('x'), version: first.version }),
    ).rejects.toMatchObject(conflict)
    const again = await reopen(store)
    const file = await again.read(path)
    expect(await textOf(again, path)).toBe('2')
    expect(file?.version).toBe(second.version)
    await again.replace({ path, bytes: utf8('3'), version: file?.version })
    expect(await textOf(again, path)).toBe('3')
  })

  test('lets one of several writers replace a version', async () => {
    const store = await open()
    const path = '.state/head'
    const { version } = await store.replace({ path, bytes: utf8('0'), version: undefined })
    const other = await reopen(store)
    // One after the other, as the turns of a lock are: what is decided is the version.
    const outcomes: string[] = []
    for (const [writer, text] of [
      [store, 'a'],
      [other, 'b'],
      [store, 'c'],
    ] as const) {
      await writer.replace({ path, bytes: utf8(text), version }).then(
        () => outcomes.push(text),
        () => outcomes.push('refused'),
      )
    }
    expect(outcomes).toEqual(['a', 'refused', 'refused'])
    expect(await textOf(other, path)).toBe('a')
  })
}

function testRemoving(
  { test, expect }: TileTestApi,
  { open, reopen = sameStore }: TileStoreUnderTest,
): void {
  test('removes files, also those that are not there, and lets them be written anew', async () => {
    const store = await open()
    await store.create([
      { path: 'log/tile/0/000.p/1', bytes: utf8('a') },
      { path: 'log/tile/0/000.p/2', bytes: utf8('b') },
    ])
    await store.remove(['log/tile/0/000.p/1', 'log/tile/0/000.p/9'])
    expect(await (await reopen(store)).list('log')).toEqual(['log/tile/0/000.p/2'])
    await store.remove(['log/tile/0/000.p/2'])
    await store.create([{ path: 'log/tile/0/000.p/1', bytes: utf8('c') }])
    expect(await textOf(await reopen(store), 'log/tile/0/000.p/1')).toBe('c')
  })

  test('refuses paths that lead out of it', async () => {
    const store = await open()
    for (const path of ['../x', '/x', 'log//x', 'log/../x', 'log/', '']) {
      const write = async (): Promise<void> => store.create([{ path, bytes: utf8('x') }])
      await expect(write()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      await expect((async () => store.read(path))()).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })

  test('does nothing for a caller that gave up', async () => {
    const store = await open()
    const signal = AbortSignal.abort(new DOMException('gone', 'AbortError'))
    const gone = { name: 'AbortError' }
    const file = { path: 'log/a', bytes: utf8('x') }
    await expect((async () => store.create([file], { signal }))()).rejects.toMatchObject(gone)
    await expect(
      (async () => store.replace({ ...file, version: undefined }, { signal }))(),
    ).rejects.toMatchObject(gone)
    await expect((async () => store.read('log/a', { signal }))()).rejects.toMatchObject(gone)
    expect(await store.read('log/a')).toBe(undefined)
  })
}
