/** What an index of the registries needs of a disk. */
export { lmdbIndexStore } from './lmdbIndexStore.js'
