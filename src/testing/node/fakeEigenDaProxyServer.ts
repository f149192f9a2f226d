import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FakeAnswer } from '../eigenDaProxy/answers.js'
import { createFakeEigenDaProxy, type FakeEigenDaProxy } from '../eigenDaProxy/fakeProxy.js'
import type { FakeEigenDaProxyOptions } from '../eigenDaProxy/state.js'

/** A fake proxy on a port of its own. */
export type FakeEigenDaProxyServer = FakeEigenDaProxy & {
  /** Base URL, such as `http://127.0.0.1:41234`. */
  url: string
  close(): Promise<void>
}

/**
 * Starts a fake proxy as a server on the loopback address.
 *
 * @example
 * ```ts
 * import { startFakeEigenDaProxy } from '@newton/policy-sdk/testing/node'
 *
 * const proxy = await startFakeEigenDaProxy()
 * await proxy.close()
 * ```
 */
export async function startFakeEigenDaProxy(
  options: FakeEigenDaProxyOptions & { port?: number | undefined } = {},
): Promise<FakeEigenDaProxyServer> {
  const proxy = createFakeEigenDaProxy(options)
  const server: Server = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => {
      const body = Uint8Array.from(Buffer.concat(chunks))
      const controller = new AbortController()
      response.on('close', () => controller.abort())
      proxy
        .answer({
          method: request.method ?? 'GET',
          url: request.url ?? '/',
          headers: new Headers(request.headers as Record<string, string>),
          body,
          signal: controller.signal,
        })
        .then((answer) => write(response, answer))
        .catch(() => response.destroy())
    })
  })
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.defineProperties(
    {
      url: `http://127.0.0.1:${port}`,
      close: () =>
        new Promise<void>((resolve) => {
          server.closeAllConnections()
          server.close(() => resolve())
        }),
    },
    Object.getOwnPropertyDescriptors(proxy),
  ) as FakeEigenDaProxyServer
}

function write(response: ServerResponse, { status, headers, body, effect }: FakeAnswer): void {
  if (effect === 'silent') return
  if (effect === 'reset') {
    response.destroy()
    return
  }
  response.writeHead(status, { ...headers, 'content-length': body.length })
  if (effect === undefined) {
    response.end(body)
    return
  }
  response.write(body.subarray(0, body.length >> 1), () => {
    if (effect === 'truncated') response.destroy()
  })
}
