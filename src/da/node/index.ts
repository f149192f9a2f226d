/** Data availability on Node: files. */
export { type DiskByteStoreOptions, diskByteStore } from './diskByteStore.js'
export { type FileDaOptions, fileDa } from './fileDa.js'
export { type FileJournal, fileJournal } from './fileJournal.js'
export { type FilePayments, filePayments } from './filePayments.js'
export { type GuardedFetchOptions, guardedFetch } from './guardedFetch.js'
export { guardedHttps } from './guardedHttps.js'
export { type NodeKzgWorkerOptions, nodeKzgWorker } from './kzgWorker.js'
