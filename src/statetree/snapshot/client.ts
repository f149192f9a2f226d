/** Reads from a bootnode. Transfers that break off go on where they stopped. */
import type { Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import { fromUtf8, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertHttpUrl, assertOptions, MAX_TIMER } from '../../internal/options.js'
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
import { answerTo, transferWhole, unanswered } from './transfer.js'

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
  /** Milliseconds without a byte after which a transfer counts as broken. Default 30,000. */
  stallTimeout?: number | undefined
  /**
   * Bytes a second that a transfer has to have on average once it took `stallTimeout`; one that is slower
   * counts as broken. Default 16 KiB; 0 for any.
   */
  leastRate?: number | undefined
  /** Most bytes taken for one answer. Default 64 MiB. */
  maxBytes?: number | undefined
  /** Signs a read: gives the `authorization` header. Left out: only public leaves can be read. */
  authorize?:
    | ((call: { method: typeof SIGNED_READ_METHOD; params: JsonObject }) => Promise<string>)
    | undefined
}

/**
 * Creates a client of one bootnode. `timeout` of its calls is that of the whole call, however often a
 * transfer is taken up again.
 *
 * @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds.
 * @example
 * ```ts
 * import { snapshotClient } from '@newton/policy-sdk/statetree'
 *
 * const client = snapshotClient({ url: 'https://bootnode.example' })
 * ```
 */
export function snapshotClient(options: SnapshotClientOptions): SnapshotClient {
  assertOptions(
    options,
    {
      url: 'text',
      fetch: 'function',
      resumptions: { least: 0 },
      stallTimeout: { least: 1, most: MAX_TIMER },
      leastRate: { least: 0 },
      maxBytes: { least: 1 },
      authorize: 'function',
    },
    { required: ['url'] },
  )
  assertHttpUrl('options.url', options.url)
  const { resumptions = 5, maxBytes = 64 * 1024 * 1024, stallTimeout = 30_000 } = options
  const { leastRate = 16 * 1024 } = options
  const base = options.url.endsWith('/') ? options.url.slice(0, -1) : options.url
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request))
  const transfer = { send, base, resumptions, maxBytes, stallTimeout, leastRate }
  const whole = (path: string, io: IoOptions): Promise<Uint8Array | undefined> =>
    withDeadline(`GET ${path}`, io, (signal) => transferWhole(transfer, path, signal))
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
      withDeadline('POST read', { timeout: stallTimeout, ...io }, async (signal) => {
        const written = writeReadParams(params)
        const method = SIGNED_READ_METHOD
        const authorization = await options.authorize?.({ method, params: written })
        const request = new Request(`${base}/v1/read`, {
          method: 'POST',
          body: JSON.stringify(written),
          headers: {
            'content-type': 'application/json',
            ...(authorization === undefined ? {} : { authorization }),
          },
          signal,
        })
        const { response, answer } = await answerTo(request, send, maxBytes).catch((error) => {
          signal.throwIfAborted()
          throw unanswered('read', error)
        })
        if (answer === undefined)
          throw new SnapshotError({ reason: `it is over ${maxBytes} bytes` })
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
