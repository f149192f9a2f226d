/**
 * JSON-RPC 2.0 over HTTPS as the gateway speaks it: string ids, bearer keys, and errors in more
 * shapes than the standard has.
 */
import { BaseError } from '../errors/base.js'
import { TimeoutError } from '../errors/common.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import { sleep } from '../internal/pause.js'
import {
  errorOfRpcCode,
  GatewayAuthError,
  GatewayRateLimitError,
  GatewayRequestError,
  GatewayResponseError,
  GatewayUnavailableError,
} from './errors.js'
import { redactError, redactText } from './redact.js'

/**
 * What may be tried again. `read` changes nothing: any passing failure. `write` and `task` may have
 * taken effect when the answer is lost: only what the gateway says it did not start.
 */
export type RetryClass = 'read' | 'write' | 'task'

/** Where and how requests are made. */
export type RpcTransport = {
  url: string
  apiKey: string | undefined
  fetch: typeof globalThis.fetch
  headers: Readonly<Record<string, string>>
  /** Milliseconds for one call, all its tries included. */
  timeout: number
  /** Tries after the first. */
  retries: number
  /** Milliseconds before the n-th retry. */
  retryDelay: (attempt: number) => number
  newId: () => string
  /** Largest answer, in bytes. */
  maxResponseBytes: number
  onEvent: ((event: GatewayEvent) => void) | undefined
}

/** What the client tells its hook. Never holds the API key or a parameter. */
export type GatewayEvent =
  | { type: 'response'; method: string; id: string; status: number; duration: number }
  | { type: 'retry'; method: string; attempt: number; delay: number; code: string }

/**
 * Calls one method and returns its `result`.
 *
 * @throws A typed error of the gateway; `TimeoutError` after the timeout; the signal's reason.
 */
export async function callRpc(
  transport: RpcTransport,
  call: { method: string; params: unknown; retry: RetryClass },
  options: IoOptions = {},
): Promise<unknown> {
  const { method, retry } = call
  const timeout = options.timeout ?? transport.timeout
  return withDeadline(method, { signal: options.signal, timeout }, async (signal) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await callOnce(transport, { ...call, signal })
      } catch (error) {
        if (signal.aborted) throw signal.reason
        const last = attempt > transport.retries
        if (last || !(error instanceof BaseError) || !mayRetry(error, retry)) throw error
        const asked = error instanceof GatewayRateLimitError ? error.retryAfter : undefined
        const delay = Math.max(asked ?? 0, transport.retryDelay(attempt))
        transport.onEvent?.({ type: 'retry', method, attempt, delay, code: error.code })
        await sleep(delay, signal)
      }
    }
  })
}

function mayRetry(error: BaseError, retry: RetryClass): boolean {
  // Refused before any work: safe for every class.
  if (error instanceof GatewayRateLimitError) return true
  return retry === 'read' && error instanceof GatewayUnavailableError
}

async function callOnce(
  transport: RpcTransport,
  call: { method: string; params: unknown; signal: AbortSignal },
): Promise<unknown> {
  const { method, params, signal } = call
  const { apiKey } = transport
  const id = transport.newId()
  const started = performance.now()
  let response: Response
  let text: string
  try {
    response = await transport.fetch(transport.url, {
      method: 'POST',
      headers: {
        ...transport.headers,
        'content-type': 'application/json',
        accept: 'application/json',
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
      // A redirect could carry the key to another host.
      redirect: 'error',
      signal,
    })
    text = await readText(response, { method, limit: transport.maxResponseBytes })
  } catch (error) {
    if (signal.aborted || error instanceof TimeoutError) throw error
    if (error instanceof GatewayResponseError) throw error
    const cause = redactError(error, apiKey)
    const reason = 'the connection failed'
    throw new GatewayUnavailableError({ method, reason }, { cause })
  }
  const duration = performance.now() - started
  transport.onEvent?.({ type: 'response', method, id, status: response.status, duration })
  return readAnswer({ method, id, apiKey }, { response, text })
}

function readAnswer(
  { method, id, apiKey }: { method: string; id: string; apiKey: string | undefined },
  { response, text }: { response: Response; text: string },
): unknown {
  const { status } = response
  const answer = parseObject(text)
  const said = answer === undefined ? undefined : readError(answer['error'])
  const reason = redactText(said?.message ?? httpReason(status, text), apiKey)
  if (status === 401 || status === 403) throw new GatewayAuthError({ method, reason })
  if (status === 429) {
    throw new GatewayRateLimitError({ method, retryAfter: retryAfter(response) })
  }
  if (status === 404 || status === 422 || status === 400 || status === 405) {
    if (said?.code !== undefined) throw errorOfRpcCode({ method, rpcCode: said.code, reason })
    throw new GatewayRequestError({ method, reason })
  }
  if (status >= 500) throw new GatewayUnavailableError({ method, reason, status })
  if (status < 200 || status > 299) throw new GatewayResponseError({ method, reason })
  if (answer === undefined) {
    throw new GatewayResponseError({ method, reason: redactText(httpReason(status, text), apiKey) })
  }
  if (said !== undefined) throw errorOfRpcCode({ method, rpcCode: said.code, reason })
  // An error may come without an id; a result may not, or it could be another call's.
  if (answer['id'] !== id) {
    throw new GatewayResponseError({ method, reason: 'it answers another request' })
  }
  if (!('result' in answer)) {
    throw new GatewayResponseError({ method, reason: 'it has neither result nor error' })
  }
  return answer['result']
}

/** The gateway's errors: `{ code, message }`, `{ Kind: message }`, or plain text. */
function readError(error: unknown): { code: number | undefined; message: string } | undefined {
  if (error === undefined || error === null) return undefined
  if (typeof error === 'string') return { code: undefined, message: short(error) }
  if (typeof error !== 'object') return { code: undefined, message: 'an unreadable error' }
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (typeof message === 'string') {
    return { code: typeof code === 'number' ? code : undefined, message: short(message) }
  }
  const [entry] = Object.entries(error)
  if (entry !== undefined && typeof entry[1] === 'string') {
    return { code: undefined, message: short(`${entry[0]}: ${entry[1]}`) }
  }
  return { code: typeof code === 'number' ? code : undefined, message: 'no message' }
}

async function readText(
  response: Response,
  { method, limit }: { method: string; limit: number },
): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.length
    if (size > limit) {
      reader.cancel().catch(() => undefined)
      const reason = `it has more than ${limit} bytes`
      throw new GatewayResponseError({ method, reason })
    }
    text += decoder.decode(value, { stream: true })
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return value as Record<string, unknown>
  } catch {
    return undefined
  }
}

function httpReason(status: number, text: string): string {
  const kind = /^\s*</.test(text) ? 'an HTML page' : text === '' ? 'nothing' : 'no JSON-RPC answer'
  return `status ${status} with ${kind}`
}

/** Milliseconds of a `Retry-After` header in seconds, at most a minute. */
function retryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1_000, 60_000) : undefined
}

function short(text: string): string {
  // Nothing that a terminal obeys either.
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
  return line.length > 500 ? `${line.slice(0, 500)}…` : line
}
