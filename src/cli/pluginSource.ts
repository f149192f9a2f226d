/** A plugin's source, as its archive has it. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { SourceFile } from '../provenance/index.js'
import { FileAccessError } from './errors.js'

/** Folders that hold no source. */
const skipped = new Set(['node_modules', 'target', '.git', 'dist'])

/** The files of a folder, or the one file that is named. Outputs are left out, links refused. */
export async function readSourceFolder(path: string): Promise<readonly SourceFile[]> {
  try {
    const entry = await stat(path)
    if (entry.isFile()) return [{ path: basename(path), bytes: await bytesOf(path) }]
    return await filesOf(path, '')
  } catch (cause) {
    if (cause instanceof FileAccessError) throw cause
    throw new FileAccessError({ path, action: 'read' }, { cause })
  }
}

async function filesOf(folder: string, below: string): Promise<SourceFile[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true })
  const lists = await Promise.all(
    entries.map(async (entry): Promise<SourceFile[]> => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : filesOf(folder, path)
      if (!entry.isFile()) throw new FileAccessError({ path, action: 'read' })
      if (/\.(wasm|tar)$/.test(entry.name)) return []
      const { mode } = await stat(join(folder, path))
      const executable = (mode & 0o111) !== 0
      return [{ path, bytes: await bytesOf(join(folder, path)), executable }]
    }),
  )
  return lists.flat()
}

async function bytesOf(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path))
}
