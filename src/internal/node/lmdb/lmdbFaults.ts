/** What LMDB and the file system say as numbers, as errors that say what to do. */
import { constants } from 'node:os'
import { isPolicySdkError } from '../../../errors/base.js'
import { DatabaseDamagedError, DatabaseUnavailableError } from '../../../errors/common.js'

/** Numbers of LMDB for a file that is not what it should be. */
const damages: Readonly<Record<number, string>> = {
  [-30_797]: 'a page that it names is not there',
  [-30_796]: 'a page of it is another than it should be',
  [-30_794]: 'another version of LMDB wrote it',
  [-30_793]: 'it is no file of LMDB',
  [-30_784]: 'its tables are others',
  [-30_782]: 'what was read of it before was damaged',
  [-30_778]: 'a page of it has another checksum',
}

type Advice = { reason: string; hint: string; retryable?: true }
const noRoom: Advice = {
  reason: 'there is no room on its disk',
  hint: 'Make room there, and open it again. What was written is whole.',
  retryable: true,
}
const noRight: Advice = {
  reason: 'this user may not read and write it',
  hint: 'Give this user the right to its files and their folder, or run as the user that made them.',
}
const noHandles: Advice = {
  reason: 'this process has too many open files',
  hint: 'Raise the limit of open files, and open it again.',
  retryable: true,
}
const advices: Readonly<Record<string, Advice>> = {
  ENOSPC: noRoom,
  EDQUOT: noRoom,
  EACCES: noRight,
  EPERM: noRight,
  EMFILE: noHandles,
  ENFILE: noHandles,
  EROFS: {
    reason: 'its disk is mounted for reading alone',
    hint: 'Mount it for writing, or give a path on another one.',
  },
}

/** The damage of a file that LMDB names by a number. */
export function damageOf(path: string, cause: unknown): DatabaseDamagedError | undefined {
  const { code } = (cause ?? {}) as { code?: unknown }
  const reason = typeof code === 'number' ? damages[code] : undefined
  return reason === undefined ? undefined : new DatabaseDamagedError({ path, reason }, { cause })
}

/**
 * Runs what reads or writes an open database.
 *
 * @throws {DatabaseDamagedError} for what LMDB says of a damaged page.
 */
export function undamaged<result>(path: string, work: () => result): result {
  try {
    return work()
  } catch (cause) {
    throw damageOf(path, cause) ?? cause
  }
}

/** Why a database cannot be opened. Errors of this package are given as they are. */
export function unavailable(path: string, cause: unknown): Error {
  if (isPolicySdkError(cause)) return cause
  const damaged = damageOf(path, cause)
  if (damaged !== undefined) return damaged
  const { code } = (cause ?? {}) as { code?: unknown }
  const named = typeof code === 'number' ? nameOf(code) : String(code)
  const message = cause instanceof Error ? cause.message : 'it cannot be opened'
  const { reason, hint, retryable } = advices[named] ?? {
    reason: message.replace(/\.$/, ''),
    hint: 'Look at what stands at this path, and open it again.',
  }
  return new DatabaseUnavailableError({ path, reason, hint }, { cause, retryable })
}

// LMDB gives the numbers of the system, Node their names.
function nameOf(code: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === code)?.[0] ?? ''
}
