/**
 * The permanent stores of a keeper: which of them hold an artifact, and the filling of those that do
 * not. Each is asked for itself, so that one that is down, full or damaged keeps none of the others.
 */
import type { Hex } from 'viem'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { isWrongCopy } from '../artifactSource.js'
import { nameClients, putWithin } from '../combined/members.js'
import { DaExpiredError, DaNotFoundError } from '../errors.js'
import { readVerified } from '../internal/verifying.js'
import { createAnnouncedCopies, isNamedByHash } from './announcedCopies.js'
import type { RetentionEntry, RetentionFinding, RetentionStep } from './plan.js'
import { archiveLocators } from './retentionOptions.js'
import { secondsOf } from './times.js'
import { fetchArtifact, type Round } from './within.js'

/** Locators that name an artifact by its hash under which an archive is asked. */
const MOST_LOCATORS = 8
/** Milliseconds for one question to one archive. */
const CHECK_TIMEOUT = 60_000
/** Milliseconds for the reading of what was written to an archive. */
const READ_BACK = 600_000
/** Failures in a row after which an archive is not asked again in this plan. */
const MOST_FAILURES = 3
/** Seconds for which an archive that gave the bytes counts as one that does. */
const PROOF_AGE = 86_400

/** What the archives say of one artifact. */
export type ArchivedCopies = {
  /** An archive that holds it; where `thorough`, one that gave the bytes within the last day. */
  store: string | undefined
  /** Archives to fill: those that do not have it, and those that have other bytes. */
  missing: readonly string[]
  /** Whether an archive could not be asked. */
  isUnknown: boolean
}

/** One plan's view of the archives. */
export type ArchiveRound = {
  look(
    entry: RetentionEntry,
    options: { thorough: boolean; findings: RetentionFinding[]; io: IoOptions },
  ): Promise<ArchivedCopies>
}

type ArchiveStep = Extract<RetentionStep, { type: 'archive' }>

/** The archives of a keeper. */
export type ArchiveKeeper = {
  /** Opens a plan made at `at`, in Unix seconds. */
  open(at: number): ArchiveRound
  /** Writes the bytes to one archive, and reads them back; `undefined` where there is no such archive. */
  fill(step: ArchiveStep, io: Round): Promise<DaLocator | undefined>
  /** The copy is where those who need it find it. */
  filled(step: ArchiveStep, locator: DaLocator): void
  /** Forgets the bytes that were fetched for the steps of one plan. */
  close(): void
}

type Answer = 'proven' | 'holds' | 'missing' | 'damaged' | 'unreachable'

/** Creates the keeper of the archives. */
export function createArchiveKeeper(options: {
  archives: readonly DaClient[]
  source: ArtifactSource
  /** Seconds between two readings of one copy. */
  verifyEvery: number
  now: () => number
}): ArchiveKeeper {
  const { archives, source, verifyEvery, now } = options
  const nameOf = nameClients(archives)
  /** Unix seconds at which a copy was last read, by store and artifact. */
  const proven = new Map<string, number>()
  const damaged = new Map<string, unknown>()
  /** Copies whose turn to be read came while their archive was away. */
  const owed = new Set<string>()
  const announced = createAnnouncedCopies()
  const keyOf = (store: string, hash: Hex): string => `${hash} ${store}`
  let lastPlan: number | undefined
  let fetched: { hash: Hex; bytes: Uint8Array } | undefined

  async function askAt(
    archive: DaClient,
    entry: RetentionEntry,
    { read, io }: { read: boolean; io: IoOptions },
  ): Promise<Exclude<Answer, 'unreachable'>> {
    const { artifactHash } = entry
    let wrong: unknown
    for (const locator of archiveLocators(archive, entry).slice(0, MOST_LOCATORS)) {
      try {
        if (!read && archive.head) {
          const { status } = await archive.head(locator, { ...io, artifactHash })
          if (status === 'available') return 'holds'
          if (status === 'missing') continue
        }
        await readVerified(archive, { locator, hash: artifactHash }, io)
        return 'proven'
      } catch (error) {
        io.signal?.throwIfAborted()
        if (isWrongCopy(error)) wrong ??= error
        // What a permanent store says it dropped is as good as not there.
        else if (!(error instanceof DaNotFoundError || error instanceof DaExpiredError)) throw error
      }
    }
    if (wrong === undefined) return 'missing'
    damaged.set(keyOf(nameOf(archive), artifactHash), wrong)
    return 'damaged'
  }

  return {
    open(at) {
      const before = lastPlan ?? at - 3_600
      lastPlan = at
      const failures = new Map<string, { count: number; error: unknown }>()
      const askAnnounced = announced.open(at)

      /** What an archive that has nothing under the hash has under other names. */
      async function askElsewhere(
        { archive, entry, read }: { archive: DaClient; entry: RetentionEntry; read: boolean },
        findings: RetentionFinding[],
        io: IoOptions,
      ): Promise<Answer> {
        const store = nameOf(archive)
        const { artifactHash } = entry
        const { answer, error } = await askAnnounced(archive, entry, { store, read, io })
        if (answer !== undefined) return answer
        // It is told, and filled: whether the archive is away or somebody's locator leads nowhere is not known.
        if (error !== undefined)
          findings.push({ type: 'storeUnreachable', artifactHash, store, error })
        return 'missing'
      }

      async function ask(
        archive: DaClient,
        entry: RetentionEntry,
        { thorough, findings, io }: Parameters<ArchiveRound['look']>[1],
      ): Promise<Answer> {
        const store = nameOf(archive)
        const { artifactHash } = entry
        const key = keyOf(store, artifactHash)
        // Read by a clock that has gone back since is not read of late.
        const isFresh = Math.abs(at - (proven.get(key) ?? Number.NEGATIVE_INFINITY)) <= PROOF_AGE
        if (turnOf(key, at, verifyEvery) !== turnOf(key, before, verifyEvery)) owed.add(key)
        const read = damaged.has(key) || owed.has(key) || (thorough && !isFresh)
        const failed = failures.get(store)
        try {
          if (failed && failed.count >= MOST_FAILURES) throw failed.error
          const asked = {
            signal: io.signal,
            timeout: Math.min(io.timeout ?? CHECK_TIMEOUT, CHECK_TIMEOUT),
          }
          const named = await withDeadline(`asking ${store}`, asked, (signal) =>
            askAt(archive, entry, { read, io: { signal, timeout: asked.timeout } }),
          )
          failures.delete(store)
          const answer =
            named === 'missing' ? await askElsewhere({ archive, entry, read }, findings, io) : named
          owed.delete(key)
          if (answer !== 'damaged') damaged.delete(key)
          if (answer === 'proven') proven.set(key, at)
          if (answer === 'damaged') {
            findings.push({ type: 'damagedCopy', artifactHash, store, error: damaged.get(key) })
          }
          return answer === 'holds' && thorough && isFresh ? 'proven' : answer
        } catch (error) {
          io.signal?.throwIfAborted()
          failures.set(store, { count: (failed?.count ?? 0) + 1, error })
          findings.push({ type: 'storeUnreachable', artifactHash, store, error })
          return 'unreachable'
        }
      }

      return {
        async look(entry, looking) {
          // Each has findings of its own, so that the order of archives is that of the findings.
          const parts = await Promise.all(
            archives.map(async (archive) => {
              const findings: RetentionFinding[] = []
              const answer = await ask(archive, entry, { ...looking, findings })
              return { store: nameOf(archive), answer, findings }
            }),
          )
          for (const part of parts) looking.findings.push(...part.findings)
          const held = parts.find(
            ({ answer }) => answer === 'proven' || (answer === 'holds' && !looking.thorough),
          )
          const isUnknown = parts.some(({ answer }) => answer === 'unreachable')
          if (held === undefined && !isUnknown) {
            looking.findings.push({ type: 'nowherePermanent', artifactHash: entry.artifactHash })
          }
          const missing = parts.filter(({ answer }) => answer === 'missing' || answer === 'damaged')
          return { store: held?.store, missing: missing.map(({ store }) => store), isUnknown }
        },
      }
    },
    async fill({ artifactHash, namespace, locators, store }, io) {
      const archive = archives.find((candidate) => nameOf(candidate) === store)
      if (!archive) return undefined
      if (fetched?.hash !== artifactHash) {
        const bytes = await fetchArtifact(source, { hash: artifactHash, namespace, locators }, io)
        fetched = { hash: artifactHash, bytes }
      }
      const { bytes } = fetched
      const { signal, timeout } = io
      return io.patience(`archive ${store}`, async () => {
        const put = { bytes, hash: artifactHash, source: store, timeout }
        const { locator } = await putWithin(archive, put, { signal })
        // A store is believed when it gives the bytes back.
        await withDeadline(`reading ${store}`, { signal, timeout: timeout ?? READ_BACK }, (inner) =>
          readVerified(archive, { locator, hash: artifactHash }, { signal: inner, timeout }),
        )
        return locator
      })
    },
    filled({ artifactHash, store }, locator) {
      const key = keyOf(store, artifactHash)
      proven.set(key, secondsOf(now))
      damaged.delete(key)
      if (!isNamedByHash(locator)) announced.wrote({ store, artifactHash, locator })
    },
    close() {
      fetched = undefined
    },
  }
}

// Readings are spread over the period by the hash, so that no plan reads everything.
function turnOf(key: string, at: number, period: number): number {
  const phase = (Number.parseInt(key.slice(2, 10), 16) / 2 ** 32) * period
  return Math.floor((at + phase) / period)
}
