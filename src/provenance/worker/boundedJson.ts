import { readBounded } from '../../internal/boundedBody.js'

/** JSON of a request or a response, `undefined` where it is larger than `most` bytes or is none. */
export async function readBoundedJson(
  from: Pick<Request | Response, 'body'>,
  most: number,
): Promise<unknown> {
  const body = await readBounded(from, most)
  return body === undefined ? undefined : parseBoundedJson(body)
}

/** JSON of bytes, `undefined` where they are none. */
export function parseBoundedJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}
