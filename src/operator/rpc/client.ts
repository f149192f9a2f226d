/** Calls an operator. An answer that is not what the method gives is an error, never half an answer. */

import type { Address } from 'viem'
import { type Json, type JsonObject, parseJson } from '../../core/canonicalJson.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { inOneLine } from '../../errors/words.js'
import { readBounded } from '../../internal/boundedBody.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertCount, assertHttpUrl, assertMembers, MAX_TIMER } from '../../internal/options.js'
import {
  type CallSigner,
  computeParamsDigest,
  type RpcDomain,
  randomNonce,
  signCall,
} from './auth.js'
import { OperatorAnswerError, OperatorRpcError, OperatorUnreachableError } from './errors.js'
import { faultOfCode } from './faults.js'
import { type OperatorMethod, operatorMethods } from './methods.js'
import type { MethodParams, MethodResult } from './server.js'

/** Parameters of {@link createOperatorClient}. */
export type OperatorClientParameters = RpcDomain & {
  /** The operator's address, by configuration: calls are signed for it alone. */
  operator: Address
  /** Its endpoint, such as `https://operator.example/rpc`. */
  url: string
  /** Who calls. */
  account: CallSigner
  fetch?: typeof globalThis.fetch | undefined
  /** Milliseconds for one call. @default 5_000 */
  timeout?: number | undefined
  /** Seconds that a signed call is valid for, at most 120. @default 60 */
  validSeconds?: number | undefined
  /** @default 8 MiB */
  maxResponseBytes?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

type SignedRequest = { body: string; authorization: string; operator: Address; method: string }

/** Calls one operator. */
export type OperatorClient = {
  readonly operator: Address
  readonly url: string
  /**
   * Makes one call. A connection that fails, or 502 to 504, is tried once more: operators answer the
   * same call from their journal.
   *
   * @throws {OperatorRpcError} where the operator refuses.
   * @throws {OperatorUnreachableError} {@link OperatorAnswerError} The signal's reason.
   */
  call<name extends OperatorMethod>(
    method: name,
    params: MethodParams<name>,
    options?: IoOptions,
  ): Promise<MethodResult<name>>
}

/**
 * Creates a client of one operator.
 *
 * @throws {InvalidInputError} for a URL that is none.
 * @example
 * ```ts
 * import { createOperatorClient } from '@newton/policy-sdk/operator'
 *
 * const client = createOperatorClient({ operator, url, account, chainId: 1n, policyRegistry })
 * const commitment = await client.call('newt_fetchPolicyData', { task })
 * ```
 */
export function createOperatorClient(parameters: OperatorClientParameters): OperatorClient {
  assertMembers('parameters', parameters, ['operator', 'account', 'chainId', 'policyRegistry'])
  const { operator, account, chainId, policyRegistry } = parameters
  const { timeout = 5_000, validSeconds = 60, maxResponseBytes = 8 * 1_048_576 } = parameters
  assertCount('timeout', timeout, { most: MAX_TIMER })
  assertCount('validSeconds', validSeconds, { most: 120 })
  assertCount('maxResponseBytes', maxResponseBytes)
  const url = checkUrl(parameters.url)
  const now = parameters.now ?? Date.now
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...call) => globalThis.fetch(...call))

  const send = async (
    request: SignedRequest,
    signal: AbortSignal,
  ): Promise<{ status: number; bytes: Uint8Array }> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: request.authorization },
      body: request.body,
      redirect: 'error',
      signal,
    })
    // Read always: a body that is left holds its connection.
    const bytes = await readBounded(response, maxResponseBytes)
    if (bytes !== undefined) return { status: response.status, bytes }
    const { operator, method } = request
    const reason = `more than ${maxResponseBytes} bytes`
    throw new OperatorAnswerError({ operator, method, reason })
  }
  const sendTwice = async (
    request: SignedRequest,
    signal: AbortSignal,
  ): Promise<{ status: number; bytes: Uint8Array }> => {
    try {
      const first = await send(request, signal)
      if (first.status < 502 || first.status > 504) return first
    } catch (error) {
      if (signal.aborted || isPolicySdkError(error)) throw error
    }
    return send(request, signal)
  }

  return {
    operator,
    url,
    async call(method, params, options = {}) {
      const codec = operatorMethods[method]
      const written = codec.writeParams(params as never)
      const nonce = randomNonce(parameters.randomBytes)
      const expiresAt = BigInt(Math.floor(now() / 1_000) + validSeconds)
      const paramsHash = computeParamsDigest(written)
      const authorization = await signCall(
        account,
        { operator, method, paramsHash, nonce, expiresAt },
        { chainId, policyRegistry },
      )
      const id = nonce.slice(2, 34)
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: written })
      const io = { signal: options.signal, timeout: options.timeout ?? timeout }
      const answer = await withDeadline(`${method} of ${operator}`, io, (signal) =>
        sendTwice({ body, authorization, operator, method }, signal),
      ).catch((error: unknown) => {
        if (options.signal?.aborted === true) throw options.signal.reason
        if (isPolicySdkError(error) && !(error instanceof TimeoutError)) throw error
        const reason = error instanceof TimeoutError ? 'no answer in time' : 'no connection'
        throw new OperatorUnreachableError({ operator, reason }, { cause: error })
      })
      return readAnswer(answer, { id, method, operator }) as MethodResult<typeof method>
    },
  }
}

function readAnswer(
  { status, bytes }: { status: number; bytes: Uint8Array },
  call: { id: string; method: OperatorMethod; operator: Address },
): unknown {
  const { operator, method } = call
  const wrong = (reason: string, cause?: unknown): OperatorAnswerError =>
    new OperatorAnswerError({ operator, method, reason }, { cause })
  let value: Json
  try {
    value = parseJson(fromUtf8(bytes))
  } catch (cause) {
    throw wrong(`status ${status} without JSON`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong('no JSON-RPC response')
  }
  const answer = value as JsonObject
  if (answer['jsonrpc'] !== '2.0') throw wrong('no JSON-RPC response')
  if (Object.hasOwn(answer, 'error')) throw readRefusal(answer['error'], wrong)
  if (answer['id'] !== call.id) throw wrong('an answer to another call')
  if (!Object.hasOwn(answer, 'result') || status !== 200) throw wrong('no result')
  try {
    return operatorMethods[method].readResult(answer['result'])
  } catch (cause) {
    throw wrong(isPolicySdkError(cause) ? cause.shortMessage : 'it is malformed', cause)
  }
}

function readRefusal(
  value: Json | undefined,
  wrong: (reason: string) => OperatorAnswerError,
): OperatorRpcError | OperatorAnswerError {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('no error')
  const { code, message, data } = value as JsonObject
  const fault = typeof code === 'number' ? faultOfCode(code) : undefined
  if (fault === undefined)
    return wrong(
      `an error with ${typeof code === 'number' ? `the unknown code ${code}` : 'no code'}`,
    )
  const after = (data as JsonObject | undefined)?.['retryAfterMs']
  const detail = typeof message === 'string' ? inOneLine(message, 300) : 'no reason given'
  const prefix = `The operator refuses the call (${fault}): `
  return new OperatorRpcError({
    fault,
    detail: (detail.startsWith(prefix) ? detail.slice(prefix.length) : detail).replace(/\.$/, ''),
    retryAfter: typeof after === 'number' && after >= 0 ? after : undefined,
  })
}

function checkUrl(text: string): string {
  const url = assertHttpUrl('url', text)
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInputError({ field: 'url', reason: 'a URL must not hold credentials' })
  }
  return url.href
}
