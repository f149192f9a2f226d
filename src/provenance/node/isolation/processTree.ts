/** What the processes below one use together, read from `/proc`, and the group that limits it. */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'

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

/** A control group: the kernel's own count of memory, of sockets and empty files too. */
export type MemoryGroup = {
  /** Moves a process; what it starts from then on is in the group. */
  add(pid: number): Promise<void>
  /** Whether something in it was ended for want of memory. */
  exhausted(): Promise<boolean>
  /** Ends what is left in it, and removes it. */
  close(): Promise<void>
}

/** Where groups are: one tree for all controllers, or one for memory. */
const layouts = [
  { root: '/sys/fs/cgroup', limit: 'memory.max', events: 'memory.events' },
  {
    root: '/sys/fs/cgroup/memory',
    limit: 'memory.limit_in_bytes',
    events: 'memory.oom_control',
  },
] as const

/**
 * Opens a group that may use so much memory, `undefined` where this process may make none: then what
 * processes are seen to hold is counted instead.
 */
export async function openMemoryGroup(bytes: number): Promise<MemoryGroup | undefined> {
  for (const { root, limit, events } of layouts) {
    const folder = `${root}/${groupName}${process.pid}-${crypto.randomUUID()}`
    try {
      await removeLeft(root)
      await mkdir(folder)
    } catch {
      continue
    }
    try {
      await writeFile(`${folder}/${limit}`, `${bytes}`, { flag: 'r+' })
      return groupAt(folder, events)
    } catch {
      // The controller is not given to groups below.
      await rmdir(folder).catch(() => undefined)
    }
  }
  return undefined
}

const groupName = 'newton-build-'

/** Removes empty groups of workers that were killed. One with processes in it does not go. */
async function removeLeft(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [, pid] = /^newton-build-(\d+)-/.exec(name) ?? []
    if (pid === undefined) continue
    const isGone = await readFile(`/proc/${pid}/stat`).then(
      () => false,
      () => true,
    )
    if (isGone) await rmdir(`${root}/${name}`).catch(() => undefined)
  }
}

function groupAt(folder: string, events: string): MemoryGroup {
  const members = `${folder}/cgroup.procs`
  return {
    add: (pid) => writeFile(members, `${pid}`, { flag: 'r+' }),
    exhausted: async () => {
      const text = await readFile(`${folder}/${events}`, 'latin1').catch(() => '')
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0) > 0
    },
    close: async () => {
      for (let tries = 0; tries < 50; tries++) {
        const left = await readFile(members, 'latin1').catch(() => '')
        for (const pid of left.split('\n').filter((name) => name !== '')) endProcess(Number(pid))
        const removed = await rmdir(folder).then(
          () => true,
          () => false,
        )
        if (removed) return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}
