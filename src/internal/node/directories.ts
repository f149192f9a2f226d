/** Folders made one level after the other: Node's own `recursive` never ends where a file system has no room for one. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and those above it.
 *
 * @param mode - Of those that are made.
 *
 * @returns the uppermost one that was made; `undefined` where all were there.
 * @throws what the file system answers.
 */
export async function makeDirectory(path: string, mode?: number): Promise<string | undefined> {
  const folder = resolve(path)
  try {
    await mkdir(folder, { mode })
    return folder
  } catch (error) {
    const { code } = error as { code?: unknown }
    const parent = dirname(folder)
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return undefined
    if (code !== 'ENOENT' || parent === folder) throw error
    const first = await makeDirectory(parent, mode)
    // Once more, also where somebody else has made the parent meanwhile. Still refused: that is the answer.
    await mkdir(folder, { mode }).catch((again: unknown) => {
      if ((again as { code?: unknown }).code !== 'EEXIST') throw again
    })
    return first ?? folder
  }
}
