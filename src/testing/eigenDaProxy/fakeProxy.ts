/**
 * An EigenDA proxy in memory mode, answer for answer: its routes with their traps, its status
 * codes, its certificates (a real commitment, everything else random), its `/memstore/config`, and
 * faults on top that no configuration of the real one offers.
 *
 * Behaviour follows `api/proxy` of Layr-Labs/eigenda at v2.7.0 with its router, gorilla/mux 1.8.0.
 */
import type { Hex } from 'viem'
import type { G1Point } from '../../core/bn254/points.js'
import {
  blobSymbols,
  encodeCertRlp,
  encodePayload,
  type FetchLike,
  MAX_PAYLOAD_BYTES,
  payloadCapacity,
} from '../../da/index.js'
import { concat, fromHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  distorted,
  type FakeAnswer,
  type FakeProxyFault,
  type FakeRequest,
  failure,
  json,
  notAllowed,
  requestOf,
  scripted,
  success,
  toResponse,
  wait,
} from './answers.js'
import { randomCert, sequence, toyCommitment } from './certificate.js'
import { type FakeMemstoreConfig, patchConfig, showConfig } from './config.js'

/** Options of {@link createFakeEigenDaProxy}. */
export type FakeEigenDaProxyOptions = {
  apis?: readonly string[] | undefined
  readOnly?: boolean | undefined
  /** Whether the keccak lane has a store behind it. @default true */
  archive?: boolean | undefined
  /** Version of the certificates made. @default 4 */
  certVersion?: 3 | 4 | undefined
  config?: Partial<FakeMemstoreConfig> | undefined
  /** Whether `/config` exists; proxies before v2.5 have none. @default true */
  hasConfigRoute?: boolean | undefined
  /** Commits to a payload. By default under a toy ceremony whose secret is {@link TOY_TAU}. */
  commit?: ((payload: Uint8Array) => Promise<G1Point>) | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
  /** @default a sequence that starts the same each time */
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

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

const maxBodyBytes = 16 * 1024 * 1024

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
  const {
    apis = ['standard', 'op-generic', 'op-keccak'],
    readOnly = false,
    archive = true,
    certVersion = 4,
  } = options
  const { hasConfigRoute = true, commit = toyCommitment, now = Date.now } = options
  const randomBytes = options.randomBytes ?? sequence()
  const config: FakeMemstoreConfig = {
    maxBlobSizeBytes: maxBodyBytes,
    blobExpiration: 25 * 60_000,
    putLatency: 0,
    getLatency: 0,
    putReturnsFailoverError: false,
    derivationError: undefined,
    ...options.config,
  }
  const blobs = new Map<
    Hex,
    { payload: Uint8Array; at: number; error: FakeMemstoreConfig['derivationError'] }
  >()
  const objects = new Map<string, Uint8Array>()
  const dispersals = new Map<Hex, number>()
  const faults: { fault: FakeProxyFault; left: number }[] = []
  const log: string[] = []
  let lastHeaders: Headers | undefined

  function takeFault(on: 'get' | 'put'): FakeProxyFault | undefined {
    const entry = faults.find(({ fault, left }) => left > 0 && (fault.on ?? 'get') === on)
    if (entry) entry.left -= 1
    return entry?.fault
  }

  async function disperse(
    payload: Uint8Array,
  ): Promise<{ rlp: Uint8Array; versionByte: number } | FakeAnswer> {
    if (readOnly)
      return failure(500, 'PUT routes are disabled, did you provide a signer private key?')
    if (config.putReturnsFailoverError) {
      return failure(
        503,
        'post request failed: could not disperse payload to v2 backend: Failover: ephemeral db in failover simulation mode',
      )
    }
    if (payload.length > MAX_PAYLOAD_BYTES)
      return failure(500, 'post request failed: insufficient SRS points for the blob')
    const blobBytes = blobSymbols(payload.length) * 32
    if (blobBytes > config.maxBlobSizeBytes) {
      return failure(
        400,
        `post request failed: could not disperse payload to v2 backend: encoded blob is larger than max blob size: blob length ${blobBytes}, max blob size ${config.maxBlobSizeBytes}`,
      )
    }
    const cert = randomCert(
      await commit(payload),
      blobSymbols(payload.length),
      certVersion,
      randomBytes,
    )
    const rlp = encodeCertRlp(cert)
    blobs.set(keccakHex(rlp), {
      payload: payload.slice(),
      at: now(),
      error: config.derivationError,
    })
    const name = keccakHex(payload)
    dispersals.set(name, (dispersals.get(name) ?? 0) + 1)
    return { rlp, versionByte: certVersion - 1 }
  }

  async function postBlob(request: FakeRequest, mode: 'standard' | 'op'): Promise<FakeAnswer> {
    const api = mode === 'standard' ? 'standard' : 'op-generic'
    if (!apis.includes(api))
      return failure(403, `${api} DA Commitment type detected but \`${api}\` API is not enabled`)
    if (request.body.length > maxBodyBytes) {
      return failure(
        400,
        `reading at most ${maxBodyBytes} bytes from body: http: request body too large`,
      )
    }
    await wait(config.putLatency, request.signal)
    const fault = takeFault('put')
    if (fault?.kind === 'status') return scripted(fault)
    const other = fault?.kind === 'otherCertificate' || fault?.kind === 'poisoned'
    const result = await disperse(other ? concat(request.body, Uint8Array.of(1)) : request.body)
    if ('status' in result) return result
    const standard = concat(Uint8Array.of(result.versionByte), result.rlp)
    const reply = success(mode === 'op' ? concat(Uint8Array.of(1, 0), standard) : standard)
    return other ? reply : distorted(reply, fault)
  }

  async function getBlob(
    request: FakeRequest,
    mode: 'standard' | 'op',
    versionHex: string,
    certHex: string,
    query: URLSearchParams,
  ): Promise<FakeAnswer> {
    const api = mode === 'standard' ? 'standard' : 'op-generic'
    if (!apis.includes(api))
      return failure(403, `${api} DA Commitment type detected but \`${api}\` API is not enabled`)
    const version = Number.parseInt(versionHex, 16)
    if (version > 3) {
      const message = `unsupported version byte ${versionHex}: unknown EigenDA cert version: ${version}`
      // The handler and the middleware both write it.
      return failure(400, `${message}\nparsing error: parsing version byte: ${message}`)
    }
    if (certHex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(certHex)) {
      return failure(
        400,
        `decoding cert from hex string: ${certHex}, error: encoding/hex: odd length hex string`,
      )
    }
    const inclusion = query.get('l1_inclusion_block_number')
    if (inclusion !== null && inclusion !== '' && !/^\d{1,20}$/.test(inclusion)) {
      return failure(
        400,
        `invalid l1_inclusion_block_number ${inclusion}: strconv.ParseUint: parsing "${inclusion}": invalid syntax`,
      )
    }
    const prefix = `get request failed with serializedCert (version ${version}) ${certHex}: `
    if (version === 0)
      return failure(500, `${prefix}V1 backend has been removed, V0 certs are no longer supported`)
    await wait(config.getLatency, request.signal)
    const fault = takeFault('get')
    if (fault?.kind === 'status') return scripted(fault)
    const key = keccakHex(fromHex(`0x${certHex}`))
    const blob = blobs.get(key)
    const expired = blob && config.blobExpiration > 0 && now() - blob.at >= config.blobExpiration
    if (expired) blobs.delete(key)
    if (!blob || expired) {
      return failure(
        500,
        `${prefix}failed to read from all storage backends: read from EigenDA backend: fetching entry via memstore: payload not found for key: ${key.slice(2)}`,
      )
    }
    if (blob.error)
      return failure(
        418,
        JSON.stringify({ StatusCode: blob.error.statusCode, Msg: blob.error.msg }),
      )
    if (version === 1)
      return failure(
        500,
        `${prefix}failed to read from all storage backends: unsupported certificate version: 2`,
      )
    const encoded = query.get('return_encoded_payload')
    const wantsEncoded = encoded !== null && ['', 'true', '1'].includes(encoded.toLowerCase())
    return distorted(success(wantsEncoded ? encodePayload(blob.payload) : blob.payload), fault)
  }

  async function keccakLane(
    request: FakeRequest,
    verb: 'get' | 'put',
    keyHex: string,
  ): Promise<FakeAnswer> {
    const key = keyHex.toLowerCase()
    if (verb === 'get' && !apis.includes('op-keccak')) {
      return failure(
        403,
        'op-keccak DA Commitment type detected but `op-keccak` API is not enabled',
      )
    }
    if (verb === 'put' && request.body.length > maxBodyBytes) {
      return failure(
        400,
        `reading at most ${maxBodyBytes} bytes from body: http: request body too large`,
      )
    }
    if (!archive) {
      return verb === 'get'
        ? failure(
            500,
            `GET keccakCommitment ${key}: expected S3 backend for OP keccak256 commitment type, but none configured`,
          )
        : failure(
            500,
            `keccak POST request failed for commitment ${key}: S3 is disabled but is only supported for posting known commitment keys`,
          )
    }
    const fault = takeFault(verb)
    if (fault?.kind === 'status') return scripted(fault)
    if (verb === 'put') {
      const actual = keccakHex(request.body)
      if (actual !== `0x${key}`) {
        return failure(
          400,
          `keccak POST request failed for commitment ${key}: s3 verify: key!=keccak(value): key=${key} keccak(value)=${actual}`,
        )
      }
      objects.set(key, request.body.slice())
      return distorted(success(new Uint8Array(0)), fault)
    }
    const object = objects.get(key)
    if (!object)
      return failure(
        400,
        `GET keccakCommitment ${key}: s3 get: OP Keccak key not found in S3 bucket`,
      )
    return distorted(success(object), fault)
  }

  async function answer(request: FakeRequest): Promise<FakeAnswer> {
    // A path of two slashes is a path here, not a host.
    const url = new URL(request.url.startsWith('/') ? `http://fake${request.url}` : request.url)
    log.push(`${request.method} ${url.pathname}${url.search}`)
    lastHeaders = request.headers
    const path = url.pathname
    const clean = path.replace(/\/{2,}/g, '/')
    if (clean !== path)
      return {
        status: 301,
        headers: { location: `${clean}${url.search}` },
        body: new Uint8Array(0),
      }
    const { method } = request
    const standard = url.searchParams.get('commitment_mode') === 'standard'
    if (path.startsWith('/get')) {
      if (method !== 'GET') return notAllowed()
      const rest = /^\/get\/(?:0x)?(.*)$/.exec(path)?.[1] ?? ''
      const std = /^([0-9a-fA-F]{2})([0-9a-fA-F]*)$/.exec(rest)
      if (standard && std)
        return getBlob(request, 'standard', std[1] as string, std[2] as string, url.searchParams)
      const keccak = /^00([0-9a-fA-F]{64})$/.exec(rest)
      if (keccak) return keccakLane(request, 'get', keccak[1] as string)
      const op = /^01([0-9a-fA-F]{2})([0-9a-fA-F]{2})([^/]+)$/.exec(rest)
      if (op) return getBlob(request, 'op', op[2] as string, op[3] as string, url.searchParams)
      if (!standard && /^[0-9a-fA-F]{2}$/.test(rest))
        return failure(400, `unsupported commitment type ${rest}`)
      return failure(404, '404 page not found')
    }
    if (path === '/put' || path.startsWith('/put/')) {
      if (method !== 'POST') return notAllowed()
      if (path === '/put' && standard) return postBlob(request, 'standard')
      if (path === '/put' || path === '/put/') return postBlob(request, 'op')
      const keccak = /^\/put\/(?:0x)?00([0-9a-fA-F]{64})$/.exec(path)
      return keccak
        ? keccakLane(request, 'put', keccak[1] as string)
        : failure(404, '404 page not found')
    }
    if (path === '/health')
      return method === 'GET' ? { status: 200, headers: {}, body: new Uint8Array(0) } : notAllowed()
    if (path === '/config' && hasConfigRoute)
      return method === 'GET' ? json(compatibility()) : notAllowed()
    if (path === '/memstore/config') {
      if (method === 'PATCH') {
        const problem = patchConfig(config, request.body)
        if (problem !== undefined) return failure(400, problem)
      } else if (method !== 'GET') return notAllowed()
      return success(utf8(`${JSON.stringify(showConfig(config, certVersion))}\n`))
    }
    return failure(404, '404 page not found')
  }

  function compatibility(): Record<string, unknown> {
    return {
      version: '2.7.0',
      chain_id: '',
      directory_address: '0x9620dC4B3564198554e4D2b06dEFB7A369D90257',
      cert_verifier_address: '0x17ec4112c4BbD540E2c1fE0A49D264a280176F0D',
      max_payload_size_bytes: payloadCapacity(config.maxBlobSizeBytes / 32),
      apis_enabled: apis,
      read_only_mode: readOnly,
    }
  }

  return {
    fetch: async (input, init) =>
      toResponse(await answer(await requestOf(input, init)), init.signal ?? undefined),
    answer,
    fail: (...added) =>
      void faults.push(...added.map((fault) => ({ fault, left: fault.times ?? 1 }))),
    configure: (change) => void Object.assign(config, change),
    dispersals: (payload) =>
      payload
        ? (dispersals.get(keccakHex(payload)) ?? 0)
        : [...dispersals.values()].reduce((sum, count) => sum + count, 0),
    log,
    get lastHeaders() {
      return lastHeaders
    },
  }
}
