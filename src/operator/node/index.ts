/** The operator network on Node: files, locks, sockets. */
export { openFileJournal, witnessFile } from './journalFile.js'
export { type DirectoryLock, lockDirectory } from './lock.js'
