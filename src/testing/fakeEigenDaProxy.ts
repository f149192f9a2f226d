/**
 * An EigenDA proxy in memory mode, answer for answer: its routes with their traps, its status
 * codes, its certificates (a real commitment, everything else random), its `/memstore/config`, and
 * faults on top that no configuration of the real one offers.
 *
 * Behaviour follows `api/proxy` of Layr-Labs/eigenda at v2.7.0 with its router, gorilla/mux 1.8.0.
 */
import { bn254 } from '@noble/curves/bn254.js'
import type { Hex } from 'viem'
import { type G1Point, GROUP_ORDER } from '../core/bn254/points.js'
import {
  blobSymbols,
  type EigenDaCert,
  encodeCertRlp,
  encodePayload,
  type FetchLike,
  MAX_PAYLOAD_BYTES,
  payloadCapacity,
} from '../da/index.js'
import { inverseFourier, symbolsToScalars } from '../da/kzg/field.js'
import { concat, fromHex, toHex, utf8 } from '../internal/bytes.js'
import { keccakHex } from '../internal/keccak.js'
import { formatGoDuration, parseGoDuration } from './goDuration.js'

/** A fault laid over the next answers that it applies to. */
export type FakeProxyFault = {
  kind: /** 200 with other bytes: a poisoned cache. */
    | 'poisoned'
    /** 200 with an HTML page. */
    | 'html'
    /** 200 with nothing. */
    | 'empty'
    /** 200 with a body cut short of its announced length. */
    | 'truncated'
    /** 200 with a body that stops and never ends. */
    | 'stalled'
    /** 200 with more bytes than any blob. */
    | 'oversized'
    /** 302 to elsewhere. */
    | 'redirect'
    /** The connection ends before an answer. On a write the dispersal has happened. */
    | 'reset'
    /** No answer at all. On a write the dispersal has happened. */
    | 'silent'
    /** A write answers with the certificate of other bytes. */
    | 'otherCertificate'
    /** Any status, with `body`. */
    | 'status'
  on?: 'get' | 'put' | undefined
  times?: number | undefined
  status?: number | undefined
  body?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/** State of the memory store, as `GET /memstore/config` shows it. */
export type FakeMemstoreConfig = {
  maxBlobSizeBytes: number
  /** Milliseconds; zero keeps blobs. */
  blobExpiration: number
  putLatency: number
  getLatency: number
  putReturnsFailoverError: boolean
  derivationError: { statusCode: number; msg: string } | undefined
}

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

/** An answer before it becomes a response, with what happens to the connection. */
export type FakeAnswer = {
  status: number
  headers: Record<string, string>
  body: Uint8Array
  effect?: 'reset' | 'silent' | 'stalled' | 'truncated' | undefined
}

/** A request as the fake sees it. */
export type FakeRequest = {
  method: string
  url: string
  headers: Headers
  body: Uint8Array
  signal?: AbortSignal | undefined
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

/** Secret of the toy ceremony that the fake commits under. */
export const TOY_TAU = 0x746f79n

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

/** The commitment of a payload under the toy ceremony: one multiplication, because its secret is known. */
export async function toyCommitment(payload: Uint8Array): Promise<G1Point> {
  const coefficients = inverseFourier(symbolsToScalars(encodePayload(payload)))
  const value = coefficients.reduceRight(
    (sum, coefficient) => (sum * TOY_TAU + coefficient) % GROUP_ORDER,
    0n,
  )
  if (value === 0n) return { X: 0n, Y: 0n }
  const { x, y } = bn254.G1.Point.BASE.multiply(value).toAffine()
  return { X: x, Y: y }
}

function distorted(reply: FakeAnswer, fault: FakeProxyFault | undefined): FakeAnswer {
  switch (fault?.kind) {
    case 'poisoned': {
      const body = reply.body.slice()
      body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1
      return { ...reply, body }
    }
    case 'html':
      return {
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: utf8('<!doctype html><title>Gateway</title>'),
      }
    case 'empty':
      return { ...reply, body: new Uint8Array(0) }
    case 'truncated':
      return { ...reply, effect: 'truncated' }
    case 'stalled':
      return { ...reply, effect: 'stalled' }
    case 'oversized':
      return { ...reply, body: new Uint8Array(MAX_PAYLOAD_BYTES + 1_000_000) }
    case 'redirect':
      return {
        status: 302,
        headers: { location: 'http://169.254.169.254/latest' },
        body: new Uint8Array(0),
      }
    case 'reset':
    case 'silent':
      return { ...reply, effect: fault.kind }
    default:
      return reply
  }
}

function scripted({ status = 500, body = '', headers = {} }: FakeProxyFault): FakeAnswer {
  return {
    ...failure(status, body),
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  }
}

// What Go's http.Error writes.
function failure(status: number, message: string): FakeAnswer {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: utf8(`${message}\n`),
  }
}

function notAllowed(): FakeAnswer {
  return { status: 405, headers: {}, body: new Uint8Array(0) }
}

// The proxy sets no content type on success; Go guesses one from the bytes.
function success(body: Uint8Array): FakeAnswer {
  const isText =
    body.length > 0 &&
    !body.subarray(0, 512).some((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20))
  return {
    status: 200,
    headers: { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/octet-stream' },
    body,
  }
}

function json(value: unknown): FakeAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: utf8(JSON.stringify(value)),
  }
}

function randomCert(
  commitment: G1Point,
  length: number,
  version: 3 | 4,
  randomBytes: (length: number) => Uint8Array,
): EigenDaCert {
  const below = (limit: number): number => {
    const [a, b, c] = randomBytes(3) as unknown as [number, number, number]
    return ((a << 16) | (b << 8) | c) % limit
  }
  const g1 = (): G1Point => ({ X: BigInt(below(1_000)), Y: BigInt(below(1_000)) })
  const g2 = (limit: number) => {
    const limb = (): bigint => BigInt(below(limit))
    return { X: [limb(), limb()], Y: [limb(), limb()] } as const
  }
  const u32 = (): number => below(32)
  const cert: EigenDaCert = {
    version,
    batchHeader: {
      batchRoot: toHex(randomBytes(32)),
      referenceBlockNumber: 4_294_967_200 + below(32),
    },
    blobInclusionInfo: {
      blobCertificate: {
        blobHeader: {
          version: 0,
          quorumNumbers: '0x0001',
          commitment: { commitment, lengthCommitment: g2(1_000), lengthProof: g2(1), length },
          paymentHeaderHash: toHex(randomBytes(32)),
        },
        signature: toHex(randomBytes(48)),
        relayKeys: [u32(), u32()],
      },
      blobIndex: below(1_000),
      inclusionProof: toHex(randomBytes(128)),
    },
    nonSignerStakesAndSignature: {
      nonSignerQuorumBitmapIndices: [u32(), u32()],
      nonSignerPubkeys: [g1()],
      quorumApks: [g1()],
      apkG2: g2(1_000),
      sigma: g1(),
      quorumApkIndices: [u32(), u32()],
      totalStakeIndices: [u32(), u32(), u32()],
      nonSignerStakeIndices: [
        [u32(), u32()],
        [u32(), u32()],
      ],
    },
    signedQuorumNumbers: '0x',
  }
  return version === 4 ? { ...cert, offchainDerivationVersion: 0 } : cert
}

function showConfig(config: FakeMemstoreConfig, certVersion: number): Record<string, unknown> {
  return {
    MaxBlobSizeBytes: config.maxBlobSizeBytes,
    BlobExpiration: formatGoDuration(config.blobExpiration),
    PutLatency: formatGoDuration(config.putLatency),
    GetLatency: formatGoDuration(config.getLatency),
    PutReturnsFailoverError: config.putReturnsFailoverError,
    OverwritePutWithDerivationError: config.derivationError
      ? { StatusCode: config.derivationError.statusCode, Msg: config.derivationError.msg }
      : null,
    CertVersion: certVersion,
  }
}

/** Applies a `PATCH /memstore/config`; returns what is wrong with it. */
function patchConfig(config: FakeMemstoreConfig, body: Uint8Array): string | undefined {
  let update: Record<string, unknown>
  try {
    update = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>
  } catch (error) {
    return (error as Error).message
  }
  const change: Partial<FakeMemstoreConfig> = {}
  for (const [member, name] of [
    ['PutLatency', 'putLatency'],
    ['GetLatency', 'getLatency'],
    ['BlobExpiration', 'blobExpiration'],
  ] as const) {
    const value = update[member]
    if (value === undefined || value === null) continue
    const duration = parseGoDuration(String(value))
    if (duration === undefined) return `time: invalid duration ${JSON.stringify(value)}`
    change[name] = duration
  }
  if (typeof update['PutReturnsFailoverError'] === 'boolean')
    change.putReturnsFailoverError = update['PutReturnsFailoverError']
  if (typeof update['MaxBlobSizeBytes'] === 'number')
    change.maxBlobSizeBytes = update['MaxBlobSizeBytes']
  const error = update['NullableDerivationError'] as
    | { StatusCode?: number; Msg?: string; Reset?: boolean }
    | undefined
  if (error?.Reset) change.derivationError = undefined
  else if (error) {
    const statusCode = error.StatusCode ?? 0
    if (statusCode < 1 || statusCode > 4)
      return `DerivationError: invalid status code ${statusCode}, must be between 1 and 4`
    change.derivationError = { statusCode, msg: error.Msg ?? '' }
  }
  Object.assign(config, change)
  return undefined
}

async function requestOf(input: string, init: RequestInit): Promise<FakeRequest> {
  const body =
    init.body === undefined || init.body === null
      ? new Uint8Array(0)
      : new Uint8Array(await new Response(init.body).arrayBuffer())
  return {
    method: init.method ?? 'GET',
    url: input,
    headers: new Headers(init.headers),
    body,
    signal: init.signal ?? undefined,
  }
}

async function toResponse(
  { status, headers, body, effect }: FakeAnswer,
  signal: AbortSignal | undefined,
): Promise<Response> {
  if (effect === 'reset') {
    // As fetch of Node fails: a TypeError whose cause has the system's code.
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    return Promise.reject(new TypeError('fetch failed', { cause }))
  }
  if (effect === 'silent') await wait(Number.POSITIVE_INFINITY, signal)
  const all = { ...headers, 'content-length': String(body.length) }
  if (effect === undefined) {
    // Bodies are forbidden on some statuses, and an empty one is no body.
    return new Response(body.length === 0 ? null : (body.slice() as unknown as BodyInit), {
      status,
      headers: all,
    })
  }
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (body.length > 1) controller.enqueue(body.slice(0, body.length >> 1))
      if (effect === 'truncated') controller.close()
    },
  })
  return new Response(stream, { status, headers: all })
}

function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds <= 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const timer =
      milliseconds === Number.POSITIVE_INFINITY ? undefined : setTimeout(resolve, milliseconds)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason)
      },
      { once: true },
    )
  })
}

// Bytes that look random and are the same in every run; certificates must merely differ.
function sequence(): (length: number) => Uint8Array {
  let counter = 0
  return (length) => {
    const blocks: Uint8Array[] = []
    for (let at = 0; at < length; at += 32)
      blocks.push(fromHex(keccakHex(utf8(`fake ${counter++}`))))
    return concat(...blocks).slice(0, length)
  }
}
