/** What of the ledger needs Node: files. */
export { fileCheckpointStore } from './checkpointStore.js'
