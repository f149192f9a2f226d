/**
 * Artifacts cross into the enclave in pieces of at most 1 MiB, by hash and offset, and are hashed there.
 */
import type { Hex } from 'viem'
import { isArtifactNamespace } from '../../core/artifact.js'
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { isPolicySdkError } from '../../errors/base.js'
import { concatAll, fromHex, toHex } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { bytesOf, countOf, readBody, writeBody } from '../wire/body.js'
import type { Connection } from '../wire/connection.js'
import { EnclaveProtocolError, EnclaveTransportError } from '../wire/errors.js'
import { type Frame, frameTypes } from '../wire/frame.js'
import { EnclaveArtifactError } from './errors.js'

/** Most bytes of an artifact in one frame. */
export const ARTIFACT_PIECE = 1_048_576
/** Largest artifact that is taken in. */
export const MAX_ARTIFACT_BYTES = 67_108_864

/** The enclave's side: asks for artifacts and keeps them. */
export type EnclaveArtifacts = {
  /** The source that an evaluator inside uses, over one connection. */
  source(connection: Connection): ArtifactSource
  /** Takes the host's answers. */
  onFrame(frame: Frame, connection: Connection): void
  /** Fails what waits on a connection that has ended. */
  onEnd(connection: Connection, cause: unknown): void
}

type Piece = { total: number; bytes: Uint8Array }
type Question = { hash: Hex; namespace: number; offset: number }
type Flight = { bytes: Promise<Uint8Array>; connection: Connection }

/**
 * Creates the enclave's side.
 *
 * @param parameters.maxCachedBytes - Bytes of verified artifacts that are kept. @default 134217728
 */
export function createEnclaveArtifacts(
  parameters: { maxCachedBytes?: number | undefined } = {},
): EnclaveArtifacts {
  const cache = createArtifactCache(parameters.maxCachedBytes ?? 134_217_728)
  const questions = createQuestions()
  const flights = new Map<Hex, Flight>()

  const fetchAll = async (
    connection: Connection,
    { hash, namespace }: ArtifactRequest,
  ): Promise<Uint8Array> => {
    // Kept piece by piece: a promised length costs nothing until its bytes are here.
    const pieces: Uint8Array[] = []
    let offset = 0
    for (let total: number | undefined; total === undefined || offset < total; ) {
      const piece = await questions.ask(connection, { hash, namespace, offset })
      total ??= piece.total
      const { length } = piece.bytes
      if (piece.total !== total || length === 0 || length > total - offset) {
        throw new EnclaveArtifactError({ hash, reason: 'its pieces do not fit together' })
      }
      pieces.push(piece.bytes)
      offset += length
    }
    const whole = concatAll(pieces)
    if (keccakHex(whole) !== hash)
      throw new EnclaveArtifactError({ hash, reason: 'its bytes miss the hash' })
    cache.keep(hash, whole)
    return whole
  }

  const get = async (connection: Connection, request: ArtifactRequest): Promise<Uint8Array> => {
    const hash = toHex(fromHex(request.hash))
    for (;;) {
      const found = cache.find(hash)
      if (found !== undefined) return found
      let flight = flights.get(hash)
      if (flight === undefined) {
        const bytes = fetchAll(connection, { ...request, hash }).finally(() => flights.delete(hash))
        flight = { bytes, connection }
        flights.set(hash, flight)
      }
      try {
        return await flight.bytes
      } catch (cause) {
        // It ended with the connection of another one who asked: asked again over this one.
        if (!flight.connection.ended || connection.ended) throw cause
      }
    }
  }

  return {
    source: (connection) => ({
      getArtifact: (request, options = {}) =>
        withDeadline('Fetching an artifact from the host', options, () => get(connection, request)),
    }),
    onFrame: questions.onFrame,
    onEnd: questions.onEnd,
  }
}

/** Verified artifacts; the one used last is dropped last. */
function createArtifactCache(maxBytes: number): {
  find(hash: Hex): Uint8Array | undefined
  keep(hash: Hex, bytes: Uint8Array): void
} {
  const cache = new Map<Hex, Uint8Array>()
  let held = 0
  return {
    find: (hash) => {
      const found = cache.get(hash)
      if (found === undefined) return undefined
      cache.delete(hash)
      cache.set(hash, found)
      return found
    },
    keep: (hash, bytes) => {
      if (cache.has(hash)) return
      cache.set(hash, bytes)
      held += bytes.length
      for (const [oldest, old] of cache) {
        if (held <= maxBytes || oldest === hash) break
        cache.delete(oldest)
        held -= old.length
      }
    },
  }
}

/** Questions that wait for their answers, by connection. */
function createQuestions(): {
  ask(connection: Connection, question: Question): Promise<Piece>
} & Pick<EnclaveArtifacts, 'onFrame' | 'onEnd'> {
  type Waiting = { resolve: (piece: Piece) => void; reject: (cause: unknown) => void }
  const waiting = new Map<Connection, Map<string, Waiting>>()
  return {
    ask: (connection, { hash, namespace, offset }) =>
      new Promise((resolve, reject) => {
        const entries = waiting.get(connection) ?? new Map<string, Waiting>()
        // Of a connection that has ended nothing is kept: its end was told before.
        if (!connection.ended) waiting.set(connection, entries)
        entries.set(`${hash}:${offset}`, { resolve, reject })
        const body = writeBody({ hash: fromHex(hash), namespace, offset })
        connection.send({ type: frameTypes.ARTIFACT, body }).catch(reject)
      }),
    onFrame: (frame, connection) => {
      const { key, hash, piece } = readPiece(frame)
      const entry = waiting.get(connection)?.get(key)
      if (entry === undefined) throw new EnclaveProtocolError({ fault: 'artifact', details: key })
      waiting.get(connection)?.delete(key)
      if (piece !== undefined) entry.resolve(piece)
      else entry.reject(new EnclaveArtifactError({ hash, reason: 'the host does not have it' }))
    },
    onEnd: (connection, cause) => {
      const entries = waiting.get(connection)
      waiting.delete(connection)
      const reason = cause ?? new EnclaveTransportError({ reason: 'the host ended it' })
      for (const entry of entries?.values() ?? []) entry.reject(reason)
    },
  }
}

function readPiece(frame: Frame): { key: string; hash: Hex; piece: Piece | undefined } {
  if (frame.type !== frameTypes.ARTIFACT)
    throw new EnclaveProtocolError({ fault: 'unexpected-frame' })
  const body = readBody(frame.body)
  const hash = toHex(bytesOf(body, 'hash', 32))
  const key = `${hash}:${countOf(body, 'offset')}`
  if (body.get('absent') === true) return { key, hash, piece: undefined }
  const total = countOf(body, 'total')
  const bytes = bytesOf(body, 'bytes')
  if (total > MAX_ARTIFACT_BYTES || total === 0 || bytes.length > ARTIFACT_PIECE) {
    throw new EnclaveProtocolError({ fault: 'artifact', details: `${total} bytes` })
  }
  return { key, hash, piece: { total, bytes } }
}

/** Most questions of one connection that are worked on at once; the next one is read when one is done. */
const MAX_ARTIFACT_ANSWERS = 8
/** Milliseconds that the host's source may take for one. */
const ARTIFACT_TIMEOUT = 30_000

/** Answers questions, a few at a time: what is behind them on the connection waits meanwhile. */
export function createArtifactAnswers(source: ArtifactSource | undefined): {
  onFrame(frame: Frame, connection: Connection): Promise<void>
} {
  const inWork = new WeakMap<Connection, Set<Promise<void>>>()
  return {
    onFrame: async (frame, connection) => {
      const works = inWork.get(connection) ?? new Set()
      inWork.set(connection, works)
      while (works.size >= MAX_ARTIFACT_ANSWERS) await Promise.race(works)
      if (connection.ended) return
      // Not awaited: one slow artifact must not hold up the answers behind it.
      const work = answerArtifact(frame, connection, source)
        .catch((cause) => connection.fail(cause))
        .finally(() => works.delete(work))
      works.add(work)
    },
  }
}

/**
 * The host's side: answers one ARTIFACT question from a source. Every artifact is public, so any may be
 * asked for.
 */
export async function answerArtifact(
  frame: Frame,
  connection: Connection,
  source: ArtifactSource | undefined,
): Promise<void> {
  const body = readBody(frame.body)
  const hash = bytesOf(body, 'hash', 32)
  const namespace = countOf(body, 'namespace')
  const offset = countOf(body, 'offset')
  let bytes: Uint8Array | undefined
  try {
    if (source !== undefined && isArtifactNamespace(namespace)) {
      bytes = await source.getArtifact(
        { hash: toHex(hash), namespace },
        { timeout: ARTIFACT_TIMEOUT },
      )
    }
  } catch (cause) {
    if (!isPolicySdkError(cause) && !(cause instanceof Error)) throw cause
  }
  const answer =
    bytes === undefined || offset >= bytes.length
      ? { hash, offset, absent: true }
      : {
          hash,
          offset,
          total: bytes.length,
          bytes: bytes.subarray(
            offset,
            offset + Math.min(ARTIFACT_PIECE, connection.maxFrame() - 1024),
          ),
        }
  await connection.send({ type: frameTypes.ARTIFACT, body: writeBody(answer) })
}
