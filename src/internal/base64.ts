/** Base64 of RFC 4648 section 4, strictly. */
import { base64pad } from 'multiformats/bases/base64'

/** Standard base64 with padding, as C2SP writes it. */
export function toBase64(bytes: Uint8Array): string {
  return base64pad.baseEncode(bytes)
}

/** Reads standard base64; `undefined` where the text is not the one encoding of its bytes. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  try {
    const bytes = base64pad.baseDecode(text)
    return toBase64(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}
