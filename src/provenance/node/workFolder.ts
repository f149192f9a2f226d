/**
 * Folders of builds in the temporary directory. Their names say which process has them, so that what a
 * killed one left is found by the next: `newton-<kind>-<boot>.<namespace>.<pid>.<start>-<random>`.
 */
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a folder is for: a build, the `/tmp` of one without walls, a toolchain. */
export type WorkFolderKind = 'build' | 'open' | 'toolchain'

/** Makes a folder of this process. */
export async function makeWorkFolder(
  kind: WorkFolderKind,
  { directory = tmpdir() }: { directory?: string } = {},
): Promise<string> {
  const machine = await machineOf()
  const start = machine && (await startOf(process.pid))
  // Where processes cannot be told apart, nobody can say later whose it was.
  const isKnown = start !== undefined && start !== 'unknown'
  const mark = isKnown ? `${machine}.${process.pid}.${start}-` : ''
  return mkdtemp(join(directory, `newton-${kind}-${mark}`))
}

/**
 * Removes the folders of this user's processes that are gone. Those of another boot, of another namespace of
 * processes (a container that shares the directory) and of other users stay: nothing here says that they are over.
 *
 * @returns How many.
 */
export async function removeLeftFolders({
  directory = tmpdir(),
}: {
  directory?: string
} = {}): Promise<number> {
  const machine = await machineOf()
  if (machine === undefined) return 0
  let removed = 0
  for (const name of await readdir(directory).catch(() => [])) {
    const [, of, pid, start] = pattern.exec(name) ?? []
    if (of !== machine || pid === undefined) continue
    const path = join(directory, name)
    try {
      const found = await lstat(path)
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue
      const running = await startOf(Number(pid))
      // A number is given again: another process has another start.
      if (running === 'unknown' || running === start) continue
      await rm(path, { recursive: true, force: true })
      removed += 1
    } catch {
      // Another worker removes it as well, or it is in use: it is no reason not to work.
    }
  }
  return removed
}

const pattern = /^newton-(?:build|open|toolchain)-([0-9a-f]{8}\.\d+)\.(\d+)\.(\d+)-[A-Za-z0-9]{6}$/

/** This boot of this machine, and the namespace in which numbers of processes mean something. */
async function machineOf(): Promise<string | undefined> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    const namespace = /\[(\d+)\]$/.exec(await readlink('/proc/self/ns/pid'))?.[1]
    return namespace && `${boot.slice(0, 8)}.${namespace}`
  } catch {
    return undefined
  }
}

/** When a process began, in ticks; `undefined` where there is none of that number, `unknown` where nobody says. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // Its name, in parentheses, may hold anything: what follows the last of them is the third field.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return start !== undefined && /^\d+$/.test(start) ? start : 'unknown'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ESRCH' ? undefined : 'unknown'
  }
}
