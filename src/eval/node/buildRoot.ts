/**
 * The folder of plugin builds, which is also their lock.
 */
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BUILD_ROOT } from './deterministicBuild.js'

/**
 * Runs `work` in the build folder, whose path is the same for every build. One build at a time: the
 * folder is the lock.
 */
export async function inBuildRoot<value>(
  signal: AbortSignal,
  work: (directory: string) => Promise<value>,
): Promise<value> {
  for (;;) {
    signal.throwIfAborted()
    try {
      await mkdir(BUILD_ROOT, { mode: 0o700 })
      break
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error
    }
    if (await isAbandoned()) await rm(BUILD_ROOT, { recursive: true, force: true })
    else await new Promise((resolve) => setTimeout(resolve, 250))
  }
  try {
    await writeFile(join(BUILD_ROOT, 'pid'), String(process.pid))
    return await work(BUILD_ROOT)
  } finally {
    await rm(BUILD_ROOT, { recursive: true, force: true })
  }
}

/** Whether the process that holds the build folder is gone. */
async function isAbandoned(): Promise<boolean> {
  const pid = Number(await readFile(join(BUILD_ROOT, 'pid'), 'utf8').catch(() => ''))
  if (!(pid > 0)) {
    const age =
      Date.now() -
      (await stat(BUILD_ROOT).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(),
      ))
    return age > 10_000
  }
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as { code?: string }).code === 'ESRCH'
  }
}
