/** What an index of the registries needs of a disk. */
export { DatabaseDamagedError, DatabaseUnavailableError } from '../../errors/common.js'
export { lmdbIndexStore } from './lmdbIndexStore.js'
