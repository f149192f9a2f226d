import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import { InvalidInputError, MissingPeerError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertObject, assertText } from '../../internal/options.js'
import { checkPluginWorld, type PluginWorld } from '../plugins/component/component.js'
import { providerWit } from '../plugins/component/providerWit.js'
import { inBuildRoot } from './buildRoot.js'
import { childSource, DETERMINISM_KIT, preloadSource, shimSource } from './deterministicBuild.js'
import { PluginBuildError } from './errors.js'
import { encloseModule, type ParsedModule } from './frozenWorld.js'

/** A feature of the JavaScript engine that a plugin may use, if asked for. */
export type PluginFeature = 'clocks' | 'random' | 'stdio'

/** What to build. */
export type BuildPluginRequest = {
  /** One JavaScript module that exports `run(input)`. No npm imports. */
  source: string
  /** newton:provider version. @default '0.2' */
  world?: '0.1' | '0.2' | undefined
  /**
   * Engine features to keep. `clocks` makes `Date.now()` the reference block's time, `random` makes
   * `Math.random()` and `crypto` the task's bytes; without them these throw. They throw as well
   * while the module loads, which happens once, at the build. `stdio` is for debugging.
   * @default ['clocks', 'random']
   */
  features?: readonly PluginFeature[] | undefined
  /**
   * The library of {@link buildDeterminismShim}, where it is there already: a build that sees no compiler.
   */
  shim?: string | undefined
  /** Refuses to build where the result would not be reproducible. @default false */
  requireReproducible?: boolean | undefined
}

/** Every feature that can be asked for. */
export const pluginFeatures: readonly PluginFeature[] = ['clocks', 'random', 'stdio']

const defaultFeatures: readonly PluginFeature[] = ['clocks', 'random']

/** A built plugin. */
export type BuiltPlugin = {
  component: Uint8Array
  wasmHash: Hex
  world: PluginWorld
  size: {
    bytes: number
    gzipBytes: number
    /** The plugin's own source. Nearly all of the rest is the embedded JavaScript engine. */
    sourceBytes: number
  }
  warnings: readonly string[]
  toolchain: {
    componentize: string
    node: string
    platform: string
    /** Whether the same source gives the same bytes again, and the kit that does it. */
    reproducible: boolean
    determinism: string | undefined
  }
}

/** Bytes above which a plugin is called large. */
export const LARGE_PLUGIN_BYTES = 4 * 1024 * 1024

/**
 * Builds a JavaScript plugin into a component.
 *
 * Reproducible on Linux with a C compiler: the same source, toolchain and platform give the same
 * bytes. Elsewhere the result says that it is not.
 *
 * @throws {PluginBuildError} for a source that does not build.
 * @throws {MissingPeerError} when `@bytecodealliance/componentize-js` is not installed.
 * @example
 * ```ts
 * import { buildPlugin } from '@newton/policy-sdk/eval/node'
 *
 * const { wasmHash, size } = await buildPlugin({
 *   source: 'export function run(input) { return JSON.stringify({ echo: JSON.parse(input) }) }',
 * })
 * ```
 */
export async function buildPlugin(
  request: BuildPluginRequest,
  options: IoOptions = {},
): Promise<BuiltPlugin> {
  const { source, world, features, requireReproducible, shim } = checkRequest(request)
  const componentize = findComponentize()
  const parsed = await parseModule(componentize, source)
  const { text, firstLineShift } = encloseModule(source, parsed, features)
  return withDeadline('Building the plugin', { timeout: 120_000, ...options }, (signal) =>
    inBuildRoot(signal, async (directory) => {
      const wizer = await prepareSnapshotTool(directory, { componentize, shim, signal })
      if (wizer === undefined && requireReproducible) {
        throw new PluginBuildError(
          'this machine has no C compiler or is not Linux, so the build would not repeat itself',
        )
      }
      const out = join(directory, 'plugin.wasm')
      const child = join(directory, 'build.mjs')
      const preload = join(directory, 'preload.mjs')
      await writeFile(child, childSource)
      await writeFile(preload, preloadSource)
      const job = {
        componentize: pathToFileURL(componentize).href,
        source: text,
        wit: providerWit[world],
        disable: disabled(features),
        wizer,
        out,
      }
      const args = ['--import', pathToFileURL(preload).href, child]
      await runBuild({ args, input: JSON.stringify(job), directory, signal, firstLineShift })
      const component = new Uint8Array(await readFile(out))
      const { version } = JSON.parse(await readFile(`${out}.json`, 'utf8')) as { version: string }
      return describe({ component, source, version, reproducible: wizer !== undefined })
    }),
  )
}

function checkRequest(request: BuildPluginRequest): {
  source: string
  world: '0.1' | '0.2'
  features: readonly PluginFeature[]
  requireReproducible: boolean
  shim: string | undefined
} {
  assertObject('request', request)
  const { source, world = '0.2', features = defaultFeatures, requireReproducible = false } = request
  if (typeof source !== 'string' || source.trim() === '') {
    throw new InvalidInputError({
      field: 'source',
      reason: 'expected the text of a JavaScript module',
    })
  }
  if (source.length > 4 * 1024 * 1024) {
    throw new InvalidInputError({ field: 'source', reason: 'the source is larger than 4 MiB' })
  }
  if (!Object.hasOwn(providerWit, world)) {
    throw new InvalidInputError({ field: 'world', reason: "expected '0.1' or '0.2'" })
  }
  const unknown = features.find((feature) => !pluginFeatures.includes(feature))
  if (unknown !== undefined) {
    throw new InvalidInputError({
      field: 'features',
      reason: `${JSON.stringify(unknown)} is none of ${pluginFeatures.join(', ')}`,
    })
  }
  return { source, world, features, requireReproducible, shim: request.shim }
}

/** The parser that ComponentizeJS brings. */
async function parseModule(componentize: string, source: string): Promise<ParsedModule> {
  const path = createRequire(componentize).resolve('oxc-parser')
  const { parseSync } = (await import(pathToFileURL(path).href)) as {
    parseSync: (name: string, text: string) => ParsedModule
  }
  return parseSync('plugin.js', source)
}

function describe(built: {
  component: Uint8Array
  source: string
  version: string
  reproducible: boolean
}): BuiltPlugin {
  const { component, source, version, reproducible } = built
  const world = checkPluginWorld(component)
  const warnings: string[] = []
  if (component.length > LARGE_PLUGIN_BYTES) {
    warnings.push(
      `The plugin has ${(component.length / 1e6).toFixed(1)} MB, nearly all of it the embedded JavaScript engine. The same plugin in Rust would have 0.1 to 0.2 MB and load ten times faster.`,
    )
  }
  if (!reproducible)
    warnings.push('The build does not repeat itself here: publish these very bytes.')
  return {
    component,
    wasmHash: computeArtifactHash(component),
    world,
    size: {
      bytes: component.length,
      gzipBytes: gzipSync(component).length,
      sourceBytes: new TextEncoder().encode(source).length,
    },
    warnings,
    toolchain: {
      componentize: version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      reproducible,
      determinism: reproducible ? DETERMINISM_KIT : undefined,
    },
  }
}

function disabled(features: readonly PluginFeature[]): string[] {
  // http and fetch-event would import wasi:http, which operators refuse.
  const all = ['stdio', 'random', 'clocks', 'http', 'fetch-event']
  return all.filter((feature) => !(features as readonly string[]).includes(feature))
}

function findComponentize(): string {
  const peer = '@bytecodealliance/componentize-js'
  // Its exports name no condition that require() knows, so the file is looked for by its path.
  const folders = createRequire(import.meta.url).resolve.paths(peer) ?? []
  const file = folders.map((folder) => join(folder, peer, 'src/componentize.js')).find(existsSync)
  if (file === undefined)
    throw new MissingPeerError({ peer, needed: 'Building JavaScript plugins' })
  return file
}

/** A snapshot tool without time and chance, or `undefined` where this machine cannot make one. */
async function prepareSnapshotTool(
  directory: string,
  given: { componentize: string; shim: string | undefined; signal: AbortSignal },
): Promise<string | undefined> {
  const { componentize, signal } = given
  try {
    const library = given.shim ?? (await buildDeterminismShim(directory, { signal }))
    if (library === undefined) return undefined
    const wizerModule = createRequire(componentize).resolve('@bytecodealliance/wizer')
    const { default: wizer } = (await import(pathToFileURL(wizerModule).href)) as {
      default: string
    }
    const wrapper = join(directory, 'wizer.sh')
    await writeFile(wrapper, `#!/bin/sh\nLD_PRELOAD='${library}' exec '${wizer}' "$@"\n`)
    await chmod(wrapper, 0o755)
    return wrapper
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/**
 * Compiles the library that keeps time and chance from the snapshot tool, where there is a C compiler.
 *
 * @returns Its path in `directory`, `undefined` where this machine cannot make it.
 */
export async function buildDeterminismShim(
  directory: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<string | undefined> {
  assertText('directory', directory)
  assertObject('options', options)
  if (process.platform !== 'linux') return undefined
  const { signal = new AbortController().signal } = options
  const source = join(directory, 'shim.c')
  const library = join(directory, 'shim.so')
  try {
    await writeFile(source, shimSource)
  } catch (cause) {
    throw new PluginBuildError(`${directory} is no directory that can be written to`, { cause })
  }
  try {
    const args = ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']
    await run('cc', args, { signal, cwd: directory })
    return library
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

async function runBuild(parameters: {
  args: readonly string[]
  input: string
  directory: string
  signal: AbortSignal
  firstLineShift: number
}): Promise<void> {
  const { args, input, directory, signal, firstLineShift } = parameters
  try {
    // No environment of the caller's reaches the build: it would be part of the output.
    const env = {
      TMPDIR: join(directory, 'work'),
      HOME: join(directory, 'home'),
      PATH: '/usr/bin:/bin',
      TZ: 'UTC',
      LC_ALL: 'C',
    }
    // Sources below the working directory would be resolved against it.
    await Promise.all([mkdir(env.TMPDIR), mkdir(env.HOME)])
    await run(process.execPath, args, { signal, cwd: env.HOME, env, input })
  } catch (error) {
    signal.throwIfAborted()
    const text = String((error as { stderr?: unknown }).stderr ?? (error as Error).message)
    throw new PluginBuildError(firstError(text, firstLineShift), { details: text.slice(0, 4_000) })
  }
}

/** The error that the engine printed, with the place in the plugin where one is known. */
function firstError(text: string, firstLineShift: number): string {
  const found =
    /^((?:\S.*:\d+:\d+ )?)((?:Syntax|Reference|Type|Range)?Error: (?!Failed to initialize).+)$/m.exec(
      text,
    )
  if (found === null) return text.slice(0, 300).replace(/\.$/, '')
  const [, place = '', message = ''] = found
  const at = /@plugin\.js:(\d+):(\d+)/.exec(text) ?? /^plugin\.js:(\d+):(\d+) /.exec(place)
  const column = Number(at?.[2]) - (at?.[1] === '1' ? firstLineShift : 0)
  return `${at === null ? '' : `plugin.js:${at[1]}:${column} `}${message.replace(/[.:]$/, '')}`
}

function run(
  command: string,
  args: readonly string[],
  options: {
    signal: AbortSignal
    cwd: string
    env?: Record<string, string> | undefined
    input?: string | undefined
  },
): Promise<void> {
  const { input, env, ...rest } = options
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      [...args],
      { ...rest, ...(env ? { env } : {}), maxBuffer: 16 * 1024 * 1024 },
      (error, _stdout, stderr) => (error ? reject(Object.assign(error, { stderr })) : resolve()),
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input ?? '')
  })
}
