/** Where the gateway is reached, from checked options: requests over HTTP, updates over sockets. */
import { InvalidInputError } from '../errors/common.js'
import { assertSecureUrl } from '../internal/options.js'
import type { GatewayOptions } from './clientTypes.js'
import type { RpcTransport } from './rpc.js'
import type { SubscriptionTransport } from './subscription.js'

/** The transport of requests. */
export function makeTransport(options: GatewayOptions): RpcTransport {
  const url = assertSecureUrl('url', options.url, { hint: 'Pass `apiKey`.' })
  const { apiKey } = options
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new InvalidInputError({ field: 'apiKey', reason: 'expected visible ASCII' })
  }
  return {
    url: url.href,
    apiKey,
    fetch: options.fetch ?? ((...call) => globalThis.fetch(...call)),
    headers: options.headers ?? {},
    timeout: options.timeout ?? 60_000,
    retries: options.retries ?? 3,
    retryDelay: options.retryDelay ?? ((attempt) => Math.min(200 * 2 ** (attempt - 1), 5_000)),
    newId: options.newId ?? (() => globalThis.crypto.randomUUID()),
    maxResponseBytes: options.maxResponseBytes ?? 16 * 1024 * 1024,
    onEvent: options.onEvent,
  }
}

/** The transport of updates, beside the URL of requests where none is named. */
export function makeSockets(options: GatewayOptions): SubscriptionTransport {
  const url = new URL(options.url)
  const derived = new URL('/ws', url)
  derived.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  const chosen = assertSecureUrl('webSocketUrl', options.webSocketUrl ?? derived.href, {
    protocols: ['wss:', 'ws:'],
    hint: 'Pass `apiKey`.',
  })
  return { url: chosen.href, apiKey: options.apiKey, create: options.webSocket ?? platformSocket }
}

function platformSocket(url: string): WebSocket {
  if (typeof globalThis.WebSocket !== 'function') {
    throw new InvalidInputError({
      field: 'webSocket',
      reason: 'this platform has no WebSocket',
      hint: 'Pass `webSocket: (url) => new WebSocket(url)` with that of a package such as ws.',
    })
  }
  return new globalThis.WebSocket(url)
}
