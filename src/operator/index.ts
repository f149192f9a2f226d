/** The operator network: signing behind a journal. */
export {
  DirectoryLockedError,
  EquivocationRefusedError,
  JournalDamagedError,
  JournalFailedError,
  JournalFloorError,
  JournalMissingError,
} from './errors.js'
export {
  createSigningGuard,
  type OperatorSigner,
  type SigningContext,
  type SigningGuard,
} from './signing/guard.js'
export {
  type OpenSigningJournalParameters,
  openSigningJournal,
  type RecordedAnswer,
  type SigningJournal,
} from './signing/journal.js'
export type { JournalHeights, JournalKind, JournalRecord } from './signing/record.js'
export { computeJournalDomain } from './signing/rules.js'
export {
  type JournalStorage,
  type JournalWitness,
  memoryJournalStorage,
  type WitnessMark,
} from './signing/storage.js'
