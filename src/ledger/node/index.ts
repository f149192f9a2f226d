/** Ledgers in directories of this machine: `@newton/policy-sdk/ledger/node`. */
export { fileCheckpointStore } from './checkpointStore.js'
export { type HeldDirectory, holdDirectory } from './directory.js'
export { type DurableFs, nodeFs } from './durableFs.js'
export { opensslEventSigner, opensslVerify } from './ed25519.js'
export { type FileOutbox, fileOutbox } from './fileOutbox.js'
export { lmdbLookup } from './lmdbLookup.js'
export { type OpenLedgerParameters, openLedger } from './openLedger.js'
export { posixTiles } from './posixTiles.js'
