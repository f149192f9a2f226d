import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import {
  type BuildMatch,
  compareBuild,
  computeWasmHashes,
  createSourceArchive,
  type DidNotRunReason,
  type IndexedBuild,
  isToolchainManifest,
  type SectionDifference,
  type WasmHashes,
} from '../../../provenance/index.js'
import { type LocalBuild, openSandbox, sandboxedBuilder } from '../../../provenance/node/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, printable, type Terminal } from '../../terminal/output.js'
import { type OpenedToolchains, openToolchains, toolchainArgs } from '../../toolchains/open.js'
import { readSourceFolder } from '../../toolchains/sources.js'
import { readSaidPlugin } from './builds.js'
import { sourceArgs } from './sources.js'

/** `provenance verify`. */
export const verify: CommandDef = command({
  name: 'verify',
  example: 'newton-policy provenance verify plugin.wasm --source plugin.js',
  description: 'Rebuild a plugin from its source and compare; exit code 3 where it does not match',
  args: {
    plugin: { type: 'positional', description: 'Plugin, a file or its hash', required: true },
    source: {
      type: 'string',
      description: 'Source archive, folder or module, where it is not to be fetched',
      valueHint: 'path',
    },
    mirror: {
      type: 'string',
      description: 'Place that has archives as <sha256>.tar and crates as <sha256>.crate',
      valueHint: 'https://…',
    },
    'unsafe-no-isolation': {
      type: 'boolean',
      description: 'Build where nothing keeps the build from this machine',
      default: false,
    },
    ...toolchainArgs,
    ...sourceArgs,
    ...daArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const { wasm, builds, asked } = await readSaidPlugin(terminal, { args, signal })
    const { wasmHash } = computeWasmHashes(wasm)
    if (builds.length === 0) {
      const also = asked ? ', and neither does the registry' : ': name a chain to ask its registry'
      return {
        data: { wasmHash, status: 'unknown' },
        text: `the plugin does not say how it was built${also}`,
        exitCode: exitCodes.notFound,
      }
    }
    const archive = args.source === undefined ? undefined : await readArchive(terminal, args.source)
    const sandbox = await openSandbox({ unsafeNoIsolation: args['unsafe-no-isolation'] })
    const allowPrivate = args['allow-private']
    const mirrors = args.mirror === undefined ? [] : [args.mirror]
    // Toolchains of this machine are known by manifests: no other image is asked of them.
    const opened = builds.some(({ info }) => isToolchainManifest(info.image))
      ? await openToolchains({ rust: args.rust, mirrors, allowPrivate })
      : { toolchains: [], missing: [], close: async () => undefined }
    try {
      const builder = sandboxedBuilder({
        ...{ sandbox, toolchains: opened.toolchains, allowPrivate, mirrors },
        onLog: (tail) => tail !== '' && terminal.stderr(`${printable(tail)}\n`),
      })
      const tried: Tried[] = []
      // In their order, and the first match ends it.
      for (const build of builds) {
        const made = await builder.make(build.info, { signal, archive })
        const next = triedOf(wasm, build, made)
        tried.push(next)
        if (next.status === 'exact_match') break
      }
      return answerOf({ wasmHash, tried, opened })
    } finally {
      await opened.close()
    }
  },
})

/** What became of one build. */
type Tried = IndexedBuild &
  (
    | { status: BuildMatch; rebuilt: WasmHashes; difference?: SectionDifference | undefined }
    | { status: 'did_not_run'; reason: DidNotRunReason }
  )

/** From what says most to what says least. */
const order = ['exact_match', 'code_match', 'no_match', 'did_not_run'] as const

function triedOf(wasm: Uint8Array, build: IndexedBuild, made: LocalBuild): Tried {
  if (made.status === 'did_not_run') return { ...build, status: made.status, reason: made.reason }
  const { match, difference, rebuilt } = compareBuild(wasm, made.wasm)
  return { ...build, status: match, rebuilt, ...(difference ? { difference } : {}) }
}

function answerOf(given: {
  wasmHash: Hex
  tried: readonly Tried[]
  opened: OpenedToolchains
}): CommandResult {
  const { wasmHash, tried, opened } = given
  const [best] = [...tried].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status))
  const { info: buildInfo, ...rest } = best as Tried
  const data = {
    ...{ wasmHash, ...rest, buildInfo },
    ...(tried.length === 1 ? {} : { tried: tried.map(briefly) }),
  }
  if (rest.status === 'did_not_run') {
    const lacking = rest.reason === 'toolchain_unavailable'
    const here = lacking ? opened.toolchains.map(({ image }) => `here is ${image}`) : []
    return {
      data,
      text: [`did not run: ${rest.reason}`, ...here, ...(lacking ? opened.missing : [])].join('\n'),
      exitCode: exitCodes.notFound,
    }
  }
  const { status, difference } = rest
  const where = difference && `${difference.section}, byte ${difference.offset}`
  return {
    data,
    text: status === 'exact_match' ? 'match' : [status, where].filter(Boolean).join(': '),
    exitCode: status === 'exact_match' ? exitCodes.done : exitCodes.denied,
  }
}

function briefly({ buildInfoHash, origin, status, ...more }: Tried): object {
  return { buildInfoHash, origin, status, ...('reason' in more ? { reason: more.reason } : {}) }
}

/** An archive as it is, or the one that a folder or a module gives. */
async function readArchive(terminal: Terminal, path: string): Promise<Uint8Array> {
  if (/\.(tar|tar\.gz|tgz)$/.test(path)) return readBytes(terminal, path)
  const files = await readSourceFolder(resolve(terminal.cwd, path))
  if (files.length === 0) throw new UsageError(`${path} holds no source.`)
  return createSourceArchive(files).archive
}
