/** A trustless IPFS gateway in memory: raw blocks and CARs of what tests add. */
import { CarWriter } from '@ipld/car/writer'
import { decode } from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { buildUnixfs, type UnixfsProfile } from '../../da/ipfs/index.js'
import { concat, toHex } from '../../internal/bytes.js'

/** What is wrong with the answers of a gateway. */
export type IpfsGatewayFault = 'otherBytes' | 'truncated' | 'missing' | 'html' | 'unavailable'

/** A gateway that tests fill. */
export type MockIpfsGateway = {
  /** Where it is said to be, for `ipfs({ gateways: [url] })`. */
  readonly url: string
  readonly fetch: typeof globalThis.fetch
  /** Adds a file. Returns its CID. */
  add(bytes: Uint8Array, profile?: UnixfsProfile): string
  /** What is wrong from now on; `undefined` ends it. */
  setFault(fault: IpfsGatewayFault | undefined): void
}

const DAG_PB = 0x70

/**
 * Creates an empty gateway.
 *
 * @example
 * ```ts
 * import { ipfs } from '@newton/policy-sdk/da/ipfs'
 * import { mockIpfsGateway } from '@newton/policy-sdk/testing'
 *
 * const gateway = mockIpfsGateway()
 * const cid = gateway.add(new TextEncoder().encode('package p'))
 * const da = ipfs({ gateways: [gateway.url], fetch: gateway.fetch })
 * ```
 */
export function mockIpfsGateway(options: { url?: string | undefined } = {}): MockIpfsGateway {
  const { url = 'https://ipfs.mock' } = options
  const blocks = new Map<string, Uint8Array>()
  let fault: IpfsGatewayFault | undefined
  const find = (cid: CID): Uint8Array | undefined => blocks.get(toHex(cid.multihash.bytes))
  return {
    url,
    add: (bytes, profile = 'unixfs-v1-2025') => {
      const { root, blocks: built } = buildUnixfs(bytes, profile)
      for (const { cid, bytes: content } of built) blocks.set(toHex(cid.multihash.bytes), content)
      return root.toString()
    },
    setFault: (next) => {
      fault = next
    },
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const asked = new URL(request.url)
      const cid = readCid(asked.pathname)
      if (fault === 'unavailable') return new Response('unavailable', { status: 503 })
      const bytes = cid === undefined || fault === 'missing' ? undefined : find(cid)
      if (cid === undefined || bytes === undefined)
        return new Response('not found', { status: 404 })
      if (fault === 'html') return answer('<!doctype html>', 'text/html')
      const isCar = asked.searchParams.get('format') === 'car'
      const body = isCar ? await carOf(cid, find) : bytes
      const type = isCar ? 'application/vnd.ipld.car; version=1' : 'application/vnd.ipld.raw'
      return answer(request.method === 'HEAD' ? null : spoil(body, fault), type)
    },
  }
}

const answer = (body: Uint8Array | string | null, type: string): Response =>
  new Response(body as BodyInit | null, { headers: { 'content-type': type } })

function readCid(path: string): CID | undefined {
  try {
    return CID.parse(path.replace(/^\/ipfs\//, ''))
  } catch {
    return undefined
  }
}

function spoil(bytes: Uint8Array, fault: IpfsGatewayFault | undefined): Uint8Array {
  if (fault === 'truncated') return bytes.slice(0, -1)
  // The last byte is of a block's content, in a block and in a CAR.
  if (fault === 'otherBytes') return bytes.map((b, at) => (at === bytes.length - 1 ? b ^ 1 : b))
  return bytes
}

/** A file's blocks from its root down, each one once. */
async function carOf(root: CID, find: (cid: CID) => Uint8Array | undefined): Promise<Uint8Array> {
  const { writer, out } = CarWriter.create([root])
  const chunks: Uint8Array[] = []
  const collected = (async () => {
    for await (const chunk of out) chunks.push(chunk)
  })()
  const seen = new Set<string>()
  const visit = async (cid: CID): Promise<void> => {
    const bytes = find(cid)
    if (bytes === undefined || seen.has(cid.toString())) return
    seen.add(cid.toString())
    await writer.put({ cid, bytes })
    if (cid.code !== DAG_PB) return
    for (const { Hash } of decode(bytes).Links) {
      const link = CID.asCID(Hash)
      if (link !== null) await visit(link)
    }
  }
  await visit(root)
  await writer.close()
  await collected
  return concat(...chunks)
}
