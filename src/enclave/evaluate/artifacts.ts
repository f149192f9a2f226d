/**
 * Artifacts cross into the enclave in pieces of at most 1 MiB, by hash and offset, and are hashed there.
 */
import type { Hex } from 'viem'
import { isArtifactNamespace } from '../../core/artifact.js'
import type { ArtifactRequest, ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { isPolicySdkError } from '../../errors/base.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { bytesOf, countOf, readBody, writeBody } from '../wire/body.js'
import type { Connection } from '../wire/connection.js'
import { EnclaveProtocolError } from '../wire/errors.js'
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
type Waiting = { resolve: (piece: Piece) => void; reject: (cause: unknown) => void }

/**
 * Creates the enclave's side.
 *
 * @param parameters.maxCachedBytes - Bytes of verified artifacts that are kept. @default 268435456
 */
export function createEnclaveArtifacts(
  parameters: { maxCachedBytes?: number | undefined } = {},
): EnclaveArtifacts {
  const { maxCachedBytes = 268_435_456 } = parameters
  const cache = new Map<Hex, Uint8Array>()
  let cachedBytes = 0
  const flights = new Map<Hex, Promise<Uint8Array>>()
  const waiting = new Map<Connection, Map<string, Waiting>>()

  const keep = (hash: Hex, bytes: Uint8Array): void => {
    cache.set(hash, bytes)
    cachedBytes += bytes.length
    for (const [oldest, old] of cache) {
      if (cachedBytes <= maxCachedBytes || oldest === hash) break
      cache.delete(oldest)
      cachedBytes -= old.length
    }
  }

  const askPiece = (
    connection: Connection,
    { hash, namespace, offset }: { hash: Hex; namespace: number; offset: number },
  ): Promise<Piece> =>
    new Promise((resolve, reject) => {
      const entries = waiting.get(connection) ?? new Map<string, Waiting>()
      waiting.set(connection, entries)
      entries.set(`${hash}:${offset}`, { resolve, reject })
      connection
        .send({
          type: frameTypes.ARTIFACT,
          body: writeBody({ hash: fromHex(hash), namespace, offset }),
        })
        .catch(reject)
    })

  const fetchAll = async (
    connection: Connection,
    { hash, namespace }: ArtifactRequest,
  ): Promise<Uint8Array> => {
    let whole: Uint8Array | undefined
    for (let offset = 0; whole === undefined || offset < whole.length; ) {
      const piece = await askPiece(connection, { hash, namespace, offset })
      whole ??= new Uint8Array(piece.total)
      if (
        piece.total !== whole.length ||
        piece.bytes.length === 0 ||
        piece.bytes.length > whole.length - offset
      ) {
        throw new EnclaveArtifactError({ hash, reason: 'its pieces do not fit together' })
      }
      whole.set(piece.bytes, offset)
      offset += piece.bytes.length
    }
    if (keccakHex(whole) !== hash)
      throw new EnclaveArtifactError({ hash, reason: 'its bytes miss the hash' })
    keep(hash, whole)
    return whole
  }

  const get = async (
    connection: Connection,
    request: ArtifactRequest,
    options: IoOptions,
  ): Promise<Uint8Array> => {
    const hash = toHex(fromHex(request.hash))
    const found = cache.get(hash)
    if (found !== undefined) {
      // Last used, last dropped.
      cache.delete(hash)
      cache.set(hash, found)
      return found
    }
    let flight = flights.get(hash)
    if (flight === undefined) {
      flight = fetchAll(connection, { ...request, hash }).finally(() => flights.delete(hash))
      flights.set(hash, flight)
    }
    return withDeadline('Fetching an artifact from the host', options, () => flight)
  }

  return {
    source: (connection) => ({
      getArtifact: (request, options = {}) => get(connection, request, options),
    }),
    onFrame: (frame, connection) => {
      if (frame.type !== frameTypes.ARTIFACT)
        throw new EnclaveProtocolError({ fault: 'unexpected-frame' })
      const body = readBody(frame.body)
      const hash = toHex(bytesOf(body, 'hash', 32))
      const key = `${hash}:${countOf(body, 'offset')}`
      const entry = waiting.get(connection)?.get(key)
      if (entry === undefined) throw new EnclaveProtocolError({ fault: 'artifact', details: key })
      waiting.get(connection)?.delete(key)
      if (body.get('absent') === true) {
        entry.reject(new EnclaveArtifactError({ hash, reason: 'the host does not have it' }))
        return
      }
      const total = countOf(body, 'total')
      const bytes = bytesOf(body, 'bytes')
      if (total > MAX_ARTIFACT_BYTES || total === 0 || bytes.length > ARTIFACT_PIECE) {
        throw new EnclaveProtocolError({ fault: 'artifact', details: `${total} bytes` })
      }
      entry.resolve({ total, bytes })
    },
    onEnd: (connection, cause) => {
      const entries = waiting.get(connection)
      waiting.delete(connection)
      for (const entry of entries?.values() ?? []) entry.reject(cause)
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
      bytes = await source.getArtifact({ hash: toHex(hash), namespace })
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
