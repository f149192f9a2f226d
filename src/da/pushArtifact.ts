/** Hands an artifact to operators, so that they need no store to have it from. */

import type { Hex } from 'viem'
import {
  type ArtifactNamespace,
  computeArtifactHash,
  isArtifactNamespace,
} from '../core/artifact.js'
import { InvalidInputError } from '../errors/common.js'
import { copyBytes } from '../internal/bytes.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import { assertHttpUrl, assertOptions } from '../internal/options.js'

/** What one operator did with it. */
export type PushResult = {
  url: string
  /** `unanswered`: no connection, or no answer in time. */
  status: 'taken' | 'held' | 'refused' | 'unanswered'
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
  { signal, timeout = 30_000 }: IoOptions = {},
): Promise<PushResult[]> {
  assertOptions(
    parameters,
    { operators: 'list', namespace: 'any', bytes: 'object', fetch: 'function' },
    { field: 'parameters', required: ['operators', 'namespace', 'bytes'] },
  )
  const { operators, namespace, bytes } = parameters
  for (const [index, url] of operators.entries()) assertOperator(`operators[${index}]`, url)
  if (!isArtifactNamespace(namespace)) {
    const reason = `expected one of an artifact, got ${String(namespace)}`
    throw new InvalidInputError({ field: 'namespace', reason })
  }
  const send = parameters.fetch ?? ((...call) => globalThis.fetch(...call))
  const hash = computeArtifactHash(bytes)
  const pushTo = async (url: string): Promise<PushResult> => {
    const to = pathOf(url, { namespace, hash })
    try {
      const httpStatus = await withDeadline(`PUT ${to}`, { signal, timeout }, async (inner) => {
        const body = copyBytes(bytes)
        const headers = { 'content-type': 'application/octet-stream' }
        const init = { method: 'PUT', body, headers, redirect: 'error', signal: inner } as const
        const response = await send(to, init)
        await response.body?.cancel()
        return response.status
      })
      const known = ({ 200: 'held', 201: 'taken' } as const)[httpStatus as 200 | 201]
      return { url, status: known ?? 'refused', httpStatus }
    } catch {
      signal?.throwIfAborted()
      return { url, status: 'unanswered' }
    }
  }
  return Promise.all(operators.map(pushTo))
}

function assertOperator(field: string, url: unknown): void {
  const { username, password } = assertHttpUrl(field, String(url))
  if (username === '' && password === '') return
  throw new InvalidInputError({ field, reason: 'credentials do not belong into a URL' })
}

function pathOf(base: string, { namespace, hash }: { namespace: number; hash: Hex }): string {
  return `${base.replace(/\/+$/, '')}/artifacts/${namespace}/${hash}`
}
