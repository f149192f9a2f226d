/** Durable storage of the state tree, for Node. */
export { fileBytes } from './fileBytes.js'
export { type LmdbStore, lmdbStore } from './lmdbStore.js'
