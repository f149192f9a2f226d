/**
 * Files that a build's user can reach. A worker that is root builds as a user of nobody, who does not get
 * into root's own folders, where a toolchain often is: what lies there gets a second name outside.
 */
import { copyFile, link, lstat, mkdir, readdir, readlink, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Bind } from './isolation/sandbox.js'

/**
 * Gives second names below `scratch` to what others cannot read. The same file where both are on one disk,
 * else a copy.
 */
export async function reachableBinds<bind extends Bind>(
  binds: readonly bind[],
  scratch: string | undefined,
): Promise<bind[]> {
  if (scratch === undefined || process.getuid?.() !== 0) return [...binds]
  const known = new Map<string, boolean>()
  const linked = await Promise.allSettled(
    binds.map(async (bind) => {
      if (await isReachable(bind.host, known)) return bind
      const host = join(scratch, 'linked', bind.guest)
      await linkTree(bind.host, host)
      return { ...bind, host }
    }),
  )
  // All have ended: whoever removes `scratch` after a failure finds nobody who still writes there.
  return linked.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

/** Whether everybody gets as far as a path. */
async function isReachable(path: string, known: Map<string, boolean>): Promise<boolean> {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
    const is = known.get(at) ?? ((await stat(at)).mode & 0o001) !== 0
    known.set(at, is)
    if (!is) return false
  }
  return true
}

async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o755 })
  const entry = await lstat(from)
  if (entry.isSymbolicLink()) return symlink(await readlink(from), to)
  if (!entry.isDirectory()) {
    return link(from, to).catch((error: { code?: string }) => {
      if (error.code !== 'EXDEV' && error.code !== 'EPERM') throw error
      return copyFile(from, to)
    })
  }
  // A package inside of it may have made it: parts are linked at the same time.
  await mkdir(to, { recursive: true, mode: 0o755 })
  // Packages inside a package are parts of their own.
  const names = (await readdir(from)).filter((name) => name !== 'node_modules')
  for (const name of names) await linkTree(join(from, name), join(to, name))
}
