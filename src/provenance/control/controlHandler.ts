/** The control plane over HTTP: the worker routes, and evidence for everybody. */
import { sha256 } from '@noble/hashes/sha2.js'
import { InvalidInputError } from '../../errors/common.js'
import { readRequestBody } from '../../internal/boundedBody.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { assertCount, assertKnown, assertMembers, MAX_TIMER } from '../../internal/options.js'
import { parseBoundedJson } from '../worker/boundedJson.js'
import { MAX_WORKER_REQUEST_BYTES, readOutcome } from '../worker/protocol.js'
import type { ControlPlane } from './controlPlane.js'
import type { EvidenceStore } from './parameters.js'

/** Parameters of {@link createControlHandler}. */
export type ControlHandlerParameters = {
  plane: Pick<ControlPlane, 'lease' | 'renew' | 'finish'>
  /** Names of workers by their tokens, each of 32 characters or more. */
  workers: Readonly<Record<string, string>>
  evidence?: Pick<EvidenceStore, 'get'> | undefined
  /** Signed statements of claims, by the SHA-256 of their evidence. */
  statements?: Pick<EvidenceStore, 'get'> | undefined
  /** Milliseconds in which the body of a request has to be there; 408 afterwards. @default 15000 */
  bodyTimeout?: number | undefined
}

/**
 * Creates a fetch handler for `/worker/…`, `/evidence/…` and `/statements/…`.
 *
 * @throws {InvalidInputError} for a token that could be guessed.
 */
export function createControlHandler(
  parameters: ControlHandlerParameters,
): (request: Request) => Promise<Response> {
  assertMembers('parameters', parameters, ['plane'])
  assertKnown('parameters', parameters, [
    'plane',
    'workers',
    'evidence',
    'statements',
    'bodyTimeout',
  ])
  const { plane, evidence, statements, bodyTimeout } = parameters
  if (bodyTimeout !== undefined) assertCount('bodyTimeout', bodyTimeout, { most: MAX_TIMER })
  // Looked up by hash: how long a comparison takes says nothing of a token.
  const names = new Map<string, string>()
  for (const [token, name] of Object.entries(parameters.workers)) {
    if (token.length < 32) {
      throw new InvalidInputError({ field: 'workers', reason: 'a token has 32 characters or more' })
    }
    if (typeof name !== 'string' || name === '') {
      throw new InvalidInputError({ field: 'workers', reason: 'a worker has a name' })
    }
    names.set(toHex(sha256(utf8(token))), name)
  }
  return async (request) => {
    const { pathname } = new URL(request.url)
    const [, kind, hash] = /^\/(evidence|statements)\/([0-9a-f]{64})\.json$/.exec(pathname) ?? []
    if (hash !== undefined && request.method === 'GET') {
      const bytes = await (kind === 'evidence' ? evidence : statements)?.get(`0x${hash}`)
      if (bytes === undefined) return answer(404)
      return new Response(bytes as Uint8Array<ArrayBuffer>, { headers: jsonHeaders })
    }
    const verb = /^\/worker\/(lease|renew|result)$/.exec(pathname)?.[1]
    if (verb === undefined) return answer(404)
    if (request.method !== 'POST') return answer(405)
    const worker = names.get(toHex(sha256(utf8(tokenOf(request)))))
    if (worker === undefined) return answer(401)
    const body = await readBody(request, bodyTimeout)
    if (typeof body === 'number') return answer(body)
    return answerWorker(plane, { worker, verb, body })
  }
}

const jsonHeaders = {
  'content-type': 'application/json; charset=utf-8',
  'access-control-allow-origin': '*',
  'x-content-type-options': 'nosniff',
}

async function answerWorker(
  plane: ControlHandlerParameters['plane'],
  { worker, verb, body }: { worker: string; verb: string; body: Record<string, unknown> },
): Promise<Response> {
  if (verb === 'lease') {
    const lease = await plane.lease(worker)
    return lease === undefined
      ? answer(204)
      : new Response(JSON.stringify(lease), { headers: jsonHeaders })
  }
  const { leaseId } = body
  // No queue gives another: what no database holds is not asked for.
  if (typeof leaseId !== 'string' || !/^[!-~]{1,100}$/.test(leaseId)) return answer(400)
  if (verb === 'renew') return answer((await plane.renew(leaseId, worker)) ? 204 : 409)
  const outcome = readOutcome(body['outcome'])
  if (outcome === undefined) return answer(400)
  return answer((await plane.finish(worker, leaseId, outcome)) ? 204 : 409)
}

function tokenOf(request: Request): string {
  return /^Bearer (.+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
}

/** The object that a request carries, or the status that it is refused with. */
async function readBody(
  request: Request,
  timeout: number | undefined,
): Promise<Record<string, unknown> | 400 | 408> {
  const read = await readRequestBody(request, { limit: MAX_WORKER_REQUEST_BYTES, timeout })
  if (read.status !== 'read') return read.status === 'late' ? 408 : 400
  const value = parseBoundedJson(read.bytes)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Record<string, unknown>) : 400
}

function answer(status: number): Response {
  return new Response(null, { status })
}
