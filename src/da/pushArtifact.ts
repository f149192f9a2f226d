/** Hands an artifact to operators, so that they need no store to have it from. */

import type { Hex } from 'viem'
import {
  type ArtifactNamespace,
  computeArtifactHash,
  isArtifactNamespace,
} from '../core/artifact.js'
import { InvalidInputError } from '../errors/common.js'
import { readBounded } from '../internal/boundedBody.js'
import { copyBytes } from '../internal/bytes.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import {
  assertHttpUrl,
  assertMilliseconds,
  assertObject,
  assertOptions,
} from '../internal/options.js'

/** What one operator did with it. */
export type PushResult = {
  url: string
  /**
   * `unconfirmed`: an answer of success that does not name the hash, as anybody in between may give one.
   * `unanswered`: no connection, or no answer in time.
   */
  status: 'taken' | 'held' | 'refused' | 'unconfirmed' | 'unanswered'
  /** Status of the answer. */
  httpStatus?: number | undefined
}

/** Parameters of {@link pushArtifact}. */
export type PushArtifactParameters = {
  /** Base URLs of operators. */
  operators: readonly string[]
  namespace: ArtifactNamespace
  bytes: Uint8Array
  fetch?: typeof globalThis.fetch | undefined
}

/**
 * Sends bytes to operators: `PUT /artifacts/<namespace>/<hash>`. They take what a registered template
 * names and no tree has yet, so push after the registration is mined.
 *
 * `taken` and `held` are said by an operator that has hashed the bytes, and has named that hash.
 *
 * It is one way in beside the announced locators, so no operator's refusal is an error: at least one that
 * has the bytes is enough, and the results say who has.
 *
 * `timeout` is in milliseconds, for all of them together, and 30,000 when absent.
 *
 * @throws {InvalidInputError} for a URL, a namespace or bytes that are none, before anything is sent.
 * @throws The signal's reason.
 * @example
 * ```ts
 * import { pushArtifact } from '@newton/policy-sdk/da'
 *
 * await pushArtifact({ operators: ['https://operator.example'], namespace: 4, bytes: rego })
 * ```
 */
export async function pushArtifact(
  parameters: PushArtifactParameters,
  options: IoOptions = {},
): Promise<PushResult[]> {
  assertOptions(
    parameters,
    { operators: 'list', namespace: 'any', bytes: 'object', fetch: 'function' },
    { field: 'parameters', required: ['operators', 'namespace', 'bytes'] },
  )
  assertObject('options', options)
  const { signal, timeout = 30_000 } = options
  // A time that is none would be an operator that is away.
  assertMilliseconds('timeout', timeout)
  const { operators, namespace, bytes } = parameters
  for (const [index, url] of operators.entries()) assertOperator(`operators[${index}]`, url)
  if (!isArtifactNamespace(namespace)) {
    throw new InvalidInputError({ field: 'namespace', reason: 'it is none of an artifact' })
  }
  const send = parameters.fetch ?? ((...call) => globalThis.fetch(...call))
  const hash = computeArtifactHash(bytes)
  const pushTo = async (url: string): Promise<PushResult> => {
    const to = pathOf(url, { namespace, hash })
    try {
      return await withDeadline(`PUT ${to}`, { signal, timeout }, async (inner) => {
        const body = copyBytes(bytes)
        const headers = { 'content-type': 'application/octet-stream' }
        const init = { method: 'PUT', body, headers, redirect: 'error', signal: inner } as const
        const response = await send(to, init)
        const { status: httpStatus } = response
        const word = successes[httpStatus]
        const said = word && (await readBounded(response, MOST_ANSWER))
        response.body?.cancel().catch(() => undefined)
        if (word === undefined) return { url, httpStatus, status: 'refused' } as const
        // A success counts for the hash that it names, and for nothing else.
        const text = said && new TextDecoder().decode(said).trim().toLowerCase()
        return {
          url,
          httpStatus,
          status: text === `${word} ${hash}` ? word : 'unconfirmed',
        } as const
      })
    } catch {
      signal?.throwIfAborted()
      return { url, status: 'unanswered' }
    }
  }
  return Promise.all(operators.map(pushTo))
}

const successes: Partial<Record<number, 'held' | 'taken'>> = { 200: 'held', 201: 'taken' }

/** Bytes of an answer that are read: a word and a hash. */
const MOST_ANSWER = 1_024

/** @throws {InvalidInputError} for what is no base URL of an operator. */
export function assertOperator(field: string, url: unknown): void {
  const { username, password, href } = assertHttpUrl(field, String(url))
  // A path goes behind it: behind a query or a fragment it would be a part of that.
  if (username === '' && password === '' && !/[?#]/.test(href)) return
  throw new InvalidInputError({ field, reason: 'it has credentials, a query or a fragment' })
}

function pathOf(base: string, { namespace, hash }: { namespace: number; hash: Hex }): string {
  return `${base.replace(/\/+$/, '')}/artifacts/${namespace}/${hash}`
}
