/**
 * Writes: what the proxy takes, one dispersal, and an artifact in parts.
 */
import type { Hex } from 'viem'
import type { DaLocator } from '../../core/locator.js'
import { toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import type { DaCall, DaPaid } from '../adapter.js'
import {
  DaConfigError,
  DaIntegrityError,
  DaOutcomeUnknownError,
  DaPayloadTooLargeError,
  DaRateLimitedError,
} from '../errors.js'
import { withRetry } from '../internal/retry.js'
import {
  assertSameBlob,
  checkedCert,
  isMissing,
  isOpenOutcome,
  isRetryable,
  messageOf,
  paidError,
  unopened,
} from './commitments.js'
import type { EigenDaSettings } from './options.js'
import {
  type Dispersal,
  type PaidPart,
  type PaidParts,
  type Purse,
  pauseAfter,
  purseOf,
} from './paidParts.js'
import { type EigenDaProxyConfig, isUnsent, postPayload } from './proxyClient.js'
import { checkPut, keptUntil } from './reads.js'

/** Milliseconds at most to look for what was paid for before by one who may pay twice. */
const LAST_LOOK = 30_000

/** Milliseconds at most for the proxy to describe itself before a write. */
const CONFIG_TIME = 10_000

/** What the proxy says about itself, asked once. */
export type AskConfig = (io: IoOptions) => Promise<EigenDaProxyConfig | undefined>

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
}

/** What was paid for and could not be checked is remembered, and reused by the next write. */
export function createPutParts(settings: EigenDaSettings, askConfig: AskConfig): PutParts {
  const { source, maxParts, now } = settings
  const purse = purseOf<PutResult>(settings.payments)
  const { notes } = purse
  const paid = purse.parts(now)
  const toPaid = (commitments: readonly Hex[], count: number): DaPaid => ({
    commitments,
    locator: commitments.length === count ? { kind: 'eigenDa', commitments } : undefined,
  })

  async function open(hash: Hex, keys: readonly string[], signal: AbortSignal): Promise<void> {
    const known = (): Hex[] => {
      const found = keys.map((key) => paid.get(key)?.commitment)
      const end = found.indexOf(undefined)
      return (end < 0 ? found : found.slice(0, end)) as Hex[]
    }
    if (known().length > 0) notes.paid(hash, toPaid(known(), keys.length))
    try {
      await paid.open(signal)
    } catch (error) {
      signal.throwIfAborted()
      const before = notes.paidFor(hash)
      const typed = unopened(source, error)
      throw before ? paidError(typed, { source, ...before }) : typed
    }
    notes.paid(hash, known().length > 0 ? toPaid(known(), keys.length) : undefined)
  }

  const put: PutParts['put'] = async (bytes, call, expected) => {
    const perPart = await partLimit(settings, askConfig, call)
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
    const keys = parts.map((part, index) => `${index}/${count} ${keccakHex(part)}`)
    await open(call.hash, keys, call.signal)
    const commitments: Hex[] = []
    const checks = new Set<string>()
    let oldest = now()
    const { dispersals } = purse
    const onSend = (): void => notes.sent(call.hash)
    const place = createPlacing({ settings, paid, dispersals, call, onSend })
    try {
      for (const [index, part] of parts.entries()) {
        const answer = (commitment: Hex): void => {
          commitments[index] = commitment
          notes.paid(call.hash, toPaid([...commitments], count))
        }
        const own = { part, key: keys[index] as string, previous: expected?.[index] }
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
      throw paidError(error, { source, ...toPaid([...commitments], count) })
    }
    const expiresAt = await keptUntil(settings, { commitments, oldest }, call.signal)
    // Whoever left meanwhile finds what was paid for in the next write.
    call.signal.throwIfAborted()
    for (const key of keys) await paid.delete(key, call.signal)
    notes.paid(call.hash, undefined)
    return {
      locator: { kind: 'eigenDa', commitments } satisfies DaLocator,
      checks: [...checks],
      expiresAt,
    }
  }
  return {
    async put(bytes, call, expected) {
      const end = notes.begin(call.hash)
      try {
        return await put(bytes, call, expected)
      } finally {
        end()
      }
    },
  }
}

type Part = { part: Uint8Array; key: string; previous: Hex | undefined }
type Placed = { at: number; checks: readonly string[] }

/** Has a part kept by the network: under the certificate that was paid for before, or a new one. */
function createPlacing({
  settings,
  paid,
  dispersals,
  call,
  onSend,
}: {
  settings: EigenDaSettings
  paid: PaidParts
  dispersals: Purse<unknown>['dispersals']
  call: DaCall
  onSend: () => void
}): (part: Part, answer: (commitment: Hex) => void) => Promise<Placed> {
  const { source, now } = settings

  async function check(
    known: PaidPart,
    { part, key, previous }: Part,
    { signal }: { signal: AbortSignal },
  ): Promise<Placed> {
    const { commitment, at, missingAt } = known
    let isReading = false
    const reading = (is: boolean): void => {
      isReading = is
    }
    try {
      const checks = await checkPut(settings, { part, commitment, reading }, { ...call, signal })
      assertSameBlob(source, previous, commitment)
      return { at, checks }
    } catch (error) {
      if (signal.aborted) throw error
      // It is paid for again, and counted: a network that shows nothing is paid ever more seldom.
      const giveUp = (): Promise<void> => paid.set(key, { ...known, isGone: true }, signal)
      if (isMissing(error)) {
        // Once may be a relay that is behind; said again minutes later, it is not coming.
        const since = now() - (missingAt ?? Number.NaN)
        if (since >= pauseAfter(known)) await giveUp()
        else if (!(since >= 0)) await paid.set(key, { ...known, missingAt: now() }, signal)
        throw error
      }
      // Only a check that could not be made is worth making again on the same certificate; what a
      // relay gives once is not what the network holds.
      if (isRetryable(error)) throw error
      const isFirst = known.again === undefined || known.again === 0
      if (isReading && !known.isDoubted) await paid.set(key, { ...known, isDoubted: true }, signal)
      else if (isFirst || now() - at >= pauseAfter(known)) await giveUp()
      throw error
    }
  }

  /** What was paid for before, where it is there; nothing where it is to be paid for again. */
  async function checkKnown(known: PaidPart, own: Part): Promise<Placed | undefined> {
    const { mayPayTwice = false, timeout = Number.POSITIVE_INFINITY } = call
    const longest = mayPayTwice ? Math.min(LAST_LOOK, timeout / 4) : undefined
    try {
      return await withDeadline(
        'eigenda check',
        { signal: call.signal, timeout: longest },
        (signal) => check(known, own, { signal }),
      )
    } catch (error) {
      if (call.signal.aborted) throw error
      // Twice other bytes, or twice none: the write goes on without that certificate.
      const isTwice = known.isDoubted || (known.missingAt !== undefined && isMissing(error))
      if (mayPayTwice || (isTwice && paid.get(own.key) === undefined)) return undefined
      throw error
    }
  }

  return async (own, answer) => {
    const known = paid.get(own.key)
    if (known) {
      answer(known.commitment)
      const placed = await checkKnown(known, own)
      if (placed) return placed
    }
    onSend()
    const { signal } = call
    const { made, error, kept } = await dispersals.run(own.key, { signal }, (inner) =>
      disperse(own, inner),
    )
    answer(made.commitment)
    if (error !== undefined) throw error
    await withDeadline('payment record', { signal }, async () => kept)
    return check(made, own, call)
  }

  /** Pays for a part. What is answered is kept before anything else is done with it. */
  async function disperse({ part, key }: Part, signal: AbortSignal): Promise<Dispersal> {
    const commitment = await dispersePart(settings, part, { ...call, signal })
    const made: PaidPart = { commitment, at: now() }
    const again = paid.again(key)
    if (again > 0) made.again = again
    try {
      checkedCert(source, commitment, part)
    } catch (error) {
      // A certificate for something else was paid for too; what is none is nobody's to keep, and was taken
      // for all that is known.
      if (error instanceof DaIntegrityError) return { made, error }
      throw new DaOutcomeUnknownError({ source, reason: messageOf(error) }, { cause: error })
    }
    // Known here at once; a record that hangs must not keep anyone from learning what was paid for.
    return { made, kept: paid.set(key, made, signal) }
  }
}

/** Bytes of one part, after what the proxy says it takes. */
async function partLimit(
  settings: EigenDaSettings,
  askConfig: AskConfig,
  { signal, timeout = Number.POSITIVE_INFINITY }: DaCall,
): Promise<number> {
  const { source, limit } = settings
  if (!settings.probe) return limit
  // One that hangs keeps nothing from being written.
  const patience = Math.min(CONFIG_TIME, timeout / 4)
  const said = await askConfig({ signal, timeout: patience }).catch((error: unknown) => {
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
