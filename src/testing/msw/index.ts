/** Handlers for `msw`, an optional peer. */
export { eigenDaProxyHandlers } from './eigenDaProxyHandlers.js'
export { gatewayHandlers, ipfsGatewayHandlers } from './gatewayHandlers.js'
