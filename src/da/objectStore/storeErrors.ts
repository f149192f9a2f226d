/** What a store's status and error code mean. */
import type { BaseError } from '../../errors/base.js'
import {
  DaConfigError,
  DaNotFoundError,
  DaRateLimitedError,
  DaRequestRejectedError,
  DaUnavailableError,
} from '../errors.js'
import { type Exchange, readErrorText } from '../internal/http.js'

/** The error of an answer over HTTP. */
export async function statusError(
  exchange: Exchange,
  response: Response,
  key: string,
): Promise<BaseError> {
  const { raw } = await readErrorText(exchange, response)
  const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(raw)?.[1] ?? ''
  return storeError({ source: exchange.source, key, status: response.status, code })
}

/** The error of a status, where it is known, and an error code. */
export function storeError(
  { source, key, status, code }: { source: string; key: string; status: number; code: string },
  cause?: unknown,
): BaseError {
  const options = cause === undefined ? {} : { cause }
  const reason = [status === 0 ? '' : `status ${status}`, code]
    .filter((part) => part !== '')
    .join(', ')
  if (status === 404 || code === 'NoSuchKey' || code === 'NotFound') {
    if (code === 'NoSuchBucket') return new DaConfigError({ source, reason, status }, options)
    return new DaNotFoundError({ source, what: `object ${key}` }, options)
  }
  if (status === 429 || code === 'SlowDown') return new DaRateLimitedError({ source }, options)
  if (status === 401 || status === 403) {
    return new DaConfigError(
      {
        source,
        reason,
        hint: 'Check the keys. Without the right to list, a store also answers so for what it does not hold.',
        status,
      },
      options,
    )
  }
  if (status === 501) {
    return new DaConfigError(
      {
        source,
        reason,
        hint: 'The store must support `If-None-Match` and `If-Match` on writes.',
        status,
      },
      options,
    )
  }
  // 409 is two writers of one key at once: the same write may simply be made again.
  if (status >= 500 || status === 409 || status === 0)
    return new DaUnavailableError(
      { source, reason: reason === '' ? 'no answer' : reason, status },
      options,
    )
  return new DaRequestRejectedError({ source, reason, status }, options)
}
