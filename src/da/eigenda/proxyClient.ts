/** The EigenDA proxy's HTTP API as calls with typed outcomes. */

import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { assertHttpUrl } from '../../internal/options.js'
import { DaProtocolError, DaTransportError } from '../errors.js'
import {
  discard,
  type Exchange,
  type FetchLike,
  readBody,
  readErrorText,
  send,
} from '../internal/http.js'
import { MAX_COMMITMENT_BYTES } from './cert/cert.js'
import { type ProxyAnswer, readError, writeError } from './proxyStatus.js'

/** What a proxy says about itself. */
export type EigenDaProxyConfig = {
  version: string
  /** Empty in memstore mode. */
  chainId: string
  directoryAddress: string
  certVerifierAddress: string
  maxPayloadBytes: number
  apisEnabled: readonly string[]
  readOnly: boolean
}

/** Where a proxy is and how it is reached. */
export type ProxyTarget = {
  url: string
  fetch: FetchLike
  headers: Readonly<Record<string, string>>
  source: string
  stallTimeout: number
}

/** What a call needs from its caller. */
export type ProxyCall = {
  signal: AbortSignal
  onProgress?: Parameters<typeof readBody>[2]['onProgress']
}

/**
 * Base URL of a proxy without the traps: no trailing slash, no query. `//put` is redirected and
 * the write lost; `/put/` is another commitment mode.
 *
 * @throws {InvalidInputError} for anything but an http or https URL without credentials.
 */
export function proxyBase(url: string): string {
  const parsed = assertHttpUrl('url', url)
  if (parsed.username !== '' || parsed.password !== '') {
    throw new InvalidInputError({
      field: 'url',
      reason: 'credentials do not go into a URL',
      hint: 'Pass them as `headers`.',
    })
  }
  if (parsed.search !== '' || parsed.hash !== '') {
    throw new InvalidInputError({
      field: 'url',
      reason: 'a query or fragment is not part of a base URL',
    })
  }
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`
}

/** Sends a payload; returns the commitment's bytes. */
export async function postPayload(
  target: ProxyTarget,
  { path, payload, limit }: { path: string; payload: Uint8Array; limit: number },
  call: ProxyCall,
): Promise<Uint8Array> {
  const exchange = exchangeOf(target, call)
  const response = await send(exchange, `${target.url}${path}`, {
    method: 'POST',
    headers: { ...target.headers, 'content-type': 'application/octet-stream' },
    // A copy with a buffer of its own: what is sent does not change under a caller's hands.
    body: payload.slice() as unknown as BodyInit,
  })
  if (response.status !== 200)
    throw writeError(await answerOf(exchange, response), payload.length, limit)
  return readBody(exchange, response, {
    limit: MAX_COMMITMENT_BYTES,
    stallTimeout: target.stallTimeout,
  })
}

/** Reads a payload, or the encoded payload. `maxBytes` is what the certificate allows. */
export async function getPayload(
  target: ProxyTarget,
  { path, what, maxBytes }: { path: string; what: string; maxBytes: number },
  call: ProxyCall,
): Promise<Uint8Array> {
  const exchange = exchangeOf(target, call)
  const response = await send(exchange, `${target.url}${path}`, {
    method: 'GET',
    headers: { ...target.headers },
  })
  if (response.status !== 200) throw readError(await answerOf(exchange, response), what)
  return readBody(exchange, response, {
    limit: maxBytes,
    onProgress: call.onProgress,
    stallTimeout: target.stallTimeout,
  })
}

/** Whether a read answers 200, without taking its body. */
export async function probePayload(
  target: ProxyTarget,
  { path, what }: { path: string; what: string },
  call: ProxyCall,
): Promise<void> {
  const exchange = exchangeOf(target, call)
  const response = await send(exchange, `${target.url}${path}`, {
    method: 'GET',
    headers: { ...target.headers },
  })
  if (response.status !== 200) throw readError(await answerOf(exchange, response), what)
  discard(response)
}

/** Reads `/config`; `undefined` where the proxy is older than that route. */
export async function getConfig(
  target: ProxyTarget,
  call: ProxyCall,
): Promise<EigenDaProxyConfig | undefined> {
  const exchange = exchangeOf(target, call)
  const response = await send(exchange, `${target.url}/config`, {
    method: 'GET',
    headers: { ...target.headers },
  })
  if (response.status === 404 || response.status === 405) {
    discard(response)
    return undefined
  }
  if (response.status !== 200)
    throw readError(await answerOf(exchange, response), 'the configuration')
  const bytes = await readBody(exchange, response, {
    limit: 65_536,
    stallTimeout: target.stallTimeout,
  })
  return parseConfig(target.source, bytes)
}

/** Whether an error means that the request never reached the peer. Browsers do not say. */
export function isUnsent(error: unknown): boolean {
  if (!(error instanceof DaTransportError)) return false
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as { code?: unknown }
    if (typeof code === 'string' && unsentCodes.has(code)) return true
  }
  return false
}

/** Path of a read by standard commitment. */
export function commitmentPath(
  commitment: Hex,
  query: Readonly<Record<string, string>> = {},
): string {
  return `/get/${commitment}?${new URLSearchParams({ commitment_mode: 'standard', ...query })}`
}

const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function exchangeOf({ source, fetch }: ProxyTarget, { signal }: ProxyCall): Exchange {
  return { source, fetch, signal }
}

async function answerOf(exchange: Exchange, response: Response): Promise<ProxyAnswer> {
  return {
    source: exchange.source,
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    ...(await readErrorText(exchange, response)),
  }
}

function parseConfig(source: string, bytes: Uint8Array): EigenDaProxyConfig {
  let body: Record<string, unknown>
  try {
    body = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
  } catch (cause) {
    throw new DaProtocolError({ source, reason: '/config is not JSON' }, { cause })
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new DaProtocolError({ source, reason: '/config is not an object' })
  }
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const limit = body['max_payload_size_bytes']
  const apis = body['apis_enabled']
  return {
    version: text(body['version']),
    chainId: text(body['chain_id']),
    directoryAddress: text(body['directory_address']),
    certVerifierAddress: text(body['cert_verifier_address']),
    maxPayloadBytes: typeof limit === 'number' && limit > 0 ? limit : 0,
    apisEnabled: Array.isArray(apis) ? apis.filter((api) => typeof api === 'string') : [],
    readOnly: body['read_only_mode'] === true,
  }
}
