/**
 * EigenDA through its proxy, standard commitments only.
 *
 * The proxy's answers are checked, not believed: the certificate must parse, be for a blob of the
 * right length and, where points are supplied, commit to the very bytes that were sent. The network
 * keeps a blob for fourteen days; a receipt says until when.
 */
import type { DaClient, DaOptions } from '../../core/interfaces/daClient.js'
import type { IoOptions } from '../../internal/deadline.js'
import { createSingleFlight } from '../../internal/singleFlight.js'
import { createDaAdapter } from '../adapter.js'

import { eigenDaArchive } from './archive.js'
import { EIGENDA_RETENTION_SECONDS, type EigenDaOptions, eigenDaSettings } from './options.js'
import { purseOf } from './paidParts.js'
import { type EigenDaProxyConfig, getConfig } from './proxyClient.js'
import { headParts, readParts } from './reads.js'
import { createPutParts, type PutResult } from './writes.js'

/** The EigenDA adapter. */
export type EigenDaClient = DaClient & {
  renew: NonNullable<DaClient['renew']>
  head: NonNullable<DaClient['head']>
  /** What the proxy says about itself; `undefined` for one older than v2.5. Asked once. */
  config(options?: IoOptions): Promise<EigenDaProxyConfig | undefined>
}

/**
 * Creates an adapter for a proxy, best one of your own beside the process.
 *
 * A write is repeated only when it certainly was not carried out: no connection, or a 429. Anything
 * else that leaves the outcome open is a {@link DaOutcomeUnknownError}, because a second dispersal
 * is paid for again. What was paid for and could not be checked is reused by a `put` of the same
 * bytes within a day; two of them at once are one. Clients of one `payments` are one in both. It is paid
 * for anew where the network said twice, ten minutes apart, that it is not there, and with `mayPayTwice`;
 * the ten minutes double, up to a day, with each payment for the same bytes that is never seen.
 *
 * @throws {InvalidInputError} for a malformed URL or option.
 * @example
 * ```ts
 * import { eigenDa } from '@newton/policy-sdk/da'
 *
 * const da = eigenDa({ url: 'http://127.0.0.1:3100' })
 * const archive = eigenDa.archive({ url: 'http://127.0.0.1:3100' })
 * ```
 */
export function eigenDa(options: EigenDaOptions): EigenDaClient {
  const settings = eigenDaSettings(options)
  const { source, target } = settings
  const { flights, notes } = purseOf<PutResult>(settings.payments)
  const asking = createSingleFlight<EigenDaProxyConfig | undefined>('eigenda config')
  let known: { config: EigenDaProxyConfig | undefined } | undefined

  /** Asked by several at once it is asked once, and one who leaves takes the answer from nobody. */
  async function askConfig(io: IoOptions): Promise<EigenDaProxyConfig | undefined> {
    if (known) return known.config
    return asking.run('config', io, async (signal) => {
      const config = await getConfig(target, { signal })
      known = { config }
      return config
    })
  }

  const parts = createPutParts(settings, askConfig)
  const client = createDaAdapter(
    {
      kind: 'eigenda',
      source,
      retention: { kind: 'expires', seconds: EIGENDA_RETENTION_SECONDS },
      paid: true,
      timeouts: { put: options.timeouts?.put ?? 600_000, get: options.timeouts?.get ?? 150_000 },
      supports: ({ kind }) => kind === 'eigenDa',
      // Two writes of the same bytes at once are one, and paid for once.
      put: (bytes, call) =>
        flights.run(`${call.hash}${termsOf(call)}`, { signal: call.signal }, (signal) =>
          parts.put(bytes, { ...call, signal }),
        ),
      renew: (bytes, call) => {
        const { previous, hash } = call
        const expected = previous.kind === 'eigenDa' ? previous.commitments : undefined
        // Held against what was there before, so only with others that are held against the same.
        const key = `${hash}${termsOf(call)} ${expected?.join(' ') ?? ''}`
        return flights.run(key, { signal: call.signal }, (signal) =>
          parts.put(bytes, { ...call, signal }, expected),
        )
      },
      paidFor: notes.paidFor,
      isUnsent: notes.isUnsent,
      read: (locator, call) => readParts(settings, locator, call),
      head: (locator, call) => headParts(settings, locator, call),
    },
    options,
  )
  return Object.assign(client as DaClient & Required<Pick<DaClient, 'renew' | 'head'>>, {
    config: (io: IoOptions = {}) => askConfig(io),
  })
}

/** One who may pay twice is not made to wait with one who may not. */
function termsOf({ mayPayTwice }: DaOptions): string {
  return mayPayTwice === true ? '+' : ''
}

eigenDa.archive = eigenDaArchive
