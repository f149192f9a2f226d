/**
 * JSON-RPC of a node over HTTP, for processes that ask all day: a third of the CPU of viem's own transport, which
 * makes a request, an error with its stack, and two signals for each question.
 */
import { setMaxListeners } from 'node:events'
import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { Agent as HttpsAgent, request as secureRequest } from 'node:https'
import {
  createTransport,
  HttpRequestError,
  type HttpTransport,
  ResponseBodyTooLargeError,
  RpcRequestError,
  TimeoutError,
} from 'viem'

type Call = { method: string; params?: unknown }
type Answer = { result?: unknown; error?: { code: number; message: string; data?: unknown } }

/** Logs of many blocks are the largest answers. */
const MAX_BYTES = 128 * 1_048_576

/**
 * Creates the transport. Its errors are those of viem's `http`, and are retried as there. Redirects are not
 * followed.
 *
 * @param options.timeout - Milliseconds for one answer.
 * @param options.maxBytes - Bytes of one answer. @default 128 MiB
 */
export function nodeRpc(
  url: string,
  options: { timeout: number; maxBytes?: number | undefined },
): HttpTransport {
  const { timeout, maxBytes = MAX_BYTES } = options
  const target = new URL(url)
  const secure = target.protocol === 'https:'
  // Sockets that wait do not keep a process alive.
  const agent = new (secure ? HttpsAgent : HttpAgent)({ keepAlive: true })
  const { username, password } = target
  const fixed: RequestOptions = {
    ...{ agent, method: 'POST', protocol: target.protocol },
    ...{ hostname: target.hostname.replace(/^\[|\]$/g, ''), path: target.pathname + target.search },
    ...(target.port === '' ? {} : { port: target.port }),
    ...(username === '' && password === ''
      ? {}
      : { auth: `${decodeURIComponent(username)}:${decodeURIComponent(password)}` }),
  }
  // What an error names is not where the secrets are.
  const shown = `${target.origin}${target.pathname}`
  let count = 0

  const ask = (body: Call, signal: AbortSignal | undefined): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const text = JSON.stringify({ jsonrpc: '2.0', id: ++count, ...body }, plain)
      // Any number of calls has one signal: Node takes more than ten for a leak, and tells whoever runs it.
      if (signal !== undefined) setMaxListeners(0, signal)
      const sent = (secure ? secureRequest : request)({
        ...fixed,
        ...(signal === undefined ? {} : { signal }),
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        },
      })
      const timer = setTimeout(() => {
        sent.destroy(new TimeoutError({ body, url: shown }))
      }, timeout)
      const fail = (cause: Error): void => {
        clearTimeout(timer)
        const known = cause instanceof TimeoutError || cause instanceof ResponseBodyTooLargeError
        reject(known ? cause : new HttpRequestError({ body, cause, url: shown }))
      }
      sent.once('error', fail)
      sent.once('response', (incoming) => {
        incoming.once('error', fail)
        readAnswer(incoming, { body, url: shown, maxBytes })
          .then(resolve, reject)
          .finally(() => clearTimeout(timer))
      })
      sent.end(text)
    })

  return ({ retryCount }) =>
    createTransport(
      {
        ...{ key: 'http', name: 'HTTP JSON-RPC', type: 'http' as const, timeout },
        ...(retryCount === undefined ? {} : { retryCount }),
        async request({ method, params }, io) {
          const body = { method, params }
          const { error, result } = await ask(body, io?.signal)
          if (error !== undefined) throw new RpcRequestError({ body, error, url: shown })
          return result as never
        },
      },
      { url },
    )
}

async function readAnswer(
  incoming: IncomingMessage,
  { body, url, maxBytes }: { body: Call; url: string; maxBytes: number },
): Promise<Answer> {
  const status = incoming.statusCode ?? 0
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
      size += chunk.length
      if (size > maxBytes) throw new ResponseBodyTooLargeError({ maxSize: maxBytes, size })
      chunks.push(chunk)
    }
  } catch (cause) {
    incoming.destroy()
    if (cause instanceof ResponseBodyTooLargeError) throw cause
    throw new HttpRequestError({ body, cause: cause as Error, url })
  }
  const text = Buffer.concat(chunks).toString()
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    answer = undefined
  }
  const read = typeof answer === 'object' && answer !== null ? (answer as Answer) : undefined
  const refused = typeof read?.error?.code === 'number' && typeof read.error.message === 'string'
  if (read !== undefined && (refused || (status >= 200 && status < 300 && 'result' in read))) {
    return read
  }
  const details = status >= 200 && status < 300 ? 'the answer is no JSON-RPC' : text.slice(0, 200)
  throw new HttpRequestError({ body, details, status, url })
}

/** Numbers that JSON has not. */
function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
