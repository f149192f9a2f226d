/**
 * Writes: what the proxy takes, one dispersal, what is checked after it, and an artifact in parts.
 */
import type { Hex } from 'viem'
import type { DaLocator } from '../../core/locator.js'
import { bytesEqual, toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { DaCall, DaPaid } from '../adapter.js'
import {
  DaConfigError,
  DaIntegrityError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  DaPayloadTooLargeError,
  DaRateLimitedError,
} from '../errors.js'
import { withRetry } from '../internal/retry.js'
import {
  assertSameBlob,
  checkedCert,
  isOpenOutcome,
  isRetryable,
  messageOf,
} from './commitments.js'
import { EIGENDA_RETENTION_SECONDS, type EigenDaSettings } from './options.js'
import { type PaidPart, type PaidParts, purseOf } from './paidParts.js'
import { blobSymbols, decodePayload } from './payloadCodec.js'
import { type EigenDaProxyConfig, isUnsent, postPayload } from './proxyClient.js'
import { readPart } from './reads.js'

/** Writes that did not end, of which is remembered what was paid for. */
const MOST_ANSWERED = 1_024

/** What the proxy says about itself, asked once. */
export type AskConfig = (signal: AbortSignal) => Promise<EigenDaProxyConfig | undefined>

export type PutResult = {
  locator: DaLocator
  checks: readonly string[]
  expiresAt: number
}

/** What writes one artifact. */
export type PutParts = {
  /** Writes it; `expected` are the commitments that it must have again. */
  put(
    bytes: Uint8Array,
    call: DaCall & { hash: Hex },
    expected?: readonly Hex[],
  ): Promise<PutResult>
  /** What was answered, and so paid for, in a write that did not end. */
  paidFor(hash: Hex): DaPaid | undefined
}

/** What was paid for and could not be checked is remembered, and reused by the next write. */
export function createPutParts(settings: EigenDaSettings, askConfig: AskConfig): PutParts {
  const { source, maxParts, now } = settings
  const paid = purseOf<PutResult>(settings.payments).parts(now)
  // Writes under way, and those that somebody stopped waiting for.
  const answered = new Map<Hex, DaPaid>()
  const note = (hash: Hex, commitments: readonly Hex[], count: number): DaPaid => {
    const isWhole = commitments.length === count
    const locator: DaLocator | undefined = isWhole ? { kind: 'eigenDa', commitments } : undefined
    const [oldest] = answered.keys()
    if (answered.size >= MOST_ANSWERED && oldest !== undefined) answered.delete(oldest)
    answered.set(hash, { commitments, locator })
    return { commitments, locator }
  }

  const put: PutParts['put'] = async (bytes, call, expected) => {
    answered.delete(call.hash)
    const perPart = await partLimit(settings, askConfig, call.signal)
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
    await paid.open()
    const commitments: Hex[] = []
    const checks = new Set<string>()
    let oldest = now()
    const place = createPlacing({ settings, paid, call })
    try {
      for (const [index, part] of parts.entries()) {
        const answer = (commitment: Hex): void => {
          commitments[index] = commitment
          note(call.hash, [...commitments], count)
        }
        const own = { part, key: keyOf(index), previous: expected?.[index] }
        const placed = await place(own, answer)
        for (const check of placed.checks) checks.add(check)
        oldest = Math.min(oldest, placed.at)
        call.onProgress?.({
          loaded: Math.min(bytes.length, (index + 1) * perPart),
          total: bytes.length,
        })
      }
    } catch (error) {
      if (commitments.length === 0 || call.signal.aborted) throw error
      const { locator } = note(call.hash, [...commitments], count)
      throw paidError(error, { source, commitments, locator })
    }
    for (const index of parts.keys()) await paid.delete(keyOf(index))
    answered.delete(call.hash)
    return {
      locator: { kind: 'eigenDa', commitments } satisfies DaLocator,
      checks: [...checks],
      expiresAt: Math.floor(oldest / 1_000) + EIGENDA_RETENTION_SECONDS,
    }
  }
  return { put, paidFor: (hash) => answered.get(hash) }
}

/** A failure after something was paid for, with what that is. */
function paidError(
  error: unknown,
  paid: { source: string; commitments: readonly Hex[]; locator: DaLocator | undefined },
): Error {
  if (error instanceof DaIntegrityError) {
    const { expected, actual } = error
    const reason = messageOf(error).replace(/^wrong bytes: /, '')
    return new DaIntegrityError({ ...paid, reason, expected, actual }, { cause: error })
  }
  return new DaOutcomeUnknownError({ ...paid, reason: messageOf(error) }, { cause: error })
}

type Part = { part: Uint8Array; key: string; previous: Hex | undefined }
type Placed = { at: number; checks: readonly string[] }

/** Has a part kept by the network: under the certificate that was paid for before, or a new one. */
function createPlacing({
  settings,
  paid,
  call,
}: {
  settings: EigenDaSettings
  paid: PaidParts
  call: DaCall
}): (part: Part, answer: (commitment: Hex) => void) => Promise<Placed> {
  const { source, now } = settings

  async function check(known: PaidPart, { part, key, previous }: Part): Promise<Placed> {
    const { commitment, at } = known
    let isReading = false
    const reading = (is: boolean): void => {
      isReading = is
    }
    try {
      const checks = await checkPut(settings, { part, commitment, reading }, call)
      assertSameBlob(source, previous, commitment)
      return { at, checks }
    } catch (error) {
      // Only a check that could not be made is worth making again on the same certificate; what a
      // relay gives once is not what the network holds.
      const isOpenCheck = error instanceof DaNotFoundError || isRetryable(error)
      if (call.signal.aborted || isOpenCheck) throw error
      if (isReading && !known.isDoubted) await paid.set(key, { ...known, isDoubted: true })
      else await paid.delete(key)
      throw error
    }
  }

  return async (own, answer) => {
    const known = paid.get(own.key)
    if (known) {
      answer(known.commitment)
      try {
        return await check(known, own)
      } catch (error) {
        // Twice other bytes: the certificate is not for these, and the write goes on without it.
        if (paid.get(own.key) !== undefined || !known.isDoubted) throw error
      }
    }
    const commitment = await dispersePart(settings, own.part, call)
    try {
      checkedCert(source, commitment, own.part)
    } catch (error) {
      // A certificate for something else was paid for too; what is none is nobody's to keep.
      if (error instanceof DaIntegrityError) answer(commitment)
      throw error
    }
    const made = { commitment, at: now() }
    answer(commitment)
    await paid.set(own.key, made)
    return check(made, own)
  }
}

/** Bytes of one part, after what the proxy says it takes. */
async function partLimit(
  settings: EigenDaSettings,
  askConfig: AskConfig,
  signal: AbortSignal,
): Promise<number> {
  const { source, limit } = settings
  if (!settings.probe) return limit
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

/** Sends one part; repeated only while it certainly was not carried out. */
async function dispersePart(
  settings: EigenDaSettings,
  part: Uint8Array,
  call: DaCall,
): Promise<Hex> {
  const { source, target, limit, retry, random } = settings
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
async function checkPut(
  settings: EigenDaSettings,
  put: { part: Uint8Array; commitment: Hex; reading: (isReading: boolean) => void },
  call: DaCall,
): Promise<string[]> {
  const { source, kzg, kzgMaxSymbols, checkCert } = settings
  const { part, commitment } = put
  const cert = checkedCert(source, commitment, part)
  const checks = ['certificate']
  const symbols = blobSymbols(part.length)
  if (kzg && symbols <= Math.min(kzgMaxSymbols, kzg.maxSymbols)) {
    await kzg.assertCommits(part, cert, { signal: call.signal }).catch((cause: unknown) => {
      call.signal.throwIfAborted()
      throw new DaIntegrityError(
        { source, reason: 'the certificate is not for the bytes that were sent' },
        { cause },
      )
    })
    checks.push('kzg')
  } else if (settings.afterPut === 'readBack') {
    put.reading(true)
    // Asking for the encoded form goes past the proxy's caches to the network.
    const encoded = await readPart(
      settings,
      { commitment, encoded: true },
      { ...call, onProgress: undefined },
    )
    if (!bytesEqual(decodePayload(encoded), part)) {
      throw new DaIntegrityError({
        source,
        reason: 'the network returns other bytes than were sent',
      })
    }
    put.reading(false)
    checks.push('readBack')
  }
  if (checkCert) {
    const { checks: passed } = await checkCert(cert, { signal: call.signal })
    checks.push('cert', ...passed.map((check) => `cert.${check}`))
  }
  return checks
}
