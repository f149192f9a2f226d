/**
 * Who writes to a store: one record in the database itself, read again inside each transaction.
 *
 * LMDB lets one transaction write at a time, so the record is claimed and checked without a race.
 * Whether its holder still runs is asked of the operating system; where that cannot be known, as
 * for another host or container on the same volume, the newcomer takes over, and the older holder is
 * refused at its next write. Either way no two processes ever write from different states.
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { fromUtf8, utf8 } from '../../internal/bytes.js'
import { StoreLockedError } from '../errors.js'

/** Reads and writes the record. Called inside a write transaction alone. */
export type WriterRecord = {
  read(): Uint8Array | undefined
  write(value: Uint8Array): void
  remove(): void
}

type Holder = { pid: number; host: string; start: string; token: string }

/** A claim on a store. All functions run inside a write transaction. */
export type WriterLock = {
  /** @throws {StoreLockedError} when another process holds the store and may still run. */
  claim(): void
  /** @throws {StoreLockedError} when another process took the store over. */
  assertHeld(): void
  release(): void
}

/** Creates the claim of one handle. */
export function writerLock(record: WriterRecord, path: string): WriterLock {
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    start: startOf(process.pid),
    token: randomUUID(),
  }
  const locked = (holder: Holder | undefined, reason: string): StoreLockedError =>
    new StoreLockedError({ path, reason, pid: holder?.pid, host: holder?.host })
  return {
    claim() {
      const holder = readHolder(record)
      if (holder !== undefined && mayRun(holder, own)) throw locked(holder, 'it has it open')
      record.write(utf8(JSON.stringify(own)))
    },
    assertHeld() {
      const holder = readHolder(record)
      if (holder?.token !== own.token) throw locked(holder, 'it has taken it over')
    },
    release() {
      if (readHolder(record)?.token === own.token) record.remove()
    },
  }
}

function readHolder(record: WriterRecord): Holder | undefined {
  const found = record.read()
  if (found === undefined) return undefined
  try {
    const { pid, host, start, token } = JSON.parse(fromUtf8(Uint8Array.from(found))) as Holder
    return { pid: Number(pid), host: String(host), start: String(start), token: String(token) }
  } catch {
    // A record that cannot be read names nobody: whoever comes next takes the store.
    return undefined
  }
}

function mayRun(holder: Holder, own: Holder): boolean {
  if (holder.host !== own.host) return false
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  // Numbers of processes are used again; their start times are not.
  const start = startOf(holder.pid)
  return start === '' || holder.start === '' || start === holder.start
}

// Boot and start time of a process, where /proc tells them; otherwise nothing.
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in parentheses, may hold anything; the start time is the 20th field after it.
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`
  } catch {
    return ''
  }
}
