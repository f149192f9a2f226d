/**
 * AWS Signature Version 4 for single requests, as S3-compatible stores take it.
 *
 * Source: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
 */
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { utf8 } from '../../internal/bytes.js'

/** Keys of a store. */
export type S3Credentials = {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

/** A request to sign. */
export type SignableRequest = {
  method: string
  url: URL
  headers: Readonly<Record<string, string>>
  body: Uint8Array
}

/** Hex of SHA-256 of the body, which the signature covers. */
export function payloadHash(body: Uint8Array): string {
  return bytesToHex(sha256(body))
}

/**
 * Headers of a signed request: those given, and those that signing adds.
 */
export function signRequest(
  request: SignableRequest,
  {
    credentials,
    region,
    now,
    service = 's3',
  }: {
    credentials: S3Credentials
    region: string
    /** Time of the request, milliseconds since the epoch; stores allow 15 minutes. */
    now: number
    service?: string
  },
): Record<string, string> {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = stamp.slice(0, 8)
  const headers: Record<string, string> = {
    ...Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value.trim()]),
    ),
    host: request.url.host,
    'x-amz-content-sha256': payloadHash(request.body),
    'x-amz-date': stamp,
    ...(credentials.sessionToken === undefined
      ? {}
      : { 'x-amz-security-token': credentials.sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const canonical = [
    request.method,
    request.url.pathname
      .split('/')
      .map((segment) => encode(decodeURIComponent(segment)))
      .join('/'),
    [...request.url.searchParams]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${(headers[name] as string).replace(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'],
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', stamp, scope, bytesToHex(sha256(utf8(canonical)))].join('\n')
  const key = [day, region, service, 'aws4_request'].reduce<Uint8Array>(
    (secret, part) => hmac(sha256, secret, utf8(part)),
    utf8(`AWS4${credentials.secretAccessKey}`),
  )
  const signature = bytesToHex(hmac(sha256, key, utf8(toSign)))
  // `fetch` sets the host itself and forbids setting it.
  const { host: _host, ...sent } = headers
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},SignedHeaders=${names.join(';')},Signature=${signature}`,
  }
}

// RFC 3986: everything but unreserved characters.
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
