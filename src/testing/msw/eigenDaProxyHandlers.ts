import type { RequestHandler } from 'msw'
import { InvalidInputError } from '../../errors/common.js'
import type { FakeEigenDaProxy } from '../eigenDaProxy/fakeProxy.js'
import { passingHandlers } from './passing.js'

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
  if (typeof baseUrl !== 'string') {
    throw new InvalidInputError({ field: 'baseUrl', reason: 'expected a URL' })
  }
  return passingHandlers('eigenDaProxyHandlers', {
    base: baseUrl,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url)
      const empty = request.method === 'GET' || request.method === 'HEAD'
      return proxy.fetch(`${pathname}${search}`, {
        method: request.method,
        headers: request.headers,
        body: empty ? null : await request.arrayBuffer(),
        signal: request.signal,
      })
    },
  })
}
