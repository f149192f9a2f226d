/** What every process has: what it opened is closed in the other order, and what happens is told. */
import { statfs } from 'node:fs/promises'
import { isPolicySdkError } from '../../../errors/base.js'
import { type DirectoryLock, lockDirectory } from '../../../internal/node/lock.js'
import type { ListenAddress, RoleServer } from '../http.js'

/** One line of a log. None holds a key, a parameter or an answer. */
export type LogEntry = {
  level: 'debug' | 'info' | 'warn' | 'error'
  /** What happened, such as `window.landed`. */
  event: string
  [field: string]: unknown
}

/** Takes lines of the log. */
export type LogHook = (entry: LogEntry) => void

/** A role that runs in this process. */
export type RunningRole = {
  readonly role: 'operator' | 'gateway' | 'challenger' | 'replica'
  /** Base URL of its server. */
  readonly url: string
  /** What it lacks to do its work. */
  ready(): Promise<readonly string[]>
  metrics(): Promise<string>
  /**
   * Takes no more work, finishes or hands back what is in flight, at most `grace` milliseconds, and
   * closes all that it opened. @default 10_000
   */
  close(grace?: number): Promise<void>
}

/** What is closed at the end. */
export type Closers = {
  add(close: () => Promise<unknown> | unknown): void
  /** Closes all, the newest first. One that fails keeps no other open. */
  close(): Promise<void>
}

/** Creates an empty list. */
export function createClosers(log: LogHook): Closers {
  const list: (() => Promise<unknown> | unknown)[] = []
  return {
    add: (close) => {
      list.push(close)
    },
    close: async () => {
      for (const close of list.splice(0).reverse()) {
        try {
          await close()
        } catch (error) {
          log({ level: 'error', event: 'process.close', ...describeError(error) })
        }
      }
    },
  }
}

/** Opens a role; where that fails half-way, what was opened is closed again. */
export async function opening<value>(
  log: LogHook,
  work: (closers: Closers) => Promise<value>,
): Promise<value> {
  const closers = createClosers(log)
  try {
    return await work(closers)
  } catch (error) {
    await closers.close()
    throw error
  }
}

/** Takes the data directory for this process. */
export async function claimDirectory(
  directory: string,
  role: RunningRole['role'],
  closers: Closers,
): Promise<DirectoryLock> {
  const lock = await lockDirectory({ directory, role })
  closers.add(lock.release)
  return lock
}

/** An error as a line of the log has it: code and message, never what it was given. */
export function describeError(error: unknown): Record<string, unknown> {
  if (isPolicySdkError(error)) {
    const { cause } = error as { cause?: unknown }
    const because = isPolicySdkError(cause) ? { cause: cause.code } : {}
    return { code: error.code, error: error.shortMessage, ...because }
  }
  return { code: 'UNEXPECTED', error: error instanceof Error ? error.message : 'it failed' }
}

/** Bytes that are free where a directory lies; `undefined` where that cannot be told. */
export async function freeBytes(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch {
    return undefined
  }
}

/** Bytes under which a process is not ready: a database or a journal may not be written any more. */
export const DISK_FLOOR = 256 * 1024 * 1024

/** Gauges of the process itself, in the format of Prometheus. */
export async function processMetrics(directory: string): Promise<string> {
  const { rss, heapUsed } = process.memoryUsage()
  const free = await freeBytes(directory)
  const gauges: [string, number | undefined][] = [
    ['process_resident_memory_bytes', rss],
    ['process_heap_used_bytes', heapUsed],
    ['process_uptime_seconds', process.uptime()],
    ['disk_free_bytes', free],
  ]
  return gauges
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`# TYPE ${name} gauge`, `${name} ${value}`],
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** Closes a server first, so that nothing new comes in, then what is behind it. */
export function closing(server: RoleServer, closers: Closers): (grace?: number) => Promise<void> {
  let closed: Promise<void> | undefined
  return (grace = 10_000) => {
    closed ??= server.close(grace).then(() => closers.close())
    return closed
  }
}

/** Where a process listens, by its settings. */
export function listenAddress(settings: {
  'listen.host': string
  'listen.port': number
  'listen.connections': number
  'listen.connections_per_address': number
}): ListenAddress {
  return {
    host: settings['listen.host'],
    port: settings['listen.port'],
    connections: settings['listen.connections'],
    connectionsPerAddress: settings['listen.connections_per_address'],
  }
}
