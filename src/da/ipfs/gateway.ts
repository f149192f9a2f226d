/**
 * Trustless gateways: single blocks and CAR streams, checked block by block.
 *
 * Source: IPFS trustless gateway specification. Both the query and the Accept header are sent;
 * order, roots and repeats of a CAR are not relied on; a stream that ends early shows as a block
 * that is missing.
 */
import { CarBlockIterator } from '@ipld/car/iterator'
import { CID } from 'multiformats/cid'
import { BaseError } from '../../errors/base.js'
import {
  DaBodyLengthError,
  DaIntegrityError,
  DaNotFoundError,
  DaProtocolError,
  DaRateLimitedError,
  DaRequestRejectedError,
  DaUnavailableError,
} from '../errors.js'
import {
  discard,
  type Exchange,
  type FetchLike,
  readBody,
  readErrorText,
  send,
} from '../internal/http.js'
import { isBlockOf, isKnownHash } from './multihash.js'

/** Largest block that is taken: what Bitswap allows. */
export const MAX_BLOCK_BYTES = 2_097_152

/** A gateway and how it is reached. */
export type Gateway = {
  /** Base URL without `/ipfs` and without trailing slash. */
  url: string
  /** Its host, in errors. */
  source: string
  fetch: FetchLike
  headers: Readonly<Record<string, string>>
  stallTimeout: number
}

/** Fetches one block and checks it. */
export async function fetchBlock(
  gateway: Gateway,
  cid: CID,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { source } = gateway
  requireKnownHash(source, cid)
  const exchange: Exchange = { source, fetch: gateway.fetch, signal }
  const response = await send(exchange, `${gateway.url}/ipfs/${cid}?format=raw`, {
    headers: { ...gateway.headers, accept: 'application/vnd.ipld.raw' },
  })
  if (response.status !== 200) throw await statusError(exchange, response, cid)
  const bytes = await readBody(exchange, response, {
    limit: MAX_BLOCK_BYTES,
    stallTimeout: gateway.stallTimeout,
  })
  if (!(await isBlockOf(cid, bytes))) {
    const type = response.headers.get('content-type')?.split(';')[0]
    throw new DaIntegrityError({ source, reason: `${type ?? 'bytes'} in place of block ${cid}` })
  }
  return bytes
}

/**
 * Fetches the blocks of a file as a CAR. Blocks that do not hash right end the stream with an
 * error; `onBlock` sees the others, once each time they come.
 */
export async function fetchCar(
  gateway: Gateway,
  cid: CID,
  {
    signal,
    path,
    maxBytes,
    onBlock,
  }: {
    signal: AbortSignal
    /** Of a file in the directory that the CID names: its blocks come with those on the way. */
    path?: string | undefined
    maxBytes: number
    onBlock: (cid: CID, bytes: Uint8Array) => void
  },
): Promise<void> {
  const { source } = gateway
  requireKnownHash(source, cid)
  const exchange: Exchange = { source, fetch: gateway.fetch, signal }
  const query = 'format=car&dag-scope=entity&car-version=1&car-order=dfs&car-dups=n'
  const names = path === undefined ? [] : path.split('/').map(encodeURIComponent)
  const place = ['ipfs', cid.toString(), ...names].join('/')
  const response = await send(exchange, `${gateway.url}/${place}?${query}`, {
    headers: {
      ...gateway.headers,
      accept: 'application/vnd.ipld.car; version=1; order=dfs; dups=n',
    },
  })
  if (response.status !== 200) throw await statusError(exchange, response, cid)
  const type = response.headers.get('content-type') ?? ''
  if (!type.startsWith('application/vnd.ipld.car')) {
    discard(response)
    throw new DaProtocolError({
      source,
      reason: `${type === '' ? 'no content type' : type} in place of a CAR`,
    })
  }
  // The whole archive is bounded before it is parsed, so that no header can claim more.
  const bytes = await readBody(exchange, response, {
    limit: maxBytes,
    stallTimeout: gateway.stallTimeout,
  })
  try {
    const blocks = await CarBlockIterator.fromBytes(bytes)
    for await (const block of blocks) {
      const blockCid = CID.asCID(block.cid)
      if (!blockCid || !(await isBlockOf(blockCid, block.bytes))) {
        throw new DaIntegrityError({
          source,
          reason: `a CAR with wrong bytes for block ${block.cid}`,
        })
      }
      onBlock(blockCid, block.bytes.slice())
    }
  } catch (cause) {
    if (cause instanceof BaseError) throw cause
    throw new DaBodyLengthError(
      { source, received: bytes.length, allowed: bytes.length, kind: 'truncated' },
      { cause },
    )
  }
}

/** Whether a gateway has a block, without its bytes. */
export async function probeBlock(
  gateway: Gateway,
  cid: CID,
  signal: AbortSignal,
): Promise<boolean> {
  const { source } = gateway
  const exchange: Exchange = { source, fetch: gateway.fetch, signal }
  const response = await send(exchange, `${gateway.url}/ipfs/${cid}?format=raw`, {
    method: 'HEAD',
    headers: { ...gateway.headers, accept: 'application/vnd.ipld.raw' },
  })
  discard(response)
  return response.status === 200
}

function requireKnownHash(source: string, cid: CID): void {
  if (!isKnownHash(cid)) {
    throw new DaRequestRejectedError({
      source,
      reason: `hash 0x${cid.multihash.code.toString(16)} of ${cid} cannot be checked`,
    })
  }
}

async function statusError(exchange: Exchange, response: Response, cid: CID): Promise<BaseError> {
  const { source } = exchange
  const { status } = response
  const { text } = await readErrorText(exchange, response)
  if (status === 404 || status === 410 || status === 412)
    return new DaNotFoundError({ source, what: `block ${cid}` })
  if (status === 429) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    return new DaRateLimitedError({
      source,
      retryAfter: Number.isFinite(seconds) ? seconds * 1_000 : undefined,
    })
  }
  const reason = `status ${status}${text === '' ? '' : `, ${text}`}`
  if (status >= 500) return new DaUnavailableError({ source, reason, status })
  return new DaRequestRejectedError({ source, reason, status })
}
