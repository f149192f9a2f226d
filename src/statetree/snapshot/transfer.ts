/** One answer of a bootnode, taken up again where it broke off, and given up where it comes too slowly. */
import { BaseError } from '../../errors/base.js'
import { readBounded } from '../../internal/boundedBody.js'
import { concatAll } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { SnapshotError } from '../errors.js'

/** An answer and its body, `undefined` where that is too long. */
export async function answerTo(
  request: Request,
  send: Transfer['send'],
  maxBytes: number,
): Promise<{ response: Response; answer: Uint8Array | undefined }> {
  const response = await send(request)
  return { response, answer: await readBounded(response, maxBytes) }
}

/** What a connection that failed, or a `fetch` of a caller's own, throws. */
export function unanswered(path: string, error: unknown): BaseError {
  if (error instanceof BaseError) return error
  const reason = `${path} was not answered (${String((error as Error)?.message ?? error)})`
  return new SnapshotError({ reason }, { retryable: true, cause: error })
}

/** How a client reads from a node. */
export type Transfer = {
  send: (request: Request) => Promise<Response>
  base: string
  resumptions: number
  maxBytes: number
  stallTimeout: number
  leastRate: number
}

type Part = { bytes: Uint8Array } | { end: 'whole' | 'missing' }

/** All of it, taken up again where it broke off; `undefined` where the node does not have it. */
export async function transferWhole(
  transfer: Transfer,
  path: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { resumptions, maxBytes } = transfer
  const parts: Uint8Array[] = []
  let received = 0
  for (let attempt = 0; ; attempt++) {
    const restart = (): void => {
      parts.length = 0
      received = 0
    }
    try {
      for await (const part of partsFrom(transfer, { path, from: received, restart }, signal)) {
        if ('end' in part) return part.end === 'whole' ? concatAll(parts) : undefined
        parts.push(part.bytes)
        received += part.bytes.length
        if (received > maxBytes)
          throw new SnapshotError({ reason: `${path} is over ${maxBytes} bytes` })
      }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof SnapshotError && !error.retryable) throw error
      if (attempt >= resumptions) throw unanswered(path, error)
    }
  }
}

/** The parts of one answer; each wait has its own end, and what is left of the answer is let go. */
async function* partsFrom(
  { send, base, stallTimeout, leastRate }: Transfer,
  { path, from, restart }: { path: string; from: number; restart: () => void },
  signal: AbortSignal,
): AsyncGenerator<Part> {
  const left = new AbortController()
  const either = AbortSignal.any([signal, left.signal])
  const inTime = <value>(work: () => Promise<value>): Promise<value> =>
    withDeadline(`GET ${path}`, { signal, timeout: stallTimeout }, work)
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  try {
    const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {}
    const request = new Request(`${base}/v1/${path}`, { headers, signal: either })
    const response = await inTime(() => send(request))
    reader = response.body?.getReader()
    if (response.status === 404) return yield { end: 'missing' }
    if (response.status !== 200 && response.status !== 206) {
      const reason = `${path} answered ${response.status}`
      throw new SnapshotError({ reason }, { retryable: true })
    }
    // A server that starts over instead of going on: drop what was there.
    if (response.status === 200 && from > 0) restart()
    const began = performance.now()
    let taken = 0
    for (;;) {
      const part = await inTime(async () => reader?.read())
      if (part === undefined || part.done) return yield { end: 'whole' }
      taken += part.value.length
      // A byte now and then never stalls, and never ends either.
      const measured = performance.now() - began - stallTimeout
      if (taken < (leastRate * measured) / 1_000) {
        const reason = `${path} comes at less than ${leastRate} bytes a second`
        throw new SnapshotError({ reason }, { retryable: true })
      }
      yield { bytes: part.value }
    }
  } finally {
    left.abort()
    reader?.cancel().catch(() => undefined)
  }
}
