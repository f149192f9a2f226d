import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import {
  computeWasmHashes,
  createSourceArchive,
  isToolchainManifest,
} from '../../../provenance/index.js'
import { openSandbox, sandboxedBuilder } from '../../../provenance/node/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { printable, printProgress, type Terminal } from '../../terminal/output.js'
import { openToolchains, toolchainArgs } from '../../toolchains/open.js'
import { readSourceFolder } from '../../toolchains/sources.js'
import { guessedBuilds, readSaidPlugin } from './builds.js'
import { sourceArgs } from './sources.js'
import { answerOf, nobodySays, type Tried, triedOf } from './verdict.js'

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
    const { wasm, builds: said, asked } = await readSaidPlugin(terminal, { args, signal })
    const { wasmHash } = computeWasmHashes(wasm)
    if (said.length === 0 && args.source === undefined) return nobodySays({ wasmHash, asked })
    const archive = args.source === undefined ? undefined : await readArchive(terminal, args.source)
    const sandbox = await openSandbox({ unsafeNoIsolation: args['unsafe-no-isolation'] })
    if (sandbox.isolation === 'none') {
      terminal.stderr('warning: the build is not isolated: its source can do what you can\n')
    }
    const allowPrivate = args['allow-private']
    const mirrors = args.mirror === undefined ? [] : [args.mirror]
    // Toolchains of this machine are known by manifests: no other image is asked of them.
    const isNeeded = said.length === 0 || said.some(({ info }) => isToolchainManifest(info.image))
    printProgress(terminal, 'hashing the toolchains of this machine')
    const opened = isNeeded
      ? await openToolchains({ rust: args.rust, mirrors, allowPrivate })
      : { toolchains: [], missing: [], close: async () => undefined }
    printProgress(terminal)
    try {
      const builds =
        said.length > 0 || archive === undefined
          ? said
          : await guessedBuilds(wasm, { archive, toolchains: opened.toolchains })
      const builder = sandboxedBuilder({
        ...{ sandbox, toolchains: opened.toolchains, allowPrivate, mirrors },
        onLog: (tail) => tail !== '' && terminal.stderr(`${printable(tail)}\n`),
      })
      const tried: Tried[] = []
      // In their order, and the first match ends it.
      for (const [at, build] of builds.entries()) {
        const one = builds.length === 1 ? '' : ` ${at + 1} of ${builds.length}`
        printProgress(terminal, `making build${one}: it takes a minute, or some`)
        const made = await builder.make(build.info, { signal, archive })
        printProgress(terminal)
        const next = triedOf(wasm, build, made)
        tried.push(next)
        if (next.status === 'exact_match') break
      }
      return answerOf(terminal, { wasmHash, tried, opened, archive, isolation: sandbox.isolation })
    } finally {
      await opened.close()
    }
  },
})

/** An archive as it is, or the one that a folder or a module gives. */
async function readArchive(terminal: Terminal, path: string): Promise<Uint8Array> {
  if (/\.(tar|tar\.gz|tgz)$/.test(path)) return readBytes(terminal, path)
  const files = await readSourceFolder(resolve(terminal.cwd, path))
  if (files.length === 0) throw new UsageError(`${path} holds no source.`)
  return createSourceArchive(files).archive
}
