/** Plain HTTPS URLs where a process can see what it connects to. */
import type { DaClient } from '../../core/interfaces/daClient.js'
import { assertObject } from '../../internal/options.js'
import { type HttpsOptions, https } from '../https.js'
import { guardedFetch } from './guardedFetch.js'

/**
 * `https()` of `/da` with the fetch that it wants on Node: each address is checked where it is connected
 * to, so a name that resolves to a private one is refused.
 *
 * @throws {ForbiddenAddressError} from reads of private addresses, other ports and other schemes.
 * @example
 * ```ts
 * import { guardedHttps } from '@newton/policy-sdk/da/node'
 *
 * const da = guardedHttps({ maxBytes: 16 * 1024 * 1024 })
 * ```
 */
export function guardedHttps(options: HttpsOptions = {}): DaClient {
  assertObject('options', options)
  return https({ ...options, fetch: options.fetch === undefined ? guardedFetch() : options.fetch })
}
