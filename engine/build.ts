/**
 * Builds the engine module and writes it into the package.
 *
 *   npx tsx engine/build.ts           builds, writes the module and BUILD.json
 *   npx tsx engine/build.ts --check   compares inputs and module with BUILD.json, and rebuilds
 *                                     where the same compiler with the wasm32 target is present
 *
 * Needs cargo with the target wasm32-unknown-unknown, and git to apply the patch. The compiler and
 * wasm-opt are part of the inputs: with the same ones, the same bytes come out in any directory.
 *
 * The crate comes from the registry by native/Cargo.lock, which holds its checksum, and is patched in
 * target/; `npx tsx engine/build.ts --crate` does that alone.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { addMeter } from './meter.ts'

const engine = fileURLToPath(new URL('.', import.meta.url))
const root = join(engine, '..')
const generated = join(root, 'src/eval/rego/engineModule.generated.ts')
const record = join(engine, 'BUILD.json')
const target = 'wasm32-unknown-unknown'
const crate = { name: 'newton-regorus', version: '0.2.0' }
const patch = join(engine, `${crate.name}.patch`)
/** 512 MiB: what no limit can raise. The limit of an evaluation is the allocator's. */
const maxPages = 8192
/**
 * The module's own stack. It runs out before a host's does (984 kB in V8, whose frames depend on
 * which of its compilers made them), so that what is too deep is so on every host.
 */
const stackBytes = 192 * 1024

type Build = {
  crate: string
  rustc: string
  binaryen: string
  inputs: Record<string, string>
  module: { sha256: string; bytes: number; gzipBytes: number }
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function inputs(): Record<string, string> {
  const files = ['Cargo.toml', 'Cargo.lock', 'build.ts', 'meter.ts', basename(patch)]
  files.push('native/Cargo.toml', 'native/Cargo.lock')
  for (const folder of ['src', 'stubs']) {
    for (const entry of readdirSync(join(engine, folder), {
      recursive: true,
      withFileTypes: true,
    })) {
      if (entry.isFile()) files.push(relative(engine, join(entry.parentPath, entry.name)))
    }
  }
  const entries = files.sort().map((file) => [file, sha256(readFileSync(join(engine, file)))])
  return Object.fromEntries(entries)
}

function run(
  command: string,
  args: readonly string[],
  { env = {}, cwd = engine }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): string {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed\n${result.stderr ?? result.error}`)
  }
  return result.stdout
}

function rustcVersion(): string | undefined {
  const result = spawnSync('rustc', ['--version'], { encoding: 'utf8', cwd: engine })
  if (result.status !== 0) return undefined
  const libraries = spawnSync('rustc', ['--print', 'target-libdir', '--target', target], {
    encoding: 'utf8',
    cwd: engine,
  })
  return libraries.status === 0 && existsSync(libraries.stdout.trim())
    ? result.stdout.trim()
    : undefined
}

function binaryenVersion(): string {
  const manifest = join(root, 'node_modules/binaryen/package.json')
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

/** Puts the published crate, patched, where Cargo.toml looks for it. */
function patchCrate(): void {
  const manifest = join(engine, 'native/Cargo.toml')
  const args = ['metadata', '--locked', '--format-version', '1', '--manifest-path', manifest]
  const { packages } = JSON.parse(run('cargo', args)) as {
    packages: { name: string; version: string; manifest_path: string }[]
  }
  const found = packages.find((one) => one.name === crate.name && one.version === crate.version)
  if (found === undefined) throw new Error(`native/Cargo.lock has no ${crate.name}`)
  const to = join(engine, 'target', crate.name)
  rmSync(to, { recursive: true, force: true })
  const from = dirname(found.manifest_path)
  cpSync(from, to, {
    recursive: true,
    preserveTimestamps: true,
    filter: (file) => !/^\.cargo/.test(relative(from, file)),
  })
  // Without a repository around it, or git would look for the paths from that one's root.
  const env = { GIT_CEILING_DIRECTORIES: join(engine, 'target') }
  run('git', ['apply', '--whitespace=nowarn', patch], { cwd: to, env })
}

function buildModule(): Uint8Array {
  patchCrate()
  const cargoHome = process.env['CARGO_HOME'] ?? join(homedir(), '.cargo')
  const output = process.env['CARGO_TARGET_DIR'] ?? join(engine, 'target')
  const flags = [
    '--cfg=getrandom_backend="custom"',
    `--remap-path-prefix=${join(cargoHome, 'registry/src')}=/registry`,
    `--remap-path-prefix=${engine.replace(/\/$/, '')}=/engine`,
    `-Clink-arg=-zstack-size=${stackBytes}`,
  ]
  run('cargo', ['build', '--release', '--locked', '--lib', '--target', target], {
    env: { CARGO_ENCODED_RUSTFLAGS: flags.join('\u001f') },
  })
  const built = join(output, target, 'release/newton_policy_engine.wasm')
  const optimized = join(output, target, 'release/newton_policy_engine.opt.wasm')
  run(process.execPath, [
    join(root, 'node_modules/binaryen/bin/wasm-opt'),
    '-Os',
    // What Node 20 and current browsers run, and no more.
    '--enable-bulk-memory',
    '--enable-multivalue',
    '--enable-mutable-globals',
    '--enable-nontrapping-float-to-int',
    '--enable-reference-types',
    '--enable-sign-ext',
    '--enable-simd',
    '--strip-debug',
    '--strip-producers',
    built,
    '-o',
    optimized,
  ])
  return addMeter(readFileSync(optimized), { maxPages })
}

function write(module: Uint8Array, compiler: string): void {
  const packed = gzipSync(module, { level: 9 })
  const build: Build = {
    crate: `${crate.name} ${crate.version}, patched`,
    rustc: compiler,
    binaryen: binaryenVersion(),
    inputs: inputs(),
    module: { sha256: sha256(module), bytes: module.length, gzipBytes: packed.length },
  }
  const lines = [
    '// Written by engine/build.ts from the crate in engine/; see engine/BUILD.json.',
    `export const engineSha256: string = '${build.module.sha256}'`,
    `export const engineGzipBase64: string =\n  '${packed.toString('base64')}'`,
    '',
  ]
  writeFileSync(generated, lines.join('\n'))
  writeFileSync(record, `${JSON.stringify(build, null, 2)}\n`)
  console.log(`engine: ${module.length} bytes, ${packed.length} compressed, ${build.module.sha256}`)
}

function check(): string[] {
  const build = JSON.parse(readFileSync(record, 'utf8')) as Build
  const problems: string[] = []
  const now = inputs()
  for (const file of new Set([...Object.keys(now), ...Object.keys(build.inputs)])) {
    if (now[file] !== build.inputs[file]) problems.push(`input ${file} has changed since the build`)
  }
  const base64 = /engineGzipBase64: string =\n {2}'([^']+)'/.exec(readFileSync(generated, 'utf8'))
  const module = gunzipSync(Buffer.from(base64?.[1] ?? '', 'base64'))
  if (sha256(module) !== build.module.sha256) problems.push('the module is not the one recorded')
  const compiler = rustcVersion()
  if (process.argv.includes('--no-rebuild')) return problems
  if (compiler === undefined) {
    console.log(`engine: not rebuilt, no Rust compiler with the target ${target}`)
  } else if (compiler !== build.rustc || binaryenVersion() !== build.binaryen) {
    console.log(`engine: not rebuilt, built by ${build.rustc} and binaryen ${build.binaryen}`)
  } else if (sha256(buildModule()) !== build.module.sha256) {
    problems.push('rebuilding gives another module')
  } else {
    console.log('engine: rebuilt, the same bytes')
  }
  return problems
}

if (process.argv.includes('--crate')) patchCrate()
else if (process.argv.includes('--check')) {
  const problems = check()
  for (const problem of problems) console.error(`engine: ${problem}`)
  process.exitCode = problems.length > 0 ? 1 : 0
} else {
  const compiler = rustcVersion()
  if (compiler === undefined) throw new Error(`no Rust compiler with the target ${target}`)
  write(buildModule(), compiler)
}
