/** Reads from a bootnode. Transfers that break off go on where they stopped. */
import type { Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import { concat, fromUtf8, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import {
  BytesCorruptError,
  BytesNotFoundError,
  LeafRefusedError,
  SnapshotError,
} from '../errors.js'
import { defaultHasher } from '../hash/hasher.js'
import { decodeChunk, type SnapshotChunk } from './chunk.js'
import type { SnapshotManifest } from './server.js'
import {
  assertLeafReading,
  type LeafReading,
  readLeafReading,
  SIGNED_READ_METHOD,
  type SignedReadParams,
  writeReadParams,
} from './signedRead.js'

/** A bootnode as its client sees it. */
export type SnapshotClient = {
  /** What the node says of a version, by default its newest. Nothing of it is checked. */
  manifest(version?: number, io?: IoOptions): Promise<SnapshotManifest>
  /** A chunk, whose proof is not checked. */
  chunk(at: { version: number; from: Uint8Array }, io?: IoOptions): Promise<SnapshotChunk>
  /** Bytes that hash to `hash`. */
  bytes(hash: Hex, io?: IoOptions): Promise<Uint8Array>
  /** An encoded delta that hashes to `hash`. */
  delta(hash: Hex, io?: IoOptions): Promise<Uint8Array>
  /**
   * A leaf whose value and proof are checked against `commit.root` of the answer, which is the root
   * that was asked for where one was. Whether that root was committed is the chain's to say.
   *
   * @throws {LeafRefusedError} where the caller is not let in, or the root is not there.
   * @throws {SnapshotError} where the answer shows something else.
   */
  read(params: SignedReadParams, io?: IoOptions): Promise<LeafReading>
}

/** Options of {@link snapshotClient}. */
export type SnapshotClientOptions = {
  url: string
  fetch?: ((request: Request) => Promise<Response>) | undefined
  /** How often a broken transfer is taken up again. Default 5. */
  resumptions?: number | undefined
  /** Most bytes taken for one answer. Default 64 MiB. */
  maxBytes?: number | undefined
  /** Signs a read: gives the `authorization` header. Left out: only public leaves can be read. */
  authorize?:
    | ((call: { method: typeof SIGNED_READ_METHOD; params: JsonObject }) => Promise<string>)
    | undefined
}

/** Creates a client of one bootnode. */
export function snapshotClient(options: SnapshotClientOptions): SnapshotClient {
  const { resumptions = 5, maxBytes = 64 * 1024 * 1024 } = options
  const base = options.url.endsWith('/') ? options.url.slice(0, -1) : options.url
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request))

  const get = (path: string, io: IoOptions, from = 0): Promise<Response> =>
    withDeadline(`GET ${path}`, io, (signal) => {
      const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {}
      return send(new Request(`${base}/v1/${path}`, { headers, signal }))
    })

  const whole = async (path: string, io: IoOptions): Promise<Uint8Array | undefined> => {
    const parts: Uint8Array[] = []
    let received = 0
    for (let attempt = 0; ; attempt++) {
      io.signal?.throwIfAborted()
      try {
        const response = await get(path, io, received)
        if (response.status === 404) return undefined
        // A server that starts over instead of going on: drop what was there.
        if (response.status === 200 && received > 0) {
          parts.length = 0
          received = 0
        } else if (response.status !== 200 && response.status !== 206) {
          throw new SnapshotError(
            { reason: `${path} answered ${response.status}` },
            { retryable: true },
          )
        }
        for await (const part of bodyOf(response)) {
          parts.push(part)
          received += part.length
          if (received > maxBytes)
            throw new SnapshotError({ reason: `${path} is over ${maxBytes} bytes` })
        }
        return concat(...parts)
      } catch (error) {
        if (error instanceof SnapshotError && !error.retryable) throw error
        if (attempt >= resumptions) throw error
      }
    }
  }
  const hashed = async (path: string, hash: Hex, io: IoOptions): Promise<Uint8Array> => {
    const bytes = await whole(`${path}/${hash}`, io)
    if (bytes === undefined) throw new BytesNotFoundError({ hash })
    const actual = toHex(defaultHasher().hash(bytes))
    if (actual !== hash.toLowerCase()) throw new BytesCorruptError({ hash, actual })
    return bytes
  }
  return {
    async manifest(version, io = {}) {
      const bytes = await whole(version === undefined ? 'snapshot' : `snapshot/${version}`, io)
      if (bytes === undefined) throw new SnapshotError({ reason: 'it is not served' })
      return readManifest(bytes)
    },
    async chunk({ version, from }, io = {}) {
      const bytes = await whole(`snapshot/${version}/${toHex(from)}`, io)
      if (bytes === undefined)
        throw new SnapshotError({ reason: `version ${version} is not served` })
      return decodeChunk(bytes)
    },
    bytes: (hash, io = {}) => hashed('bytes', hash, io),
    delta: (hash, io = {}) => hashed('delta', hash, io),
    read: (params, io = {}) =>
      withDeadline('POST read', io, async (signal) => {
        const written = writeReadParams(params)
        const method = SIGNED_READ_METHOD
        const authorization = await options.authorize?.({ method, params: written })
        const response = await send(
          new Request(`${base}/v1/read`, {
            method: 'POST',
            body: JSON.stringify(written),
            headers: {
              'content-type': 'application/json',
              ...(authorization === undefined ? {} : { authorization }),
            },
            signal,
          }),
        )
        const answer = await bounded(response, maxBytes)
        if (response.status !== 200) {
          const reason = new TextDecoder().decode(answer.subarray(0, 200))
          throw new LeafRefusedError({ status: response.status, reason })
        }
        const reading = readLeafReading(parsed(answer))
        assertLeafReading(params, reading)
        return reading
      }),
  }
}

async function bounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let received = 0
  for await (const part of bodyOf(response)) {
    received += part.length
    if (received > maxBytes) throw new SnapshotError({ reason: `it is over ${maxBytes} bytes` })
    parts.push(part)
  }
  return concat(...parts)
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

/** JSON, or `undefined`, which is refused like any other wrong shape. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes))
  } catch {
    return undefined
  }
}

function readManifest(bytes: Uint8Array): SnapshotManifest {
  const value = parsed(bytes)
  const manifest = value as SnapshotManifest
  const isHex = (text: unknown): boolean =>
    typeof text === 'string' && /^0x([0-9a-f]{2})*$/.test(text)
  const optional = (text: unknown): boolean => text === undefined || isHex(text)
  if (
    typeof value !== 'object' ||
    value === null ||
    !Number.isSafeInteger(manifest.version) ||
    !Number.isSafeInteger(manifest.leaves) ||
    typeof manifest.hasher !== 'string' ||
    !isHex(manifest.root) ||
    !optional(manifest.queueState) ||
    !optional(manifest.deltaHash)
  ) {
    throw new SnapshotError({ reason: 'its manifest is malformed' })
  }
  return manifest
}
