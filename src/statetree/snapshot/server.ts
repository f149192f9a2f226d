/**
 * A bootnode: serves snapshots, deltas and public bytes as a fetch handler.
 *
 * ```
 * GET /v1/snapshot                     newest version: JSON manifest
 * GET /v1/snapshot/<version>           manifest of a version
 * GET /v1/snapshot/<version>/<from>    chunk that starts at the key <from>
 * GET /v1/bytes/<hash>                 artifact bytes; Range
 * GET /v1/delta/<hash>                 DeltaV1; Range
 * POST /v1/read                        one leaf with its proof; private ones to whom `admission` lets in
 * ```
 * Nothing it says has to be believed: roots, proofs and hashes are checked by the client. Values of
 * the private-data layer are served by no other way, their hashes are.
 */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../core/artifact.js'
import { rangedResponse, readRequestBody } from '../../internal/boundedBody.js'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import { assertFunctions, assertOptions } from '../../internal/options.js'
import { LeafRefusedError } from '../errors.js'
import { decodeDelta } from '../pipeline/delta.js'
import type { QueueState } from '../pipeline/queue/queue.js'
import { encodeQueueState } from '../pipeline/queue/queue.js'
import type { StateTree } from '../stateTree.js'
import { encodeChunk, snapshotChunk } from './chunk.js'
import {
  type LeafAdmission,
  type LeafSource,
  MAX_READ_BYTES,
  readLeaf,
  readReadParams,
  SIGNED_READ_METHOD,
  writeLeafReading,
  writeReadParams,
} from './signedRead.js'

/** What a server says about a version. */
export type SnapshotManifest = {
  version: number
  root: Hex
  hasher: string
  leaves: number
  /** Queue and quarantine after the version's commit, encoded; checked by its `queueHash`. */
  queueState?: Hex | undefined
  deltaHash?: Hex | undefined
}

/** What a commit left beside its root. */
export type CommitState = { queue: QueueState; deltaHash: Hex }

/** Options of {@link snapshotServer}. */
export type SnapshotServerOptions = {
  tree: StateTree
  /** Queue and delta of a version, for peers that go on from it. */
  commitState?: ((version: number) => CommitState | undefined) | undefined
  /** Encoded deltas by hash. Default: the tree's bytes. */
  delta?: ((hash: Hex) => Promise<Uint8Array | undefined>) | undefined
  /** Leaves of a chunk. Default 4,096. */
  maxLeaves?: number | undefined
  /** Who may read leaves of the private-data layer. Left out: nobody. */
  admission?: LeafAdmission | undefined
  /** The root committed at a block, for reads at blocks. See `committedTree`. */
  rootAt?: LeafSource['rootAt']
}

/**
 * Creates the fetch handler of a bootnode. Mount it where requests come in, such as
 * `Deno.serve(handler)`, a service worker, or a Node server through an adapter.
 *
 * @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds.
 * @example
 * ```ts
 * import { createStateTree, memoryStore, snapshotServer } from '@newton/policy-sdk/statetree'
 *
 * const handler = snapshotServer({ tree: createStateTree({ store: memoryStore() }) })
 * ```
 */
export function snapshotServer(
  options: SnapshotServerOptions,
): (request: Request) => Promise<Response> {
  assertOptions(
    options,
    {
      tree: 'object',
      commitState: 'function',
      delta: 'function',
      maxLeaves: { least: 1 },
      admission: 'object',
      rootAt: 'function',
    },
    { required: ['tree'] },
  )
  const { tree, maxLeaves, admission } = options
  if (admission !== undefined)
    assertFunctions('options.admission', admission, ['authenticate', 'mayRead'])
  const bytes = recent((hash) => tree.store.bytes.get(hash))
  // The tree's bytes are also those of private leaves: what is no delta is not handed out as one.
  const delta =
    options.delta ??
    recent(async (hash) => {
      const found = await tree.store.bytes.get(hash)
      return found === undefined ? undefined : deltaOrNothing(found)
    })
  return async (request) => {
    const parts = new URL(request.url).pathname.split('/').filter((part) => part !== '')
    const at = parts.indexOf('v1')
    const [kind, first, second] = parts.slice(at + 1)
    if (at === -1) return text(404, 'not found')
    if (kind === 'read' && first === undefined)
      return request.method === 'POST' ? read(options, request) : text(405, 'only POST')
    if (request.method !== 'GET') return text(405, 'only GET')
    if (kind === 'snapshot') return snapshot(options, { first, second, maxLeaves })
    if (first === undefined || !/^0x[0-9a-f]{64}$/.test(first)) return text(404, 'not found')
    if (kind === 'bytes') {
      if (!isPublic(tree, first as Hex)) return text(404, 'not found')
      return ranged(await bytes(first as Hex), request)
    }
    return kind === 'delta'
      ? ranged((await delta(first as Hex)) || undefined, request)
      : text(404, 'not found')
  }
}

function snapshot(
  { tree, commitState }: SnapshotServerOptions,
  at: { first: string | undefined; second: string | undefined; maxLeaves: number | undefined },
): Response {
  const range = tree.range()
  if (range === undefined) return text(404, 'the tree is empty')
  const version = at.first === undefined ? range.latest : Number(at.first)
  if (!Number.isInteger(version) || version < range.oldest || version > range.latest) {
    return text(404, 'that version is not retained')
  }
  if (at.second === undefined) {
    const state = commitState?.(version)
    const manifest: SnapshotManifest = {
      version,
      root: tree.root({ version }),
      hasher: tree.hasher.name,
      leaves: tree.size({ version }),
      queueState: state && toHex(encodeQueueState(state.queue)),
      deltaHash: state?.deltaHash,
    }
    return Response.json(manifest)
  }
  if (!/^0x[0-9a-f]{64}$/.test(at.second)) return text(400, 'expected a key')
  const from = fixedFromHex(at.second, 32, 'from')
  const chunk = snapshotChunk(tree, { version, from, maxLeaves: at.maxLeaves })
  return binary(encodeChunk(chunk))
}

// Only bytes that a leaf of namespaces 4 to 8 names under their own hash.
function isPublic(tree: StateTree, hash: Hex): boolean {
  return [4, 5, 6, 7, 8].some((namespace) => tree.get(computeKeyHash(namespace, hash)) === hash)
}

// `false` for what will never be a delta.
function deltaOrNothing(bytes: Uint8Array): Uint8Array | false {
  try {
    decodeDelta(bytes)
    return bytes
  } catch {
    return false
  }
}

const recentAnswers = 4

/**
 * Keeps the last few answers, which hashes name for good: whoever reads an artifact in parts has it read and hashed
 * once, and a part costs no more than its bytes. What is not there may come, and what fails is tried again.
 */
function recent<found extends Uint8Array | false>(
  load: (hash: Hex) => Promise<found | undefined>,
): (hash: Hex) => Promise<found | undefined> {
  const answers = new Map<Hex, Promise<found | undefined>>()
  return async (hash) => {
    const known = answers.get(hash)
    const answer = known ?? load(hash)
    answers.delete(hash)
    answers.set(hash, answer)
    for (const oldest of answers.keys()) {
      if (answers.size <= recentAnswers) break
      answers.delete(oldest)
    }
    try {
      const found = await answer
      if (found === undefined && answers.get(hash) === answer) answers.delete(hash)
      return found
    } catch (error) {
      if (answers.get(hash) === answer) answers.delete(hash)
      throw error
    }
  }
}

async function read(options: SnapshotServerOptions, request: Request): Promise<Response> {
  try {
    const body = await boundedText(request)
    let params: unknown
    try {
      params = JSON.parse(body)
    } catch {
      // Not JSON: refused below like any other wrong shape.
      params = undefined
    }
    const { tree, rootAt, admission } = options
    const asked = readReadParams(params)
    const reading = await readLeaf({ tree, rootAt, mayRead: admission?.mayRead }, asked, async () =>
      admission?.authenticate({
        method: SIGNED_READ_METHOD,
        params: writeReadParams(asked),
        authorization: request.headers.get('authorization'),
      }),
    )
    return Response.json(writeLeafReading(reading), { headers: { 'cache-control': 'no-store' } })
  } catch (error) {
    if (error instanceof LeafRefusedError) return text(error.status, error.reason)
    throw error
  }
}

async function boundedText(request: Request): Promise<string> {
  const read = await readRequestBody(request, { limit: MAX_READ_BYTES })
  if (read.status === 'read') return new TextDecoder().decode(read.bytes)
  const isLong = read.status === 'too_large'
  const reason = isLong ? `expected at most ${MAX_READ_BYTES} bytes` : 'the body did not come'
  throw new LeafRefusedError({ status: read.status === 'late' ? 408 : 400, reason })
}

function ranged(bytes: Uint8Array | undefined, request: Request): Response {
  if (bytes === undefined) return text(404, 'not found')
  return rangedResponse(bytes, request.headers.get('range'))
}

function binary(bytes: Uint8Array): Response {
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { 'content-type': 'application/octet-stream' },
  })
}

function text(status: number, body: string): Response {
  return new Response(body, { status })
}
