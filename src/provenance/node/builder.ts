/**
 * Makes builds on this machine: fetches the source, lays it out, runs the toolchain in the sandbox, and
 * hashes what comes out. Nothing that the build says of itself is taken for true.
 */
import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { TimeoutError } from '../../errors/common.js'
import { concat, fromHex, toHex } from '../../internal/bytes.js'
import { assertFlag, assertKnown } from '../../internal/options.js'
import { readSourceArchive, type SourceFile } from '../build/archive.js'
import { splitMetadata } from '../build/metadata.js'
import type { DidNotRunReason } from '../claims/evidence.js'
import { BuildInfoError, SourceArchiveError, SourceUnavailableError } from '../errors.js'
import type { BuildJob, BuildOutcome } from '../worker/protocol.js'
import type { PluginBuilder } from '../worker/worker.js'
import { type FetchOptions, fetchSource } from './fetchSource.js'
import type { SandboxEnd } from './isolation/buildStreams.js'
import { type Bind, type BuildLimits, limitsOf, type Sandbox } from './isolation/sandbox.js'
import { layOut } from './layOut.js'
import type { Toolchain } from './toolchain.js'
import { makeWorkFolder } from './workFolder.js'

/** Parameters of {@link sandboxedBuilder}. */
export type SandboxedBuilderParameters = {
  sandbox: Sandbox
  /** Toolchains of this machine. */
  toolchains: readonly Toolchain[]
  /** Images that are known under another name, such as a container's digest. */
  images?: Readonly<Record<string, Toolchain>> | undefined
  /** Places that have archives as `<sha256>.tar`. */
  mirrors?: readonly string[] | undefined
  allowPrivate?: boolean | undefined
  limits?: BuildLimits | undefined
  /**
   * Told what a build printed at its end, or why there was no source for it: for whoever runs the worker, never
   * for the world.
   */
  onLog?: ((tail: string) => void) | undefined
}

/** What a build made, or why there is nothing. */
export type LocalBuild =
  | { status: 'built'; wasm: Uint8Array; logSha256: `0x${string}` }
  | { status: 'did_not_run'; reason: DidNotRunReason; logSha256?: `0x${string}` | undefined }

/** A builder that hands out what it built, too. */
export type SandboxedBuilder = PluginBuilder & {
  make(
    job: Omit<BuildJob, 'metadata'>,
    options: { signal: AbortSignal; archive?: Uint8Array | undefined },
  ): Promise<LocalBuild>
}

/**
 * Creates a builder.
 *
 * @example
 * ```ts
 * import { openSandbox, sandboxedBuilder } from '@newton/policy-sdk/provenance/node'
 *
 * const builder = sandboxedBuilder({ sandbox: await openSandbox(), toolchains: [] })
 * ```
 */
export function sandboxedBuilder(parameters: SandboxedBuilderParameters): SandboxedBuilder {
  assertKnown('parameters', parameters, known)
  assertFlag('allowPrivate', parameters.allowPrivate ?? false)
  const { sandbox, toolchains, images = {} } = parameters
  const limits = limitsOf(parameters.limits)
  const { isolation } = sandbox
  const make: SandboxedBuilder['make'] = async (job, { signal, archive }) => {
    const toolchain = Object.hasOwn(images, job.image)
      ? images[job.image]
      : toolchains.find(({ image }) => image === job.image)
    if (toolchain === undefined) {
      return failed(
        job.image.startsWith('newton-toolchain@') ? 'toolchain_unavailable' : 'unknown_image',
      )
    }
    // No program can be called with such a word, on any machine.
    if ([...job.args, ...job.options].some((word) => word.includes('\0'))) {
      return failed('build_info_invalid')
    }
    if (job.determinism !== toolchain.determinism) return failed('nondeterministic_toolchain')
    if (!(await toolchain.isIntact())) return failed('toolchain_unavailable')
    const deadline = openDeadline(limits.time, signal)
    try {
      const files = await readFiles(parameters, { job, deadline, archive })
      if (typeof files === 'string') return failed(files)
      return await buildFiles(parameters, { job, toolchain, files, deadline, signal })
    } catch (error) {
      if (!deadline.isOver()) throw error
      return failed('timeout')
    } finally {
      deadline.close()
    }
  }
  return {
    make,
    build: async (job, { signal }): Promise<BuildOutcome> => {
      const built = await make(job, { signal })
      if (built.status === 'did_not_run') return { ...built, isolation }
      const { code } = splitMetadata(built.wasm)
      return {
        ...{ status: 'built', isolation, logSha256: built.logSha256 },
        codeSha256: toHex(sha256(code)),
        rebuiltSha256: toHex(sha256(concat(code, fromHex(job.metadata)))),
      }
    },
  }
}

const known = [...['sandbox', 'toolchains', 'images', 'mirrors', 'allowPrivate', 'limits', 'onLog']]

/** The source's files, or why there are none. */
async function readFiles(
  { mirrors, allowPrivate, onLog }: SandboxedBuilderParameters,
  given: {
    job: Omit<BuildJob, 'metadata'>
    deadline: Deadline
    archive?: Uint8Array | undefined
  },
): Promise<readonly SourceFile[] | DidNotRunReason> {
  const { job, deadline, archive } = given
  const { signal } = deadline
  const { sourceSha256 } = job
  const options: FetchOptions = { signal, allowPrivate }
  let archives: readonly Uint8Array[]
  try {
    archives = archive ? [archive] : await fetchSource(job, { ...options, mirrors })
  } catch (error) {
    if (error instanceof SourceUnavailableError) onLog?.(whyOf(error))
    // Who serves it can take as long as they like, which is no word about the build.
    if (error instanceof SourceUnavailableError || deadline.isOver()) return 'source_unavailable'
    throw error
  }
  let reason: DidNotRunReason = 'source_unavailable'
  for (const each of archives) {
    try {
      return withoutOutputs(await readSourceArchive(each, { sourceSha256, signal }))
    } catch (error) {
      if (!(error instanceof SourceArchiveError)) throw error
      onLog?.(whyOf(error))
      // Another file under the name is no fault of the source.
      if (error.fault !== 'wrong_hash') reason = 'source_invalid'
    }
  }
  return reason
}

/** What went wrong, and what with whoever was asked. */
function whyOf({ shortMessage, details }: SourceUnavailableError | SourceArchiveError): string {
  return details === undefined ? shortMessage : `${shortMessage} ${details}`
}

/** What a build could find instead of making it is not laid out. */
function withoutOutputs(files: readonly SourceFile[]): readonly SourceFile[] {
  return files.filter(({ path }) => !/(^|\/)(target|node_modules|\.cargo)\/|\.wasm$/i.test(path))
}

async function buildFiles(
  { sandbox, limits, onLog }: SandboxedBuilderParameters,
  given: {
    job: Omit<BuildJob, 'metadata'>
    toolchain: Toolchain
    files: readonly SourceFile[]
    deadline: Deadline
    signal: AbortSignal
  },
): Promise<LocalBuild> {
  const { job, toolchain, files, deadline, signal } = given
  const directory = await makeWorkFolder('build')
  try {
    // Whoever builds is another user, who reads here and writes nowhere.
    await chmod(directory, 0o755)
    const source = join(directory, 'source')
    await layOut(source, files, deadline.signal)
    const passwd = join(directory, 'passwd')
    await writeFile(passwd, 'build:x:1000:1000::/tmp:/bin/sh\n', { mode: 0o644 })
    const more = await prepared(toolchain, { source, signal: deadline.signal, onLog })
    if (typeof more === 'string') return failed(more)
    deadline.signal.throwIfAborted()
    // The sandbox keeps it from here on, and knows what the build has printed.
    const time = deadline.close()
    const end = await sandbox.run({
      binds: [
        ...toolchain.binds,
        { host: source, guest: '/source' },
        { host: passwd, guest: '/etc/passwd' },
        ...more,
      ],
      argv: [...toolchain.entrypoint, ...job.args, ...job.options],
      ...{ env: toolchain.env, directory: '/source', limits: { ...limits, time }, signal },
    })
    onLog?.(end.logTail)
    return read(end)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** What the build finds beside its source, or why there is not all of it. */
async function prepared(
  { prepare }: Toolchain,
  given: { source: string; signal: AbortSignal } & Pick<SandboxedBuilderParameters, 'onLog'>,
): Promise<readonly Bind[] | DidNotRunReason> {
  const { source, signal, onLog } = given
  try {
    return (await prepare?.(source, { signal })) ?? []
  } catch (error) {
    if (error instanceof SourceUnavailableError || error instanceof SourceArchiveError) {
      onLog?.(whyOf(error))
    }
    if (error instanceof SourceUnavailableError) return 'source_unavailable'
    if (error instanceof SourceArchiveError) return 'source_invalid'
    throw error
  }
}

/** One time for all that a build takes: its source comes from whoever wrote it, as the build does. */
type Deadline = {
  /** Fires at its end, and where the caller's does. */
  readonly signal: AbortSignal
  /** Whether it ended of itself. */
  isOver(): boolean
  /** Stops it, and says how many milliseconds are left. */
  close(): number
}

function openDeadline(time: number, outer: AbortSignal): Deadline {
  const controller = new AbortController()
  const begin = performance.now()
  let over = false
  const onAbort = (): void => controller.abort(outer.reason)
  const timer = setTimeout(() => {
    over = !controller.signal.aborted
    controller.abort(new TimeoutError({ operation: 'Building', timeout: time }))
  }, time)
  if (outer.aborted) onAbort()
  else outer.addEventListener('abort', onAbort, { once: true })
  return {
    signal: controller.signal,
    isOver: () => over,
    close: () => {
      clearTimeout(timer)
      outer.removeEventListener('abort', onAbort)
      return Math.max(1, Math.floor(time - (performance.now() - begin)))
    },
  }
}

function read(end: SandboxEnd): LocalBuild {
  const { status, output: wasm, logSha256 } = end
  if (status === 'timeout') return failed('timeout', logSha256)
  if (status === 'limit') return failed('limit_exceeded', logSha256)
  if (status === 'failed') return failed('build_failed', logSha256)
  try {
    splitMetadata(wasm)
  } catch (error) {
    if (!(error instanceof BuildInfoError)) throw error
    return failed('output_invalid', logSha256)
  }
  return { status: 'built', wasm, logSha256 }
}

function failed(reason: DidNotRunReason, logSha256?: `0x${string}`): LocalBuild {
  return { status: 'did_not_run', reason, logSha256 }
}
