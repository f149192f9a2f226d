/** What `provenance verify` says of the builds that it made. */
import { createHash } from 'node:crypto'
import type { Hex } from 'viem'
import {
  type BuildInfo,
  type BuildMatch,
  compareBuild,
  type DidNotRunReason,
  type SectionDifference,
  type WasmHashes,
} from '../../../provenance/index.js'
import type { LocalBuild } from '../../../provenance/node/index.js'
import { type CommandResult, exitCodes, printable, type Terminal } from '../../terminal/output.js'
import type { OpenedToolchains } from '../../toolchains/open.js'
import type { TriedBuild } from './builds.js'

/** What became of one build. */
export type Tried = TriedBuild &
  (
    | { status: BuildMatch; rebuilt: WasmHashes; difference?: SectionDifference | undefined }
    | { status: 'did_not_run'; reason: DidNotRunReason }
  )

/** From what says most to what says least. */
const order = ['exact_match', 'code_match', 'no_match', 'did_not_run'] as const

/** Compares a plugin with what was built. */
export function triedOf(wasm: Uint8Array, build: TriedBuild, made: LocalBuild): Tried {
  if (made.status === 'did_not_run') return { ...build, status: made.status, reason: made.reason }
  const { match, difference, rebuilt } = compareBuild(wasm, made.wasm)
  return { ...build, status: match, rebuilt, ...(difference ? { difference } : {}) }
}

/** What is said of a plugin of which nobody says how it was built. */
export function nobodySays({ wasmHash, asked }: { wasmHash: Hex; asked: boolean }): CommandResult {
  const also = asked ? ', and neither does the registry' : ': name a chain to ask its registry'
  const message = `the plugin does not say how it was built${also}`
  const hint =
    'Where you have what may be its source, --source tries it with the toolchains of this machine.'
  return {
    data: { wasmHash, status: 'unknown' },
    text: message,
    problem: { message, hint },
    exitCode: exitCodes.notFound,
  }
}

type Verified = {
  wasmHash: Hex
  tried: readonly Tried[]
  opened: OpenedToolchains
  /** The source that was given, where one was. */
  archive: Uint8Array | undefined
  isolation: 'bubblewrap' | 'none'
}

/** The answer: that of the build which says most. */
export function answerOf(terminal: Terminal, given: Verified): CommandResult {
  const { wasmHash, tried } = given
  const [best] = [...tried].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
  if (best === undefined) return nothingFits(wasmHash, given.opened)
  const { info: buildInfo, ...rest } = best
  const data = {
    ...{ wasmHash, ...rest, buildInfo },
    ...(tried.length === 1 ? {} : { tried: tried.map(briefly) }),
  }
  if (rest.status === 'did_not_run') {
    const { text, hint } = whyNot(rest.reason, { ...given, buildInfo })
    return {
      ...{ data, text, exitCode: exitCodes.notFound },
      problem: { message: `did not run: ${rest.reason}`, hint },
    }
  }
  const { status, difference } = rest
  const how = given.isolation === 'none' ? 'not isolated' : 'isolated'
  const who = rest.origin === 'guess' ? ', which nobody named' : ''
  const { sourceSha256, image } = buildInfo
  terminal.stderr(printable(`built ${how} from source ${sourceSha256} in ${image}${who}\n`))
  const where = difference && `${difference.section}, byte ${difference.offset}`
  return {
    data,
    text: status === 'exact_match' ? 'match' : [status, where].filter(Boolean).join(': '),
    exitCode: status === 'exact_match' ? exitCodes.done : exitCodes.denied,
  }
}

function nothingFits(wasmHash: Hex, { toolchains, missing }: OpenedToolchains): CommandResult {
  const message = 'no toolchain of this machine builds such a source'
  return {
    data: { wasmHash, status: 'unknown' },
    text: [message, ...toolchains.map(({ image }) => `here is ${image}`), ...missing].join('\n'),
    problem: { message, hint: 'A source is a JavaScript module, or the folder of a crate.' },
    exitCode: exitCodes.notFound,
  }
}

/** Why a build did not run, and what to do about it. */
function whyNot(
  reason: DidNotRunReason,
  { opened, archive, buildInfo }: Verified & { buildInfo: BuildInfo },
): { text: string; hint: string } {
  const { toolchains, missing } = opened
  const text = `did not run: ${reason}`
  if (reason === 'toolchain_unavailable') {
    const here = toolchains.map(({ image }) => `here is ${image}`)
    return {
      text: [text, ...here, ...missing].join('\n'),
      hint: `It was built in ${buildInfo.image}: with other versions of Node, of this package, of its tools or of the machine's libraries.`,
    }
  }
  if (reason === 'source_unavailable') return { text, hint: whichSource(archive, buildInfo) }
  return { text, hint: hints(buildInfo)[reason] ?? '' }
}

function whichSource(archive: Uint8Array | undefined, buildInfo: BuildInfo): string {
  const { sourceSha256, sourceUri } = buildInfo
  const given = archive && `0x${createHash('sha256').update(archive).digest('hex')}`
  if (given !== undefined && given !== sourceSha256) {
    return `--source is ${given}, and the plugin says that it comes from ${sourceSha256}: another file, another name of it, or another change.`
  }
  if (given !== undefined) return 'The source is there; what it needs beside it could not be had.'
  const where =
    sourceUri === undefined
      ? 'It does not say where that is'
      : `It was to be at ${sourceUri} (--allow-private for a devnet)`
  return `The plugin comes from the archive ${sourceSha256}. ${where}: give it by --source <archive, folder or module>, or a --mirror that has it.`
}

function hints({ image, determinism }: BuildInfo): Partial<Record<DidNotRunReason, string>> {
  const kit = determinism === undefined ? 'by no kit at all' : `by ${determinism}`
  return {
    unknown_image: `It was built in ${image}, and this command rebuilds in toolchains of this machine only.`,
    nondeterministic_toolchain: `It says that its build repeats itself ${kit}, which is not how this toolchain does.`,
    source_invalid: 'What is wrong with the source is said above; its author has to mend it.',
    build_info_invalid:
      'What it says of its build cannot be called by anybody; its author has to mend it.',
    build_failed: 'What the build printed stands above.',
    output_invalid: 'The build ended well, and printed no plugin.',
    limit_exceeded: 'It took more memory, processes or bytes than builds may.',
    timeout: 'It took longer than builds may.',
  }
}

function briefly({ buildInfoHash, origin, status, ...more }: Tried): object {
  return { buildInfoHash, origin, status, ...('reason' in more ? { reason: more.reason } : {}) }
}
