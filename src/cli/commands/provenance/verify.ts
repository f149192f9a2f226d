import { resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import {
  compareBuild,
  completeBuildInfo,
  computeBuildInfoHash,
  computeWasmHashes,
  createSourceArchive,
  parseBuildEntries,
  readMetadata,
} from '../../../provenance/index.js'
import { openSandbox, sandboxedBuilder } from '../../../provenance/node/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs, chainOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { command } from '../../terminal/command.js'
import { exitCodes, type Terminal } from '../../terminal/output.js'
import { openToolchains, toolchainArgs } from '../../toolchains/open.js'
import { readSourceFolder } from '../../toolchains/sources.js'
import { pluginReader, sourceArgs } from './sources.js'

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
    const wasm = await readPlugin(terminal, { args, signal })
    const { wasmSha256, wasmHash } = computeWasmHashes(wasm)
    const own = parseBuildEntries(readMetadata(wasm).entries)
    const info = completeBuildInfo(own, wasmSha256)
    if (info === undefined) {
      return {
        data: { wasmHash, status: 'unknown' },
        text: 'the plugin does not say how it was built',
        exitCode: exitCodes.notFound,
      }
    }
    const archive = args.source === undefined ? undefined : await readArchive(terminal, args.source)
    const sandbox = await openSandbox({ unsafeNoIsolation: args['unsafe-no-isolation'] })
    const allowPrivate = args['allow-private']
    const mirrors = args.mirror === undefined ? [] : [args.mirror]
    const opened = await openToolchains({ rust: args.rust, mirrors, allowPrivate })
    try {
      const builder = sandboxedBuilder({
        ...{ sandbox, toolchains: opened.toolchains, allowPrivate, mirrors },
        onLog: (tail) =>
          tail !== '' && terminal.stderr(`${tail.replace(/[^\P{C}\n\t]/gu, '\ufffd')}\n`),
      })
      const made = await builder.make(info, { signal, archive })
      const facts = { wasmHash, buildInfoHash: computeBuildInfoHash(info), buildInfo: info }
      if (made.status === 'did_not_run') {
        return {
          data: { ...facts, status: 'did_not_run', reason: made.reason },
          text: [
            `did not run: ${made.reason}`,
            ...(made.reason === 'toolchain_unavailable'
              ? opened.toolchains.map(({ image }) => `here is ${image}`).concat(opened.missing)
              : []),
          ].join('\n'),
          exitCode: exitCodes.notFound,
        }
      }
      const { match, difference, rebuilt } = compareBuild(wasm, made.wasm)
      const where = difference && `${difference.section}, byte ${difference.offset}`
      return {
        data: { ...facts, status: match, rebuilt, ...(difference ? { difference } : {}) },
        text: match === 'exact_match' ? 'match' : [match, where].filter(Boolean).join(': '),
        exitCode: match === 'exact_match' ? exitCodes.done : exitCodes.denied,
      }
    } finally {
      await opened.close()
    }
  },
})

async function readPlugin(
  terminal: Terminal,
  given: {
    args: { plugin: string; da?: string | undefined } & Parameters<typeof chainOf>[1]
    signal: AbortSignal
  },
): Promise<Uint8Array> {
  const { args, signal } = given
  if (!/^0x[0-9a-f]{64}$/.test(args.plugin)) return readBytes(terminal, args.plugin)
  const target = await chainOf(terminal, args)
  return pluginReader(terminal, { target, args })(args.plugin as Hex, { signal })
}

/** An archive as it is, or the one that a folder or a module gives. */
async function readArchive(terminal: Terminal, path: string): Promise<Uint8Array> {
  if (/\.(tar|tar\.gz|tgz)$/.test(path)) return readBytes(terminal, path)
  const files = await readSourceFolder(resolve(terminal.cwd, path))
  if (files.length === 0) throw new UsageError(`${path} holds no source.`)
  return createSourceArchive(files).archive
}
