/**
 * Transports over sockets of Node.
 *
 * Node cannot open AF_VSOCK: on the parent instance `socat TCP-LISTEN:<port>,fork VSOCK-CONNECT:<cid>:<port>`
 * or Firecracker's Unix socket stands between, and inside the enclave
 * `socat VSOCK-LISTEN:<port>,fork TCP:127.0.0.1:<port>`.
 */
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { InvalidInputError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { EnclaveTransportError } from '../wire/errors.js'
import type { ByteStream, EnclaveListener, EnclaveTransport } from '../wire/stream.js'

/** Connects over TCP. */
export function tcpTransport(parameters: {
  host?: string | undefined
  port: number
}): EnclaveTransport {
  const { host = '127.0.0.1', port } = parameters
  assertPort(port)
  return {
    name: `tcp ${host}:${port}`,
    connect: (options) => dial(() => netConnect({ host, port, noDelay: true }), options),
  }
}

/**
 * Connects over a Unix socket.
 *
 * @param parameters.firecrackerPort - Asks a hypervisor's socket for this vsock port: `CONNECT <port>\n` is
 * sent and `OK <number>\n` expected before anything else.
 */
export function unixTransport(parameters: {
  path: string
  firecrackerPort?: number | undefined
}): EnclaveTransport {
  const { path, firecrackerPort } = parameters
  if (typeof path !== 'string' || path === '') {
    throw new InvalidInputError({ field: 'path', reason: 'expected a path' })
  }
  if (firecrackerPort !== undefined) assertPort(firecrackerPort, 2 ** 32 - 1)
  return {
    name: `unix ${path}`,
    connect: async (options) => {
      const socket = await dialSocket(() => netConnect({ path }), options)
      try {
        if (firecrackerPort !== undefined) await askForPort(socket, firecrackerPort, options)
      } catch (cause) {
        socket.destroy()
        throw cause
      }
      return duplexStream(socket)
    },
  }
}

/** Uses streams that somebody else connects, one per connection. */
export function duplexTransport(parameters: {
  connect: (options?: IoOptions) => Promise<Duplex> | Duplex
}): EnclaveTransport {
  return {
    name: 'duplex',
    connect: async (options) => duplexStream(await parameters.connect(options)),
  }
}

/** Listens on TCP. Inside an enclave only a vsock bridge reaches it. */
export function tcpListener(parameters: {
  host?: string | undefined
  port: number
}): EnclaveListener & { address(): { host: string; port: number } | undefined } {
  const { host = '127.0.0.1', port } = parameters
  assertPort(port, 65_535, 0)
  let server: Server | undefined
  return {
    address: () => {
      const address = server?.address()
      return typeof address === 'object' && address !== null
        ? { host: address.address, port: address.port }
        : undefined
    },
    listen: async (onStream) => {
      const running = await serve((started) => started.listen({ host, port }), onStream)
      server = running.server
      return running
    },
  }
}

/** Listens on a Unix socket. */
export function unixListener(parameters: { path: string }): EnclaveListener {
  return {
    listen: (onStream) => serve((started) => started.listen({ path: parameters.path }), onStream),
  }
}

/** Serves one stream that is there already, such as standard input and output. */
export function duplexListener(parameters: { stream: Duplex }): EnclaveListener {
  return {
    listen: async (onStream) => {
      onStream(duplexStream(parameters.stream))
      return { close: async () => undefined }
    },
  }
}

/** Turns a Node stream into a byte stream, keeping its backpressure. */
export function duplexStream(stream: Duplex): ByteStream {
  // A socket that fails while nobody reads would end the process.
  stream.on('error', () => undefined)
  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of stream) yield chunk as Uint8Array
  }
  return {
    incoming: read(),
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (stream.destroyed || stream.writableEnded) {
          reject(new EnclaveTransportError({ reason: 'the stream is closed' }))
          return
        }
        const onClose = (): void =>
          reject(new EnclaveTransportError({ reason: 'the peer is gone' }))
        const done = (cause?: Error | null): void => {
          stream.off('close', onClose)
          if (cause) reject(new EnclaveTransportError({ reason: 'writing failed' }, { cause }))
          else resolve()
        }
        stream.once('close', onClose)
        // Below the high-water mark there is nothing to wait for.
        if (stream.write(bytes, (cause) => cause && done(cause))) done()
        else stream.once('drain', () => done())
      }),
    end: () =>
      new Promise((resolve) => {
        if (stream.destroyed) resolve()
        else stream.end(() => resolve())
      }),
    destroy: () => stream.destroy(),
  }
}

async function serve(
  listen: (server: Server) => void,
  onStream: (stream: ByteStream) => void,
): Promise<{ server: Server; close(): Promise<void> }> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
    onStream(duplexStream(socket)),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new EnclaveTransportError({ reason: 'listening failed' }, { cause })),
    )
    listen(server)
    server.once('listening', resolve)
  })
  return {
    server,
    // Connections end by themselves once their requests do.
    close: async () => {
      server.close()
    },
  }
}

async function dial(open: () => Socket, options: IoOptions = {}): Promise<ByteStream> {
  return duplexStream(await dialSocket(open, options))
}

function dialSocket(open: () => Socket, options: IoOptions = {}): Promise<Socket> {
  const socket = open()
  return withDeadline('Connecting', options, (signal) => {
    signal.addEventListener('abort', () => socket.readyState === 'opening' && socket.destroy(), {
      once: true,
    })
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(socket))
      socket.once('error', (cause) =>
        reject(new EnclaveTransportError({ reason: 'connecting failed' }, { cause })),
      )
    })
  })
}

/** Firecracker's greeting on its Unix socket. */
function askForPort(socket: Socket, port: number, options: IoOptions = {}): Promise<void> {
  return withDeadline('Asking the hypervisor for a port', options, async () => {
    socket.write(`CONNECT ${port}\n`)
    let line = ''
    while (!line.endsWith('\n')) {
      // One byte at a time: what follows the line belongs to the protocol.
      const byte = socket.read(1) as Uint8Array | null
      if (byte !== null) line += String.fromCharCode(byte[0] as number)
      else if (socket.destroyed || socket.readableEnded) {
        throw new EnclaveTransportError({ reason: 'the hypervisor closed it' })
      } else
        await new Promise<void>((resolve) => {
          const go = (): void => {
            socket.off('readable', go)
            socket.off('close', go)
            socket.off('end', go)
            resolve()
          }
          socket.once('readable', go)
          socket.once('close', go)
          socket.once('end', go)
        })
      if (line.length > 32) break
    }
    if (!/^OK \d+\n$/.test(line)) {
      throw new EnclaveTransportError({ reason: `the hypervisor answered ${JSON.stringify(line)}` })
    }
  })
}

function assertPort(port: number, most = 65_535, least = 1): void {
  if (!Number.isInteger(port) || port < least || port > most) {
    throw new InvalidInputError({ field: 'port', reason: `expected ${least} to ${most}` })
  }
}
