/** Starts the processes of a network by the command line, kills them, and knows how each one died. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { bin } from '../cli/runner.js'
import type { Member } from './world.js'

/** How a process ended. */
export type Death = { name: string; code: number | null; signal: string | null; ours: boolean }

export type Supervisor = ReturnType<typeof createSupervisor>

/** Milliseconds for a process to be ready: this machine may be busy. */
const PATIENCE = 180_000

export function createSupervisor(parts: {
  directory: string
  env?: Record<string, string> | undefined
  /** Arguments of Node itself, such as those of its profiler. */
  node?: readonly string[] | undefined
}) {
  const children = new Map<string, ChildProcess>()
  const expected = new Set<ChildProcess>()
  const deaths: Death[] = []
  const starts = new Map<string, number>()

  const start = (member: Member): void => {
    const { name, role, config } = member
    // As its owner does: only before the key has ever signed.
    const fresh =
      role === 'operator' && !existsSync(join(member.directory, 'journal', 'journal-00000001'))
    const words = [role, 'run', '--config', config, ...(fresh ? ['--journal-new', 'true'] : [])]
    const log = createWriteStream(join(parts.directory, `${name}.log`), { flags: 'a' })
    const child = spawn(process.execPath, [...(parts.node ?? []), bin, ...words], {
      cwd: parts.directory,
      env: { PATH: process.env['PATH'], HOME: parts.directory, ...parts.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // Two streams write to it: neither ends it for the other.
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    child.once('close', () => log.end())
    children.set(name, child)
    starts.set(name, (starts.get(name) ?? 0) + 1)
    child.once('exit', (code, signal) => {
      deaths.push({ name, code, signal, ours: expected.has(child) })
      if (children.get(name) === child) children.delete(name)
    })
  }
  const end = (
    name: string,
    signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT',
  ): Promise<Death | undefined> => {
    const child = children.get(name)
    if (child === undefined) return Promise.resolve(undefined)
    expected.add(child)
    return new Promise((resolve) => {
      child.once('exit', (code, by) => resolve({ name, code, signal: by, ours: true }))
      child.kill(signal)
    })
  }
  return {
    deaths,
    starts,
    start,
    end,
    isRunning: (name: string) => children.has(name),
    pidOf: (name: string) => children.get(name)?.pid,
    /** Pauses a process, as a machine that sleeps does. */
    signal: (name: string, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM') =>
      children.get(name)?.kill(signal),
    async stop(): Promise<void> {
      await Promise.all([...children.keys()].map((name) => end(name, 'SIGKILL')))
    },
  }
}

/** Waits until a process says that it can do its work. */
export async function untilReady(member: Member, patience = PATIENCE): Promise<void> {
  const until = Date.now() + patience
  let last = 'it does not answer'
  while (Date.now() < until) {
    const answer = await readiness(member)
    if (answer === undefined) return
    last = answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${member.name} was not ready: ${last}`)
}

/** What a process lacks; `undefined` where it is ready. */
export async function readiness(member: Member): Promise<string | undefined> {
  try {
    const response = await fetch(`${member.url}/readyz`, { signal: AbortSignal.timeout(3_000) })
    const { ready, lacks } = (await response.json()) as { ready: boolean; lacks: string[] }
    return ready ? undefined : lacks.join('; ')
  } catch {
    return 'it does not answer'
  }
}

/** One value of `/metrics`, summed over its labels; 0 where it was never written. */
export async function metricOf(member: Member, pattern: RegExp): Promise<number> {
  const text = await fetch(`${member.url}/metrics`, { signal: AbortSignal.timeout(5_000) })
    .then((response) => response.text())
    .catch(() => '')
  return text
    .split('\n')
    .filter((line) => pattern.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
