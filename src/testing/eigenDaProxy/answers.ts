/** Answers of the fake EigenDA proxy: as the real one gives them, and with faults laid over. */
import { MAX_PAYLOAD_BYTES } from '../../da/index.js'
import { utf8 } from '../../internal/bytes.js'

/** A fault laid over the next answers that it applies to. */
export type FakeProxyFault = {
  kind: /** 200 with other bytes: a poisoned cache. */
    | 'poisoned'
    /** 200 with an HTML page. */
    | 'html'
    /** 200 with nothing. */
    | 'empty'
    /** 200 with a body cut short of its announced length. */
    | 'truncated'
    /** 200 with a body that stops and never ends. */
    | 'stalled'
    /** 200 with more bytes than any blob. */
    | 'oversized'
    /** 302 to elsewhere. */
    | 'redirect'
    /** The connection ends before an answer. On a write the dispersal has happened. */
    | 'reset'
    /** No answer at all. On a write the dispersal has happened. */
    | 'silent'
    /** A write answers with the certificate of other bytes. */
    | 'otherCertificate'
    /** Any status, with `body`. */
    | 'status'
  on?: 'get' | 'put' | undefined
  times?: number | undefined
  status?: number | undefined
  body?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/** An answer before it becomes a response, with what happens to the connection. */
export type FakeAnswer = {
  status: number
  headers: Record<string, string>
  body: Uint8Array
  effect?: 'reset' | 'silent' | 'stalled' | 'truncated' | undefined
}

/** A request as the fake sees it. */
export type FakeRequest = {
  method: string
  url: string
  headers: Headers
  body: Uint8Array
  signal?: AbortSignal | undefined
}

export function distorted(reply: FakeAnswer, fault: FakeProxyFault | undefined): FakeAnswer {
  switch (fault?.kind) {
    case 'poisoned': {
      const body = reply.body.slice()
      body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1
      return { ...reply, body }
    }
    case 'html':
      return {
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: utf8('<!doctype html><title>Gateway</title>'),
      }
    case 'empty':
      return { ...reply, body: new Uint8Array(0) }
    case 'truncated':
      return { ...reply, effect: 'truncated' }
    case 'stalled':
      return { ...reply, effect: 'stalled' }
    case 'oversized':
      return { ...reply, body: new Uint8Array(MAX_PAYLOAD_BYTES + 1_000_000) }
    case 'redirect':
      return {
        status: 302,
        headers: { location: 'http://169.254.169.254/latest' },
        body: new Uint8Array(0),
      }
    case 'reset':
    case 'silent':
      return { ...reply, effect: fault.kind }
    default:
      return reply
  }
}

export function scripted({ status = 500, body = '', headers = {} }: FakeProxyFault): FakeAnswer {
  return {
    ...failure(status, body),
    headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  }
}

// What Go's http.Error writes.
export function failure(status: number, message: string): FakeAnswer {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: utf8(`${message}\n`),
  }
}

export function notAllowed(): FakeAnswer {
  return { status: 405, headers: {}, body: new Uint8Array(0) }
}

// The proxy sets no content type on success; Go guesses one from the bytes.
export function success(body: Uint8Array): FakeAnswer {
  const isText =
    body.length > 0 &&
    !body.subarray(0, 512).some((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20))
  return {
    status: 200,
    headers: { 'content-type': isText ? 'text/plain; charset=utf-8' : 'application/octet-stream' },
    body,
  }
}

export function json(value: unknown): FakeAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: utf8(JSON.stringify(value)),
  }
}

export async function requestOf(input: string, init: RequestInit): Promise<FakeRequest> {
  const body =
    init.body === undefined || init.body === null
      ? new Uint8Array(0)
      : new Uint8Array(await new Response(init.body).arrayBuffer())
  return {
    method: init.method ?? 'GET',
    url: input,
    headers: new Headers(init.headers),
    body,
    signal: init.signal ?? undefined,
  }
}

export async function toResponse(
  { status, headers, body, effect }: FakeAnswer,
  signal: AbortSignal | undefined,
): Promise<Response> {
  if (effect === 'reset') {
    // As fetch of Node fails: a TypeError whose cause has the system's code.
    const cause = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    return Promise.reject(new TypeError('fetch failed', { cause }))
  }
  if (effect === 'silent') await wait(Number.POSITIVE_INFINITY, signal)
  const all = { ...headers, 'content-length': String(body.length) }
  if (effect === undefined) {
    // Bodies are forbidden on some statuses, and an empty one is no body.
    return new Response(body.length === 0 ? null : (body.slice() as unknown as BodyInit), {
      status,
      headers: all,
    })
  }
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      if (body.length > 1) controller.enqueue(body.slice(0, body.length >> 1))
      if (effect === 'truncated') controller.close()
    },
  })
  return new Response(stream, { status, headers: all })
}

export function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds <= 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const timer =
      milliseconds === Number.POSITIVE_INFINITY ? undefined : setTimeout(resolve, milliseconds)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason)
      },
      { once: true },
    )
  })
}
