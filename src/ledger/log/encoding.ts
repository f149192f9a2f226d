export { fromBase64, toBase64 } from '../../internal/base64.js'

/** A size or index below 2^63 in decimal without leading zeros; `undefined` for anything else. */
export function fromDecimal(text: string): bigint | undefined {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text)) return undefined
  const value = BigInt(text)
  return value < 1n << 63n ? value : undefined
}

/** Text as bytes or string; `undefined` where it is not valid UTF-8 or has a lone surrogate. */
export function wellFormedText(input: unknown): string | undefined {
  try {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input
    if (!(bytes instanceof Uint8Array)) return undefined
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return typeof input === 'string' && input !== text ? undefined : text
  } catch {
    return undefined
  }
}
