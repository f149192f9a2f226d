/**
 * Answers about plugins over HTTP, as the public draft of a contract verification registry has it:
 * `GET /wasms/<hash>.json`, where 64 hex digits are SHA-256 and `0x` with 64 keccak-256. Beside it, what
 * the draft has no place for: every claim as it is, and a list.
 *
 * Only reads. What it says is the verifiers' word, listed, never resolved.
 */
import type { Address, Hex } from 'viem'
import { assertCount, assertKnown } from '../../internal/options.js'
import type {
  IndexedClaim,
  ProvenanceFilter,
  ProvenanceIndex,
  ProvenanceRecord,
} from './provenanceIndex.js'
import { inOrder, newest, viewOf } from './recordView.js'
import { claimedBuild, shownBuild } from './shownBuild.js'

/** How a verifier is shown. */
export type VerifierProfile = { name: string; url?: string | undefined }

/** What {@link createStatusHandler} answers from. */
export type StatusHandlerParameters = {
  index: Pick<ProvenanceIndex, 'get' | 'getBySha256' | 'list'>
  /**
   * Whose claims the answers of the draft have, and how they are shown, by address in lower case. Anybody
   * may claim: where this is left out, everybody is listed by address, the newest first, at most 100.
   */
  verifiers?: Readonly<Record<string, VerifierProfile>> | undefined
  /** Whether a verification of a plugin is under way: its answer is 202. */
  isPending?: ((wasmHash: Hex) => boolean) | undefined
  /** The verifier that runs this service, shown where nobody claimed anything yet. */
  service: VerifierProfile
  /**
   * When the index was last brought up to its chain, by `now`; `undefined` where it never was. Older than
   * `maxAge`, every answer is 503: what was verified then may have been taken back.
   */
  asOf?: (() => number | undefined) | undefined
  /** Milliseconds. @default 300000 */
  maxAge?: number | undefined
  now?: (() => number) | undefined
}

const image = /^(?:localhost(?::\d+)?|[^\s@/]*[.:][^\s@/]*)\/[^\s@]+@sha256:[0-9a-f]{64}$/
const version = '1.0'
const jsonHeaders = {
  'content-type': 'application/json; charset=utf-8',
  'access-control-allow-origin': '*',
  'x-content-type-options': 'nosniff',
}

const known = [...['index', 'verifiers', 'isPending', 'service', 'asOf', 'maxAge', 'now']]

/**
 * Creates a fetch handler.
 *
 * @example
 * ```ts
 * import { createProvenanceIndex, createStatusHandler } from '@newton/policy-sdk/provenance'
 *
 * const handle = createStatusHandler({
 *   index: createProvenanceIndex(),
 *   service: { name: 'Example' },
 * })
 * const { status } = await handle(new Request('https://example.com/wasms/unknown.json')) // 400
 * ```
 */
export function createStatusHandler(
  parameters: StatusHandlerParameters,
): (request: Request) => Promise<Response> {
  assertKnown('parameters', parameters, known)
  const { asOf, maxAge = 300_000, now = Date.now } = parameters
  assertCount('maxAge', maxAge, { least: 1_000 })
  const isBehind = (): boolean => {
    if (asOf === undefined) return false
    const age = now() - (asOf() ?? Number.NaN)
    // A clock that says nothing, or goes backwards, makes nothing fresh.
    return !(age >= 0 && age <= maxAge)
  }
  /** Seconds since the chain was read last: within `maxAge` an answer is given, and says how old it is. */
  const age = (): Record<string, string> => {
    const seconds = Math.floor((now() - (asOf?.() ?? Number.NaN)) / 1_000)
    return seconds >= 0 ? { age: `${seconds}` } : {}
  }
  const answer = async (request: Request): Promise<Response> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response(null, { status: 405, headers: { ...jsonHeaders, allow: 'GET, HEAD' } })
    }
    const { pathname, searchParams } = new URL(request.url)
    if (isBehind()) {
      return new Response(null, { status: 503, headers: { ...jsonHeaders, 'retry-after': '30' } })
    }
    if (pathname === '/wasms.json') return answerList(parameters, searchParams)
    const [, hash, more] = /^\/wasms\/([^/]*?)(\/claims)?\.json$/.exec(pathname) ?? []
    if (hash === undefined) return new Response(null, { status: 404, headers: jsonHeaders })
    const record = find(parameters, hash)
    if (record === 'malformed') {
      return json(400, {
        schema_version: version,
        error: '400_invalid_wasm_hash',
        message: 'The hash is 64 lower-case hex digits (SHA-256), or 0x and 64 (keccak-256).',
      })
    }
    // Without the bytes their SHA-256 is not known, which the answer is named by.
    if (record?.hashes === undefined)
      return new Response(null, { status: 404, headers: jsonHeaders })
    if (more !== undefined) {
      const verifier = searchParams.get('verifier') ?? undefined
      if (verifier !== undefined && !/^0x[0-9a-fA-F]{40}$/.test(verifier)) {
        return json(400, { ...badQuery, message: 'verifier is an address.' })
      }
      return json(200, claimsOf(record, verifier?.toLowerCase()))
    }
    const pending = parameters.isPending?.(record.wasmHash) ?? false
    return json(pending && record.claims.length === 0 ? 202 : 200, statusOf(record, parameters))
  }
  return async (request) => {
    const response = await answer(request)
    for (const [name, value] of Object.entries(age())) response.headers.set(name, value)
    return response
  }
}

function find(
  { index }: StatusHandlerParameters,
  hash: string,
): ProvenanceRecord | undefined | 'malformed' {
  if (/^0x[0-9a-f]{64}$/.test(hash)) return index.get(hash as Hex)
  return /^[0-9a-f]{64}$/.test(hash) ? index.getBySha256(`0x${hash}`) : 'malformed'
}

/** The status object of the draft. */
function statusOf(record: ProvenanceRecord, parameters: StatusHandlerParameters): object {
  const { verifiers, service } = parameters
  // One entry a verifier and build: what it claims now. Who finds differences between builds shows both.
  const view = viewOf(record)
  const claims =
    verifiers === undefined
      ? view.claims
      : inOrder(Object.keys(verifiers).flatMap((verifier) => view.of(verifier).claims))
  const verifications = newest(claims, shownAtMost).map((claim) =>
    verificationOf(record, claim, verifiers?.[claim.verifier] ?? { name: claim.verifier }),
  )
  return {
    schema_version: version,
    wasm_hash: record.hashes?.wasmSha256.slice(2),
    updated_at: timeOf(record.updatedAt),
    source_code_verifications:
      verifications.length > 0
        ? verifications
        : [{ verifier: profile(service), status: 'unverified' }],
  }
}

/** Entries of a status, and of a plugin in a list. */
const shownAtMost = 100
/** Claims of one answer: strangers write as many as they pay for. */
const claimsAtMost = 1_000
/** Claims of one list. */
const listedAtMost = 10_000

function verificationOf(
  record: ProvenanceRecord,
  claim: IndexedClaim,
  shown: VerifierProfile,
): object {
  const { result, evidenceUri } = claim
  // Evidence of another build, or of other bytes, says nothing here.
  const evidence = shownBuild(record, claim)
  const info = claimedBuild(record, claim)?.info
  const urls = isUri(evidenceUri) ? { results_urls: [evidenceUri] } : {}
  const isSep = info !== undefined && image.test(info.image)
  const build = {
    ...(isSep ? { bldimg: info.image } : {}),
    // What is not an image of the draft, or ran without isolation, is outside of its mechanisms.
    ...(isSep && evidence?.isolation === 'bubblewrap' ? {} : { out_of_band: true }),
    ...(info === undefined ? {} : { bldopt: [...info.options] }),
    ...(info === undefined ? {} : { tarball_sha256: info.sourceSha256.slice(2) }),
    ...(info?.sourceUri && /^https?:\/\/\S+$/.test(info.sourceUri)
      ? { tarball_url: info.sourceUri }
      : {}),
  }
  const common = { verifier: profile(shown), ...build, ...urls }
  const processed = { processed_at: timeOf(claim.timestamp) }
  // A match with a build that nobody says the plugin has is none, and so is one of which nobody shows that
  // it was isolated, and of these bytes.
  if (result === 'match' && evidence?.isolation === 'bubblewrap') {
    return { ...common, status: 'verified', ...processed }
  }
  const rebuilt = evidence?.rebuiltSha256
  // The draft has no mismatch without the other hash; the claim itself is at `/claims`.
  if (result === 'no_match' && rebuilt !== undefined) {
    return { ...common, status: 'mismatched', rebuilt_hash: rebuilt.slice(2), ...processed }
  }
  return { ...common, status: 'unverified' }
}

/** Everything that is known, as it is: the newest claims, and how many there are. */
function claimsOf(record: ProvenanceRecord, verifier: string | undefined): object {
  const view = viewOf(record)
  const { claims, history } = verifier === undefined ? view : view.of(verifier)
  return {
    wasmHash: record.wasmHash,
    hashes: record.hashes,
    registered: record.registered,
    metadataFault: record.metadataFault,
    builds: record.builds,
    claims: newest(claims, claimsAtMost).map(plain),
    history: newest(history, claimsAtMost).map(plain),
    counts: { claims: claims.length, history: history.length },
  }
}

function plain({ timestamp, blockNumber, ...claim }: IndexedClaim): object {
  return { ...claim, timestamp: timestamp.toString(), blockNumber: blockNumber.toString() }
}

function answerList({ index }: StatusHandlerParameters, query: URLSearchParams): Response {
  const filter = filterOf(query)
  if (filter === undefined) {
    return json(400, {
      ...badQuery,
      message: 'Known are verifier, result (match, no_match, did_not_run), image, after and limit.',
    })
  }
  const records = index.list(filter)
  const each = Math.min(shownAtMost, Math.ceil(listedAtMost / Math.max(1, records.length)))
  const full = records.length === (filter.limit ?? 100)
  return json(200, {
    wasms: records.map((record) => ({
      ...{ wasmHash: record.wasmHash, wasmSha256: record.hashes?.wasmSha256 },
      registered: record.registered,
      images: [...new Set(record.builds.map(({ info }) => info.image))],
      claimCount: record.claims.length,
      claims: newest(viewOf(record).claims, each).map(({ verifier, result, buildInfoHash }) => ({
        ...{ verifier, result, buildInfoHash },
      })),
    })),
    ...(full ? { next: records.at(-1)?.wasmHash } : {}),
  })
}

const badQuery = { schema_version: version, error: '400_other' }

function filterOf(query: URLSearchParams): ProvenanceFilter | undefined {
  const known = ['verifier', 'result', 'image', 'after', 'limit']
  if ([...query.keys()].some((key) => !known.includes(key) || query.getAll(key).length > 1)) {
    return undefined
  }
  const get = (key: string): string | undefined => query.get(key) ?? undefined
  const [verifier, result, after, limit] = ['verifier', 'result', 'after', 'limit'].map(get)
  const isFine =
    /^(0x[0-9a-fA-F]{40})?$/.test(verifier ?? '') &&
    /^(match|no_match|did_not_run)?$/.test(result ?? '') &&
    /^(0x[0-9a-f]{64})?$/.test(after ?? '') &&
    /^([1-9]\d{0,2}|1000)?$/.test(limit ?? '')
  if (!isFine) return undefined
  return {
    verifier: verifier as Address | undefined,
    result: result as ProvenanceFilter['result'],
    after: after as Hex | undefined,
    image: get('image'),
    limit: limit === undefined ? undefined : Number(limit),
  }
}

function profile({ name, url }: VerifierProfile): VerifierProfile {
  return url === undefined ? { name } : { name, url }
}

function isUri(text: string): boolean {
  return /^[a-zA-Z][a-zA-Z0-9+.-]*:[^\s<>"{}|\\^`]+$/.test(text)
}

/** RFC 3339 without fractions of a second, as blocks have none. */
function timeOf(seconds: bigint): string {
  return new Date(Number(seconds) * 1_000).toISOString().replace('.000Z', 'Z')
}

function json(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: jsonHeaders })
}
