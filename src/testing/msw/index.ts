/** Handlers for `msw`, an optional peer. */
export { eigenDaProxyHandlers } from './eigenDaProxyHandlers.js'
