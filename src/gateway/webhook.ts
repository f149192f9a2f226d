/** What a gateway tells by requests of its own. */
import { toHex, utf8 } from '../internal/bytes.js'

/**
 * Whether a webhook's body was signed with its secret: that the gateway sent it, and not that what it says
 * is so. A decision is verified from the chain, by `readTask` of a task client.
 *
 * @param parameters.body - The body as it came, before it is parsed.
 * @param parameters.signature - Of header `X-Newton-Signature`: `sha256=` and 64 digits in hex.
 * @returns `false` for everything that is no such signature. Never throws.
 * @example
 * ```ts
 * import { verifyWebhook } from '@newton/policy-sdk/gateway'
 *
 * const signature = request.headers.get('x-newton-signature')
 * const ours = await verifyWebhook({ body: await request.text(), signature, secret })
 * ```
 */
export async function verifyWebhook(parameters: {
  body: string | Uint8Array
  signature: string | null | undefined
  secret: string
}): Promise<boolean> {
  try {
    const { body, signature, secret } = parameters
    const [, digits] = /^sha256=([0-9a-f]{64})$/.exec(signature ?? '') ?? []
    if (digits === undefined || secret === '') return false
    const key = await keyOf(secret, 'verify')
    const signed = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
    return await globalThis.crypto.subtle.verify('HMAC', key, signed, plain(body))
  } catch {
    return false
  }
}

/** The other side: `sha256=` and HMAC-SHA256 of a body by the webhook's secret, in hex. */
export async function signWebhook(body: string, secret: string): Promise<string> {
  const key = await keyOf(secret, 'sign')
  const signature = await globalThis.crypto.subtle.sign('HMAC', key, plain(body))
  return `sha256=${toHex(new Uint8Array(signature)).slice(2)}`
}

function keyOf(secret: string, use: 'sign' | 'verify'): Promise<CryptoKey> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  return globalThis.crypto.subtle.importKey('raw', plain(secret), algorithm, false, [use])
}

function plain(value: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(typeof value === 'string' ? utf8(value) : value)
}
