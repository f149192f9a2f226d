/** The operator network on Node: files, locks, sockets. */
export { openFileJournal, witnessFile } from './journalFile.js'
export {
  type ListenOptions,
  listenOperator,
  type OperatorRoutes,
  type OperatorServer,
  operatorApp,
} from './listen.js'
export { type DirectoryLock, lockDirectory } from './lock.js'
