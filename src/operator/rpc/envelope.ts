/** JSON-RPC 2.0 as it is taken and given here: one request object, errors with a code, never a stack. */
import { type Json, type JsonObject, parseJson } from '../../core/canonicalJson.js'
import { isPolicySdkError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { OperatorRpcError, type Refuser } from './errors.js'
import { faultOfError, type RpcFault, rpcFaults } from './faults.js'
import type { RpcMeter } from './limits.js'

/** What goes out. */
export type RpcAnswer = { status: number; body: string; retryAfter?: number | undefined }

/** A body that is still to be read. */
export type BodySource = {
  /** Bytes that it is said to have; `undefined` where nothing is said. */
  length: number | undefined
  /** Reads it; `undefined` where it has more than `limit` bytes. What it throws ends the call. */
  read(limit: number): Promise<Uint8Array | undefined>
}

/** A request that is well formed. */
export type RpcCall = { id: string; method: string; params: Json }

/**
 * Reads the request of a caller who is let in: for a stranger nothing is read, parsed or kept.
 *
 * @param bounds.most - Most bytes. A body that says that it has more is not read.
 * @param bounds.hold - Takes room for it, until it is parsed.
 * @throws {OperatorRpcError}
 */
export async function takeRequest(
  body: Uint8Array | BodySource,
  bounds: { most: number; hold: RpcMeter['hold']; by?: Refuser | undefined },
): Promise<RpcCall> {
  const { most, hold, by } = bounds
  const said = body.length ?? most
  const tooLarge = (): OperatorRpcError =>
    refuse('TOO_LARGE', `a body has at most ${most} bytes`, { by })
  // A length that is no number is no bound.
  if (!(said <= most)) throw tooLarge()
  const give = hold(said)
  try {
    const bytes = body instanceof Uint8Array ? body : await body.read(said)
    if (bytes === undefined) throw tooLarge()
    return readRequest(bytes, by)
  } finally {
    give()
  }
}

/** Reads a request. @throws {OperatorRpcError} */
export function readRequest(body: Uint8Array, by?: Refuser): RpcCall {
  const wrong = (detail: string): OperatorRpcError => refuse('INVALID_REQUEST', detail, { by })
  let value: Json
  try {
    value = parseJson(fromUtf8(body))
  } catch (cause) {
    throw refuse('PARSE_ERROR', 'the body is no JSON that all readers understand alike', {
      cause,
      by,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong('expected one request object; batches are not taken')
  }
  const request = value as JsonObject
  const { jsonrpc, id, method, params } = request
  const known = Object.keys(request).every((name) =>
    ['jsonrpc', 'id', 'method', 'params'].includes(name),
  )
  if (jsonrpc !== '2.0' || !known) throw wrong('expected JSON-RPC 2.0')
  if (typeof id !== 'string' || id.length === 0 || id.length > 128) {
    throw wrong('expected an id of 1 to 128 characters')
  }
  if (typeof method !== 'string' || method.length > 64) {
    throw wrong('expected the name of a method')
  }
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw wrong('expected parameters by name')
  }
  return { id, method, params }
}

/** A refusal with its fault. */
export function refuse(
  fault: RpcFault,
  detail: string,
  options: {
    cause?: unknown
    by?: Refuser | undefined
    /** Milliseconds. */
    retryAfter?: number | undefined
  } = {},
): OperatorRpcError {
  const { cause, by, retryAfter } = options
  return new OperatorRpcError(
    { fault, detail, by, retryAfter },
    cause === undefined ? {} : { cause },
  )
}

/** What is thrown on the way of a call, as it is said to a stranger. */
export function toRefusal(error: unknown, by?: Refuser): OperatorRpcError {
  if (error instanceof OperatorRpcError) return error
  const as = (fault: RpcFault, detail: string): OperatorRpcError =>
    refuse(fault, detail, { cause: error, by })
  if (error instanceof TimeoutError) return as('TIMED_OUT', 'it took too long')
  // Whoever asked is gone: nothing went wrong here.
  if (error instanceof Error && error.name === 'AbortError') {
    return as('TIMED_OUT', 'it was ended before it was done')
  }
  if (!isPolicySdkError(error)) return as('INTERNAL', 'it failed')
  const fault = faultOfError(error.code)
  // What has no fault of its own may speak of this machine: its text stays here.
  return as(fault, fault === 'INTERNAL' ? 'it failed' : withoutStop(error.shortMessage))
}

/** Writes a refusal as a JSON-RPC error. `data.code` is the code of the SDK's error behind it. */
export function writeRefusal(id: string | null, refused: OperatorRpcError): RpcAnswer {
  const { fault, rpcCode, retryAfter, retryable, cause } = refused
  const data = {
    name: fault,
    retryable,
    ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
    ...(isPolicySdkError(cause) && fault !== 'INTERNAL' ? { code: cause.code } : {}),
  }
  const error = { code: rpcCode, message: refused.shortMessage.slice(0, 1_024), data }
  return {
    status: rpcFaults[fault].status,
    body: JSON.stringify({ jsonrpc: '2.0', id, error }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
}

/** A sentence as a clause. */
export function withoutStop(text: string): string {
  return text.replace(/\.$/, '')
}
