/** Reads of single blobs, what it means that one is not found, and what is checked after a write. */
import type { Hex } from 'viem'
import type { DaStatus } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { bytesEqual, concat } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import type { DaCall } from '../adapter.js'
import {
  DaExpiredError,
  DaIntegrityError,
  DaInvalidCertError,
  DaNotFoundError,
  DaProtocolError,
  DaUnavailableError,
} from '../errors.js'
import { withRetry } from '../internal/retry.js'
import { decodeEigenDaCommitment, type EigenDaCert } from './cert/cert.js'
import { certOf, checkedCert, commitmentsOf, isRetryable } from './commitments.js'
import {
  EIGENDA_EXPIRY_BLOCKS,
  EIGENDA_RETENTION_SECONDS,
  type EigenDaSettings,
} from './options.js'
import { blobSymbols, decodePayload, payloadCapacity, SYMBOL_BYTES } from './payloadCodec.js'
import { commitmentPath, getPayload, probePayload } from './proxyClient.js'

/** Milliseconds to ask which block is the newest. */
const BLOCK_TIME = 10_000
const BLOCK_SECONDS = 12

/** The parts of an artifact, joined. */
export async function readParts(
  settings: EigenDaSettings,
  locator: DaLocator,
  call: DaCall,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let loaded = 0
  for (const commitment of commitmentsOf(locator)) {
    const onProgress: DaCall['onProgress'] =
      call.onProgress && (({ loaded: inPart }) => call.onProgress?.({ loaded: loaded + inPart }))
    const part = await readPart(settings, { commitment, encoded: false }, { ...call, onProgress })
    loaded += part.length
    parts.push(part)
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts)
}

/** Whether the proxy finds every part. */
export async function headParts(
  settings: EigenDaSettings,
  locator: DaLocator,
  call: DaCall,
): Promise<DaStatus> {
  const { source, target } = settings
  for (const commitment of commitmentsOf(locator)) {
    const cert = certOf(source, commitment)
    try {
      await probePayload(target, { path: commitmentPath(commitment), what: 'the blob' }, call)
    } catch (error) {
      call.signal.throwIfAborted()
      const reason = await byAge(settings, { error, cert }, call)
      const gone = [DaNotFoundError, DaExpiredError, DaInvalidCertError].some(
        (kind) => reason instanceof kind,
      )
      return { status: gone ? 'missing' : 'unknown' }
    }
  }
  return { status: 'available' }
}

export async function readPart(
  settings: EigenDaSettings,
  part: { commitment: Hex; encoded: boolean },
  call: DaCall,
): Promise<Uint8Array> {
  const { source, target, retry, random } = settings
  const { commitment, encoded } = part
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
              encoded || settings.currentBlock !== undefined
            : isRetryable(error),
        random,
        signal: call.signal,
      },
    )
  } catch (error) {
    call.signal.throwIfAborted()
    throw await byAge(settings, { error, cert }, call)
  }
}

/** A blob that is not found is expired, or not there yet, by the age of its certificate. */
async function byAge(
  settings: EigenDaSettings,
  failed: { error: unknown; cert: EigenDaCert },
  call: DaCall,
): Promise<unknown> {
  const { source, currentBlock, now } = settings
  const { error, cert } = failed
  if (!(error instanceof DaNotFoundError) || !currentBlock) return error
  const head = await currentBlock({ signal: call.signal }).catch(() => undefined)
  if (head === undefined) return error
  const blocksPast = Number(head) - cert.batchHeader.referenceBlockNumber - EIGENDA_EXPIRY_BLOCKS
  if (blocksPast >= 0) {
    return new DaExpiredError(
      { source, what: 'the blob', expiredAt: now() - blocksPast * BLOCK_SECONDS * 1_000 },
      { cause: error },
    )
  }
  return new DaUnavailableError(
    { source, reason: 'a blob of its age must still be held, and is not found' },
    { cause: error },
  )
}

/** Makes sure that a certificate is for these bytes; returns what was checked. */
export async function checkPut(
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

/**
 * Unix seconds until when blobs are kept: from when they were paid for, or from the block that the oldest of
 * their certificates names where that was before. Whoever answers with a certificate of last week renews nothing.
 */
export async function keptUntil(
  { currentBlock, now }: EigenDaSettings,
  { commitments, oldest }: { commitments: readonly Hex[]; oldest: number },
  signal: AbortSignal,
): Promise<number> {
  const paidAt = Math.floor(oldest / 1_000)
  const head = await withDeadline('newest block', { signal, timeout: BLOCK_TIME }, async (inner) =>
    currentBlock?.({ signal: inner }),
  ).catch(() => undefined)
  if (typeof head !== 'bigint') return paidAt + EIGENDA_RETENTION_SECONDS
  const blocks = commitments.map(
    (commitment) => decodeEigenDaCommitment(commitment).batchHeader.referenceBlockNumber,
  )
  const age = (Number(head) - Math.min(...blocks)) * BLOCK_SECONDS
  return Math.min(paidAt, Math.floor(now() / 1_000) - age) + EIGENDA_RETENTION_SECONDS
}
