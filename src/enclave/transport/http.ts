/**
 * The wire protocol over HTTP: one frame per POST, for browsers and for enclaves behind an HTTP bridge.
 *
 * A greeting is not carried: both ends of a POST know the same limits. Artifacts and tunnels need a
 * connection and do not exist here.
 */
import { InvalidInputError } from '../../errors/common.js'
import { greetingBody } from '../wire/body.js'
import { EnclaveProtocolError, EnclaveTransportError } from '../wire/errors.js'
import {
  createFrameDecoder,
  DEFAULT_MAX_FRAME,
  encodeFrame,
  type Frame,
  frameTypes,
  HEADER_BYTES,
  WIRE_VERSION,
} from '../wire/frame.js'
import type { ByteStream, EnclaveListener, EnclaveTransport } from '../wire/stream.js'
import { createStreamPair } from './memory.js'

const contentType = 'application/vnd.newton.enclave-frame'
const greeting = greetingBody({
  versions: [WIRE_VERSION],
  maxFrame: DEFAULT_MAX_FRAME,
  maxInflight: 32,
  implementation: 'http',
})
const frameOf = (type: Frame['type'], body: Uint8Array = new Uint8Array(0)): Uint8Array =>
  encodeFrame({ type, requestId: 0, deadline: 0, body })

/**
 * Sends each request as a POST.
 *
 * @param parameters.fetch - @default globalThis.fetch
 * @throws {InvalidInputError} for what is no HTTP URL.
 */
export function httpTransport(parameters: {
  url: string
  headers?: Readonly<Record<string, string>> | undefined
  fetch?: typeof globalThis.fetch | undefined
}): EnclaveTransport {
  const { url, headers = {}, fetch = globalThis.fetch } = parameters
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new InvalidInputError({ field: 'url', reason: 'expected an HTTP URL' })
  }
  const { origin } = new URL(url)
  return {
    name: `http ${origin}`,
    connect: async () => {
      const [near, far] = createStreamPair()
      const running = new Map<number, AbortController>()
      const post = async (frame: Frame): Promise<void> => {
        const controller = new AbortController()
        running.set(frame.requestId, controller)
        try {
          const response = await fetch(url, {
            method: 'POST',
            headers: { ...headers, 'content-type': contentType },
            body: encodeFrame(frame) as BodyInit,
            signal: controller.signal,
            redirect: 'error',
          })
          if (!response.ok) throw new EnclaveTransportError({ reason: `HTTP ${response.status}` })
          await far.write(await readLimited(response))
        } finally {
          running.delete(frame.requestId)
        }
      }
      const serve = async (): Promise<void> => {
        const decoder = createFrameDecoder()
        for await (const chunk of far.incoming) {
          for (const frame of decoder.push(chunk)) {
            if (frame.type === frameTypes.HELLO)
              await far.write(frameOf(frameTypes.HELLO_ACK, greeting))
            else if (frame.type === frameTypes.PING) await far.write(frameOf(frameTypes.PONG))
            else if (frame.type === frameTypes.CANCEL) running.get(frame.requestId)?.abort()
            else if (frame.type === frameTypes.REQUEST) {
              post(frame).catch((cause: unknown) => {
                // What was cancelled is no loss of the connection.
                if ((cause as { name?: string } | undefined)?.name !== 'AbortError') far.destroy()
              })
            }
          }
        }
      }
      void serve().catch(() => far.destroy())
      return near
    },
  }
}

/** A listener that an HTTP server hands its requests to. */
export type HttpListener = EnclaveListener & {
  /** Answers one POST. Never throws. */
  handle(request: Request): Promise<Response>
}

/** Creates the enclave's end. */
export function httpListener(): HttpListener {
  let accept: ((stream: ByteStream) => void) | undefined
  return {
    listen: async (onStream) => {
      accept = onStream
      return {
        close: async () => {
          accept = undefined
        },
      }
    },
    handle: async (request) => {
      if (accept === undefined) return new Response(null, { status: 503 })
      if (request.method !== 'POST') return new Response(null, { status: 405 })
      try {
        const frame = await readLimited(request)
        if (frame[5] !== frameTypes.REQUEST) return new Response(null, { status: 400 })
        const answer = await exchange(accept, frame)
        return new Response(answer as BodyInit, { headers: { 'content-type': contentType } })
      } catch {
        return new Response(null, { status: 400 })
      }
    },
  }
}

/** Runs one request through a connection of its own. */
async function exchange(
  accept: (stream: ByteStream) => void,
  request: Uint8Array,
): Promise<Uint8Array> {
  const [near, far] = createStreamPair()
  accept(far)
  const decoder = createFrameDecoder()
  try {
    await near.write(frameOf(frameTypes.HELLO, greeting))
    await near.write(request)
    for await (const chunk of near.incoming) {
      for (const frame of decoder.push(chunk)) {
        if (frame.type === frameTypes.RESPONSE || frame.type === frameTypes.ERROR)
          return encodeFrame(frame)
        if (frame.type === frameTypes.ARTIFACT || frame.type === frameTypes.TCP_OPEN) {
          throw new EnclaveProtocolError({ fault: 'unexpected-frame', details: 'over HTTP' })
        }
      }
    }
    throw new EnclaveTransportError({ reason: 'the enclave ended it' })
  } finally {
    near.destroy()
  }
}

/** Reads a body piece by piece, so that one that is too large is dropped before it is there. */
async function readLimited(message: Request | Response): Promise<Uint8Array> {
  const most = DEFAULT_MAX_FRAME + HEADER_BYTES
  const pieces: Uint8Array[] = []
  let size = 0
  const reader = message.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done || value === undefined) break
    size += value.length
    if (size > most) {
      await reader?.cancel()
      throw new EnclaveProtocolError({ fault: 'frame-too-large', details: `over ${most} bytes` })
    }
    pieces.push(value as Uint8Array)
  }
  const out = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}
