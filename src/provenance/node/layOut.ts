/** Lays out the files of a source where a build reads them. */
import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SourceFile } from '../build/archive.js'
import { SOURCE_DATE_EPOCH } from './isolation/sandbox.js'

/** Seconds of all times of a source: those of the build that a build is told. */
const epoch = Number(SOURCE_DATE_EPOCH)

/**
 * Makes a folder of files whose paths were checked. All times are those of the build.
 *
 * @returns how many files and folders it made.
 * @throws the signal's reason, before it writes more, once it has fired.
 */
export async function layOut(
  folder: string,
  files: readonly SourceFile[],
  signal: AbortSignal | undefined,
): Promise<number> {
  await mkdir(folder, { mode: 0o755 })
  const folders = new Set<string>()
  for (const { path, bytes, executable = false } of files) {
    for (const above of foldersAbove(path)) {
      if (folders.has(above)) continue
      signal?.throwIfAborted()
      await mkdir(join(folder, above), { mode: 0o755 })
      folders.add(above)
    }
    signal?.throwIfAborted()
    const target = join(folder, path)
    // Nothing is there yet: what is, is not written over.
    await writeFile(target, bytes, { mode: executable ? 0o755 : 0o644, flag: 'wx' })
    await utimes(target, epoch, epoch)
  }
  // Folders last: each file changed the one that it is in.
  for (const path of [...folders, '']) {
    signal?.throwIfAborted()
    await utimes(join(folder, path), epoch, epoch)
  }
  return files.length + folders.size + 1
}

/** Folders that a path goes through, the outermost first. */
function foldersAbove(path: string): string[] {
  const found: string[] = []
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    found.push(path.slice(0, at))
  }
  return found
}
