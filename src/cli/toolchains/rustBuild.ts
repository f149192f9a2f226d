/**
 * The program that verifiers run for Rust plugins: builds the crate of the working directory and prints its
 * component, and nothing else. Where files lie does not show in what comes out.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { componentNew } from '@bytecodealliance/jco-transpile/wasm-tools'
import { UsageError } from '../errors.js'

const triple = 'wasm32-unknown-unknown'
const { NEWTON_CARGO = 'cargo', NEWTON_RUSTC = 'rustc', NEWTON_CRATES = '/crates' } = process.env
const [plugin, build, ...more] = process.argv.slice(2)
if (plugin !== 'plugin' || build !== 'build' || more.length > 0) {
  throw new UsageError(`expected plugin build and no option`)
}

const directory = await targetDirectory()
try {
  await cargo(directory)
  const folder = join(directory, triple, 'release')
  const made = (await readdir(folder)).filter((name) => name.endsWith('.wasm'))
  if (made.length !== 1) {
    throw new UsageError(`a plugin is one cdylib, not ${made.length}: ${made.join(', ')}`)
  }
  const component = await componentNew(await readFile(join(folder, made[0] as string)))
  await new Promise((resolve) => process.stdout.write(component, resolve))
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** The same name wherever nobody else builds: build scripts see it, and may write it down. */
async function targetDirectory(): Promise<string> {
  const path = join(tmpdir(), 'newton-rust-build')
  try {
    await mkdir(path, { mode: 0o700 })
    return path
  } catch {
    return mkdtemp(`${path}-`)
  }
}

async function cargo(target: string): Promise<void> {
  const remap = [
    [process.cwd(), '/source'],
    [NEWTON_CRATES, '/crates'],
    [target, '/target'],
  ].map(([from, to]) => `--remap-path-prefix=${from}=${to}`)
  const config = [
    'source.crates-io.replace-with="locked"',
    `source.locked.directory=${JSON.stringify(NEWTON_CRATES)}`,
  ].flatMap((value) => ['--config', value])
  const words = ['build', '--release', '--locked', '--offline', '--target', triple, ...config]
  const child = spawn(NEWTON_CARGO, words, {
    // What it prints is the log: the plugin alone goes to the standard output.
    stdio: ['ignore', 2, 2],
    env: {
      PATH: process.env['PATH'],
      HOME: target,
      TMPDIR: tmpdir(),
      TZ: 'UTC',
      LC_ALL: 'C',
      SOURCE_DATE_EPOCH: '1577836800',
      RUSTC: NEWTON_RUSTC,
      CARGO_HOME: join(target, 'cargo'),
      CARGO_TARGET_DIR: target,
      CARGO_INCREMENTAL: '0',
      CARGO_TERM_COLOR: 'never',
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '1',
      CARGO_ENCODED_RUSTFLAGS: remap.join('\u001f'),
    },
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new UsageError(`cargo ended with ${code}`)
}
