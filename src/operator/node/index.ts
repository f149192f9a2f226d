/** The operator network on Node: files, locks, sockets. */

export { type DirectoryLock, lockDirectory } from '../../internal/node/lock.js'
export { type GatewayRoutes, gatewayApp, listenGateway } from './gatewayServer.js'
export type { HealthRoutes, ListenAddress, RoleServer } from './http.js'
export { openFileJournal, witnessFile } from './journalFile.js'
export {
  type ListenOptions,
  listenOperator,
  type OperatorRoutes,
  type OperatorServer,
  operatorApp,
} from './listen.js'
export { pgliteGatewayStore, postgresGatewayStore, type StoreDomain } from './postgres.js'
export { listenRole, type RoleRoutes } from './roleServer.js'
export { fileTextStore } from './textStore.js'
