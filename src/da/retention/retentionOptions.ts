/** Options of the retention keeper, and the small rules it goes by. */
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { RetentionJournal } from './journal.js'
import type { RetentionEntry, RetentionFinding, RetentionResult } from './plan.js'

/** Options of `createRetentionKeeper`. */
export type RetentionKeeperOptions = {
  /** The artifacts to keep, as the chain shows them now. */
  entries: (options: IoOptions) => Promise<readonly RetentionEntry[]>
  /** Where expiring copies are renewed: an `eigenDa`. Without it nothing is renewed. */
  publisher?: DaClient | undefined
  /** Permanent stores, in order of preference. */
  archives: readonly DaClient[]
  /** Where bytes come from: every locator and store there is. */
  source: ArtifactSource
  /** Announces renewed copies. Required with a publisher. */
  announcer?: Announcer | undefined
  journal: RetentionJournal
  /** Unix seconds of a block, to tell when a certificate's blob expires. */
  blockTime: (block: bigint, options: IoOptions) => Promise<number>
  /** Seconds of age at which a copy is renewed. @default 13 days */
  renewAfter?: number | undefined
  /** Seconds between two readings of a copy in an archive, to find damage. @default 30 days */
  verifyEvery?: number | undefined
  /** Seconds before expiry when a renewal that may have been paid is made again. @default 6 hours */
  urgentBefore?: number | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
  onEvent?: ((event: RetentionFinding | ({ type: 'step' } & RetentionResult)) => void) | undefined
}

/** Locators under which an archive may hold an artifact: its own kind's, and those announced. */
export function archiveLocators(archive: DaClient, entry: RetentionEntry): DaLocator[] {
  const candidates: DaLocator[] = [
    { kind: 'eigenDaArchive' },
    { kind: 'keccakStore', name: '' },
    ...entry.locators,
  ]
  return candidates.filter((locator) => archive.supports?.(locator) ?? true)
}

export function sameLocator(a: DaLocator, b: DaLocator): boolean {
  return encodeLocator(a) === encodeLocator(b)
}

/** Failures that say for certain that nothing was published. */
export function isRefusal(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return [
    'DA_CONFIG',
    'DA_PAYLOAD_TOO_LARGE',
    'DA_RATE_LIMITED',
    'DA_REQUEST_REJECTED',
    'DA_UNAVAILABLE',
    'DA_TRANSPORT',
    'DA_FAILOVER',
  ].includes(String(code))
}
