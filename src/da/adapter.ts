/**
 * What every adapter does the same way: argument checks, deadlines, the hash check after a read,
 * and one event per call.
 *
 * Use it for an adapter of your own, and run the conformance suite over the result.
 */
import type { Hex } from 'viem'
import { artifactHashBytes } from '../core/artifact.js'
import type {
  DaClient,
  DaEvidence,
  DaOptions,
  DaReadOptions,
  DaReceipt,
  DaRetention,
  DaStatus,
} from '../core/interfaces/daClient.js'
import type { DaLocator } from '../core/locator.js'
import { TimeoutError } from '../errors/common.js'
import { copyBytes, toHex } from '../internal/bytes.js'
import { withDeadline } from '../internal/deadline.js'
import { assertFunctions, assertHooks, assertMembers } from '../internal/options.js'
import {
  DaOutcomeUnknownError,
  DaProtocolError,
  DaRequestRejectedError,
  DaUnavailableError,
  UnsupportedLocatorError,
} from './errors.js'
import { artifactHashOf } from './internal/artifactHash.js'
import { assertRetention } from './internal/clients.js'
import { growingProgress } from './internal/progress.js'
import { marksVerified } from './internal/verifying.js'
import { assertArtifact } from './verifier.js'

/** One finished call of an adapter. */
export type DaEvent = {
  type: 'da.put' | 'da.get' | 'da.head' | 'da.renew'
  source: string
  durationMs: number
  byteLength: number | undefined
  /** `undefined` when the call succeeded. */
  error: unknown
}

/** Options every adapter takes. */
export type DaHooks = {
  /** Called once per call, after it ended. What it throws is ignored. */
  onEvent?: ((event: DaEvent) => void) | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
}

/** Options as the definition's functions get them: the signal is always there. */
export type DaCall = Omit<DaReadOptions, 'signal'> & { signal: AbortSignal }

/** What a write was answered before it failed: commitments, and where the bytes are if they are all. */
export type DaPaid = { commitments: readonly Hex[]; locator: DaLocator | undefined }

/** What differs from adapter to adapter. */
export type DaAdapterDefinition = {
  kind: string
  /** Name in errors and events. @default kind */
  source?: string | undefined
  retention: DaRetention
  supports(locator: DaLocator): boolean
  /** Stores the bytes. `hash` is their keccak-256. */
  put(
    bytes: Uint8Array,
    call: DaCall & { hash: Hex },
  ): Promise<{ locator: DaLocator; checks: readonly string[]; expiresAt?: number | undefined }>
  read(locator: DaLocator, call: DaCall): Promise<Uint8Array>
  head?: ((locator: DaLocator, call: DaCall) => Promise<DaStatus>) | undefined
  /** Stores bytes anew that `previous` leads to. */
  renew?:
    | ((
        bytes: Uint8Array,
        call: DaCall & { hash: Hex; previous: DaLocator },
      ) => ReturnType<DaAdapterDefinition['put']>)
    | undefined
  /** Whether a write costs money, so that one that timed out must not look repeatable. */
  paid?: boolean | undefined
  /** What was paid for in a write that ran out of its time, where that is known. */
  paidFor?: ((hash: Hex) => DaPaid | undefined) | undefined
  /** Whether a write that ran out of its time certainly sent nothing. */
  isUnsent?: ((hash: Hex) => boolean) | undefined
  /** Milliseconds, where a caller gives no `timeout`. @default 60_000 each */
  timeouts?: { put?: number | undefined; get?: number | undefined } | undefined
}

/**
 * Makes a {@link DaClient} of its differing parts.
 *
 * @example
 * ```ts
 * import { createDaAdapter } from '@newton/policy-sdk/da'
 *
 * const held = new Map<string, Uint8Array>()
 * const client = createDaAdapter({
 *   kind: 'mine',
 *   retention: { kind: 'permanent' },
 *   supports: ({ kind }) => kind === 'keccakStore',
 *   async put(bytes, { hash }) {
 *     held.set(hash, bytes.slice())
 *     return { locator: { kind: 'keccakStore', name: '' }, checks: [] }
 *   },
 *   async read(_locator, { artifactHash }) {
 *     return held.get(artifactHash ?? '') ?? new Uint8Array()
 *   },
 * })
 * ```
 */
export function createDaAdapter(definition: DaAdapterDefinition, hooks: DaHooks = {}): DaClient {
  assertFunctions('definition', definition, ['supports', 'put', 'read'])
  assertMembers('definition', definition, ['kind', 'retention'])
  assertRetention('definition.retention', definition.retention)
  assertHooks(hooks, ['onEvent', 'now'])
  const { kind, retention, timeouts } = definition
  const source = definition.source ?? kind
  const now = hooks.now ?? Date.now

  async function observed<value>(
    type: DaEvent['type'],
    work: () => Promise<value>,
    byteLength: (value: value) => number | undefined,
  ): Promise<value> {
    const startedAt = now()
    const emit = (length: number | undefined, error: unknown): void => {
      try {
        hooks.onEvent?.({ type, source, durationMs: now() - startedAt, byteLength: length, error })
      } catch {
        // A broken hook must not change what the call does.
      }
    }
    let value: value
    try {
      value = await work()
    } catch (error) {
      emit(undefined, error)
      throw error
    }
    emit(byteLength(value), undefined)
    return value
  }

  function write(
    type: 'da.put' | 'da.renew',
    bytes: Uint8Array,
    options: DaOptions & { previous?: DaLocator | undefined },
  ): Promise<DaReceipt> {
    const { previous } = options
    const { renew } = definition
    const run: DaAdapterDefinition['put'] =
      renew && previous ? (bytes, call) => renew(bytes, { ...call, previous }) : definition.put
    return observed(
      type,
      async () => {
        const hash = artifactHashOf(bytes)
        // What is sent is what was hashed: the array is the caller's again while the call runs.
        const own = copyBytes(bytes)
        const onProgress = growingProgress(options.onProgress)
        const timeout = options.timeout ?? timeouts?.put ?? 60_000
        const result = await withDeadline(`${source} ${type}`, { ...options, timeout }, (signal) =>
          run(own, { ...options, onProgress, signal, hash }),
        ).catch((error: unknown) => {
          const isGivenUp = options.signal?.aborted === true && error === options.signal.reason
          if (!definition.paid || !(isGivenUp || error instanceof TimeoutError)) throw error
          const paid = definition.paidFor?.(hash)
          // One who gave up is told so, unless there is something that must not be lost.
          if (isGivenUp && !paid?.commitments.length) throw error
          const reason = isGivenUp ? 'its caller gave up' : `it did not end within ${timeout} ms`
          if (definition.isUnsent?.(hash))
            throw new DaUnavailableError(
              { source, reason: `${reason}, and nothing was sent` },
              { cause: error },
            )
          throw new DaOutcomeUnknownError({ source, reason, ...paid }, { cause: error })
        })
        onProgress?.({ loaded: own.length, total: own.length })
        const evidence: DaEvidence = { source, checks: result.checks }
        const receipt: DaReceipt = {
          locator: result.locator,
          artifactHash: hash,
          byteLength: own.length,
          evidence,
        }
        // A time that is none is not handed on: somebody would keep a copy by it.
        if (Number.isFinite(result.expiresAt)) receipt.expiresAt = result.expiresAt
        return receipt
      },
      () => bytes.length,
    )
  }

  async function read(locator: DaLocator, options: DaReadOptions): Promise<Uint8Array> {
    if (!definition.supports(locator))
      throw new UnsupportedLocatorError({ source, kind: locator.kind })
    const timeout = options.timeout ?? timeouts?.get ?? 60_000
    const onProgress = growingProgress(options.onProgress)
    const call = inSmallLetters(options)
    const bytes = await withDeadline(`${source} da.get`, { ...options, timeout }, async (signal) =>
      definition.read(locator, { ...call, onProgress, signal }),
    )
    if (!(bytes instanceof Uint8Array))
      throw new DaProtocolError({ source, reason: 'it answered with something else than bytes' })
    onProgress?.({ loaded: bytes.length, total: bytes.length })
    return bytes
  }

  const client: DaClient = {
    kind,
    retention,
    paid: definition.paid ?? false,
    supports: (locator) => definition.supports(locator),
    put: (bytes, options = {}) => write('da.put', bytes, options),
    get: (locator, options = {}) =>
      observed(
        'da.get',
        () => read(locator, options),
        (bytes) => bytes.length,
      ),
    getWithVerification: (locator, expected, options = {}) =>
      observed(
        'da.get',
        async () => {
          const artifactHash = toHex(
            artifactHashBytes(expected, { field: 'expected', optional: false }),
          )
          // What was hashed is what is given: a definition may go on with its own array.
          const bytes = copyBytes(await read(locator, { ...options, artifactHash }))
          assertArtifact(bytes, locator, artifactHash)
          return bytes
        },
        (bytes) => bytes.length,
      ),
  }
  marksVerified(client.getWithVerification)
  const { head } = definition
  if (head) {
    client.head = (locator, options = {}) =>
      observed(
        'da.head',
        async () => {
          if (!definition.supports(locator)) {
            throw new UnsupportedLocatorError({ source, kind: locator.kind })
          }
          const timeout = options.timeout ?? timeouts?.get ?? 60_000
          return withDeadline(`${source} da.head`, { ...options, timeout }, (signal) =>
            head(locator, { ...inSmallLetters(options), signal }),
          )
        },
        () => undefined,
      )
  }
  if (definition.renew) {
    client.renew = (previous, bytes, options = {}) =>
      write('da.renew', bytes, { ...options, previous })
  }
  return client
}

/** Keys of stores are in small letters, and a caller's hash may be in capitals. */
function inSmallLetters(options: DaReadOptions): DaReadOptions {
  const { artifactHash } = options
  if (typeof artifactHash !== 'string') return options
  return { ...options, artifactHash: artifactHash.toLowerCase() as Hex }
}

/** The name that a keccak-addressed store needs; an error where the caller gave none. */
export function requireArtifactHash(source: string, artifactHash: Hex | undefined): Hex {
  if (artifactHash === undefined) {
    throw new DaRequestRejectedError(
      {
        source,
        reason: 'this locator does not carry the name of the artifact',
      },
      { metaMessages: ['Use `getWithVerification`, or pass `artifactHash`.'] },
    )
  }
  return toHex(artifactHashBytes(artifactHash, { field: 'artifactHash', optional: false }))
}
