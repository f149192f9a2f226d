/**
 * Copies in an archive under locators that are announced, such as CIDs. Anyone can announce one, and what
 * there is under it may be anything: such a copy counts when its bytes were read, and what cannot be read
 * under it says nothing about the archive.
 */
import type { Hex } from 'viem'
import type { DaClient } from '../../core/interfaces/daClient.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { isWrongCopy } from '../artifactSource.js'
import { canRead } from '../combined/members.js'
import { DaExpiredError, DaNotFoundError } from '../errors.js'
import { readVerified } from '../internal/verifying.js'
import type { RetentionEntry } from './plan.js'

/** Announced locators of one artifact that are tried, so that a flood costs little. */
const MOST_TRIES = 8
/** Milliseconds for all of one artifact in one archive. */
const LONGEST = 30_000
/** Artifacts in a row for which that was in vain, after which there is less of it in a plan. */
const MOST_FAILURES = 3
const HURRIED = 2_000
/** Seconds for which a locator that led to other bytes is not read again. */
const WRONG_FOR = 86_400
/** Most locators of which it is remembered what there was; above it all are read anew. */
const MOST_KNOWN = 4_096

/** What there is under announced locators: `holds` is the archive's word about bytes that were read before. */
export type AnnouncedAnswer = {
  answer: 'proven' | 'holds' | undefined
  /** Why the last of them could not be read, where none could. */
  error?: unknown
}

/** The announced copies of one plan. */
export type AnnouncedRound = (
  archive: DaClient,
  entry: RetentionEntry,
  options: { store: string; read: boolean; io: IoOptions },
) => Promise<AnnouncedAnswer>

/** Copies of a keeper's archives that are not named by the artifact's hash. */
export type AnnouncedCopies = {
  /** Opens a plan made at `at`, in Unix seconds. */
  open(at: number): AnnouncedRound
  /** The keeper has written bytes itself, read them, and may find them under the locator. */
  wrote(copy: { store: string; artifactHash: Hex; locator: DaLocator }): void
}

/** Whether a locator leads to what the artifact's hash names, whoever announces it. */
export function isNamedByHash({ kind }: DaLocator): boolean {
  return kind === 'eigenDaArchive' || kind === 'keccakStore'
}

/** Creates the memory of what was read under announced locators. */
export function createAnnouncedCopies(): AnnouncedCopies {
  const written = new Map<string, DaLocator>()
  /** Locators whose bytes were the artifact's, and when those of others were not, in Unix seconds. */
  const known = new Map<string, true | number>()
  const note = (key: string, was: true | number): void => {
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(key, was)
  }

  return {
    wrote({ store, artifactHash, locator }) {
      written.set(`${artifactHash} ${store}`, locator)
      note(`${artifactHash} ${store} ${encodeLocator(locator)}`, true)
    },
    open(at) {
      const isWrong = (key: string): boolean => {
        const then = known.get(key)
        return typeof then === 'number' && Math.abs(at - then) < WRONG_FOR
      }
      const failures = new Map<string, number>()
      return async (archive, entry, { store, read, io }) => {
        const own = `${entry.artifactHash} ${store}`
        const keyOf = (locator: DaLocator): string => `${own} ${encodeLocator(locator)}`
        const mine = written.get(own)
        const others = entry.locators.filter((locator) => !isNamedByHash(locator))
        const locators = [...(mine ? [mine] : []), ...others]
          .filter((locator) => canRead(archive, locator) && !isWrong(keyOf(locator)))
          .slice(0, MOST_TRIES)
        if (locators.length === 0) return { answer: undefined }
        let error: unknown
        const look = async (signal: AbortSignal): Promise<AnnouncedAnswer> => {
          for (const locator of locators) {
            const key = keyOf(locator)
            try {
              const answer = await ask(
                { archive, entry, locator },
                {
                  read: read || known.get(key) !== true,
                  io: { signal },
                },
              )
              if (answer === undefined) continue
              note(key, true)
              return { answer }
            } catch (reason) {
              signal.throwIfAborted()
              if (isWrongCopy(reason)) note(key, at)
              else error = reason
            }
          }
          return { answer: undefined, error }
        }
        const failed = failures.get(store) ?? 0
        const longest = failed < MOST_FAILURES ? LONGEST : HURRIED
        const timeout = Math.min(io.timeout ?? longest, longest)
        const found = await withDeadline(
          `asking ${store}`,
          { signal: io.signal, timeout },
          look,
        ).catch((reason: unknown): AnnouncedAnswer => {
          io.signal?.throwIfAborted()
          return { answer: undefined, error: reason }
        })
        if (found.answer !== undefined) failures.delete(store)
        else if (found.error !== undefined) failures.set(store, failed + 1)
        return found
      }
    },
  }
}

async function ask(
  { archive, entry, locator }: { archive: DaClient; entry: RetentionEntry; locator: DaLocator },
  { read, io }: { read: boolean; io: IoOptions },
): Promise<'proven' | 'holds' | undefined> {
  const { artifactHash } = entry
  try {
    if (!read && archive.head) {
      const { status } = await archive.head(locator, { ...io, artifactHash })
      if (status === 'available') return 'holds'
      if (status === 'missing') return undefined
    }
    await readVerified(archive, { locator, hash: artifactHash }, io)
    return 'proven'
  } catch (error) {
    if (error instanceof DaNotFoundError || error instanceof DaExpiredError) return undefined
    throw error
  }
}
