/** HTTP for plugins inside an enclave: bytes go through the host, which sees names and ports only. */
import http from 'node:http'
import https from 'node:https'
import { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import type { ByteStream, TunnelDial } from '../../enclave/index.js'
import { type HttpTransport, ResponseTooLargeError } from '../../eval/index.js'

/**
 * Creates the transport of a plugin runtime inside an enclave.
 *
 * @param options.ca - Certificate authorities of the image in PEM; Node's own where left out. TLS
 * ends in here.
 */
export function tunnelTransport(
  dial: TunnelDial,
  options: { ca?: string | undefined } = {},
): HttpTransport {
  return async (request, { signal, maxResponseBytes }) => {
    const url = new URL(request.url)
    const secure = url.protocol === 'https:'
    const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
    const stream = await dial({ host: url.hostname, port }, { signal })
    const socket = toDuplex(stream)
    const connection = secure
      ? tlsConnect({
          socket,
          servername: url.hostname,
          ...(options.ca === undefined ? {} : { ca: options.ca }),
        })
      : socket
    try {
      return await new Promise((resolve, reject) => {
        const outgoing = (secure ? https : http).request(
          url,
          {
            method: request.method,
            headers: Object.fromEntries(request.headers),
            agent: false,
            signal,
            createConnection: () => connection as never,
          },
          (response) => {
            const chunks: Uint8Array[] = []
            let length = 0
            response.on('data', (chunk: Uint8Array) => {
              length += chunk.length
              if (length > maxResponseBytes)
                response.destroy(new ResponseTooLargeError(maxResponseBytes))
              else chunks.push(chunk)
            })
            response.once('error', reject)
            response.once('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                headers: pairs(response.rawHeaders),
                body: new Uint8Array(Buffer.concat(chunks)),
              }),
            )
          },
        )
        outgoing.once('error', reject)
        outgoing.end(request.body)
      })
    } finally {
      stream.destroy()
    }
  }
}

function toDuplex(stream: ByteStream): Duplex {
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Uint8Array, _, done) => {
      stream.write(Uint8Array.from(chunk)).then(() => done(), done)
    },
    final: (done) => done(),
    destroy: (error, done) => {
      stream.destroy()
      done(error)
    },
  })
  const pump = async (): Promise<void> => {
    for await (const chunk of stream.incoming) duplex.push(chunk)
    duplex.push(null)
  }
  pump().catch((error: Error) => duplex.destroy(error))
  return duplex
}

function pairs(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([raw[i] as string, raw[i + 1] as string])
  return out
}
