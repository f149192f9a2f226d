/**
 * EigenDA through its proxy, standard commitments only.
 *
 * The proxy's answers are checked, not believed: the certificate must parse, be for a blob of the
 * right length and, where points are supplied, commit to the very bytes that were sent. The network
 * keeps a blob for fourteen days; a receipt says until when.
 */
import type { Hex } from 'viem'
import type { DaClient, DaStatus } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, concat, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { createSingleFlight } from '../../internal/singleFlight.js'
import { createDaAdapter, type DaCall } from '../adapter.js'
import {
  DaConfigError,
  DaExpiredError,
  DaIntegrityError,
  DaInvalidCertError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  DaPayloadTooLargeError,
  DaProtocolError,
  DaRateLimitedError,
  DaUnavailableError,
} from '../errors.js'
import { withRetry } from '../internal/retry.js'
import type { EigenDaCert } from './cert.js'
import { eigenDaArchive } from './eigenDaArchive.js'
import {
  assertSameBlob,
  certOf,
  checkedCert,
  commitmentsOf,
  definedOnly,
  isOpenOutcome,
  isRetryable,
  messageOf,
} from './eigenDaCommitments.js'
import {
  EIGENDA_EXPIRY_BLOCKS,
  EIGENDA_RETENTION_SECONDS,
  type EigenDaOptions,
} from './eigenDaOptions.js'
import { createPaidParts } from './paidParts.js'
import {
  blobSymbols,
  decodePayload,
  MAX_PAYLOAD_BYTES,
  payloadCapacity,
  SYMBOL_BYTES,
} from './payloadCodec.js'
import {
  commitmentPath,
  type EigenDaProxyConfig,
  getConfig,
  getPayload,
  isUnsent,
  type ProxyTarget,
  postPayload,
  probePayload,
  proxyBase,
} from './proxyClient.js'

type PutResult = {
  locator: DaLocator
  checks: readonly string[]
  expiresAt: number
}

/** The EigenDA adapter. */
export type EigenDaClient = DaClient & {
  renew: NonNullable<DaClient['renew']>
  head: NonNullable<DaClient['head']>
  /** What the proxy says about itself; `undefined` for one older than v2.5. Asked once. */
  config(options?: IoOptions): Promise<EigenDaProxyConfig | undefined>
}

/**
 * Creates an adapter for a proxy, best one of your own beside the process.
 *
 * A write is repeated only when it certainly was not carried out: no connection, or a 429. Anything
 * else that leaves the outcome open is a {@link DaOutcomeUnknownError}, because a second dispersal
 * is paid for again. What was paid for and could not be checked is reused by a `put` of the same
 * bytes within a day; two of them at once are one.
 *
 * @throws {InvalidInputError} for a malformed URL or option.
 * @example
 * ```ts
 * import { eigenDa } from '@newton/policy-sdk/da'
 *
 * const da = eigenDa({ url: 'http://127.0.0.1:3100' })
 * const archive = eigenDa.archive({ url: 'http://127.0.0.1:3100' })
 * ```
 */
export function eigenDa(options: EigenDaOptions): EigenDaClient {
  const { maxParts = 4, probe = true, kzgMaxSymbols = 65_536, afterPut = 'readBack' } = options
  const { source = 'eigenda', random = Math.random, now = Date.now } = options
  const limit = options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAYLOAD_BYTES) {
    throw new InvalidInputError({
      field: 'maxPayloadBytes',
      reason: `expected 1 to ${MAX_PAYLOAD_BYTES}`,
    })
  }
  const target: ProxyTarget = {
    url: proxyBase(options.url),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    headers: options.headers ?? {},
    source,
    stallTimeout: options.stallTimeout ?? 30_000,
  }
  const retry = {
    reads: 5,
    writes: 3,
    baseDelay: 500,
    maxDelay: 8_000,
    ...definedOnly(options.retry ?? {}),
  }
  const paid = createPaidParts(now)
  const flights = createSingleFlight<PutResult>(`${source} da.put`)
  let config: Promise<EigenDaProxyConfig | undefined> | undefined

  function askConfig(signal: AbortSignal): Promise<EigenDaProxyConfig | undefined> {
    config ??= getConfig(target, { signal }).catch((error: unknown) => {
      config = undefined
      throw error
    })
    return config
  }

  /** Bytes of one part, after what the proxy says it takes. */
  async function partLimit(signal: AbortSignal): Promise<number> {
    if (!probe) return limit
    const said = await askConfig(signal).catch((error: unknown) => {
      signal.throwIfAborted()
      if (isUnsent(error)) throw error
      // A proxy that cannot describe itself may still take the write.
      return undefined
    })
    if (said === undefined) return limit
    if (said.readOnly) {
      throw new DaConfigError({
        source,
        reason: 'the proxy is read-only',
        hint: 'Give the proxy a signer key.',
      })
    }
    if (said.apisEnabled.length > 0 && !said.apisEnabled.includes('standard')) {
      throw new DaConfigError({
        source,
        reason: `the proxy serves ${said.apisEnabled.join(', ')} only`,
        hint: 'Start it with `--apis.enabled standard`.',
      })
    }
    return said.maxPayloadBytes > 0 ? Math.min(limit, said.maxPayloadBytes) : limit
  }

  async function dispersePart(part: Uint8Array, call: DaCall): Promise<Hex> {
    const post = (): Promise<Uint8Array> =>
      postPayload(
        target,
        { path: '/put?commitment_mode=standard', payload: part, limit },
        { signal: call.signal },
      ).catch((error: unknown) => {
        call.signal.throwIfAborted()
        throw error
      })
    let sent = false
    const bytes = await withRetry(
      () => {
        sent = true
        return post().catch((error: unknown) => {
          if (isUnsent(error) || error instanceof DaRateLimitedError) sent = false
          throw error
        })
      },
      {
        tries: retry.writes,
        baseDelay: retry.baseDelay,
        maxDelay: retry.maxDelay,
        shouldRetry: (error) => isUnsent(error) || error instanceof DaRateLimitedError,
        random,
        signal: call.signal,
      },
    ).catch((error: unknown) => {
      call.signal.throwIfAborted()
      throw sent && isOpenOutcome(error)
        ? new DaOutcomeUnknownError({ source, reason: messageOf(error) }, { cause: error })
        : error
    })
    return toHex(bytes)
  }

  /** Makes sure that a certificate is for these bytes; returns what was checked. */
  async function checkPut(part: Uint8Array, commitment: Hex, call: DaCall): Promise<string[]> {
    const cert = checkedCert(source, commitment, part)
    const checks = ['certificate']
    const symbols = blobSymbols(part.length)
    const { kzg, checkCert } = options
    if (kzg && symbols <= Math.min(kzgMaxSymbols, kzg.maxSymbols)) {
      await kzg.assertCommits(part, cert, { signal: call.signal }).catch((cause: unknown) => {
        call.signal.throwIfAborted()
        throw new DaIntegrityError(
          { source, reason: 'the certificate is not for the bytes that were sent' },
          { cause },
        )
      })
      checks.push('kzg')
    } else if (afterPut === 'readBack') {
      // Asking for the encoded form goes past the proxy's caches to the network.
      const encoded = await readPart(commitment, { ...call, onProgress: undefined }, true)
      if (!bytesEqual(decodePayload(encoded), part)) {
        throw new DaIntegrityError({
          source,
          reason: 'the network returns other bytes than were sent',
        })
      }
      checks.push('readBack')
    }
    if (checkCert) {
      const { checks: passed } = await checkCert(cert, { signal: call.signal })
      checks.push('cert', ...passed.map((check) => `cert.${check}`))
    }
    return checks
  }

  async function readPart(commitment: Hex, call: DaCall, encoded: boolean): Promise<Uint8Array> {
    const cert = certOf(source, commitment)
    const { length } = cert.blobInclusionInfo.blobCertificate.blobHeader.commitment
    const what = 'the blob'
    try {
      return await withRetry(
        async () => {
          const bytes = await getPayload(
            target,
            {
              path: commitmentPath(commitment, encoded ? { return_encoded_payload: 'true' } : {}),
              what,
              maxBytes: encoded ? length * SYMBOL_BYTES : payloadCapacity(length),
            },
            call,
          )
          if (bytes.length === 0)
            throw new DaProtocolError({ source, reason: 'an empty body with status 200' })
          return bytes
        },
        {
          tries: retry.reads,
          baseDelay: retry.baseDelay,
          maxDelay: retry.maxDelay,
          shouldRetry: (error) =>
            error instanceof DaNotFoundError
              ? // A blob just dispersed may not have reached every relay.
                encoded || options.currentBlock !== undefined
              : isRetryable(error),
          random,
          signal: call.signal,
        },
      )
    } catch (error) {
      call.signal.throwIfAborted()
      throw await byAge(error, cert, call)
    }
  }

  /** A blob that is not found is expired, or not there yet, by the age of its certificate. */
  async function byAge(error: unknown, cert: EigenDaCert, call: DaCall): Promise<unknown> {
    if (!(error instanceof DaNotFoundError) || !options.currentBlock) return error
    const head = await options.currentBlock({ signal: call.signal }).catch(() => undefined)
    if (head === undefined) return error
    const blocksPast = Number(head) - cert.batchHeader.referenceBlockNumber - EIGENDA_EXPIRY_BLOCKS
    if (blocksPast >= 0) {
      return new DaExpiredError(
        { source, what: 'the blob', expiredAt: now() - blocksPast * 12_000 },
        { cause: error },
      )
    }
    return new DaUnavailableError(
      { source, reason: 'a blob of its age must still be held, and is not found' },
      { cause: error },
    )
  }

  async function putParts(
    bytes: Uint8Array,
    call: DaCall,
    expected?: readonly Hex[],
  ): Promise<PutResult> {
    const perPart = await partLimit(call.signal)
    const count = Math.ceil(bytes.length / perPart)
    if (count > maxParts) {
      throw new DaPayloadTooLargeError({
        source,
        byteLength: bytes.length,
        limit: perPart * maxParts,
      })
    }
    const parts = Array.from({ length: count }, (_, index) =>
      bytes.subarray(index * perPart, (index + 1) * perPart),
    )
    const keyOf = (index: number): string =>
      `${index}/${count} ${keccakHex(parts[index] as Uint8Array)}`
    const commitments: Hex[] = []
    const checks = new Set<string>()
    let oldest = now()
    let checking: string | undefined
    try {
      for (const [index, part] of parts.entries()) {
        const key = keyOf(index)
        const known = paid.get(key)
        const commitment = known?.commitment ?? (await dispersePart(part, call))
        paid.set(key, known ?? { commitment, at: now() })
        oldest = Math.min(oldest, known?.at ?? now())
        commitments.push(commitment)
        checking = key
        for (const check of await checkPut(part, commitment, call)) checks.add(check)
        if (expected) assertSameBlob(source, expected[index], commitment)
        checking = undefined
        call.onProgress?.({
          loaded: Math.min(bytes.length, (index + 1) * perPart),
          total: bytes.length,
        })
      }
    } catch (error) {
      // Only a check that could not be made is worth making again on the same certificate.
      const isOpenCheck = error instanceof DaNotFoundError || isRetryable(error)
      if (checking !== undefined && !call.signal.aborted && !isOpenCheck) paid.delete(checking)
      if (error instanceof DaIntegrityError || error instanceof DaProtocolError) throw error
      if (commitments.length === 0 || call.signal.aborted) throw error
      const locator: DaLocator | undefined =
        commitments.length === count ? { kind: 'eigenDa', commitments } : undefined
      throw new DaOutcomeUnknownError(
        { source, reason: messageOf(error), commitments, locator },
        { cause: error },
      )
    }
    for (const index of parts.keys()) paid.delete(keyOf(index))
    return {
      locator: { kind: 'eigenDa', commitments } satisfies DaLocator,
      checks: [...checks],
      expiresAt: Math.floor(oldest / 1_000) + EIGENDA_RETENTION_SECONDS,
    }
  }

  const client = createDaAdapter(
    {
      kind: 'eigenda',
      source,
      retention: { kind: 'expires', seconds: EIGENDA_RETENTION_SECONDS },
      paid: true,
      timeouts: { put: options.timeouts?.put ?? 600_000, get: options.timeouts?.get ?? 150_000 },
      supports: ({ kind }) => kind === 'eigenDa',
      // Two writes of the same bytes at once are one, and paid for once.
      put: (bytes, call) =>
        flights.run(call.hash, { signal: call.signal }, (signal) =>
          putParts(bytes, { ...call, signal }),
        ),
      renew: (bytes, call) =>
        putParts(
          bytes,
          call,
          call.previous.kind === 'eigenDa' ? call.previous.commitments : undefined,
        ),
      async read(locator, call) {
        const parts: Uint8Array[] = []
        let loaded = 0
        for (const commitment of commitmentsOf(locator)) {
          const onProgress: DaCall['onProgress'] =
            call.onProgress &&
            (({ loaded: inPart }) => call.onProgress?.({ loaded: loaded + inPart }))
          const part = await readPart(commitment, { ...call, onProgress }, false)
          loaded += part.length
          parts.push(part)
        }
        return parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts)
      },
      async head(locator, call): Promise<DaStatus> {
        for (const commitment of commitmentsOf(locator)) {
          const cert = certOf(source, commitment)
          try {
            await probePayload(target, { path: commitmentPath(commitment), what: 'the blob' }, call)
          } catch (error) {
            call.signal.throwIfAborted()
            const reason = await byAge(error, cert, call)
            const gone = [DaNotFoundError, DaExpiredError, DaInvalidCertError].some(
              (kind) => reason instanceof kind,
            )
            return { status: gone ? 'missing' : 'unknown' }
          }
        }
        return { status: 'available' }
      },
    },
    options,
  )
  return Object.assign(client as DaClient & Required<Pick<DaClient, 'renew' | 'head'>>, {
    config: (io: IoOptions = {}) => askConfig(io.signal ?? new AbortController().signal),
  })
}

eigenDa.archive = eigenDaArchive
