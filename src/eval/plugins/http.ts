/**
 * What plugins may fetch, and how.
 *
 * The policy is checked before any byte leaves; a request it refuses ends the run, because a guest
 * that is merely told so could go on as if the answer were "nothing found". A request that is
 * allowed and fails (refused connection, timeout) is an error the guest sees.
 */
import type { HttpExchange } from '../../core/interfaces/evaluator.js'
import { BaseError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertCount, assertKnown, MAX_TIMER } from '../../internal/options.js'
import { isPrivateHost } from '../../internal/privateAddress.js'
import { PluginHttpRefusedError, PluginLimitError } from './errors.js'
import type { GuestAnswer, GuestRequest } from './protocol.js'

/** What plugins may fetch. */
export type HttpPolicy = {
  /**
   * Hosts that may be asked, such as `api.example.com`, `*.example.com` or `127.0.0.1:8080`. A name
   * without a port allows every port. Left out: every public host.
   */
  hosts?: readonly string[] | undefined
  /** @default ['GET', 'POST', 'PUT', 'DELETE'] */
  methods?: readonly string[] | undefined
  /** Whether private, loopback and link-local addresses may be reached. @default false */
  allowPrivate?: boolean | undefined
  /** Requests of one run. @default 10 */
  maxRequests?: number | undefined
  /** Bytes of one response's body. @default 1048576 */
  maxResponseBytes?: number | undefined
  /** Bytes of one request's URL, headers and body. @default 1048576 */
  maxRequestBytes?: number | undefined
  /** Milliseconds of one request. @default 10000 */
  timeout?: number | undefined
}

/** The policy with its defaults. */
export type ResolvedHttpPolicy = {
  [name in keyof HttpPolicy]-?: name extends 'hosts'
    ? HttpPolicy['hosts']
    : NonNullable<HttpPolicy[name]>
}

/** A response as a transport gives it. */
export type HttpTransportResponse = {
  status: number
  headers: readonly (readonly [string, string])[]
  body: Uint8Array
}

/**
 * Performs one request that the policy allowed. Never follows a redirect; decodes the content codings
 * gzip, deflate and br; gives up on a body over `maxResponseBytes`, counted after decoding, with a {@link ResponseTooLargeError}; refuses addresses that resolve to
 * private ones with a {@link PrivateAddressError} unless `allowPrivate`.
 */
export type HttpTransport = (
  request: GuestRequest,
  options: { signal: AbortSignal; maxResponseBytes: number; allowPrivate: boolean },
) => Promise<HttpTransportResponse>

/** A response body is over the limit. */
export class ResponseTooLargeError extends BaseError {
  override readonly name = 'ResponseTooLargeError'
  override readonly code = 'HTTP_RESPONSE_TOO_LARGE'

  constructor(limit: number) {
    super(`The response has more than ${limit} bytes.`)
  }
}

/** A response that no guest is given: its body or its status is none that every platform reads alike. */
export class UnreadableResponseError extends BaseError {
  override readonly name = 'UnreadableResponseError'
  override readonly code = 'HTTP_RESPONSE_UNREADABLE'

  constructor(reason: string) {
    super(`The response cannot be read: ${reason}.`)
  }
}

/** A public name resolved to a private address. */
export class PrivateAddressError extends BaseError {
  override readonly name = 'PrivateAddressError'
  override readonly code = 'HTTP_PRIVATE_ADDRESS'

  constructor(host: string, address: string) {
    super(`${host} resolves to the private address ${address}.`)
  }
}

/**
 * Checks a policy and fills in the defaults.
 *
 * @throws {InvalidInputError} for a value that would be taken for something else.
 */
export function resolveHttpPolicy(policy: HttpPolicy = {}): ResolvedHttpPolicy {
  const resolved: ResolvedHttpPolicy = {
    hosts: policy.hosts,
    methods: policy.methods ?? ['GET', 'POST', 'PUT', 'DELETE'],
    allowPrivate: policy.allowPrivate ?? false,
    maxRequests: policy.maxRequests ?? 10,
    maxResponseBytes: policy.maxResponseBytes ?? 1_048_576,
    maxRequestBytes: policy.maxRequestBytes ?? 1_048_576,
    timeout: policy.timeout ?? 10_000,
  }
  assertKnown('http', policy, Object.keys(resolved))
  for (const name of ['hosts', 'methods'] as const) {
    const list: unknown = resolved[name]
    // A text has `includes` as well, which finds parts of it.
    if (list === undefined && name === 'hosts') continue
    if (!Array.isArray(list) || !list.every((item) => typeof item === 'string' && item !== '')) {
      throw new InvalidInputError({ field: `http.${name}`, reason: 'expected a list of texts' })
    }
    // A copy: what is added to the caller's list later was not checked.
    resolved[name] = [...list] as readonly string[]
  }
  for (const [at, host] of (resolved.hosts ?? []).entries()) {
    if (!isHostPattern(host)) {
      throw new InvalidInputError({
        field: `http.hosts[${at}]`,
        reason: `${JSON.stringify(host)} is no host`,
        hint: 'Such as api.example.com, *.example.com or 127.0.0.1:8080; left out: every public host.',
      })
    }
  }
  if (typeof resolved.allowPrivate !== 'boolean') {
    throw new InvalidInputError({ field: 'http.allowPrivate', reason: 'expected true or false' })
  }
  // A plugin without any request is a policy, too.
  assertCount('http.maxRequests', resolved.maxRequests, { least: 0 })
  assertCount('http.maxResponseBytes', resolved.maxResponseBytes)
  assertCount('http.maxRequestBytes', resolved.maxRequestBytes)
  assertCount('http.timeout', resolved.timeout, { most: MAX_TIMER })
  return resolved
}

/**
 * Checks one request against the policy.
 *
 * @throws {PluginHttpRefusedError} saying what is refused.
 * @throws {PluginLimitError} for a request over `maxRequestBytes`.
 */
export function checkRequest(request: GuestRequest, policy: ResolvedHttpPolicy): void {
  const size =
    request.url.length +
    (request.body?.length ?? 0) +
    request.headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (size > policy.maxRequestBytes || request.headers.length > 100) {
    throw new PluginLimitError(
      'requestBytes',
      `a request is larger than ${policy.maxRequestBytes} bytes`,
    )
  }
  let url: URL
  try {
    url = new URL(request.url)
  } catch {
    // The cause quotes the URL, and URLs carry keys.
    throw new PluginHttpRefusedError('its URL is malformed')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new PluginHttpRefusedError(`the scheme ${url.protocol} is not http or https`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new PluginHttpRefusedError('its URL carries credentials')
  }
  if (!policy.methods.includes(request.method)) {
    throw new PluginHttpRefusedError(`the method ${request.method.slice(0, 20)} is not allowed`)
  }
  if (policy.hosts !== undefined && !policy.hosts.some((host) => hostMatches(host, url))) {
    throw new PluginHttpRefusedError(`the host ${url.host} is not on the list`)
  }
  if (!policy.allowPrivate && isPrivateHost(url.hostname)) {
    throw new PluginHttpRefusedError(`the host ${url.host} is private, loopback or link-local`)
  }
  for (const [name, value] of request.headers) {
    if (!/^[!#$%&'*+.^_`|~\dA-Za-z-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) {
      throw new PluginHttpRefusedError('a header is malformed')
    }
    if (hopHeaders.has(name.toLowerCase())) {
      throw new PluginHttpRefusedError(`the header ${name} belongs to the connection`)
    }
  }
}

/**
 * Checks a request and performs it. Everything that goes wrong after the check is an answer.
 *
 * @throws {PluginHttpRefusedError} where the policy, or the resolved address, refuses it.
 * @throws {PluginLimitError} for a response over the limit.
 */
export async function performRequest(
  request: GuestRequest,
  policy: ResolvedHttpPolicy,
  { transport, signal }: { transport: HttpTransport; signal?: AbortSignal | undefined },
): Promise<GuestAnswer> {
  checkRequest(request, policy)
  const { maxResponseBytes, allowPrivate } = policy
  try {
    const response = await withDeadline(
      'The request',
      { signal, timeout: policy.timeout },
      (deadline) => transport(request, { signal: deadline, maxResponseBytes, allowPrivate }),
    )
    if (response.body.length > maxResponseBytes) throw new ResponseTooLargeError(maxResponseBytes)
    // What one platform decodes and another hands over as it came is neither's answer.
    contentCodings(response.headers)
    assertStatus(response.status)
    return {
      status: response.status,
      headers: normalizeHeaders(response.headers),
      body: response.body,
    }
  } catch (cause) {
    // The caller's own abort is no answer of the network.
    signal?.throwIfAborted()
    if (cause instanceof ResponseTooLargeError) {
      throw new PluginLimitError(
        'responseBytes',
        `a response is larger than ${maxResponseBytes} bytes`,
        { cause },
      )
    }
    if (cause instanceof PrivateAddressError)
      throw new PluginHttpRefusedError(cause.shortMessage, { cause })
    const timedOut = (cause as { code?: unknown } | null)?.code === 'TIMEOUT'
    // The text is part of what the guest sees, so it holds nothing that differs between platforms.
    return { error: timedOut ? 'timeout' : 'request failed' }
  }
}

/** No platform hands over another status than these, but some transports do. */
function assertStatus(status: number): void {
  if (Number.isSafeInteger(status) && status >= 200 && status <= 599) return
  throw new UnreadableResponseError('its status is none from 200 to 599')
}

/** How a body was coded on its way. */
export type ContentCoding = 'gzip' | 'deflate' | 'br'

/**
 * The codings of a body in the order they were applied, from `content-encoding`.
 *
 * @throws {UnreadableResponseError} for a coding that not every platform decodes, and for more than three.
 */
export function contentCodings(
  headers: readonly (readonly [string, string])[],
): readonly ContentCoding[] {
  const names = headers
    .filter(([name]) => name.toLowerCase() === 'content-encoding')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  if (names.length > 3) throw new UnreadableResponseError('it has more than three content codings')
  return names.map((name) => {
    const coding = name === 'x-gzip' ? 'gzip' : name
    if (coding === 'gzip' || coding === 'deflate' || coding === 'br') return coding
    throw new UnreadableResponseError('its content coding is none of gzip, deflate, br')
  })
}

/** An exchange in the form of transcripts. */
export function toExchange(request: GuestRequest, answer: GuestAnswer): HttpExchange {
  return {
    request: {
      method: request.method,
      url: request.url,
      headers: request.headers,
      bodyHash: keccakHex(request.body ?? new Uint8Array()),
    },
    response:
      'error' in answer
        ? { error: answer.error }
        : { status: answer.status, headers: answer.headers, body: toHex(answer.body) },
  }
}

const hopHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Whether a pattern can match a host: any URL or wildcard but `*.` at its beginning matches none. */
function isHostPattern(pattern: string): boolean {
  const host = pattern.toLowerCase().replace(/^\*\./, '')
  const url = `http://${host}/`
  if (/\*|^\.|\.\./.test(host) || !URL.canParse(url)) return false
  const { hostname, host: full, href } = new URL(url)
  return (host === full || host === `${hostname}:80`) && href === `http://${full}/`
}

function hostMatches(pattern: string, url: URL): boolean {
  const wanted = pattern.toLowerCase()
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const withPort = /:\d+$/.test(wanted.replace(/^\[.*\]/, ''))
  const host = withPort ? `${url.hostname}:${port}` : url.hostname
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) : host === wanted
}

/**
 * Names in lower case, sorted, without those that belong to the connection, so that the guest sees
 * the same list on every platform. `content-encoding` stays, though the body is decoded, as in `fetch`.
 */
function normalizeHeaders(
  headers: readonly (readonly [string, string])[],
): (readonly [string, string])[] {
  return headers
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .filter(([name]) => !hopHeaders.has(name))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
