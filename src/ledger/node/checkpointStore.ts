/** What a witness or a client remembers, as files of one directory. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError } from '../../errors/common.js'
import type { CheckpointStore } from '../witness/store.js'

/**
 * Keeps checkpoints in a directory, for any number of processes. A text is a file
 * `<hash of origin>.<version>`; the newest version counts, and is made by a hard link, which only one of
 * two writers gets. Files and directory are on the disk before `swap` answers.
 *
 * @throws InvalidInputError for a directory that is none.
 * @example
 * const store = fileCheckpointStore({ directory: '/var/lib/witness' })
 */
export function fileCheckpointStore(parameters: { directory: string }): CheckpointStore {
  const { directory } = parameters
  if (typeof directory !== 'string' || directory === '') {
    throw new InvalidInputError({ field: 'directory', reason: 'expected a path' })
  }
  return {
    read: async (originHash) => (await newest(directory, checkHash(originHash)))?.text,
    swap: async (originHash, { expected, next }) => {
      const hash = checkHash(originHash)
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const current = await newest(directory, hash)
      if (current?.text !== expected) return false
      const version = (current?.version ?? 0) + 1
      const draft = join(directory, `.draft-${randomBytes(12).toString('hex')}`)
      try {
        await writeDurable(draft, next)
        await link(draft, join(directory, `${hash}.${version}`))
      } catch (error) {
        if ((error as { code?: string }).code === 'EEXIST') return false
        throw error
      } finally {
        await rm(draft, { force: true })
      }
      await syncDirectory(directory)
      // Older versions go only where a newer one stays: a slow writer's link below it does not count.
      const versions = await versionsOf(directory, hash)
      if (versions.at(-1) !== version) {
        await rm(join(directory, `${hash}.${version}`), { force: true })
        return false
      }
      const older = versions.filter((known) => known < version)
      await Promise.all(
        older.map((known) => rm(join(directory, `${hash}.${known}`), { force: true })),
      )
      return true
    },
  }
}

function checkHash(originHash: string): string {
  if (/^[0-9a-f]{64}$/.test(originHash)) return originHash
  throw new InvalidInputError({ field: 'originHash', reason: 'expected 64 hex digits' })
}

async function newest(
  directory: string,
  hash: string,
): Promise<{ version: number; text: string } | undefined> {
  for (;;) {
    const version = (await versionsOf(directory, hash)).at(-1)
    if (version === undefined) return undefined
    try {
      return { version, text: await readFile(join(directory, `${hash}.${version}`), 'utf8') }
    } catch (error) {
      // Replaced between the listing and the reading: there is a newer one.
      if ((error as { code?: string }).code !== 'ENOENT') throw error
    }
  }
}

async function versionsOf(directory: string, hash: string): Promise<number[]> {
  const names = await readdir(directory).catch((error: { code?: string }) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names
    .flatMap((name) => (name.startsWith(`${hash}.`) ? [Number(name.slice(hash.length + 1))] : []))
    .filter(Number.isSafeInteger)
    .sort((a, b) => a - b)
}

async function writeDurable(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
