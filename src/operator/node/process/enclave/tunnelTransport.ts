/** HTTP for plugins inside an enclave: bytes go through the host, which sees names and ports only. */
import { Duplex } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import type { ByteStream, TunnelDial } from '../../../../enclave/index.js'
import type { HttpTransport } from '../../../../eval/index.js'
import { exchangeHttp } from '../../../../eval/node/index.js'

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
      return await exchangeHttp(request, {
        signal,
        maxResponseBytes,
        connection: { createConnection: () => connection },
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
