/** Durable storage of the state tree, for Node. */
export { DatabaseDamagedError, DatabaseUnavailableError } from '../../errors/common.js'
export { fileBytes } from './fileBytes.js'
export { type LmdbStore, lmdbStore } from './lmdbStore.js'
