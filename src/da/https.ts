/**
 * Plain HTTPS URLs. Off for operators unless they ask for it: a URL on chain is anyone's wish about
 * where a machine should connect to.
 *
 * Private, loopback and link-local addresses are never reached, in the URL or in a redirect, nor
 * ports other than 443. What a name resolves to can only be seen where the connection is made: where
 * a process could, as on Node, `fetch` must be named: `guardedHttps` of `da/node` is this adapter with
 * one that checks the address it connects to.
 */

import type { DaClient } from '../core/interfaces/daClient.js'
import { InvalidInputError } from '../errors/common.js'
import { assertOptions } from '../internal/options.js'
import { isPrivateHost } from '../internal/privateAddress.js'
import { createDaAdapter, type DaCall, type DaHooks } from './adapter.js'
import {
  DaBodyLengthError,
  DaConfigError,
  DaNotFoundError,
  DaProtocolError,
  DaRateLimitedError,
  DaRequestRejectedError,
  DaTransportError,
  DaUnavailableError,
  ForbiddenAddressError,
} from './errors.js'
import {
  discard,
  type Exchange,
  type FetchLike,
  isRedirect,
  readBody,
  redactUrl,
  sendOnce,
} from './internal/http.js'
import { atLeastOne, hookRules, someTime } from './internal/optionRules.js'

/** Options of {@link https}. */
export type HttpsOptions = DaHooks & {
  /**
   * How URLs are fetched. The platform's own in a browser; on Node it must be given, because the
   * platform's own connects to whatever a name resolves to.
   */
  fetch?: FetchLike | undefined
  /** Most bytes of one artifact. @default 32 MiB */
  maxBytes?: number | undefined
  /** Redirects that are followed, each to an address that is checked again. @default 0 */
  maxRedirects?: number | undefined
  /** Times that a broken body is continued with a range request. @default 3 */
  maxResumes?: number | undefined
  /**
   * Hosts that are reached, and no others; one with a port is reached at that port. All public ones
   * at port 443 by default.
   */
  hosts?: readonly string[] | undefined
  /** Milliseconds without a byte inside a body. @default 15_000 */
  stallTimeout?: number | undefined
}

/**
 * Creates an adapter that reads `https` locators. It does not write.
 *
 * @throws {InvalidInputError} on Node without `fetch`.
 * @throws {ForbiddenAddressError} from reads of private addresses, other ports and other schemes.
 * @example
 * ```ts
 * import { https } from '@newton/policy-sdk/da'
 * import { guardedFetch } from '@newton/policy-sdk/da/node'
 *
 * const da = https({ maxBytes: 16 * 1024 * 1024, fetch: guardedFetch() })
 * ```
 */
export function https(options: HttpsOptions = {}): DaClient {
  assertOptions(options, {
    ...hookRules,
    fetch: 'function',
    maxBytes: atLeastOne,
    maxRedirects: { least: 0, most: 20 },
    maxResumes: { least: 0 },
    hosts: 'list',
    stallTimeout: someTime,
  })
  const { maxBytes = 33_554_432, maxRedirects = 0, maxResumes = 3, stallTimeout = 15_000 } = options
  const fetcher = options.fetch ?? platformFetch()
  const hosts = options.hosts && new Set(options.hosts.map((host) => host.toLowerCase()))

  function assertAllowed(url: string): URL {
    const parsed = URL.canParse(url) ? new URL(url) : undefined
    const source = parsed?.host ?? 'https'
    const refuse = (reason: string): never => {
      throw new ForbiddenAddressError({ source, reason })
    }
    if (parsed?.protocol !== 'https:') return refuse('only https URLs are read')
    if (parsed.username !== '' || parsed.password !== '') return refuse('the URL has credentials')
    if (isPrivateHost(parsed.hostname))
      return refuse(`${parsed.hostname} is not on the public internet`)
    if (!hosts && parsed.port !== '') return refuse(`port ${parsed.port} is not that of the web`)
    if (hosts && !hosts.has(parsed.host.toLowerCase()))
      return refuse(`${parsed.host} is not one of the allowed hosts`)
    return parsed
  }

  /** Follows what redirects are allowed; returns the first other response. */
  async function open(
    url: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Opened> {
    let at = assertAllowed(url)
    for (let hop = 0; ; hop++) {
      const exchange: Exchange = { source: at.host, fetch: fetcher, signal }
      const response = await sendOnce(exchange, at.href, { headers })
      if (!isRedirect(response)) return { exchange, response }
      discard(response)
      const to = response.headers.get('location')
      if (to === null || !URL.canParse(to, at)) {
        throw new DaProtocolError({
          source: at.host,
          reason: 'a redirect without a target that can be seen',
        })
      }
      const next = new URL(to, at)
      if (hop >= maxRedirects) {
        throw new DaProtocolError({
          source: at.host,
          reason: `redirected to ${redactUrl(next.href)}`,
        })
      }
      at = assertAllowed(next.href)
    }
  }

  async function read(url: string, call: DaCall): Promise<Uint8Array> {
    const arrived: Uint8Array[] = []
    const have = (): number => arrived.reduce((sum, { length }) => sum + length, 0)
    let tag: string | null = null
    for (let resume = 0; ; resume++) {
      const from = have()
      // A range of another version of the file would splice two files into one.
      const headers: Record<string, string> =
        from > 0 && tag !== null ? { range: `bytes=${from}-`, 'if-range': tag } : {}
      const { exchange, response } = await open(url, headers, call.signal)
      const { source } = exchange
      if (response.status === 200) arrived.length = 0
      else if (response.status !== 206 || contentStart(response) !== from || from === 0) {
        throw await statusError(response, source, url)
      }
      tag ??= strongTag(response)
      const base = have()
      try {
        await readBody(exchange, response, {
          limit: maxBytes - base,
          stallTimeout,
          arrived,
          onProgress: ({ loaded }) => call.onProgress?.({ loaded: base + loaded }),
        })
        return join(arrived)
      } catch (error) {
        call.signal.throwIfAborted()
        const isBroken =
          error instanceof DaTransportError ||
          (error instanceof DaBodyLengthError && error.retryable)
        if (!isBroken || resume >= maxResumes || tag === null || have() === 0) throw error
      }
    }
  }

  return createDaAdapter(
    {
      kind: 'https',
      retention: { kind: 'expires', seconds: 86_400 },
      supports: ({ kind }) => kind === 'https',
      async put() {
        throw new DaConfigError({
          source: 'https',
          reason: 'URLs are only read',
          hint: 'Publish with another adapter.',
        })
      },
      async read(locator, call) {
        if (locator.kind !== 'https')
          throw new ForbiddenAddressError({ source: 'https', reason: 'not a URL' })
        const bytes = await read(locator.url, call)
        if (bytes.length === 0)
          throw new DaProtocolError({ source: 'https', reason: 'an empty body with status 200' })
        return bytes
      },
    },
    options,
  )
}

/** The platform's own fetch, where nothing better can be had. */
function platformFetch(): FetchLike {
  const { process } = globalThis as { process?: { versions?: { node?: string } } }
  if (process?.versions?.node !== undefined) {
    throw new InvalidInputError({
      field: 'fetch',
      reason: 'the own fetch of Node connects to private addresses that a public name resolves to',
      hint: "Use guardedHttps() of '@newton/policy-sdk/da/node', or pass its guardedFetch().",
    })
  }
  return (input, init) => fetch(input, init)
}

type Opened = { exchange: Exchange; response: Response }

async function statusError(response: Response, source: string, url: string): Promise<Error> {
  discard(response)
  const { status } = response
  if (status === 404 || status === 410) return new DaNotFoundError({ source, what: redactUrl(url) })
  if (status === 429) return new DaRateLimitedError({ source })
  if (status >= 500) return new DaUnavailableError({ source, reason: `status ${status}`, status })
  if (status === 206)
    return new DaProtocolError({ source, reason: 'a part that was not asked for' })
  return new DaRequestRejectedError({ source, reason: `status ${status}`, status })
}

function strongTag(response: Response): string | null {
  const tag = response.headers.get('etag')
  return tag?.startsWith('"') ? tag : null
}

function contentStart(response: Response): number | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '')
  return match ? Number(match[1]) : undefined
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.length
  }
  return out
}
