import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import { isPrivateAddress } from '../../internal/privateAddress.js'
import { type HttpTransport, PrivateAddressError, ResponseTooLargeError } from '../plugins/http.js'

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
  const { lookup = resolve, ca } = options
  return (request, { signal, maxResponseBytes, allowPrivate }) =>
    new Promise((fulfil, reject) => {
      const url = new URL(request.url)
      const outgoing = (url.protocol === 'https:' ? https : http).request(
        url,
        {
          method: request.method,
          headers: groupHeaders(request.headers),
          setHost: true,
          agent: false,
          signal,
          ...(ca === undefined ? {} : { ca }),
          lookup: (host, lookupOptions, done) => {
            lookup(host).then(
              (addresses) => {
                const refused = allowPrivate
                  ? undefined
                  : addresses.find(({ address }) => isPrivateAddress(address))
                const [first] = addresses
                if (refused) done(new PrivateAddressError(host, refused.address), '', 4)
                else if (first === undefined) done(new PrivateAddressError(host, '(none)'), '', 4)
                else if (lookupOptions.all)
                  (done as (error: null, all: LookupAddress[]) => void)(null, addresses)
                else done(null, first.address, first.family)
              },
              (error) => done(error, '', 4),
            )
          },
        },
        (response) => {
          const chunks: Uint8Array[] = []
          let length = 0
          response.on('data', (chunk: Uint8Array) => {
            length += chunk.length
            if (length > maxResponseBytes)
              response.destroy(new ResponseTooLargeError(maxResponseBytes))
            else chunks.push(chunk)
          })
          response.on('error', reject)
          response.on('end', () => {
            const body = new Uint8Array(length)
            let at = 0
            for (const chunk of chunks) {
              body.set(chunk, at)
              at += chunk.length
            }
            fulfil({ status: response.statusCode ?? 0, headers: pairs(response.rawHeaders), body })
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end(request.body)
    })
}

function resolve(host: string): Promise<LookupAddress[]> {
  return new Promise((fulfil, reject) => {
    dnsLookup(host, { all: true }, (error, addresses) =>
      error ? reject(error) : fulfil(addresses),
    )
  })
}

function groupHeaders(headers: readonly (readonly [string, string])[]): Record<string, string[]> {
  const grouped: Record<string, string[]> = Object.create(null)
  for (const [name, value] of headers) {
    const key = name.toLowerCase()
    grouped[key] = [...(grouped[key] ?? []), value]
  }
  return grouped
}

function pairs(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([raw[i] as string, raw[i + 1] as string])
  return out
}
