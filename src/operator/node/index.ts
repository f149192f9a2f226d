/** The operator network on Node: files, locks, sockets. */

export { type DirectoryLock, lockDirectory } from '../../internal/node/lock.js'
export {
  type GatewayRoutes,
  gatewayApp,
  type ListenGatewayOptions,
  listenGateway,
} from './gatewayServer.js'
export type { HealthRoutes, ListenAddress, RoleServer } from './http.js'
export { openFileJournal, witnessFile } from './journalFile.js'
export {
  encryptBlsKey,
  openBlsKeystore,
  randomBlsSecret,
  writeBlsKeystore,
} from './keystore.js'
export { fileSalts } from './ledgerSalts.js'
export {
  type ListenOptions,
  listenOperator,
  type OperatorRoutes,
  type OperatorServer,
  operatorApp,
} from './listen.js'
export { pgliteGatewayStore, postgresGatewayStore, type StoreDomain } from './postgres.js'
export { openChain } from './process/chain.js'
export {
  type ChallengerSettings,
  type RunningChallenger,
  startChallenger,
} from './process/challenger.js'
export { simulatedPcr0Commitment } from './process/enclave/evaluator.js'
export { type GatewaySettings, type RunningGateway, startGateway } from './process/gateway.js'
export {
  type OperatorSettings,
  type RunningOperator,
  type StartOperatorParameters,
  startOperator,
} from './process/operator.js'
export { type ReplicaSettings, type RunningReplica, startReplica } from './process/replica.js'
export type { LogEntry, LogHook, RunningRole } from './process/running.js'
export { bootstrap } from './process/tree.js'
export { listenRole, type RoleRoutes } from './roleServer.js'
export {
  completeSettings,
  flagOf,
  readSettings,
  type SettingsOf,
  type SettingsSources,
  type SettingsTable,
  variableOf,
} from './settings/read.js'
export {
  challengerSettings,
  gatewaySettings,
  operatorSettings,
  replicaSettings,
} from './settings/roles.js'
export { fileTextStore } from './textStore.js'
