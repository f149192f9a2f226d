/**
 * A `fetch` that connects to public addresses only.
 *
 * The address is checked where it is used: names are resolved once, by the connection itself, and
 * the connection goes to the address that was checked. A name that resolves to another address a
 * moment later changes nothing.
 */
import { type LookupAddress, lookup } from 'node:dns'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { Readable } from 'node:stream'
import { assertOptions } from '../../internal/options.js'
import { isPrivateAddress } from '../../internal/privateAddress.js'
import { ForbiddenAddressError } from '../errors.js'
import type { FetchLike } from '../internal/http.js'

/** Options of {@link guardedFetch}. */
export type GuardedFetchOptions = {
  /** Resolves a name to all its addresses. @default the system's resolver */
  resolve?: ((host: string) => Promise<readonly { address: string; family: number }[]>) | undefined
  /** Which addresses are refused. @default everything but public unicast */
  isForbidden?: ((address: string) => boolean) | undefined
}

/**
 * Creates the fetch. It follows no redirects, sends no cookies and pools no connections.
 *
 * @throws {ForbiddenAddressError} as the rejection of a call whose host has a forbidden address.
 * @example
 * ```ts
 * import { https } from '@newton/policy-sdk/da'
 * import { guardedFetch } from '@newton/policy-sdk/da/node'
 *
 * const da = https({ fetch: guardedFetch() })
 * ```
 */
export function guardedFetch(options: GuardedFetchOptions = {}): FetchLike {
  assertOptions(options, { resolve: 'function', isForbidden: 'function' })
  const { resolve = systemResolve, isForbidden = isPrivateAddress } = options
  return async (input, init) => {
    const url = new URL(input)
    init.signal?.throwIfAborted()
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const addresses = isIP(host) ? [{ address: host, family: isIP(host) }] : await resolve(host)
    // One forbidden address among several is enough: which one is used is not ours to say.
    const forbidden = addresses.find(({ address }) => isForbidden(address))
    if (forbidden) {
      throw new ForbiddenAddressError({
        source: url.host,
        reason: `it resolves to ${forbidden.address}`,
      })
    }
    const [first] = addresses
    if (!first)
      throw new ForbiddenAddressError({ source: url.host, reason: 'it resolves to nothing' })
    return exchange(url, init, addresses, first)
  }
}

async function systemResolve(host: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true, verbatim: true }, (error, addresses) => {
      if (error) reject(error)
      else resolve(addresses)
    })
  })
}

async function exchange(
  url: URL,
  init: RequestInit,
  addresses: readonly LookupAddress[],
  first: LookupAddress,
): Promise<Response> {
  const body =
    init.body === undefined || init.body === null
      ? undefined
      : await new Response(init.body).arrayBuffer()
  const requestOptions: RequestOptions & { autoSelectFamily: boolean } = {
    method: init.method ?? 'GET',
    headers: Object.fromEntries(new Headers(init.headers)),
    agent: false,
    // The name stays in the request and in the certificate's check; only the addresses are fixed.
    // All of them were checked, and all may be tried: a machine without IPv6 reaches the other kind.
    autoSelectFamily: true,
    lookup: (_host, lookupOptions, callback) => {
      if (lookupOptions.all) callback(null, [...addresses])
      else callback(null, first.address, first.family)
    },
    ...(init.signal ? { signal: init.signal } : {}),
  }
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, requestOptions)
        : httpRequest(url, requestOptions)
    request.once('response', resolve)
    request.once('error', reject)
    request.end(body && new Uint8Array(body))
  })
  try {
    return responseOf(incoming, init.method)
  } catch (cause) {
    // A status or a header that no response can have: nobody will read on, or hang up.
    incoming.destroy()
    throw cause
  }
}

function responseOf(incoming: IncomingMessage, method: string | undefined): Response {
  const headers = new Headers()
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  const status = incoming.statusCode ?? 500
  const isEmpty = status === 204 || status === 205 || status === 304 || method === 'HEAD'
  const stream = isEmpty
    ? null
    : (Readable.toWeb(incoming) as unknown as ReadableStream<Uint8Array>)
  const response = new Response(stream, { status, headers })
  // Whatever comes after is no part of it, and the connection is nobody else's.
  if (isEmpty) incoming.destroy()
  return response
}
