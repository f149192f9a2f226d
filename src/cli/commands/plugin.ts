import { writeFile } from 'node:fs/promises'
import { basename, extname, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import { computeArtifactHash, ZERO_HASH } from '../../core/index.js'
import {
  buildPluginInput,
  checkPluginWorld,
  createPluginRuntime,
  encodeWasmArgs,
  frozenInputs,
  PluginError,
  readComponentShape,
} from '../../eval/index.js'
import {
  buildPlugin,
  nodeHttpTransport,
  nodePluginWorkers,
  type PluginFeature,
  pluginFeatures,
} from '../../eval/node/index.js'
import { fixedFromHex, fromUtf8, toHex, utf8 } from '../../internal/bytes.js'
import { createSourceArchive, readMetadata } from '../../provenance/index.js'
import { FileAccessError, UsageError } from '../errors.js'
import { readBytes, readJsonObject } from '../files.js'
import { command, group } from '../terminal/command.js'
import { exitCodes, printable, type Terminal } from '../terminal/output.js'
import { buildRustPlugin, isCrate } from '../toolchains/buildRust.js'
import { describeBuild, readSourceFolder } from '../toolchains/sources.js'

const build = command({
  name: 'build',
  example: 'newton-policy plugin build plugin.js --out plugin.wasm',
  description: 'Build a plugin in JavaScript or Rust into a component; prints its hash',
  args: {
    source: {
      type: 'positional',
      description: 'Module that exports run(input), or folder of a crate',
      required: true,
    },
    out: { type: 'string', description: 'Component to write', valueHint: 'file.wasm' },
    world: { type: 'string', description: 'newton:provider version, 0.1 or 0.2', default: '0.2' },
    features: {
      type: 'string',
      description: `Engine features to keep, separated by commas: ${pluginFeatures.join(', ')}`,
      default: 'clocks,random',
      valueHint: 'names',
    },
    timeout: {
      type: 'string',
      description: 'Seconds the build may take',
      default: '120',
      valueHint: 'seconds',
    },
    reproducible: {
      type: 'boolean',
      description: 'Refuse where the same source would not give the same bytes',
      default: false,
    },
    metadata: {
      type: 'boolean',
      description: 'Write into the plugin how it was built (--no-metadata: do not)',
      default: true,
    },
    'source-uri': {
      type: 'string',
      description: 'Where the source archive will be found',
      valueHint: 'https://…',
    },
    archive: { type: 'string', description: 'Source archive to write', valueHint: 'file.tar' },
  },
  run: async ({ args, terminal, signal }) => {
    const { world } = args
    if (world !== '0.1' && world !== '0.2') {
      throw new UsageError(`--world is 0.1 or 0.2, not ${JSON.stringify(world)}.`)
    }
    if (!/^[1-9]\d{0,4}$/.test(args.timeout)) {
      throw new UsageError(`--timeout is whole seconds, not ${JSON.stringify(args.timeout)}.`)
    }
    const out = args.out ?? `${basename(args.source, extname(args.source))}.wasm`
    const folder = resolve(terminal.cwd, args.source)
    if (await isCrate(folder)) return buildCrate(terminal, { folder, out, args, signal })
    const source = await readBytes(terminal, args.source)
    const features = featuresOf(args.features)
    const built = await buildPlugin(
      {
        source: fromUtf8(source, args.source),
        ...{ world, features, requireReproducible: args.reproducible },
      },
      { signal, timeout: Number(args.timeout) * 1_000 },
    )
    const { size, warnings, toolchain } = built
    const { archive, sourceSha256 } = createSourceArchive([
      { path: basename(args.source), bytes: source },
    ])
    const described =
      args.metadata && toolchain.reproducible
        ? await describeBuild(built.component, {
            ...{ sourceSha256, sourceUri: args['source-uri'] },
            options: [
              `--features=${features.join(',')}`,
              `--source=${basename(args.source)}`,
              `--world=${world}`,
            ],
          })
        : { component: built.component, buildInfo: undefined }
    const { component, buildInfo } = described
    const wasmHash = computeArtifactHash(component)
    await writeOut(terminal, out, component)
    if (args.archive !== undefined) await writeOut(terminal, args.archive, archive)
    for (const warning of warnings) terminal.stderr(`warning: ${warning}\n`)
    terminal.stderr(
      `${out}: ${size.bytes} bytes, ${size.gzipBytes} compressed, ${toolchain.reproducible ? 'reproducible' : 'not reproducible here'}\n`,
    )
    return {
      data: {
        ...{ wasmHash, out, world: built.world, size, warnings, toolchain, sourceSha256 },
        ...(buildInfo === undefined ? {} : { buildInfo }),
      },
      text: wasmHash,
    }
  },
})

/** The same for a crate, which its verifiers' toolchain builds here too. */
async function buildCrate(
  terminal: Terminal,
  given: {
    folder: string
    out: string
    args: {
      metadata: boolean
      timeout: string
      'source-uri'?: string | undefined
      archive?: string | undefined
    }
    signal: AbortSignal
  },
): Promise<{ data: object; text: string }> {
  const { folder, out, args, signal } = given
  const built = await buildRustPlugin(folder, {
    ...{ metadata: args.metadata, sourceUri: args['source-uri'], signal },
    // A compiler takes minutes where an engine takes seconds.
    timeout: Math.max(Number(args.timeout), 1_200) * 1_000,
    onLog: (tail) => terminal.stderr(`${printable(tail.trimEnd())}\n`),
    onLeftOut: (path) => tellLeftOut(terminal, path),
  })
  const { component, buildInfo, sourceSha256, toolchain } = built
  const world = checkPluginWorld(component)
  await writeOut(terminal, out, component)
  if (args.archive !== undefined) await writeOut(terminal, args.archive, built.archive)
  terminal.stderr(`${out}: ${component.length} bytes, reproducible\n`)
  const wasmHash = computeArtifactHash(component)
  return {
    data: {
      ...{ wasmHash, out, world, size: { bytes: component.length }, warnings: [], toolchain },
      ...{ sourceSha256, ...(buildInfo === undefined ? {} : { buildInfo }) },
    },
    text: wasmHash,
  }
}

const archive = command({
  name: 'archive',
  example: 'newton-policy plugin archive my-plugin --out source.tar',
  description: 'Make the archive of a plugin’s source; prints its SHA-256',
  args: {
    folder: { type: 'positional', description: 'Module, or folder of the source', required: true },
    out: { type: 'string', description: 'Archive to write', default: 'source.tar' },
  },
  run: async ({ args, terminal }) => {
    const leftOut: string[] = []
    const files = await readSourceFolder(resolve(terminal.cwd, args.folder), (path) => {
      leftOut.push(path)
      tellLeftOut(terminal, path)
    })
    const made = createSourceArchive(files)
    await writeOut(terminal, args.out, made.archive)
    const { sourceSha256 } = made
    terminal.stderr(`${args.out}: ${files.length} files, ${made.archive.length} bytes\n`)
    return {
      data: { sourceSha256, out: args.out, files: files.map(({ path }) => path), leftOut },
      text: sourceSha256,
    }
  },
})

function tellLeftOut(terminal: Terminal, path: string): void {
  terminal.stderr(`left out, as hidden files and keys are: ${printable(path)}\n`)
}

const inspect = command({
  name: 'inspect',
  example: 'newton-policy plugin inspect plugin.wasm',
  description: 'Print what a component imports; exit code 3 where operators would refuse it',
  args: { file: { type: 'positional', description: 'The component', required: true } },
  run: async ({ args, terminal }) => {
    const bytes = await readBytes(terminal, args.file)
    const { imports, exports } = readComponentShape(bytes)
    const facts = {
      ...{ wasmHash: computeArtifactHash(bytes), byteLength: bytes.length },
      metadata: readMetadata(bytes).entries,
    }
    const list = (externs: typeof imports): string[] =>
      externs.map(({ name, sort }) => `  ${name} (${sort})`)
    const lines = [
      `${facts.wasmHash}, ${facts.byteLength} bytes`,
      'imports',
      ...list(imports),
      'exports',
      ...list(exports),
      ...(facts.metadata.length === 0 ? [] : ['metadata']),
      ...facts.metadata.map(({ key, value }) => printable(`  ${key} ${value}`)),
    ]
    try {
      const world = checkPluginWorld(bytes)
      const frozen = frozenInputs(bytes)
      for (const what of frozen) {
        terminal.stderr(
          `warning: It has no ${what === 'clock' ? 'clock' : 'random bytes'} of the host: what it reads is that of its build, or an error.\n`,
        )
      }
      return {
        data: { ...facts, imports, exports, accepted: true, world, frozen },
        text: [...lines, 'accepted'].join('\n'),
      }
    } catch (error) {
      if (!(error instanceof PluginError)) throw error
      const refusal = { code: error.code, message: error.shortMessage }
      return {
        data: { ...facts, imports, exports, accepted: false, refusal },
        text: [...lines, `refused: ${refusal.message}`].join('\n'),
        exitCode: exitCodes.denied,
      }
    }
  },
})

const run = command({
  name: 'run',
  example: 'newton-policy plugin run plugin.wasm --wasm-args wasm-args.json --params params.json',
  description: 'Run a plugin as operators do and print its output',
  args: {
    file: { type: 'positional', description: 'The component', required: true },
    'wasm-args': { type: 'string', description: 'Arguments of the task', valueHint: 'file.json' },
    params: { type: 'string', description: 'Params of the data instance', valueHint: 'file.json' },
    secrets: { type: 'string', description: 'Secrets, plaintext', valueHint: 'file.json' },
    hosts: {
      type: 'string',
      description: 'Hosts it may reach, separated by commas; leave out for any public one',
      valueHint: 'names',
    },
    'allow-private': {
      type: 'boolean',
      description: 'Let it reach private addresses',
      default: false,
    },
    'task-id': {
      type: 'string',
      description: 'Seed of its random bytes',
      valueHint: '0x…',
      default: ZERO_HASH,
    },
    timestamp: { type: 'string', description: 'Unix seconds its clock shows', default: '0' },
  },
  run: async ({ args, terminal, signal }) => {
    if (!/^\d{1,18}$/.test(args.timestamp)) {
      throw new UsageError(`--timestamp is Unix seconds, not ${JSON.stringify(args.timestamp)}.`)
    }
    const taskId = toHex(fixedFromHex(args['task-id'], 32, 'task-id'))
    const json = (path: string | undefined) =>
      path === undefined ? undefined : readJsonObject(terminal, path)
    const bytes = await readBytes(terminal, args.file)
    const secrets = await json(args.secrets)
    const input = buildPluginInput({
      wasmArgs: encodeWasmArgs(await json(args['wasm-args'])),
      params: (await json(args.params)) ?? {},
    })
    const plugins = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      transport: nodeHttpTransport(),
      http: {
        hosts: args.hosts === undefined ? undefined : commaList(args.hosts),
        allowPrivate: args['allow-private'],
      },
    })
    try {
      const ran = await plugins.run(
        {
          wasmHash: computeArtifactHash(bytes),
          getBytes: async () => bytes,
          policyDataTemplateId: ZERO_HASH,
          policyDataInstanceId: ZERO_HASH,
          taskId,
          blockTimestamp: BigInt(args.timestamp),
          input,
          secrets: secrets === undefined ? undefined : utf8(JSON.stringify(secrets)),
        },
        { signal },
      )
      if (ran.stderr !== '') terminal.stderr(`${printable(ran.stderr.trimEnd())}\n`)
      const { output, transcript, rounds, guestMilliseconds, httpMilliseconds } = ran
      return {
        data: { output, transcript, rounds, guestMilliseconds, httpMilliseconds },
        text: JSON.stringify(output, null, 2),
      }
    } finally {
      plugins.close()
    }
  },
})

/** `plugin`. */
export const plugin: CommandDef = group('plugin', 'Data plugins: build, archive, inspect, run', {
  build: async () => build,
  archive: async () => archive,
  inspect: async () => inspect,
  run: async () => run,
})

async function writeOut(terminal: Terminal, path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(resolve(terminal.cwd, path), bytes)
  } catch (cause) {
    throw new FileAccessError({ path, action: 'written' }, { cause })
  }
}

function featuresOf(text: string): PluginFeature[] {
  return commaList(text).map((name) => {
    const feature = pluginFeatures.find((known) => known === name)
    if (feature === undefined) {
      const known = pluginFeatures.join(', ')
      throw new UsageError(`--features has ${JSON.stringify(name)}; known: ${known}.`)
    }
    return feature
  })
}

function commaList(text: string): string[] {
  return text.split(',').filter((name) => name !== '')
}
