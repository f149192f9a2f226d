/**
 * A signing journal in files of its own: `journal-00000001`, `journal-00000002`, … Never a database,
 * which may skip a sync.
 */
import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isHex } from 'viem'
import { writeFileDurably } from '../../da/node/fileDa.js'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { lockDirectory } from '../../internal/node/lock.js'
import {
  type OpenSigningJournalParameters,
  openSigningJournal,
  type SigningJournal,
} from '../signing/journal.js'
import type { JournalStorage, JournalWitness, WitnessMark } from '../signing/storage.js'

const pattern = /^journal-(\d{8})$/
const nameOf = (id: number): string => `journal-${String(id).padStart(8, '0')}`

/**
 * Opens a signing journal in a directory, which belongs to this process until it is closed.
 *
 * @throws {DirectoryLockedError} where another process has it.
 * @throws {JournalMissingError} {@link openSigningJournal}'s, as all others.
 * @example
 * ```ts
 * import { computeJournalDomain } from '@newton/policy-sdk/operator'
 * import { openFileJournal, witnessFile } from '@newton/policy-sdk/operator/node'
 *
 * const journal = await openFileJournal({
 *   directory: '/var/lib/newton/journal',
 *   witness: witnessFile('/mnt/other-disk/newton-witness.json'),
 *   domain: computeJournalDomain({ chainId: 1n, policyRegistry, publicKey }),
 *   head: { block, timestamp },
 * })
 * ```
 */
export async function openFileJournal(
  parameters: Omit<OpenSigningJournalParameters, 'storage'> & { directory: string },
): Promise<SigningJournal> {
  const { directory, ...rest } = parameters
  const lock = await lockDirectory({ directory, role: 'signing journal' })
  const storage = fileStorage(directory)
  try {
    return await openSigningJournal({
      ...rest,
      storage: {
        ...storage,
        close: async () => {
          await storage.close()
          await lock.release()
        },
      },
    })
  } catch (error) {
    await storage.close()
    await lock.release()
    throw error
  }
}

/** Bytes of one of the two marks of a witness file: each in a sector of its own. */
const SLOT = 512

/**
 * A witness in a file. Put it on another disk than the journal, and never into the same backup.
 *
 * The file holds the last two marks, each written over the older one: whatever becomes of a write, the other
 * one is there. A mark that is damaged, or behind, is never one that is ahead: at worst the floor holds.
 */
export function witnessFile(path: string): JournalWitness {
  let held: { file: FileHandle; next: number } | undefined
  const close = async (): Promise<void> => {
    const file = held?.file
    held = undefined
    await file?.close()
  }
  return {
    read: async () => {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      return text === undefined ? undefined : newestMark(text)
    },
    async write(mark) {
      const line = writeMark(mark)
      // Whoever put another file in its place finds the marks of from then on in that one.
      if (held !== undefined && (await held.file.stat()).nlink === 0) await close()
      if (held === undefined) {
        // Whole and new: what was there may be of another form.
        await writeFileDurably(path, utf8(line + line))
        held = { file: await open(path, 'r+'), next: 0 }
        return
      }
      const { file, next } = held
      held.next = 1 - next
      await writeFully(file, utf8(line), next * SLOT)
      await file.datasync()
    },
    close,
  }
}

function writeMark({ counter, hash }: WitnessMark): string {
  const text = JSON.stringify({ counter: counter.toString(), hash })
  return `${text.padEnd(SLOT - 1)}\n`
}

/** The mark with the higher counter of those that can be read. */
function newestMark(text: string): WitnessMark {
  const marks: WitnessMark[] = []
  let failure: unknown
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    try {
      const { counter, hash } = parseMark(line)
      marks.push({ counter: BigInt(counter), hash })
    } catch (error) {
      failure = error
    }
  }
  const [first, ...others] = marks
  if (first === undefined) throw failure ?? badMark()
  return others.reduce((a, b) => (b.counter > a.counter ? b : a), first)
}

function badMark(cause?: unknown): InvalidInputError {
  return new InvalidInputError(
    {
      field: 'witness',
      reason: 'expected {"counter":"…","hash":"0x…"}',
      hint: 'Remove the file: the floor then holds until the journal has written a new one.',
    },
    { cause },
  )
}

function parseMark(text: string): { counter: string; hash: `0x${string}` } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw badMark(cause)
  }
  const { counter, hash } = (value ?? {}) as Record<string, unknown>
  if (typeof counter !== 'string' || !/^\d{1,20}$/.test(counter)) throw badMark()
  if (!isHex(hash) || hash.length !== 66) throw badMark()
  return { counter, hash }
}

function fileStorage(directory: string): JournalStorage {
  const handles = new Map<number, FileHandle>()
  const handle = async (id: number): Promise<FileHandle> => {
    const held = handles.get(id)
    if (held !== undefined) return held
    const opened = await open(join(directory, nameOf(id)), 'r+')
    const other = handles.get(id)
    if (other === undefined) {
      handles.set(id, opened)
      return opened
    }
    await opened.close()
    return other
  }
  const forget = async (id: number): Promise<void> => {
    const held = handles.get(id)
    handles.delete(id)
    await held?.close()
  }
  return {
    segments: async () =>
      (await readdir(directory))
        .flatMap((name) => pattern.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b),
    read: async (id, range) => {
      const file = await handle(id)
      const size = (await file.stat()).size
      const offset = range?.offset ?? 0
      const length = range?.length ?? size
      const bytes = new Uint8Array(length)
      const { bytesRead } = await readFully(file, bytes, offset)
      if (bytesRead !== length) {
        throw new InvalidInputError({ field: 'segment', reason: `${nameOf(id)} ends too early` })
      }
      return bytes
    },
    create: async (id, bytes) => {
      const file = await open(join(directory, nameOf(id)), 'wx+', 0o600)
      handles.set(id, file)
      await writeFully(file, bytes, 0)
      await file.sync()
      await syncDirectory(directory)
    },
    append: async (id, bytes) => {
      const file = await handle(id)
      await writeFully(file, bytes, (await file.stat()).size)
      await file.datasync()
    },
    truncate: async (id, size) => {
      const file = await handle(id)
      await file.truncate(size)
      await file.sync()
    },
    remove: async (id) => {
      await forget(id)
      await rm(join(directory, nameOf(id)))
      await syncDirectory(directory)
    },
    close: async () => {
      for (const id of [...handles.keys()]) await forget(id)
    },
  }
}

async function readFully(
  file: FileHandle,
  bytes: Uint8Array,
  offset: number,
): Promise<{ bytesRead: number }> {
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return { bytesRead: done }
}

async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done)
    done += bytesWritten
  }
}

/** A new or removed name is durable with its directory. Here a failure is one: nothing is signed. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
