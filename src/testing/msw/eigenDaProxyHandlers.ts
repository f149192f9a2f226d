import type { RequestHandler } from 'msw'
import { MissingPeerError } from '../../errors/common.js'
import type { FakeEigenDaProxy } from '../eigenDaProxy/fakeProxy.js'

/**
 * Handlers of `msw` that answer for a proxy at `baseUrl`, in Node and in browsers.
 *
 * @throws {MissingPeerError} when the optional peer `msw` is not installed.
 * @example
 * ```ts
 * import { eigenDaProxyHandlers } from '@newton/policy-sdk/testing/msw'
 * import { createFakeEigenDaProxy } from '@newton/policy-sdk/testing'
 *
 * const handlers = await eigenDaProxyHandlers(createFakeEigenDaProxy(), 'http://proxy.test')
 * ```
 */
export async function eigenDaProxyHandlers(
  proxy: FakeEigenDaProxy,
  baseUrl: string,
): Promise<RequestHandler[]> {
  const { HttpResponse, http } = await loadMsw()
  const base = baseUrl.replace(/\/+$/, '')
  return [
    http.all(`${base}/*`, async ({ request }) => {
      const { pathname, search } = new URL(request.url)
      const body =
        request.method === 'GET' || request.method === 'HEAD' ? null : await request.arrayBuffer()
      try {
        const response = await proxy.fetch(`${pathname}${search}`, {
          method: request.method,
          headers: request.headers,
          body,
          signal: request.signal,
        })
        return new HttpResponse(response.body, {
          status: response.status,
          headers: response.headers,
        })
      } catch {
        return HttpResponse.error()
      }
    }),
  ]
}

async function loadMsw(): Promise<typeof import('msw')> {
  try {
    return await import('msw')
  } catch (cause) {
    throw new MissingPeerError({ peer: 'msw', needed: 'eigenDaProxyHandlers' }, { cause })
  }
}
