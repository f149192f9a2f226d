/** What the processes below one use together, read from `/proc`. */
import { readdir, readFile } from 'node:fs/promises'

/** What a tree of processes uses. */
export type ProcessUse = { memory: number; processes: number }

/** Part of the machine's memory that has to stay available: less than this is no place to build. */
const reserve = 1 / 32

const interval = 250
const pageSize = 4_096

/** Tells from time to time what the processes below `root` use, itself included. */
export function watchProcesses(
  root: number | undefined,
  onUse: (use: ProcessUse & { exhausted: boolean }) => void,
): { stop(): void } {
  let stopped = root === undefined || process.platform !== 'linux'
  const look = async (): Promise<void> => {
    while (!stopped) {
      const [use, exhausted] = await Promise.all([readUse(root as number), isExhausted()])
      if (stopped) return
      onUse({ ...use, exhausted })
      await new Promise((resolve) => setTimeout(resolve, interval).unref())
    }
  }
  // What cannot be read is not counted: other limits remain.
  look().catch(() => undefined)
  return {
    stop: () => {
      stopped = true
    },
  }
}

/**
 * Whether the machine itself runs out of memory. Buffers of sockets and names of empty files are the
 * kernel's, and no process is seen to hold them.
 */
async function isExhausted(): Promise<boolean> {
  const text = await readFile('/proc/meminfo', 'latin1').catch(() => '')
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return kilobytes('MemAvailable') < kilobytes('MemTotal') * reserve
}

/** Reads once. Threads count as processes do. */
export async function readUse(root: number): Promise<ProcessUse> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const all = await Promise.all(names.map(readProcess))
  const children = new Map<number, Read[]>()
  for (const one of all) {
    if (one === undefined) continue
    children.set(one.parent, [...(children.get(one.parent) ?? []), one])
  }
  const use = { memory: 0, processes: 0 }
  const queue = all.filter((one) => one?.pid === root)
  for (const one of queue) {
    if (one === undefined) continue
    use.memory += one.memory
    use.processes += one.threads
    queue.push(...(children.get(one.pid) ?? []))
  }
  return use
}

type Read = { pid: number; parent: number; threads: number; memory: number }

async function readProcess(name: string): Promise<Read | undefined> {
  try {
    const text = await readFile(`/proc/${name}/stat`, 'latin1')
    // The program's name may hold anything; what follows its last bracket does not.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      pid: Number(name),
      parent: Number(fields[1]),
      threads: Number(fields[17]),
      memory: Number(fields[21]) * pageSize,
    }
  } catch {
    return undefined
  }
}
