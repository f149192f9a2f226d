/**
 * Files of UnixFS: read by walking their blocks, and built under a named profile.
 *
 * | profile | CID | chunk | width | leaves |
 * |---|---|---|---|---|
 * | `unixfs-v1-2025` | v1 | 1 MiB | 1,024 | raw |
 * | `unixfs-v0-2015` | v0 | 256 KiB | 174 | dag-pb |
 *
 * A CID of dag-pb names a tree and not a file: the same bytes have one under each profile, and
 * others beside. Source: IPIP-0499.
 */
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { concat } from '../../internal/bytes.js'
import { assertCount, assertMembers } from '../../internal/options.js'
import { DaBodyLengthError, DaIntegrityError, DaProtocolError } from '../errors.js'
import { blockCid, codecs, inlineBlock } from './multihash.js'

/** Parameters of a profile. */
type Profile = { chunkBytes: number; width: number; rawLeaves: boolean; cidVersion: 0 | 1 }

/** Profiles of IPIP-0499. */
export const unixfsProfiles = {
  'unixfs-v1-2025': { chunkBytes: 1_048_576, width: 1_024, rawLeaves: true, cidVersion: 1 },
  'unixfs-v0-2015': { chunkBytes: 262_144, width: 174, rawLeaves: false, cidVersion: 0 },
} as const satisfies Record<string, Profile>

/** Name of a profile. */
export type UnixfsProfile = keyof typeof unixfsProfiles

/** A block with its CID. */
export type IpfsBlock = { cid: CID; bytes: Uint8Array }

/** Limits of a walk. */
export type WalkLimits = {
  /** Most bytes of the file. */
  maxBytes: number
  /** Most blocks visited, repeats included. */
  maxBlocks: number
  maxDepth: number
}

/**
 * Builds the tree of a file under a profile, leaves first, root last.
 *
 * @example
 * ```ts
 * import { buildUnixfs } from '@newton/policy-sdk/da/ipfs'
 *
 * buildUnixfs(new TextEncoder().encode('hello world'), 'unixfs-v1-2025').root.toString()
 * // 'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
 * ```
 */
export function buildUnixfs(
  bytes: Uint8Array,
  profile: UnixfsProfile,
): { root: CID; blocks: IpfsBlock[] } {
  const { chunkBytes, width, rawLeaves, cidVersion } = unixfsProfiles[profile]
  const blocks: IpfsBlock[] = []
  const add = (block: IpfsBlock): CID => {
    blocks.push(block)
    return cidVersion === 0 && block.cid.code === codecs.dagPb ? block.cid.toV0() : block.cid
  }
  let level: Subtree[] = []
  for (let offset = 0; offset === 0 || offset < bytes.length; offset += chunkBytes) {
    const chunk = bytes.slice(offset, offset + chunkBytes)
    const block = rawLeaves ? { cid: blockCid(codecs.raw, chunk), bytes: chunk } : leafNode(chunk)
    level.push({ cid: add(block), fileBytes: chunk.length, treeBytes: block.bytes.length })
  }
  while (level.length > 1) {
    const above: Subtree[] = []
    for (let at = 0; at < level.length; at += width) {
      const children = level.slice(at, at + width)
      const block = innerNode(children)
      above.push({
        cid: add(block),
        fileBytes: sum(children.map(({ fileBytes }) => fileBytes)),
        treeBytes: block.bytes.length + sum(children.map(({ treeBytes }) => treeBytes)),
      })
    }
    level = above
  }
  return { root: (level[0] as Subtree).cid, blocks }
}

/**
 * Names the profile under which `bytes` have the CID `cid`: `raw` for a single raw block, a
 * profile's name, or `undefined` for none of them, which proves nothing.
 */
export function matchProfile(bytes: Uint8Array, cid: CID): 'raw' | UnixfsProfile | undefined {
  const same = (other: CID): boolean => other.toV1().equals(cid.toV1())
  if (cid.code === codecs.raw) return same(blockCid(codecs.raw, bytes)) ? 'raw' : undefined
  return (Object.keys(unixfsProfiles) as UnixfsProfile[]).find((profile) =>
    same(buildUnixfs(bytes, profile).root),
  )
}

/**
 * Reads a file by walking its blocks in order. `getBlock` must return only blocks whose hash it
 * has checked.
 *
 * @throws {DaBodyLengthError} beyond `maxBytes`.
 * @throws {DaProtocolError} for a directory, an unknown codec, or a tree beyond the limits.
 * @throws {DaIntegrityError} when a node's sizes are not those of its children.
 */
export async function walkUnixfs(
  root: CID,
  {
    source,
    getBlock,
    limits,
    onBytes,
  }: {
    source: string
    getBlock: (cid: CID) => Promise<Uint8Array>
    limits: WalkLimits
    onBytes?: ((total: number) => void) | undefined
  },
): Promise<Uint8Array> {
  // A limit that is none would limit nothing.
  assertMembers('limits', limits, ['maxBytes', 'maxBlocks', 'maxDepth'])
  for (const [name, limit] of Object.entries(limits)) assertCount(`limits.${name}`, limit)
  const parts: Uint8Array[] = []
  let total = 0
  let visited = 0

  function push(part: Uint8Array): number {
    total += part.length
    if (total > limits.maxBytes) {
      throw new DaBodyLengthError({
        source,
        received: total,
        allowed: limits.maxBytes,
        kind: 'oversized',
      })
    }
    if (part.length > 0) parts.push(part)
    onBytes?.(total)
    return part.length
  }

  /** Returns the file bytes below `cid`. */
  async function visit(cid: CID, depth: number): Promise<number> {
    visited += 1
    if (visited > limits.maxBlocks)
      throw new DaProtocolError({ source, reason: `a tree of over ${limits.maxBlocks} blocks` })
    if (depth > limits.maxDepth)
      throw new DaProtocolError({ source, reason: `a tree deeper than ${limits.maxDepth}` })
    const block = inlineBlock(cid) ?? (await getBlock(cid))
    if (cid.code === codecs.raw) return push(block)
    const { data, links, sizes } = readNode(source, cid, block)
    let read = push(data)
    // Children are asked for together and used in order.
    const window = 8
    const pending: Promise<unknown>[] = []
    const prefetch = (index: number): void => {
      const child = links[index]
      if (child && !inlineBlock(child)) {
        const fetching = getBlock(child)
        fetching.catch(() => undefined)
        pending[index] = fetching
      }
    }
    for (let index = 0; index < Math.min(window, links.length); index++) prefetch(index)
    for (const [index, child] of links.entries()) {
      if (index + window < links.length) prefetch(index + window)
      const below = await visit(child, depth + 1)
      if (below !== sizes[index]) {
        throw new DaIntegrityError({
          source,
          reason: `a node claims ${sizes[index]} bytes for a child of ${below}`,
        })
      }
      read += below
    }
    return read
  }

  await visit(root, 0)
  return parts.length === 1 ? (parts[0] as Uint8Array).slice() : concat(...parts)
}

type Subtree = { cid: CID; fileBytes: number; treeBytes: number }

function leafNode(chunk: Uint8Array): IpfsBlock {
  const data = new UnixFS({ type: 'file', data: chunk }).marshal()
  return node(dagPb.encode(dagPb.prepare({ Data: data, Links: [] })))
}

function innerNode(children: readonly Subtree[]): IpfsBlock {
  const file = new UnixFS({
    type: 'file',
    blockSizes: children.map(({ fileBytes }) => BigInt(fileBytes)),
  })
  const links = children.map(({ cid, treeBytes }) => ({ Name: '', Hash: cid, Tsize: treeBytes }))
  return node(dagPb.encode(dagPb.prepare({ Data: file.marshal(), Links: links })))
}

function node(bytes: Uint8Array): IpfsBlock {
  return { cid: blockCid(codecs.dagPb, bytes), bytes }
}

function readNode(
  source: string,
  cid: CID,
  block: Uint8Array,
): { data: Uint8Array; links: CID[]; sizes: number[] } {
  if (cid.code !== codecs.dagPb) {
    throw new DaProtocolError({
      source,
      reason: `a block of codec 0x${cid.code.toString(16)}, which is no file`,
    })
  }
  let links: CID[]
  let file: UnixFS
  try {
    const decoded = dagPb.decode(block)
    links = decoded.Links.map(({ Hash }) => CID.asCID(Hash) as CID)
    file = UnixFS.unmarshal(decoded.Data ?? new Uint8Array(0))
  } catch (cause) {
    throw new DaProtocolError({ source, reason: 'a block that is no UnixFS node' }, { cause })
  }
  if (file.type !== 'file' && file.type !== 'raw') {
    throw new DaProtocolError({ source, reason: `a ${file.type}, which is no file` })
  }
  const sizes = file.blockSizes.map(Number)
  if (sizes.length !== links.length) {
    throw new DaIntegrityError({
      source,
      reason: `a node with ${links.length} children and ${sizes.length} sizes`,
    })
  }
  return { data: file.data ?? new Uint8Array(0), links, sizes }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
