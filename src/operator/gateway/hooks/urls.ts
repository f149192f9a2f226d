/** Where webhooks may lead: HTTPS, public addresses, ports that the gateway's operator allows. */
import type { Json } from '../../../core/canonicalJson.js'
import { InvalidInputError } from '../../../errors/common.js'
import { assertCount, assertList } from '../../../internal/options.js'
import { isPrivateAddress } from '../../../internal/privateAddress.js'
import { readText } from '../../rpc/fields.js'

/**
 * Ports of webhooks where nothing else is said: that of HTTPS, and the one that services take that cannot have
 * it. With any port, callers would have the gateway knock at whatever listens on other people's machines.
 */
export const webhookPorts: readonly number[] = [443, 8_443]

const [MOST_CHARACTERS, MOST_PORTS] = [2_048, 64]

/** Refuses ports that are none. */
export function assertPorts(field: string, ports: unknown): void {
  assertList(field, ports)
  assertCount(`${field}.length`, ports.length, { most: MOST_PORTS })
  for (const [index, port] of ports.entries()) {
    assertCount(`${field}[${index}]`, port, { most: 65_535 })
  }
}

/** Whether a URL of a webhook leads to one of these ports. */
export function leadsTo(url: string, ports: readonly number[]): boolean {
  if (!URL.canParse(url)) return false
  // The URL of the scheme's own port names none.
  const { port } = new URL(url)
  return ports.includes(port === '' ? 443 : Number(port))
}

/** Reads where a caller wants to be told. @throws {InvalidInputError} for what is no such place. */
export function readWebhookUrl(value: Json | undefined, ports: readonly number[]): string {
  const text = readText(value, 'params.url', MOST_CHARACTERS)
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.hash !== '') {
    throw bad('expected an HTTPS URL without a user, a password and a fragment')
  }
  // What is escaped is longer, and is what is kept.
  if (url.href.length > MOST_CHARACTERS)
    throw bad(`it is longer than ${MOST_CHARACTERS} characters`)
  if (!leadsTo(url.href, ports)) throw bad(`this gateway tells on port ${ports.join(', ')} alone`)
  // Names are looked at when they are connected to, each time.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (/^[0-9.]+$|:/.test(host) && isPrivateAddress(host)) throw bad('expected a public address')
  return url.href
}

function bad(reason: string): InvalidInputError {
  return new InvalidInputError({ field: 'params.url', reason })
}
