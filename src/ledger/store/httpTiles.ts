/** The files of a ledger that is served over HTTP, as C2SP tlog-tiles or `createLedgerHandler` serve them. */

import { sha256 } from '@noble/hashes/sha2.js'
import type { TileReader } from '../../core/interfaces/tileStore.js'
import { readBounded } from '../../internal/boundedBody.js'
import { toHex } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertHttpUrl } from '../../internal/options.js'
import { LedgerUnreachableError } from '../errors.js'
import { assertPath } from './path.js'

/** Bytes of the largest file: 256 entries of 65,535 bytes with their lengths. */
const largestFile = 256 * (65_535 + 2)

/**
 * Reads a ledger's files from a host that nobody has to trust: whoever reads through `logReader`,
 * `readCut`, `createAuditor` or `replayLedger` proves what it is given against a signed checkpoint.
 *
 * @param parameters.url - Where the logs lie: `<url>/meta/checkpoint` is there.
 * @throws {InvalidInputError} for a URL that is none.
 * @throws {LedgerUnreachableError} from `read`; a file that is not there is `undefined`.
 * @example
 * ```ts
 * import { httpTiles } from '@newton/policy-sdk/ledger'
 *
 * const store = httpTiles({ url: 'https://ledger.example' })
 * ```
 */
export function httpTiles(parameters: {
  url: string
  /** Milliseconds for one file. @default 30_000 */
  timeout?: number | undefined
  fetch?: typeof globalThis.fetch | undefined
}): TileReader {
  const { timeout = 30_000 } = parameters
  assertHttpUrl('url', parameters.url)
  const base = parameters.url.replace(/\/+$/, '')
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...call) => globalThis.fetch(...call))
  return {
    read: (path, options = {}) => {
      const url = `${base}/${assertPath(path)}`
      const bound = { signal: options.signal, timeout: options.timeout ?? timeout }
      return withDeadline(`ledger file ${path}`, bound, async (signal) => {
        let response: Response
        let bytes: Uint8Array | undefined
        try {
          response = await fetch(url, { signal, redirect: 'error' })
          bytes = await readBounded(response, largestFile)
        } catch (cause) {
          signal.throwIfAborted()
          throw new LedgerUnreachableError({ url: base, detail: 'it gave no answer' }, { cause })
        }
        if (response.status === 404) return undefined
        if (response.status === 200 && bytes !== undefined) {
          return { bytes, version: toHex(sha256(bytes)) }
        }
        const detail = bytes === undefined ? 'a file is too long' : `it answered ${response.status}`
        throw new LedgerUnreachableError({ url: base, detail })
      })
    },
  }
}
