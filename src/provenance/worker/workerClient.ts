/** A worker's side of the protocol, over `fetch`. */

import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertKnown } from '../../internal/options.js'
import { ControlPlaneError } from '../errors.js'
import { readBoundedJson } from './boundedJson.js'
import { type BuildOutcome, type LeasedBuild, MAX_LEASE_BYTES, readLease } from './protocol.js'

/** Statuses that a proxy gives while what is behind it comes and goes, and when it is asked too often. */
const passing: ReadonlySet<number> = new Set([404, 408, 421, 425, 429])

/** Where a worker gets its builds. */
export interface WorkerControl {
  /** A build to make, `undefined` where there is none now. */
  lease(options?: IoOptions): Promise<LeasedBuild | undefined>
  /** Keeps a lease; `false` where it is another's by now. */
  renew(leaseId: string, options?: IoOptions): Promise<boolean>
  /** Hands in what became of it; `false` where it came too late. */
  finish(leaseId: string, outcome: BuildOutcome, options?: IoOptions): Promise<boolean>
}

/**
 * Connects to a control plane.
 *
 * @param parameters.url - Base of its worker routes. Plain `http` to another machine is refused: the token
 * would be anybody's.
 * @param parameters.token - This worker's bearer token. It is in no error.
 * @example
 * ```ts
 * import { httpWorkerControl } from '@newton/policy-sdk/provenance'
 *
 * const control = httpWorkerControl({ url: 'https://control.example', token: 'of this worker' })
 * ```
 */
export function httpWorkerControl(parameters: {
  url: string
  token: string
  fetch?: typeof fetch | undefined
}): WorkerControl {
  assertKnown('parameters', parameters, ['url', 'token', 'fetch'])
  const { token, fetch: send = fetch } = parameters
  const base = checkUrl(parameters.url)
  const post = (
    path: string,
    body: object,
    options: IoOptions = {},
  ): Promise<{ status: number; body: unknown }> =>
    withDeadline(`Asking the control plane`, { timeout: 15_000, ...options }, async (signal) => {
      let response: Response
      try {
        response = await send(`${base}/worker/${path}`, {
          method: 'POST',
          redirect: 'error',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
          signal,
        })
      } catch (cause) {
        signal.throwIfAborted()
        throw new ControlPlaneError('it cannot be reached', { cause, retryable: true })
      }
      const { status } = response
      if (status === 401) throw new ControlPlaneError('it does not know this token')
      if (status === 204 || status === 409) return { status, body: undefined }
      if (status !== 200) {
        throw new ControlPlaneError(`it answered with status ${status}`, {
          retryable: status >= 500 || passing.has(status),
        })
      }
      return { status, body: await readBoundedJson(response, MAX_LEASE_BYTES) }
    })
  return {
    lease: async (options) => {
      const { status, body } = await post('lease', {}, options)
      if (status !== 200) return undefined
      const lease = readLease(body)
      if (lease !== undefined) return lease
      // Another worker, of another version, may read it.
      const { leaseId } = Object(body) as { leaseId?: unknown }
      const outcome: BuildOutcome = { status: 'worker_failed', reason: 'unreadable_job' }
      if (typeof leaseId === 'string') {
        await post('result', { leaseId, outcome }, options).catch(() => undefined)
      }
      throw new ControlPlaneError('its job is malformed', { retryable: true })
    },
    renew: async (leaseId, options) => (await post('renew', { leaseId }, options)).status === 204,
    finish: async (leaseId, outcome, options) =>
      (await post('result', { leaseId, outcome }, options)).status === 204,
  }
}

function checkUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isLocal = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(parsed?.hostname ?? '')
  if (parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && isLocal)) {
    return url.replace(/\/$/, '')
  }
  throw new ControlPlaneError('its address is not https, and a token must not be read on the way')
}
