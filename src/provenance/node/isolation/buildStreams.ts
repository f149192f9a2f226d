/** What comes out of a build: its plugin, its log, and how its walls say that it ended. */
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import type { Hex } from 'viem'
import { concatAll } from '../../../internal/bytes.js'

/** How it ended. */
export type SandboxEnd = {
  /** `limit` names what it used too much of. */
  status: 'ended' | 'failed' | 'timeout' | 'limit'
  limit?: 'memory' | 'processes' | 'output' | 'log' | undefined
  output: Uint8Array
  logSha256: Hex
  /** The end of what it printed, for whoever runs the worker. */
  logTail: string
}

/** Ends a build for a reason. */
export type Stop = (status: SandboxEnd['status'], limit?: SandboxEnd['limit']) => void

/** Reads both streams as they come, and no more of them than the limits. */
export function collect(
  child: ChildProcess,
  limits: { output: number; log: number },
  stop: Stop,
): () => Pick<SandboxEnd, 'output' | 'logSha256' | 'logTail'> {
  const parts: Uint8Array[] = []
  const hash = createHash('sha256')
  let [length, printed, tail] = [0, 0, '']
  child.stdout?.on('data', (part: Uint8Array) => {
    length += part.length
    if (length > limits.output) stop('limit', 'output')
    else parts.push(part)
  })
  child.stderr?.on('data', (part: Uint8Array) => {
    printed += part.length
    if (printed > limits.log) return stop('limit', 'log')
    hash.update(part)
    tail = (tail + Buffer.from(part).toString('latin1')).slice(-4_000)
  })
  for (const stream of [child.stdout, child.stderr]) stream?.on('error', () => undefined)
  return () => ({
    output: concatAll(parts),
    logSha256: `0x${hash.digest('hex')}`,
    logTail: Buffer.from(tail, 'latin1').toString('utf8'),
  })
}

/**
 * What `bwrap` tells: the first process that it started, and whether it came to run the build. It reports
 * an exit code of what it ran, not of itself.
 */
export function reportOf(child: ChildProcess): {
  hasRun: () => boolean
  started: Promise<number | undefined>
} {
  let report = ''
  let tell: (pid: number | undefined) => void = () => undefined
  const started = new Promise<number | undefined>((resolve) => {
    tell = resolve
  })
  const stream = child.stdio[3] as Readable
  stream.on('data', (part: Uint8Array) => {
    if (report.length < 4_096) report += Buffer.from(part).toString('latin1')
    const pid = /"child-pid":\s*(\d+)/.exec(report)?.[1]
    if (pid !== undefined) tell(Number(pid))
  })
  stream.on('error', () => undefined)
  stream.on('close', () => tell(undefined))
  return { hasRun: () => report.includes('"exit-code"'), started }
}

/** Hands `bwrap` its filter. Where it ends before it reads, its exit says why. */
export function tellFilter(child: ChildProcess, filter: Uint8Array): void {
  const stream = child.stdio[4] as Writable
  stream.on('error', () => undefined)
  stream.end(filter)
}

/** Lets a build begin that waits on its sixth stream. */
export function release(child: ChildProcess): void {
  const stream = (child.stdio as readonly unknown[])[5] as Writable
  stream.on('error', () => undefined)
  stream.end('x')
}
