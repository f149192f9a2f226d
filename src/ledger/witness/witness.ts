/** A witness of other logs (C2SP tlog-witness): cosigns what extends all that it cosigned before. */
import { sha256 } from '@noble/hashes/sha2.js'
import { InvalidInputError } from '../../errors/common.js'
import { readRequestBody } from '../../internal/boundedBody.js'
import { bytesEqual, toHex, utf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import {
  assertCount,
  assertKnown,
  assertList,
  assertMembers,
  MAX_TIMER,
  readClock,
} from '../../internal/options.js'
import { WitnessStateError } from '../errors.js'
import { type Checkpoint, parseCheckpoint } from '../log/checkpoint.js'
import type { NoteKey, WitnessSigner } from '../log/keys.js'
import { verifyConsistency } from '../log/merkle.js'
import { cosign, openNote, parseNote } from '../log/note.js'
import { type AddCheckpoint, maxRequestBytes, parseAddCheckpoint } from './request.js'
import type { CheckpointStore } from './store.js'

/** A log that a witness cosigns: its keys, and its origin where that is not the first key's name. */
export type WitnessedLog = { keys: readonly NoteKey[]; origin?: string | undefined }

/** What a witness answers, as HTTP has it. */
export type WitnessAnswer = { status: number; contentType: string; body: string }

/** Parameters of {@link createWitness}. */
export type WitnessParameters = {
  signer: WitnessSigner
  logs: readonly WitnessedLog[]
  store: CheckpointStore
  /** Milliseconds since 1970. @default Date.now */
  now?: (() => number) | undefined
  /** Milliseconds in which `fetch` waits for a body; 408 afterwards. @default 15000 */
  bodyTimeout?: number | undefined
  /** Told of what `fetch` answers with status 500: a store that fails or is damaged. */
  onError?: ((error: unknown) => void) | undefined
}

const knownParameters: readonly (keyof WitnessParameters)[] = [
  ...(['signer', 'logs', 'store', 'now', 'bodyTimeout', 'onError'] as const),
]

/** A witness. */
export type Witness = {
  /** The witness's key: what others put into their trust files. */
  readonly key: NoteKey
  /** Answers the body of `add-checkpoint`. */
  addCheckpoint(body: Uint8Array | string, options?: IoOptions): Promise<WitnessAnswer>
  /** Answers `<hash of origin>/checkpoint`, the latest note that was cosigned. */
  latest(originHash: string, options?: IoOptions): Promise<WitnessAnswer>
  /** Both as a fetch handler: `POST …/add-checkpoint`, `GET …/<hash of origin>/checkpoint`. */
  fetch(request: Request): Promise<Response>
}

/** Times that another writer may be faster. */
const maxAttempts = 16

type Known = { origin: string; hash: string; keys: readonly NoteKey[] }
type Latest = { note: string | undefined; checkpoint: Checkpoint | undefined; time: bigint }

/**
 * Creates a witness. Nothing is cosigned that does not extend the checkpoint cosigned before, and the
 * new one is in the store before its cosignature is answered.
 *
 * @throws InvalidInputError for a log without keys, an origin that is there twice, and options that are
 * missing or unknown.
 * @example
 * const witness = createWitness({
 *   signer: witnessSigner({ name: 'witness.example/w1', seed }),
 *   logs: [{ keys: [parseNoteKey(logKey)] }],
 *   store: fileCheckpointStore({ directory: '/var/lib/witness' }),
 * })
 * serve(witness.fetch)
 */
export function createWitness(parameters: WitnessParameters): Witness {
  assertMembers('parameters', parameters, ['signer', 'logs', 'store'])
  assertKnown('parameters', parameters, knownParameters)
  const { signer, store, now = Date.now, bodyTimeout } = parameters
  assertList('logs', parameters.logs)
  if (bodyTimeout !== undefined) assertCount('bodyTimeout', bodyTimeout, { most: MAX_TIMER })
  if (signer?.key?.kind !== 'witness') {
    throw new InvalidInputError({ field: 'signer', reason: 'it is made by `witnessSigner`' })
  }
  const logs = readLogs(parameters.logs, signer)
  const latestOf = (log: Known, signal: AbortSignal): Promise<Latest> =>
    readLatest({ store, signer, log, signal })

  const addCheckpoint: Witness['addCheckpoint'] = (body, options = {}) =>
    withDeadline('Cosigning a checkpoint', options, async (signal) => {
      const request = parseAddCheckpoint(body)
      const parsed = request === undefined ? undefined : parseNote(request.note)
      if (request === undefined || parsed === undefined) return refuse(400, 'malformed request')
      const log = logs.find(({ origin }) => parsed.text.startsWith(`${origin}\n`))
      if (log === undefined) return refuse(404, 'unknown origin')
      if (openNote(request.note, log.keys).status !== 'verified') {
        return refuse(403, 'no valid signature of a key that is trusted for this origin')
      }
      const time = BigInt(Math.floor(readClock('now', now) / 1000))
      return decide({ store, signer, log, request, text: parsed.text, time, signal })
    })

  const latest: Witness['latest'] = (originHash, options = {}) =>
    withDeadline('Reading a cosigned checkpoint', options, async (signal) => {
      const log = logs.find(({ hash }) => hash === originHash)
      const { note } = log === undefined ? { note: undefined } : await latestOf(log, signal)
      return note === undefined ? refuse(404, 'nothing was cosigned') : answer(200, note)
    })

  return {
    key: signer.key,
    addCheckpoint,
    latest,
    fetch: async (request) => {
      try {
        return toResponse(await route({ request, addCheckpoint, latest, bodyTimeout }))
      } catch (error) {
        // Whoever asked went away: nobody reads this, and it is no fault of the witness's.
        if (request.signal.aborted && error === request.signal.reason) {
          return toResponse(refuse(400, 'the request was given up'))
        }
        parameters.onError?.(error)
        return toResponse(refuse(500, 'the witness cannot answer now'))
      }
    },
  }
}

type Decision = {
  store: CheckpointStore
  signer: WitnessSigner
  log: Known
  request: AddCheckpoint
  text: string
  time: bigint
  signal: AbortSignal
}

/** The checks against what was cosigned before, and the step to the new checkpoint. */
async function decide(decision: Decision): Promise<WitnessAnswer> {
  const { store, log, request, text, signal } = decision
  const checkpoint = parseCheckpoint(text)
  if (checkpoint === undefined) {
    // An empty tree has one root; all else that does not read is malformed.
    const empty = text.split('\n')[1] === '0'
    return empty ? refuse(422, 'not the empty tree') : refuse(400, 'malformed checkpoint')
  }
  if (request.oldSize > checkpoint.size) return refuse(400, 'old size above the new one')
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const latest = await readLatest(decision)
    const known = latest.checkpoint?.size ?? 0n
    if (request.oldSize !== known) {
      return { status: 409, contentType: 'text/x.tlog.size', body: `${known}\n` }
    }
    if (!extendsLatest(latest.checkpoint, checkpoint, request.proof)) {
      return refuse(422, 'the proof does not show that the log grew')
    }
    // A clock that steps back would date a larger tree before a smaller one.
    const isBehind = decision.time < latest.time
    const time = isBehind ? latest.time : decision.time
    const line = cosign({ text, time, signer: decision.signer })
    const next = `${text}\n${trustedLines(request.note, log.keys)}${line}`
    if (await store.swap(log.hash, { expected: latest.note, next }, { signal })) {
      return answer(200, line)
    }
    // Somebody was faster: what counts is what is there now.
    signal.throwIfAborted()
  }
  throw new WitnessStateError({ origin: log.origin, fault: 'contended' })
}

function extendsLatest(
  latest: Checkpoint | undefined,
  checkpoint: Checkpoint,
  proof: readonly Uint8Array[],
): boolean {
  if (latest === undefined || latest.size === 0n) return proof.length === 0
  const { size, root } = checkpoint
  if (latest.size === size) return proof.length === 0 && bytesEqual(latest.root, root)
  const older = { oldSize: latest.size, oldRoot: latest.root }
  return verifyConsistency({ ...older, newSize: size, newRoot: root, proof })
}

/** The lines of the log that were verified: a witness gives on no others. */
function trustedLines(note: string, keys: readonly NoteKey[]): string {
  const lines = note.slice(note.lastIndexOf('\n\n') + 2, -1).split('\n')
  const signatures = parseNote(note)?.signatures ?? []
  const seen = new Set<string>()
  return signatures
    .map(({ name, id }, at) => {
      const trusted = keys.some((key) => key.name === name && key.id === id)
      if (!trusted || seen.has(`${name} ${id}`)) return ''
      seen.add(`${name} ${id}`)
      return `${lines[at]}\n`
    })
    .join('')
}

/** What was cosigned last. It is believed because the witness's own cosignature is on it. */
async function readLatest(parameters: {
  store: CheckpointStore
  signer: WitnessSigner
  log: Known
  signal: AbortSignal
}): Promise<Latest> {
  const { store, signer, log, signal } = parameters
  const note = await store.read(log.hash, { signal })
  if (note === undefined) return { note, checkpoint: undefined, time: 0n }
  const opened = openNote(note, [signer.key])
  const checkpoint = opened.status === 'verified' ? parseCheckpoint(opened.text) : undefined
  if (opened.status !== 'verified' || checkpoint?.origin !== log.origin) {
    throw new WitnessStateError({ origin: log.origin, fault: 'damaged' })
  }
  return { note, checkpoint, time: opened.signed[0]?.time ?? 0n }
}

function readLogs(logs: readonly WitnessedLog[], signer: WitnessSigner): Known[] {
  const known = logs.map((given, at) => {
    assertMembers(`logs[${at}]`, given, ['keys'])
    assertKnown(`logs[${at}]`, given, ['keys', 'origin'])
    const { keys, origin } = given
    const name = origin ?? keys[0]?.name
    if (name === undefined || !keys.every(({ kind }) => kind === 'log')) {
      throw new InvalidInputError({ field: `logs[${at}].keys`, reason: 'they are keys of a log' })
    }
    if (keys.some(({ publicKey }) => bytesEqual(publicKey, signer.key.publicKey))) {
      throw new InvalidInputError({
        field: `logs[${at}].keys`,
        reason: 'a log is not its own witness',
      })
    }
    return { origin: name, hash: toHex(sha256(utf8(name))).slice(2), keys }
  })
  if (new Set(known.map(({ hash }) => hash)).size !== known.length) {
    throw new InvalidInputError({ field: 'logs', reason: 'each origin is there once' })
  }
  return known
}

async function route(parameters: {
  request: Request
  addCheckpoint: Witness['addCheckpoint']
  latest: Witness['latest']
  bodyTimeout: number | undefined
}): Promise<WitnessAnswer> {
  const { request, addCheckpoint, latest, bodyTimeout } = parameters
  const { signal } = request
  const segments = new URL(request.url).pathname.split('/')
  const [folder = '', last] = segments.slice(-2)
  if (last === 'add-checkpoint') {
    if (request.method !== 'POST') return refuse(405, 'use POST')
    const body = await readRequestBody(request, { limit: maxRequestBytes, timeout: bodyTimeout })
    if (body.status === 'read') return addCheckpoint(body.bytes, { signal })
    if (body.status === 'too_large') return refuse(413, 'too large')
    return body.status === 'late'
      ? refuse(408, 'the body did not come in time')
      : refuse(400, 'the body ended before it was whole')
  }
  if (last !== 'checkpoint' || !/^[0-9a-f]{64}$/.test(folder)) return refuse(404, 'no such path')
  return request.method === 'GET' ? latest(folder, { signal }) : refuse(405, 'use GET')
}

function toResponse({ status, contentType, body }: WitnessAnswer): Response {
  return new Response(body, { status, headers: { 'Content-Type': contentType } })
}

function answer(status: number, body: string): WitnessAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body }
}

function refuse(status: number, reason: string): WitnessAnswer {
  return answer(status, `${reason}\n`)
}
