/**
 * Files inside directories: a path is followed block by block, each checked against its CID.
 *
 * A directory lists its entries, or is sharded (HAMT): then each node holds a slice of the names by
 * the bits of their hash, and a link's name is the hexadecimal place in its node, followed by the
 * entry's name or by nothing where it leads to a node below. Source: UnixFS, ADR 1 of IPFS's HAMT.
 */
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { utf8 } from '../../internal/bytes.js'
import { DaNotFoundError, DaProtocolError } from '../errors.js'
import { codecs, inlineBlock } from './multihash.js'
import { murmur3x64 } from './murmur3.js'

/** What a walk along a path needs. */
export type PathWalk = {
  source: string
  /** Must return only blocks whose hash it has checked. */
  getBlock: (cid: CID) => Promise<Uint8Array>
  /** Most nodes visited for one path. */
  maxBlocks: number
}

/**
 * The CID of what a path leads to, from the CID of a directory.
 *
 * @throws {DaNotFoundError} where a directory has no such entry.
 * @throws {DaProtocolError} where something on the way is no directory.
 */
export async function resolvePath(root: CID, path: string, walk: PathWalk): Promise<CID> {
  let at = root
  let visited = 0
  const nodeOf = async (cid: CID): Promise<Directory> => {
    visited += 1
    if (visited > walk.maxBlocks) {
      const reason = `a path over more than ${walk.maxBlocks} blocks`
      throw new DaProtocolError({ source: walk.source, reason })
    }
    return readDirectory(walk, cid, inlineBlock(cid) ?? (await walk.getBlock(cid)))
  }
  for (const name of path.split('/')) {
    const found = await entryOf(await nodeOf(at), name, nodeOf, walk.source)
    if (found === undefined)
      throw new DaNotFoundError({ source: walk.source, what: `${root}/${path}` })
    at = found
  }
  return at
}

type Link = { name: string; cid: CID }
type Directory = { links: readonly Link[]; fanout: number | undefined }

async function entryOf(
  directory: Directory,
  name: string,
  nodeOf: (cid: CID) => Promise<Directory>,
  source: string,
): Promise<CID | undefined> {
  if (directory.fanout === undefined) return directory.links.find((link) => link.name === name)?.cid
  const bits = bitsOf(murmur3x64(utf8(name)))
  for (let node = directory; ; ) {
    if (node.fanout === undefined) return refuse(source, 'a shard that is a plain directory')
    const place = bits.take(Math.log2(node.fanout))
    // As many names as there are with one hash of 64 bits: nobody has two.
    if (place === undefined) return undefined
    const width = (node.fanout - 1).toString(16).length
    const prefix = place.toString(16).toUpperCase().padStart(width, '0')
    const link = node.links.find((candidate) => candidate.name.startsWith(prefix))
    if (link === undefined) return undefined
    if (link.name.length > width) return link.name.slice(width) === name ? link.cid : undefined
    node = await nodeOf(link.cid)
  }
}

/** Bits of a hash from the most significant on. */
function bitsOf(hash: Uint8Array): { take(count: number): number | undefined } {
  let taken = 0
  return {
    take(count) {
      if (taken + count > hash.length * 8) return undefined
      let value = 0
      for (let end = taken + count; taken < end; taken++) {
        const bit = ((hash[taken >> 3] as number) >> (7 - (taken & 7))) & 1
        value = value * 2 + bit
      }
      return value
    },
  }
}

function readDirectory({ source }: PathWalk, cid: CID, block: Uint8Array): Directory {
  if (cid.code !== codecs.dagPb) return refuse(source, 'a file, which is no directory')
  let links: Link[]
  let node: UnixFS
  try {
    const decoded = dagPb.decode(block)
    links = decoded.Links.map(({ Name, Hash }) => ({
      name: Name ?? '',
      cid: CID.asCID(Hash) as CID,
    }))
    node = UnixFS.unmarshal(decoded.Data ?? new Uint8Array(0))
  } catch (cause) {
    throw new DaProtocolError({ source, reason: 'a block that is no UnixFS node' }, { cause })
  }
  if (node.type === 'directory') return { links, fanout: undefined }
  if (node.type !== 'hamt-sharded-directory')
    return refuse(source, `a ${node.type}, which is no directory`)
  const fanout = Number(node.fanout ?? 0n)
  const isPower = Number.isInteger(Math.log2(fanout)) && fanout >= 8 && fanout <= 1_024
  // Its hash is not told by the library; with another one than murmur3 no name is found.
  if (!isPower) return refuse(source, `a sharded directory of width ${fanout}`)
  return { links, fanout }
}

function refuse(source: string, reason: string): never {
  throw new DaProtocolError({ source, reason })
}
