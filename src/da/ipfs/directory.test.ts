import { readFileSync } from 'node:fs'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import { decodeLocator, encodeLocator } from '../../core/locator.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { ipfs } from './ipfs.js'
import { blockCid, cidLocator, cidText, codecs } from './multihash.js'
import { murmur3x64 } from './murmur3.js'
import type { IpfsBlock } from './unixfs.js'

type Fixture = { root: string; blocks: string[] }
/** Directories of `dir/sub/file-<n>.json` with `{"n":<n>}`, made by ipfs-unixfs-importer 17. */
const fixtures = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/ipfsDirectories.json', import.meta.url), 'utf8'),
) as Record<'sharded' | 'narrow' | 'plain', Fixture>

const keyOf = (cid: CID): string => toHex(cid.multihash.bytes)

function over(blocks: readonly Uint8Array[], more: { car?: boolean; maxBlocks?: number } = {}) {
  const held = new Map<string, Uint8Array>()
  for (const bytes of blocks)
    for (const codec of [codecs.raw, codecs.dagPb]) held.set(keyOf(blockCid(codec, bytes)), bytes)
  const asked: string[] = []
  const da = ipfs({
    gateways: ['https://gateway.example'],
    car: false,
    ...more,
    fetch: async (input) => {
      const url = new URL(input)
      asked.push(decodeURIComponent(url.pathname))
      if (url.searchParams.get('format') === 'car') return new Response('no', { status: 501 })
      const bytes = held.get(keyOf(CID.parse(url.pathname.replace('/ipfs/', ''))))
      if (!bytes) return new Response('not here', { status: 404 })
      return new Response(bytes as unknown as BodyInit)
    },
  })
  return { da, asked }
}

const blocksOf = ({ blocks }: Fixture): Uint8Array[] =>
  blocks.map((text) => new Uint8Array(Buffer.from(text, 'base64')))

describe('paths', () => {
  test.each([
    ['plain', [0, 3, 4]],
    ['sharded', [0, 1, 17, 41, 199, 200, 398, 399]],
    ['narrow', Array.from({ length: 60 }, (_, n) => n)],
  ] as const)('default: files in a %s directory are read by their path', async (kind, numbers) => {
    const { root } = fixtures[kind]
    const { da } = over(blocksOf(fixtures[kind]))
    for (const n of numbers) {
      const bytes = utf8(`{"n":${n}}`)
      const locator = cidLocator(`${root}/sub/file-${n}.json`)
      expect(await da.getWithVerification(locator, computeArtifactHash(bytes))).toEqual(bytes)
      expect(await da.head?.(locator)).toEqual({ status: 'available' })
    }
  })

  test.each(['plain', 'sharded', 'narrow'] as const)(
    'error: DA_NOT_FOUND for what a %s directory does not have',
    async (kind) => {
      const { da } = over(blocksOf(fixtures[kind]))
      for (const path of ['sub/file-1000.json', 'sub/file-1', 'other', 'sub/FILE-0.json']) {
        await expect(da.get(cidLocator(`${fixtures[kind].root}/${path}`))).rejects.toMatchObject({
          code: 'DA_NOT_FOUND',
        })
      }
    },
  )

  test('behavior: only the blocks on the way are asked for, and a CAR for the path first', async () => {
    const { root } = fixtures.sharded
    const { da, asked } = over(blocksOf(fixtures.sharded), { car: true })
    await da.get(cidLocator(`${root}/sub/file-7.json`))
    expect(asked[0]).toBe(`/ipfs/${root}/sub/file-7.json`)
    // Two directories, the shards of one and the file.
    expect(asked.length).toBeLessThanOrEqual(7)
  })

  test('error: DA_PROTOCOL for a directory as a file, a path through a file, and what is neither', async () => {
    const { root, blocks } = fixtures.plain
    const { da } = over(blocksOf({ root, blocks }))
    for (const path of ['', '/sub', '/sub/file-0.json/more']) {
      await expect(da.get(cidLocator(`${root}${path}`))).rejects.toMatchObject({
        code: 'DA_PROTOCOL',
      })
    }
    const odd = [
      new UnixFS({ type: 'symlink', data: utf8('/etc/passwd') }),
      new UnixFS({ type: 'hamt-sharded-directory', fanout: 255n, hashType: 0x22n }),
      new UnixFS({ type: 'hamt-sharded-directory', fanout: 2n ** 40n, hashType: 0x22n }),
      new UnixFS({ type: 'hamt-sharded-directory', hashType: 0x22n }),
      new UnixFS({ type: 'file', data: utf8('x') }),
    ].map((node) => dagPb.encode(dagPb.prepare({ Data: node.marshal(), Links: [] })))
    for (const bytes of odd) {
      const { da: other } = over([bytes])
      const cid = blockCid(codecs.dagPb, bytes)
      await expect(other.get(cidLocator(`${cid}/a`))).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
    }
  })

  test('behavior: shards that lead on for ever end with the bits of a hash, and paths with a bound', async () => {
    // A shard whose every place leads to the same shard below, 64 levels deep.
    const shard = (child: CID | undefined): IpfsBlock => {
      const Data = new UnixFS({
        type: 'hamt-sharded-directory',
        fanout: 8n,
        hashType: 0x22n,
      }).marshal()
      const Links = child
        ? Array.from({ length: 8 }, (_, place) => ({ Name: `${place}`, Tsize: 1, Hash: child }))
        : []
      const bytes = dagPb.encode(dagPb.prepare({ Data, Links }))
      return { cid: blockCid(codecs.dagPb, bytes), bytes }
    }
    const blocks = [shard(undefined)]
    for (let level = 0; level < 64; level++) blocks.push(shard(blocks.at(-1)?.cid))
    const { cid } = blocks.at(-1) as IpfsBlock
    const bytes = blocks.map((block) => block.bytes)
    await expect(over(bytes).da.get(cidLocator(`${cid}/a`))).rejects.toMatchObject({
      code: 'DA_NOT_FOUND',
    })
    await expect(
      over(bytes, { maxBlocks: 5 }).da.get(cidLocator(`${cid}/a`)),
    ).rejects.toMatchObject({ code: 'DA_PROTOCOL' })
  })

  test('error: INVALID_INPUT for more names, or longer ones, than a locator on chain has, unasked', async () => {
    const { root, blocks } = fixtures.plain
    const { da, asked } = over(blocksOf({ root, blocks }))
    const { cid } = cidLocator(root) as { cid: `0x${string}` }
    for (const path of ['a/'.repeat(400).slice(0, -1), 'a'.repeat(17_000), 'a//b', '../a', '', 5]) {
      const locator = { kind: 'cid', cid, path: path as string } as const
      const hash = computeArtifactHash(utf8('x'))
      for (const call of [
        () => da.get(locator),
        () => da.getWithVerification(locator, hash),
        async () => da.head?.(locator),
      ])
        await expect(call()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(asked).toEqual([])
  })

  test('behavior: a locator with a path survives the chain, and no path leads out', () => {
    const { root } = fixtures.plain
    const locator = cidLocator(`${root}/sub/ä b.json`)
    expect(locator).toMatchObject({ kind: 'cid', path: 'sub/ä b.json' })
    expect(decodeLocator(encodeLocator(locator))).toEqual(locator)
    expect(cidText(locator)).toBe(`${root}/sub/ä b.json`)
    const without = cidLocator(root)
    expect(decodeLocator(encodeLocator(without))).toEqual(without)
    for (const path of ['', 'a//b', '.', '..', 'a/../b', 'a/', '/a', 'a/'.repeat(40)]) {
      expect(() => cidLocator(`${root}/${path}`)).toThrow(/path/)
    }
    // Bytes after a CID that are no path.
    expect(() => decodeLocator(`${encodeLocator(without)}00`)).toThrow(/no path/)
    expect(() => decodeLocator(`${encodeLocator(without)}2f`)).toThrow(/names/)
  })
})

test('murmur3x64: published values', () => {
  const hex = (text: string): string => toHex(murmur3x64(utf8(text)))
  expect(hex('')).toBe('0x0000000000000000')
  expect(hex('hello')).toBe('0xcbd8a7b341bd9b02')
  expect(hex('hello, world')).toBe('0x342fac623a5ebc8e')
  expect(hex('19 Jan 2038 at 3:14:07 AM')).toBe('0xb89e5988b737affc')
  expect(hex('The quick brown fox jumps over the lazy dog.')).toBe('0xcd99481f9ee902c9')
})
