/**
 * A signer in another process, which may keep the key in hardware and a policy of its own: it is told the
 * kind and the key of what it signs, and is never given a bare point.
 *
 * ```
 * GET  <url>/public-key   { "g1": "0x…(64)", "g2": "0x…(128)" }
 * POST <url>/sign         { "digest", "kind", "chainId", "policyRegistry", "key" } → { "signature": "0x…(64)" }
 * ```
 */
import type { Hex } from 'viem'
import {
  type BlsPublicKey,
  decodeG1,
  decodeG2,
  type G1Point,
  verifySignature,
} from '../../core/bn254/index.js'
import { isPolicySdkError } from '../../errors/base.js'
import { readBounded } from '../../internal/boundedBody.js'
import { fromHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import {
  assertCount,
  assertKnown,
  assertMembers,
  assertSecureUrl,
  MAX_TIMER,
} from '../../internal/options.js'
import { RemoteSignerError } from '../errors.js'
import type { OperatorSigner } from './guard.js'

/** Parameters of {@link createRemoteSigner}. */
export type RemoteSignerParameters = {
  url: string
  /** Sent as `authorization: Bearer …`. */
  token?: string | undefined
  /** Milliseconds for one signature. @default 5_000 */
  timeout?: number | undefined
  fetch?: typeof globalThis.fetch | undefined
}

/** Most bytes of an answer. */
const MAX_ANSWER = 4_096

/**
 * Connects to a remote signer and reads its public key. Each signature is checked before it is used: a
 * signer with another key is noticed at once.
 *
 * @throws {InvalidInputError} for a URL over which the token would go in the clear.
 * @throws {RemoteSignerError} where it does not answer, or with something else. The token is in no error.
 * @example
 * ```ts
 * import { createRemoteSigner } from '@newton/policy-sdk/operator'
 *
 * const signer = await createRemoteSigner({ url: 'https://signer.internal:9000', token })
 * ```
 */
export async function createRemoteSigner(
  parameters: RemoteSignerParameters,
  options: IoOptions = {},
): Promise<OperatorSigner> {
  assertMembers('parameters', parameters, ['url'])
  assertKnown('parameters', parameters, ['url', 'token', 'timeout', 'fetch'])
  assertSecureUrl('url', parameters.url, { hint: 'Pass `token`.' })
  const { timeout = 5_000 } = parameters
  assertCount('timeout', timeout, { most: MAX_TIMER })
  const { g1, g2 } = await call(parameters, { path: 'public-key' }, { timeout, ...options })
  const publicKey = read(parameters, (): BlsPublicKey => {
    return { pubkey: decodeG1(bytesOf(g1)), pubkeyG2: decodeG2(bytesOf(g2)) }
  })
  return {
    publicKey,
    async sign(digest, context, io = {}) {
      const { kind, chainId, policyRegistry, key } = context
      const body = { digest, kind, chainId: String(chainId), policyRegistry, key }
      const { signature } = await call(parameters, { path: 'sign', body }, { timeout, ...io })
      const point = read(parameters, (): G1Point => decodeG1(bytesOf(signature)))
      if (!verifySignature({ digest, signature: point, ...publicKey })) {
        throw failed(parameters, { reason: 'its signature is not of its key', retryable: false })
      }
      return point
    },
  }
}

async function call(
  parameters: RemoteSignerParameters,
  { path, body }: { path: string; body?: Record<string, string> },
  options: IoOptions,
): Promise<Record<string, unknown>> {
  const { url, token } = parameters
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...given) => globalThis.fetch(...given))
  const headers: Record<string, string> = {
    accept: 'application/json',
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  try {
    return await withDeadline('the remote signer', options, async (signal) => {
      const response = await fetch(`${url.replace(/\/$/, '')}/${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        ...{ headers, signal, redirect: 'error' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const bytes = await readBounded(response, MAX_ANSWER)
      // One that is longer is none.
      const text = new TextDecoder().decode(bytes)
      if (!response.ok) {
        const retryable = response.status >= 500 || response.status === 429
        throw failed(parameters, { reason: `it answered ${response.status}`, retryable })
      }
      return read(parameters, () => Object(JSON.parse(text)) as Record<string, unknown>)
    })
  } catch (cause) {
    options.signal?.throwIfAborted()
    if (isPolicySdkError(cause)) throw cause
    throw failed(parameters, { reason: 'it cannot be reached', retryable: true }, cause)
  }
}

function read<value>(parameters: RemoteSignerParameters, work: () => value): value {
  try {
    return work()
  } catch {
    // Without the cause: its words are the answer's, and an answer may hold what it was sent.
    throw failed(parameters, { reason: 'its answer is none', retryable: false })
  }
}

function bytesOf(value: unknown): Uint8Array {
  return fromHex(String(value) as Hex, 'signer')
}

function failed(
  { url }: RemoteSignerParameters,
  { reason, retryable }: { reason: string; retryable: boolean },
  cause?: unknown,
): RemoteSignerError {
  const host = URL.canParse(url) ? new URL(url).host : 'an address that is none'
  return new RemoteSignerError({ host, reason, retryable }, { cause })
}
