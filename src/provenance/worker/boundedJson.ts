import { concatAll } from '../../internal/bytes.js'

/** JSON of a request or a response, `undefined` where it is larger than `most` bytes or is none. */
export async function readBoundedJson(
  from: Pick<Request | Response, 'body'>,
  most: number,
): Promise<unknown> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = from.body?.getReader()
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.length
    if (length > most) {
      await reader.cancel()
      return undefined
    }
    parts.push(value)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(concatAll(parts)))
  } catch {
    return undefined
  }
}
