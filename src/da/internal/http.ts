/**
 * One HTTP exchange as every adapter makes it: no redirects, a bounded body read as a stream, a
 * limit on silence, and failures as typed errors that never repeat a secret of the URL.
 */
import type { DaProgress } from '../../core/interfaces/daClient.js'
import { BaseError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import { DaBodyLengthError, DaProtocolError, DaTransportError } from '../errors.js'

/** The part of `fetch` that the adapters use. Inject one to add proxies, mTLS or recording. */
export type FetchLike = (input: string, init: RequestInit) => Promise<Response>

/** What one exchange needs to know. */
export type Exchange = {
  /** Name of the source in errors. */
  source: string
  fetch: FetchLike
  signal: AbortSignal
}

/** Sends one request and returns the response unread. Redirects are refused by name. */
export async function send(
  exchange: Exchange,
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  const response = await sendOnce(exchange, url, init)
  if (!isRedirect(response)) return response
  discard(response)
  const to = response.headers.get('location')
  const target =
    to !== null && URL.canParse(to, url) ? ` to ${redactUrl(new URL(to, url).href)}` : ''
  throw new DaProtocolError({
    source: exchange.source,
    reason: `redirected${target} with status ${response.status}`,
  })
}

/** Like {@link send}, with redirects returned to a caller who checks where they lead. */
export async function sendOnce(
  exchange: Exchange,
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  const { source, signal } = exchange
  try {
    return await exchange.fetch(url, { ...init, redirect: 'manual', signal })
  } catch (cause) {
    throw transportError(source, cause, signal)
  }
}

/** Whether a response sends its reader elsewhere. Browsers hide where. */
export function isRedirect(response: Response): boolean {
  return (
    response.type === 'opaqueredirect' ||
    (response.status >= 300 && response.status < 400 && response.status !== 304)
  )
}

/** How a body may be read. */
export type ReadBodyOptions = {
  /** Most bytes taken; one more is an error. */
  limit: number
  onProgress?: ((progress: DaProgress) => void) | undefined
  /** Milliseconds without a byte after which the source counts as stalled. */
  stallTimeout?: number | undefined
  /** Filled with what arrived, also when the read fails. */
  arrived?: Uint8Array[] | undefined
}

/** Reads a body up to `limit` bytes. Truncated, oversized and stalled bodies are errors. */
export async function readBody(
  exchange: Pick<Exchange, 'source' | 'signal'>,
  response: Response,
  options: ReadBodyOptions,
): Promise<Uint8Array> {
  const { source, signal } = exchange
  const { limit, onProgress, stallTimeout } = options
  const announced = announcedLength(response)
  if (announced !== undefined && announced > limit) {
    discard(response)
    throw new DaBodyLengthError({ source, received: 0, allowed: limit, kind: 'oversized' })
  }
  if (response.body === null) {
    if (announced !== undefined && announced > 0) {
      throw new DaBodyLengthError({ source, received: 0, allowed: announced, kind: 'truncated' })
    }
    return new Uint8Array(0)
  }
  const reader = response.body.getReader()
  const chunks = options.arrived ?? []
  const before = chunks.length
  let received = 0
  try {
    for (;;) {
      const { done, value } = await readChunk(reader, { source, signal, stallTimeout })
      if (done) break
      received += value.length
      if (received > limit) {
        throw new DaBodyLengthError({ source, received, allowed: limit, kind: 'oversized' })
      }
      chunks.push(value)
      onProgress?.({ loaded: received, total: announced })
    }
  } catch (cause) {
    // A source that lies about its length may also never end: do not wait for it.
    reader.cancel().catch(() => undefined)
    throw cause instanceof BaseError ? cause : transportError(source, cause, signal)
  }
  if (announced !== undefined && received < announced) {
    throw new DaBodyLengthError({ source, received, allowed: announced, kind: 'truncated' })
  }
  return joinChunks(chunks.slice(before), received)
}

/** First bytes of an error body: as they came, and as one line without secrets. Never throws. */
export async function readErrorText(
  exchange: Exchange,
  response: Response,
): Promise<{ raw: string; text: string }> {
  try {
    const raw = new TextDecoder().decode(await readPrefix(exchange, response, 4_096))
    return { raw, text: redactText(raw) }
  } catch {
    return { raw: '', text: '' }
  }
}

/**
 * Ends a response that nobody reads, so that its connection is freed. It is not waited for: a body that
 * somebody else reads as well, as interceptors and service workers do, ends when they let go of it.
 */
export function discard(response: Response): void {
  // Already errored or locked: nothing to free.
  response.body?.cancel().catch(() => undefined)
}

/** URL without credentials, query and fragment. */
export function redactUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url)
    return `${protocol}//${host}${pathname}`
  } catch {
    return 'an unparsable URL'
  }
}

/** Text on one line, long hex and URLs with credentials shortened. */
export function redactText(text: string): string {
  return text
    .replace(/(?:0x)?([0-9a-fA-F]{16})[0-9a-fA-F]{64,}/g, '$1…')
    .replace(/\/\/[^/\s@]+@/g, '//')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 512)
}

/** The error for a failed connection; the caller's abort and our timeout pass through. */
export function transportError(source: string, cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  if (cause instanceof BaseError) return cause
  return new DaTransportError({ source, reason: redactText(deepestMessage(cause)) }, { cause })
}

/** Whether `error` is the caller's abort or the deadline of `signal`, not the source's doing. */
export function isAbort(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && (error === signal.reason || error instanceof TimeoutError)
}

function announcedLength(response: Response): number | undefined {
  // With a content coding the header counts coded bytes, the stream decoded ones.
  const coding = response.headers.get('content-encoding')
  if (coding !== null && coding !== 'identity') return undefined
  const header = response.headers.get('content-length')
  if (header === null || !/^\d{1,15}$/.test(header)) return undefined
  return Number(header)
}

async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  {
    source,
    signal,
    stallTimeout,
  }: { source: string; signal: AbortSignal; stallTimeout?: number | undefined },
): Promise<ReadableStreamReadResult<Uint8Array>> {
  signal.throwIfAborted()
  let timer: ReturnType<typeof setTimeout> | undefined
  let onAbort: (() => void) | undefined
  const interrupted = new Promise<never>((_, reject) => {
    onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (stallTimeout === undefined) return
    timer = setTimeout(
      () =>
        reject(
          new DaTransportError({
            source,
            reason: `stalled for ${stallTimeout} ms inside the body`,
          }),
        ),
      stallTimeout,
    )
  })
  try {
    return await Promise.race([reader.read(), interrupted])
  } finally {
    clearTimeout(timer)
    if (onAbort) signal.removeEventListener('abort', onAbort)
  }
}

async function readPrefix(
  exchange: Exchange,
  response: Response,
  limit: number,
): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0)
  const reader = response.body.getReader()
  const chunks: Uint8Array[] = []
  let received = 0
  try {
    while (received < limit) {
      const { done, value } = await readChunk(reader, { ...exchange, stallTimeout: 5_000 })
      if (done) break
      chunks.push(value)
      received += value.length
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
  return joinChunks(chunks, received).slice(0, limit)
}

function joinChunks(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const out = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    out.set(chunk, offset)
    offset += chunk.length
  }
  return out
}

function deepestMessage(cause: unknown): string {
  let message = cause instanceof Error ? cause.message : String(cause)
  let current: unknown = cause
  for (let depth = 0; depth < 8 && current instanceof Error && current.cause; depth++) {
    current = current.cause
    if (current instanceof Error && current.message !== '') message = current.message
  }
  return message
}
