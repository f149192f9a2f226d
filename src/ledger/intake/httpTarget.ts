/** A ledger behind HTTP as the target of a sink. */

import { InvalidInputError } from '../../errors/common.js'
import { readBounded } from '../../internal/boundedBody.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import {
  assertCount,
  assertHttpUrl,
  assertKnown,
  assertMembers,
  MAX_TIMER,
} from '../../internal/options.js'
import { LedgerUnreachableError } from '../errors.js'
import { type LedgerReceipt, refusalStatus, type SubmitRefusal } from '../events/submit.js'
import type { LedgerTarget } from './target.js'

/** What {@link httpLedgerTarget} takes. */
export type HttpLedgerTargetParameters = {
  /** Base URL of the ledger. */
  url: string
  /** Name of the tenant, for `X-Module-ID`. */
  moduleId: string
  /** Milliseconds for one answer. @default 30_000 */
  timeout?: number | undefined
  /** More headers, such as `Authorization`. */
  headers?: Readonly<Record<string, string>> | undefined
  fetch?: typeof globalThis.fetch | undefined
}

/** Bytes of the longest answer: a receipt is an event with its checkpoint. */
const MAX_ANSWER = 262_144

/**
 * Reaches a ledger over HTTP. What is no answer of a ledger is an error that is tried again, so that a
 * record is never taken for delivered, nor for refused, because of what stands between.
 *
 * @throws {InvalidInputError} for a URL that is none.
 * @throws {LedgerUnreachableError} from its calls.
 * @example
 * ```ts
 * import { createLedgerSink, ed25519EventSigner, httpLedgerTarget } from '@newton/policy-sdk/ledger'
 *
 * const sink = createLedgerSink({
 *   ledger: 'ledger.example/eval',
 *   target: httpLedgerTarget({ url: 'https://ledger.example', moduleId: 'eval' }),
 *   signer: ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32))),
 * })
 * await sink.close()
 * ```
 */
export function httpLedgerTarget(parameters: HttpLedgerTargetParameters): LedgerTarget {
  assertMembers('parameters', parameters, ['url', 'moduleId'])
  assertKnown('parameters', parameters, ['url', 'moduleId', 'timeout', 'headers', 'fetch'])
  const { moduleId, timeout = 30_000, headers = {} } = parameters
  assertCount('timeout', timeout, { most: MAX_TIMER })
  assertHttpUrl('url', parameters.url)
  const base = parameters.url.replace(/\/$/, '')
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...call) => globalThis.fetch(...call))
  // The newest event that was heard of. A ledger that is further says so when it refuses.
  let head: string | undefined

  const call = async (
    path: string,
    { body, io }: { body?: Uint8Array; io?: IoOptions | undefined },
  ): Promise<{ status: number; answer: Record<string, unknown> }> => {
    const operation = `ledger ${path}`
    try {
      return await withDeadline(operation, { timeout, signal: io?.signal }, async (signal) => {
        const response = await fetch(`${base}${path}`, {
          method: body === undefined ? 'GET' : 'POST',
          headers: { ...headers, 'X-Module-ID': moduleId, 'Content-Type': 'application/json' },
          ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
          ...{ signal, redirect: 'error' },
        })
        const bytes = await readBounded(response, MAX_ANSWER)
        if (bytes === undefined)
          throw new InvalidInputError({ field: 'answer', reason: 'too long' })
        const answer: unknown = JSON.parse(new TextDecoder().decode(bytes))
        if (typeof answer !== 'object' || answer === null) {
          throw new InvalidInputError({ field: 'answer', reason: 'no JSON object' })
        }
        return { status: response.status, answer: answer as Record<string, unknown> }
      })
    } catch (cause) {
      throw new LedgerUnreachableError({ url: base, detail: 'it gave no answer' }, { cause })
    }
  }
  const foreign = (status: number, { code, detail }: Record<string, unknown>): Error =>
    new LedgerUnreachableError({
      url: base,
      detail: `it answered ${status}${typeof code === 'string' ? ` ${code}: ${detail}` : ''}`,
    })
  return {
    head: async () => head,
    event: async (eventId, io) => {
      const { status, answer } = await call(`/api/ledger/event/${eventId}`, { io })
      if (status === 404 && answer['code'] === 'unknown_event') return undefined
      if (status !== 200 || !isReceipt(answer) || answer.event.event_id !== eventId) {
        throw foreign(status, answer)
      }
      return answer.event
    },
    submit: async (body, io) => {
      const { status, answer } = await call('/api/ledger/event', { body, io })
      if (status === 200 || status === 201) {
        if (!isReceipt(answer) || answer.event.event_id !== eventIdOf(body)) {
          throw foreign(status, answer)
        }
        if (status === 201) head = answer.event.current_hash
        return { status, receipt: answer }
      }
      const { code } = answer
      if (!isRefusal(code) || refusalStatus[code] !== status) throw foreign(status, answer)
      const refusal = { status: refusalStatus[code], ...answer } as SubmitRefusal
      if (code === 'stale_head') head = refusal.head?.current_hash
      return refusal
    },
  }
}

function isRefusal(code: unknown): code is SubmitRefusal['code'] {
  return typeof code === 'string' && Object.hasOwn(refusalStatus, code)
}

function isReceipt(answer: object): answer is LedgerReceipt {
  const { event } = answer as Partial<LedgerReceipt>
  return (
    typeof event?.event_id === 'string' &&
    typeof event.payload?.ets === 'object' &&
    /^[0-9a-f]{64}$/.test(event.current_hash)
  )
}

function eventIdOf(body: Uint8Array): unknown {
  const { payload } = JSON.parse(new TextDecoder().decode(body)) as {
    payload?: { ets?: { event_id?: unknown } }
  }
  return payload?.ets?.event_id
}
