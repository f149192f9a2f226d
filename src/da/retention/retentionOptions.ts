/** Options of the retention keeper, and the small rules it goes by. */
import type { Announcer } from '../../core/interfaces/announcer.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import {
  assertCount,
  assertFunctions,
  assertHooks,
  assertKnown,
  assertMembers,
} from '../../internal/options.js'
import { canRead } from '../combined/members.js'
import { EIGENDA_RETENTION_SECONDS } from '../eigenda/options.js'
import { assertDaClient, assertDaClients, assertSource } from '../internal/clients.js'
import { isNamedByHash } from './announcedCopies.js'
import type { RetentionJournal } from './journal/journal.js'
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
  /** Seconds of age at which a copy is renewed, a day at least. @default 13 days */
  renewAfter?: number | undefined
  /** Seconds between two readings of a copy in an archive, to find damage; an hour at least. @default 30 days */
  verifyEvery?: number | undefined
  /**
   * Seconds before expiry when a renewal that may have been paid is made again: from an hour, so that
   * a run falls into it, to the 14 days a blob is kept. @default 6 hours
   */
  urgentBefore?: number | undefined
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
  onEvent?: ((event: RetentionFinding | ({ type: 'step' } & RetentionResult)) => void) | undefined
}

const HOUR = 3_600
/** Age in seconds at which a copy is renewed, where nothing else is said. */
export const RENEW_AFTER: number = 13 * 24 * HOUR
const optionNames = [
  'entries',
  'publisher',
  'archives',
  'source',
  'announcer',
  'journal',
  'blockTime',
  'renewAfter',
  'verifyEvery',
  'urgentBefore',
  'now',
  'onEvent',
] as const satisfies readonly (keyof RetentionKeeperOptions)[]

/** @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds. */
export function assertKeeperOptions(options: RetentionKeeperOptions): void {
  assertFunctions('options', options, ['entries', 'blockTime'])
  assertMembers('options', options, ['archives', 'source', 'journal'])
  assertKnown('options', options, optionNames)
  assertFunctions('options.journal', options.journal, ['read', 'write'])
  assertHooks(options, ['now', 'onEvent'])
  assertSource('options.source', options.source)
  const { renewAfter, verifyEvery, urgentBefore, archives, publisher, announcer } = options
  // Days are written where seconds are meant: a copy that is due at each run is paid for at each run.
  const latest = { most: EIGENDA_RETENTION_SECONDS - HOUR }
  if (renewAfter !== undefined)
    assertCount('renewAfter', renewAfter, { least: 24 * HOUR, ...latest })
  if (urgentBefore !== undefined)
    assertCount('urgentBefore', urgentBefore, { least: HOUR, ...latest })
  if (verifyEvery !== undefined) assertCount('verifyEvery', verifyEvery, { least: HOUR })
  assertDaClients('archives', archives)
  const refuse = (field: string, reason: string): never => {
    throw new InvalidInputError({ field, reason })
  }
  const temporary = archives.find(({ retention }) => retention.kind !== 'permanent')
  if (temporary) refuse('archives', `${temporary.kind} is not permanent`)
  if (publisher !== undefined) assertDaClient('publisher', publisher)
  if (announcer !== undefined) assertFunctions('announcer', announcer, ['announceArtifact'])
  if (publisher !== undefined && announcer === undefined)
    refuse('announcer', 'copies are renewed, and nobody would learn where they are')
  const before = EIGENDA_RETENTION_SECONDS - (renewAfter ?? RENEW_AFTER)
  if (publisher?.retention.kind === 'expires' && publisher.retention.seconds <= before)
    refuse('publisher', 'its copies would be due when they are made, and paid for at each run')
}

/** Locators under which an archive holds what an artifact's hash names, and nothing else. */
export function archiveLocators(archive: DaClient, entry: RetentionEntry): DaLocator[] {
  const candidates: DaLocator[] = [
    { kind: 'eigenDaArchive' },
    { kind: 'keccakStore', name: '' },
    ...entry.locators.filter(isNamedByHash),
  ]
  return candidates.filter((locator) => canRead(archive, locator))
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
