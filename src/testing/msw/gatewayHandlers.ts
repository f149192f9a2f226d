import type { RequestHandler } from 'msw'
import type { MockGateway } from '../mock/gateway.js'
import type { MockIpfsGateway } from '../mock/ipfsGateway.js'
import { passingHandlers } from './passing.js'

/**
 * Handlers of `msw` that answer for a Newton gateway at `gateway.url`: a page under test asks it as it
 * asks any.
 *
 * @throws {MissingPeerError} when the optional peer `msw` is not installed.
 * @example
 * ```ts
 * import { setupServer } from 'msw/node'
 * import { mockNetwork } from '@newton/policy-sdk/testing'
 * import { gatewayHandlers } from '@newton/policy-sdk/testing/msw'
 *
 * const { gateway } = await mockNetwork()
 * const server = setupServer(...(await gatewayHandlers(gateway)))
 * server.listen({ onUnhandledRequest: 'error' })
 * ```
 */
export async function gatewayHandlers(gateway: MockGateway): Promise<RequestHandler[]> {
  const { url: base, fetch } = gateway
  return passingHandlers('gatewayHandlers', { base, fetch: (request) => fetch(request) })
}

/**
 * Handlers of `msw` that answer for a trustless IPFS gateway.
 *
 * @throws {MissingPeerError} when the optional peer `msw` is not installed.
 * @example
 * ```ts
 * import { mockIpfsGateway } from '@newton/policy-sdk/testing'
 * import { ipfsGatewayHandlers } from '@newton/policy-sdk/testing/msw'
 *
 * const handlers = await ipfsGatewayHandlers(mockIpfsGateway({ url: 'https://ipfs.test' }))
 * ```
 */
export async function ipfsGatewayHandlers(gateway: MockIpfsGateway): Promise<RequestHandler[]> {
  const { url: base, fetch } = gateway
  return passingHandlers('ipfsGatewayHandlers', { base, fetch: (request) => fetch(request) })
}
