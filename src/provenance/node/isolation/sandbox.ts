/**
 * Runs a build away from everything: namespaces of its own by `bwrap`, no network, a file system of the
 * toolchain's files and the source, both read-only, and folders that forget.
 *
 * The build's standard output is the plugin, its standard error the log. Both are whatever the build
 * wants them to be, and are only hashed.
 */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { constants } from 'node:fs'
import { access, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type OwnStreams, ownStreams } from '../../../internal/node/inheritedDescriptors.js'
import { assertCount, assertFlag, assertKnown, MAX_TIMER } from '../../../internal/options.js'
import { IsolationError } from '../../errors.js'
import { makeWorkFolder, removeLeftFolders } from '../workFolder.js'
import {
  collect,
  release,
  reportOf,
  type SandboxEnd,
  type Stop,
  tellFilter,
} from './buildStreams.js'
import { type MemoryGroup, openMemoryGroup, watchProcesses } from './processTree.js'
import { buildFilter } from './seccomp.js'

/** A file or folder of this machine, read-only at a place inside. */
export type Bind = { host: string; guest: string }

/** What a build may use at most. */
export type BuildLimits = {
  /** Milliseconds, of which a builder takes those of its source. @default 1200000, 20 minutes */
  time?: number | undefined
  /** Bytes of memory of all its processes together. @default 8 GiB */
  memory?: number | undefined
  /** Processes and threads. @default 512 */
  processes?: number | undefined
  /** Bytes written to disk, which is memory. @default 1 GiB */
  written?: number | undefined
  /** Bytes of the plugin. @default 64 MiB */
  output?: number | undefined
  /** Bytes that it may print. @default 64 MiB */
  log?: number | undefined
}

/** Limits where none are given. */
export const buildLimits = {
  time: 1_200_000,
  memory: 8 * 2 ** 30,
  processes: 512,
  written: 2 ** 30,
  output: 64 * 2 ** 20,
  log: 64 * 2 ** 20,
} as const satisfies BuildLimits

/** The time that builds are told, and that all of their files have: 2020-01-01. */
export const SOURCE_DATE_EPOCH = '1577836800'

/** What to run. */
export type SandboxRun = {
  binds: readonly Bind[]
  argv: readonly string[]
  env: Readonly<Record<string, string>>
  /** Working directory inside. */
  directory: string
  limits?: BuildLimits | undefined
  signal?: AbortSignal | undefined
}

/** How builds are kept from the machine. */
export type Sandbox = {
  readonly isolation: 'bubblewrap' | 'none'
  run(run: SandboxRun): Promise<SandboxEnd>
}

/**
 * Opens the sandbox of this machine, and removes what builds of processes that were killed left in its
 * temporary directory.
 *
 * @param options.unsafeNoIsolation - Runs builds as they are where there is no `bwrap`. What such a worker
 * says is worth no more than `arbitrary`.
 * @throws {IsolationError} where builds cannot be kept from the machine: never a reason to claim anything.
 * @example
 * ```ts
 * import { openSandbox } from '@newton/policy-sdk/provenance/node'
 *
 * const sandbox = await openSandbox()
 * const { output } = await sandbox.run({
 *   binds: [{ host: '/usr', guest: '/usr' }, { host: '/lib64', guest: '/lib64' }],
 *   argv: ['/usr/bin/true'],
 *   env: {},
 *   directory: '/tmp',
 * })
 * ```
 */
export async function openSandbox(
  options: { unsafeNoIsolation?: boolean | undefined; bwrap?: string | undefined } = {},
): Promise<Sandbox> {
  assertKnown('options', options, ['unsafeNoIsolation', 'bwrap'])
  const { unsafeNoIsolation = false } = options
  assertFlag('unsafeNoIsolation', unsafeNoIsolation)
  // A worker that was killed has removed nothing.
  await removeLeftFolders()
  const bwrap = options.bwrap ?? (await findProgram('bwrap'))
  const prlimit = await findProgram('prlimit')
  if (bwrap !== undefined && prlimit !== undefined) {
    const sandbox: Sandbox = {
      isolation: 'bubblewrap',
      run: (run) => supervise(isolated(run, { bwrap, prlimit }), run),
    }
    const reason = await probe(sandbox)
    if (reason === undefined) return sandbox
    if (!unsafeNoIsolation) throw new IsolationError(reason)
  }
  if (!unsafeNoIsolation) {
    throw new IsolationError('`bwrap` (bubblewrap) or `prlimit` is not on this machine')
  }
  return { isolation: 'none', run: inFolderOfItsOwn }
}

/** Without walls what one build leaves in its `/tmp` would be there for the next. */
async function inFolderOfItsOwn(run: SandboxRun): Promise<SandboxEnd> {
  const host = await makeWorkFolder('open')
  try {
    const binds = [...run.binds, { host, guest: '/tmp' }]
    return await supervise(unprotected({ ...run, binds }), run)
  } finally {
    await rm(host, { recursive: true, force: true })
  }
}

type Command = {
  file: string
  argv: readonly string[]
  env: NodeJS.ProcessEnv
  cwd: string
  uid?: number
  /**
   * What it reads on its fifth stream: the calls that it refuses. On its fourth it tells how what it ran
   * ended, if it came to run it.
   */
  filter?: Uint8Array
}

/** The command line that isolates; what it does not bind is not there. */
function isolated(run: SandboxRun, programs: { bwrap: string; prlimit: string }): Command {
  const limits = limitsOf(run.limits)
  const filter = buildFilter(process.arch)
  if (filter === undefined) throw new IsolationError(`calls of ${process.arch} are not known`)
  const uid = process.getuid?.() === 0 ? unprivilegedUid() : undefined
  const argv = [
    ...[`--nproc=${limits.processes}`, `--fsize=${limits.written}`, '--nofile=4096', '--core=0'],
    ...[programs.bwrap, '--unshare-all', '--unshare-user', '--disable-userns'],
    ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--clearenv'],
    ...['--json-status-fd', '3', '--seccomp', '4', '--block-fd', '5'],
    ...['--uid', '1000', '--gid', '1000', '--hostname', 'build'],
    ...['--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
    ...['--symlink', 'usr/bin', '/bin', '--dir', '/usr/lib64'],
    ...run.binds.flatMap(({ host, guest }) => ['--ro-bind', host, guest]),
    ...['--proc', '/proc', '--dev', '/dev', '--size', '65536', '--tmpfs', '/dev/shm'],
    ...['--size', String(limits.written), '--tmpfs', '/tmp'],
    ...['--remount-ro', '/dev', '--remount-ro', '/'],
    ...Object.entries(environment(run)).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', run.directory, '--', ...run.argv],
  ]
  // Limits on processes do not hold for root, so a worker that is root sends somebody else.
  const user = uid === undefined ? {} : { uid }
  return { file: programs.prlimit, argv, env: {}, cwd: '/', filter, ...user }
}

/** The same without walls: paths inside are turned into those they stand for. */
function unprotected(run: SandboxRun): Command {
  const toHost = (text: string): string => {
    const bind = [...run.binds]
      .sort((a, b) => b.guest.length - a.guest.length)
      .find(({ guest }) => text === guest || text.startsWith(`${guest}/`))
    return bind === undefined ? text : bind.host + text.slice(bind.guest.length)
  }
  const [file = '', ...argv] = run.argv.map(toHost)
  const env = Object.fromEntries(
    Object.entries(environment(run)).map(([name, value]) => [
      name,
      value.split(delimiter).map(toHost).join(delimiter),
    ]),
  )
  return { file, argv, env, cwd: toHost(run.directory) }
}

function environment(run: SandboxRun): Record<string, string> {
  return {
    ...{ HOME: '/tmp', TMPDIR: '/tmp', PATH: '/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C' },
    SOURCE_DATE_EPOCH,
    ...run.env,
  }
}

const runMembers = ['binds', 'argv', 'env', 'directory', 'limits', 'signal']

async function supervise(command: Command, run: SandboxRun): Promise<SandboxEnd> {
  assertKnown('run', run, runMembers)
  const limits = limitsOf(run.limits)
  run.signal?.throwIfAborted()
  const { filter } = command
  const child = start(command, await streamsOf(command))
  let end: Pick<SandboxEnd, 'status' | 'limit'> | undefined
  const stop: Stop = (status, limit) => {
    end ??= { status, limit }
    kill(child)
  }
  const collected = collect(child, limits, stop)
  const report = filter ? reportOf(child) : undefined
  if (filter) tellFilter(child, filter)
  const group = report && enclose(child, report.started, limits.memory)
  const timer = setTimeout(() => stop('timeout'), limits.time)
  let exhausted = false
  const watch = watchProcesses(child.pid, (use) => {
    const { memory, processes } = use
    exhausted ||= use.exhausted
    if (exhausted) stop('limit', 'memory')
    if (memory > limits.memory) stop('limit', 'memory')
    if (processes > limits.processes) stop('limit', 'processes')
  })
  const onAbort = (): void => kill(child)
  run.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (cause) => reject(new IsolationError('it does not start', { cause })))
      child.once('close', resolve)
    })
    run.signal?.throwIfAborted()
    const all = collected()
    if (await (await group)?.exhausted()) end ??= { status: 'limit', limit: 'memory' }
    // It may be another's doing: no word about the source either.
    if (exhausted) throw new IsolationError('this machine has no memory left')
    // A wall that could not be built is this machine's fault, and no word about the source.
    if (end === undefined && report?.hasRun() === false) {
      throw new IsolationError(`\`bwrap\` ended before the build: ${all.logTail.trim()}`)
    }
    return { status: code === 0 ? 'ended' : 'failed', ...end, ...all }
  } finally {
    clearTimeout(timer)
    watch.stop()
    run.signal?.removeEventListener('abort', onAbort)
    kill(child)
    await (await group)?.close()
  }
}

/** Its own streams alone: walls keep nothing from a build that it holds already. */
async function streamsOf({ filter }: Command): Promise<OwnStreams<'ignore' | 'pipe'>> {
  const more = filter ? (['pipe', 'pipe', 'pipe'] as const) : []
  const streams = await ownStreams(['ignore', 'pipe', 'pipe', ...more] as const)
  if (streams !== undefined) return streams
  throw new IsolationError('this process was started with a descriptor that builds would have')
}

/** Starts it. Nothing waits before whoever listens to it does: it may have ended by then. */
function start(
  { file, argv, env, cwd, uid }: Command,
  { stdio, close }: OwnStreams<'ignore' | 'pipe'>,
): ChildProcess {
  try {
    return spawn(file, argv, {
      ...{ env, cwd, detached: true, stdio: stdio as StdioOptions },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
  } finally {
    close().catch(() => undefined)
  }
}

/** Puts a build that waits into a group of its own, where there are groups, and lets it begin. */
async function enclose(
  child: ChildProcess,
  started: Promise<number | undefined>,
  memory: number,
): Promise<MemoryGroup | undefined> {
  const group = await openMemoryGroup(memory)
  try {
    const first = await started
    // What both of them start from here on is in the group.
    for (const pid of [child.pid, first]) if (pid !== undefined) await group?.add(pid)
  } catch {
    // It has ended already, or may not be moved: its processes are counted all the same.
  }
  release(child)
  return group
}

/** Ends the first process of the namespace and with it all others. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

/** Nobody else's user: limits on processes count all that a user has. */
function unprivilegedUid(): number {
  return randomInt(1_000_000_000, 2_000_000_000)
}

type Limits = { [name in keyof typeof buildLimits]: number }

/** All limits, those that are not given by default. */
export function limitsOf(limits: BuildLimits = {}): Limits {
  assertKnown('limits', limits, Object.keys(buildLimits))
  const given = Object.entries(limits).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    // A longer timer would fire at once.
    assertCount(`limits.${name}`, value, name === 'time' ? { most: MAX_TIMER } : {})
  }
  return { ...buildLimits, ...Object.fromEntries(given) }
}

/** Whether isolation works here: a build that cannot be isolated is not started. */
async function probe(sandbox: Sandbox): Promise<string | undefined> {
  const binds = [{ host: '/usr', guest: '/usr' }]
  try {
    const { status, logTail } = await sandbox.run({
      binds,
      ...{ argv: ['/usr/bin/true'], env: {}, directory: '/tmp', limits: { time: 30_000 } },
    })
    return status === 'ended' ? undefined : `\`bwrap\` does not work here: ${logTail.trim()}`
  } catch (error) {
    if (error instanceof IsolationError) return error.reason
    throw error
  }
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '/usr/bin:/bin').split(delimiter)) {
    const path = join(folder, name)
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return path
  }
  return undefined
}
