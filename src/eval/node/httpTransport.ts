import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { assertCount, assertFlag, assertOptions } from '../../internal/options.js'
import { isPrivateAddress, isPrivateHost } from '../../internal/privateAddress.js'
import { type HttpTransport, PrivateAddressError } from '../plugins/http.js'
import { exchangeHttp } from './httpExchange.js'

/**
 * HTTP for plugins on Node. Addresses are checked after resolution, at the moment of connecting, so
 * a name that resolves to a private address is refused however often its answer changes.
 *
 * Never follows redirects, keeps no connections, sends no headers of its own but `host` and
 * `content-length`.
 *
 * @param options.lookup - Replaces the resolver, for tests.
 */
export function nodeHttpTransport(
  options: {
    lookup?: ((host: string) => Promise<LookupAddress[]>) | undefined
    /** Certificate authorities in PEM, where not Node's own. */
    ca?: string | undefined
  } = {},
): HttpTransport {
  assertOptions(options, { lookup: 'function', ca: 'text' })
  const { lookup = resolve, ca } = options
  return async (request, { signal, maxResponseBytes, allowPrivate }) => {
    assertCount('maxResponseBytes', maxResponseBytes)
    assertFlag('allowPrivate', allowPrivate)
    const connection = {
      ...(ca === undefined ? {} : { ca }),
      lookup: checkedLookup(lookup, allowPrivate),
    }
    const { hostname } = new URL(request.url)
    // An address is not looked up.
    if (!allowPrivate && isPrivateHost(hostname)) throw new PrivateAddressError(hostname, hostname)
    return exchangeHttp(request, { signal, maxResponseBytes, connection })
  }
}

/** Resolves names, and refuses those with an address that is not to be reached. */
function checkedLookup(
  lookup: (host: string) => Promise<LookupAddress[]>,
  allowPrivate: boolean,
): LookupFunction {
  return (host, { all = false }, done) => {
    lookup(host).then(
      (addresses) => {
        const refused = allowPrivate
          ? undefined
          : addresses.find(({ address }) => isPrivateAddress(address))
        const [first] = addresses
        if (refused) done(new PrivateAddressError(host, refused.address), '', 4)
        else if (first === undefined) done(new PrivateAddressError(host, '(none)'), '', 4)
        else if (all) (done as (error: null, all: LookupAddress[]) => void)(null, addresses)
        else done(null, first.address, first.family)
      },
      (error) => done(error, '', 4),
    )
  }
}

function resolve(host: string): Promise<LookupAddress[]> {
  return new Promise((fulfil, reject) => {
    dnsLookup(host, { all: true }, (error, addresses) =>
      error ? reject(error) : fulfil(addresses),
    )
  })
}
