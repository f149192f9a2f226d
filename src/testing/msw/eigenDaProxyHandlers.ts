import { HttpResponse, http, type RequestHandler } from 'msw'
import type { FakeEigenDaProxy } from '../eigenDaProxy/fakeProxy.js'

/**
 * Handlers of `msw` that answer for a proxy at `baseUrl`, in Node and in browsers.
 *
 * @example
 * ```ts
 * import { eigenDaProxyHandlers } from '@newton/policy-sdk/testing/msw'
 * import { createFakeEigenDaProxy } from '@newton/policy-sdk/testing'
 *
 * const handlers = eigenDaProxyHandlers(createFakeEigenDaProxy(), 'http://proxy.test')
 * ```
 */
export function eigenDaProxyHandlers(proxy: FakeEigenDaProxy, baseUrl: string): RequestHandler[] {
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
