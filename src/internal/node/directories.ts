/** Folders made one level after the other: Node's own `recursive` never ends where a file system has no room for one. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder and those above it.
 *
 * @returns the uppermost one that was made; `undefined` where all were there.
 * @throws what the file system answers.
 */
export async function makeDirectory(path: string): Promise<string | undefined> {
  const folder = resolve(path)
  try {
    await mkdir(folder)
    return folder
  } catch (error) {
    const { code } = error as { code?: unknown }
    const parent = dirname(folder)
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return undefined
    if (code !== 'ENOENT' || parent === folder) throw error
    const first = await makeDirectory(parent)
    // There now, and still refused: that is the answer.
    if (first === undefined && (await isDirectory(parent))) throw error
    await mkdir(folder).catch((again: unknown) => {
      if ((again as { code?: unknown }).code !== 'EEXIST') throw again
    })
    return first ?? folder
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory()
}
