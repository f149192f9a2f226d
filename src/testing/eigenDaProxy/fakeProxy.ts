/**
 * An EigenDA proxy in memory mode, answer for answer: its routes with their traps, its status
 * codes, its certificates (a real commitment, everything else random), its `/memstore/config`, and
 * faults on top that no configuration of the real one offers.
 *
 * Behaviour follows `api/proxy` of Layr-Labs/eigenda at v2.7.0 with its router, gorilla/mux 1.8.0.
 */
import type { FetchLike } from '../../da/index.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  type FakeAnswer,
  type FakeProxyFault,
  type FakeRequest,
  failure,
  json,
  notAllowed,
  requestOf,
  success,
  toResponse,
} from './answers.js'
import { getBlob, postBlob } from './blobs.js'
import { type FakeMemstoreConfig, patchConfig, showConfig } from './config.js'
import { keccakLane } from './keccakLane.js'
import { createFakeState, type FakeEigenDaProxyOptions, type FakeProxyState } from './state.js'

/** The fake, with its controls. */
export type FakeEigenDaProxy = {
  /** A `fetch` that reaches the fake whatever the host is. */
  fetch: FetchLike
  /** One exchange, for servers. */
  answer(request: FakeRequest): Promise<FakeAnswer>
  fail(...faults: readonly FakeProxyFault[]): void
  configure(config: Partial<FakeMemstoreConfig>): void
  /** Dispersals so far, each of which the real network charges for; of one payload or of all. */
  dispersals(payload?: Uint8Array): number
  /** Requests so far, as `METHOD path?query`. */
  readonly log: readonly string[]
  /** Headers of the last request. */
  readonly lastHeaders: Headers | undefined
}

/**
 * Creates a fake proxy.
 *
 * @example
 * ```ts
 * import { eigenDa } from '@newton/policy-sdk/da'
 * import { createFakeEigenDaProxy } from '@newton/policy-sdk/testing'
 *
 * const proxy = createFakeEigenDaProxy()
 * const da = eigenDa({ url: 'http://proxy.test', fetch: proxy.fetch })
 * const { locator, artifactHash } = await da.put(new TextEncoder().encode('package example\n'))
 * await da.getWithVerification(locator, artifactHash)
 * ```
 */
export function createFakeEigenDaProxy(options: FakeEigenDaProxyOptions = {}): FakeEigenDaProxy {
  const state = createFakeState(options)
  const log: string[] = []
  let lastHeaders: Headers | undefined

  async function answer(request: FakeRequest): Promise<FakeAnswer> {
    // A path of two slashes is a path here, not a host.
    const url = new URL(request.url.startsWith('/') ? `http://fake${request.url}` : request.url)
    log.push(`${request.method} ${url.pathname}${url.search}`)
    lastHeaders = request.headers
    return route(state, request, url)
  }

  return {
    fetch: async (input, init = {}) =>
      toResponse(await answer(await requestOf(input, init)), init.signal ?? undefined),
    answer,
    fail: (...added) =>
      void state.faults.push(...added.map((fault) => ({ fault, left: fault.times ?? 1 }))),
    configure: (change) => void Object.assign(state.config, change),
    dispersals: (payload) =>
      payload
        ? (state.dispersals.get(keccakHex(payload)) ?? 0)
        : [...state.dispersals.values()].reduce((sum, count) => sum + count, 0),
    log,
    get lastHeaders() {
      return lastHeaders
    },
  }
}

/** The router: which handler a path leads to, traps included. */
async function route(state: FakeProxyState, request: FakeRequest, url: URL): Promise<FakeAnswer> {
  const path = url.pathname
  const clean = path.replace(/\/{2,}/g, '/')
  if (clean !== path)
    return {
      status: 301,
      headers: { location: `${clean}${url.search}` },
      body: new Uint8Array(0),
    }
  const { method } = request
  if (path.startsWith('/get')) return routeGet(state, request, url)
  if (path === '/put' || path.startsWith('/put/')) return routePut(state, request, url)
  if (path === '/health')
    return method === 'GET' ? { status: 200, headers: {}, body: new Uint8Array(0) } : notAllowed()
  if (path === '/config' && state.hasConfigRoute)
    return method === 'GET' ? json(compatibility(state)) : notAllowed()
  if (path === '/memstore/config') {
    if (method === 'PATCH') {
      const problem = patchConfig(state.config, request.body)
      if (problem === 'panic') return { ...failure(500, ''), effect: 'reset' }
      if (problem !== undefined) return failure(400, problem.message)
    } else if (method !== 'GET') return notAllowed()
    return success(utf8(`${JSON.stringify(showConfig(state.config, state.shownCertVersion))}\n`))
  }
  return failure(404, '404 page not found')
}

async function routeGet(
  state: FakeProxyState,
  request: FakeRequest,
  { pathname, searchParams: query }: URL,
): Promise<FakeAnswer> {
  if (request.method !== 'GET') return notAllowed()
  const standard = isStandard(query)
  const rest = /^\/get\/(?:0x)?(.*)$/.exec(pathname)?.[1] ?? ''
  const std = /^([0-9a-fA-F]{2})([0-9a-fA-F]*)$/.exec(rest)
  if (standard && std) {
    const [, versionHex = '', certHex = ''] = std
    return getBlob(state, request, { mode: 'standard', versionHex, certHex, query })
  }
  const keccak = /^00([0-9a-fA-F]{64})$/.exec(rest)
  if (keccak) {
    return keccakLane(state, request, { verb: 'get', keyHex: keccak[1] as string })
  }
  const op = /^01([0-9a-fA-F]{2})([0-9a-fA-F]{2})([^/]+)$/.exec(rest)
  if (op) {
    const [, , versionHex = '', certHex = ''] = op
    return getBlob(state, request, { mode: 'op', versionHex, certHex, query })
  }
  if (!standard && /^[0-9a-fA-F]{2}$/.test(rest))
    return failure(400, `unsupported commitment type ${rest}`)
  return failure(404, '404 page not found')
}

async function routePut(
  state: FakeProxyState,
  request: FakeRequest,
  { pathname, searchParams }: URL,
): Promise<FakeAnswer> {
  if (request.method !== 'POST') return notAllowed()
  if (pathname === '/put' && isStandard(searchParams)) return postBlob(state, request, 'standard')
  if (pathname === '/put' || pathname === '/put/') return postBlob(state, request, 'op')
  const keccak = /^\/put\/(?:0x)?00([0-9a-fA-F]{64})$/.exec(pathname)
  return keccak
    ? keccakLane(state, request, { verb: 'put', keyHex: keccak[1] as string })
    : failure(404, '404 page not found')
}

function isStandard(query: URLSearchParams): boolean {
  return query.get('commitment_mode') === 'standard'
}

// Made when the proxy starts: no later change of the memory store's limits shows here.
function compatibility({
  maxPayloadBytes,
  apis,
  readOnly,
}: FakeProxyState): Record<string, unknown> {
  return {
    version: '2.7.0',
    chain_id: '',
    directory_address: '0x9620dC4B3564198554e4D2b06dEFB7A369D90257',
    // Memory mode resolves no verifier.
    cert_verifier_address: '',
    max_payload_size_bytes: maxPayloadBytes,
    apis_enabled: apiOrder.filter((api) => apis.includes(api)),
    read_only_mode: readOnly,
  }
}

/** The order in which the proxy lists what it serves, whatever order it was started with. */
const apiOrder = ['metrics', 'arb', 'admin', 'op-generic', 'op-keccak', 'standard']
