/**
 * The toolchain of Rust plugins: cargo, rustc and both standard libraries, the C linker that build scripts
 * and macros are linked with, Node and the maker of components. Crates are no part of it: a lock file names
 * them by their SHA-256.
 */
import { execFile } from 'node:child_process'
import { readdir, realpath, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { ToolchainError } from '../../provenance/errors.js'
import { type Bind, describeToolchain, layOutCrates } from '../../provenance/node/index.js'
import {
  entryFile,
  installedPackages,
  moduleClosure,
  type OpenedToolchain,
  openInScratch,
  own,
} from './packages.js'

/** Flags and surroundings of a build that repeats itself; whoever rebuilds needs the same. */
export const RUST_KIT = 'newton-rust/1'

const inside = '/toolchain/rust'
const host = 'x86_64-unknown-linux-gnu'
const target = 'wasm32-unknown-unknown'
const run = promisify(execFile)

/** How crates are found, beside their registry. */
export type CrateOptions = { mirrors?: readonly string[] | undefined; allowPrivate?: boolean }

/**
 * Describes the toolchain of Rust plugins on this machine.
 *
 * @param options.channel - Toolchain of rustup, such as `1.95.0`. What `rustc` is where there is none.
 * @param options.cwd - Folder whose `rust-toolchain.toml` says which toolchain `rustc` is.
 * @throws {ToolchainError} where something of it is not installed, with what to install.
 */
export async function rustToolchain(
  options: CrateOptions & { channel?: string | undefined; cwd?: string | undefined } = {},
): Promise<OpenedToolchain> {
  const { mirrors, allowPrivate } = options
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new ToolchainError('Rust plugins are rebuilt on Linux on x86-64 only')
  }
  const sysroot = await sysrootOf(options)
  return openInScratch(async ({ directory, moduleKind }) => {
    const { files, packages: imported } = await moduleClosure(entryFile('rustBuild.js'))
    return describeToolchain({
      scratch: directory,
      programs: await linkerPrograms(),
      linked: [join(sysroot, 'bin/rustc'), join(sysroot, 'bin/cargo')],
      files: [...files, ...(await compilerFiles(sysroot)), ...(await linkerFiles())],
      // Of jco only its maker of components is loaded.
      packages: await installedPackages(imported, [
        '@bytecodealliance/preview3-shim',
        'binaryen',
        'oxc-minify',
      ]),
      derived: [moduleKind],
      determinism: RUST_KIT,
      entrypoint: ['/toolchain/bin/node', `${own}/cli/toolchains/rustBuild.js`],
      env: {
        NEWTON_CARGO: `${inside}/bin/cargo`,
        NEWTON_RUSTC: `${inside}/bin/rustc`,
        NEWTON_CRATES: '/crates',
      },
      prepare: async (source, { signal }) => {
        const folder = join(source, '../crates')
        await layOutCrates(source, folder, { signal, mirrors, allowPrivate })
        return [{ host: folder, guest: '/crates' }]
      },
    })
  })
}

/** Folder of the compiler and its libraries: not what rustup puts in front of it. */
async function sysrootOf(options: {
  channel?: string | undefined
  cwd?: string | undefined
}): Promise<string> {
  const { channel, cwd } = options
  const words = [...(channel === undefined ? [] : [`+${channel}`]), '--print', 'sysroot']
  try {
    const { stdout } = await run('rustc', words, { cwd: cwd ?? tmpdir() })
    return await realpath(stdout.trim())
  } catch (cause) {
    throw new ToolchainError(
      `Rust${channel === undefined ? '' : ` ${channel}`} is not installed: see rustup.rs`,
      { cause },
    )
  }
}

/** Compiler, package manager, and the libraries of both targets. */
async function compilerFiles(sysroot: string): Promise<Bind[]> {
  const library = (triple: string, name: string): string => `lib/rustlib/${triple}/${name}`
  const isThere = await stat(join(sysroot, library(target, 'lib'))).catch(() => undefined)
  if (isThere === undefined) {
    throw new ToolchainError(`the target is not installed: rustup target add ${target}`)
  }
  const folders = [library(host, 'lib'), library(host, 'bin'), library(target, 'lib')]
  const paths = [
    join(sysroot, 'bin/rustc'),
    join(sysroot, 'bin/cargo'),
    ...(await filesBelow(join(sysroot, 'lib'), { deep: false })),
    ...(await Promise.all(folders.map((folder) => filesBelow(join(sysroot, folder))))).flat(),
  ]
  return (
    paths
      // Sanitizers and tools that a build of a plugin never runs.
      .filter((path) => !/librustc-\w+_rt\.|\/rust-objcopy$|\/wasm-component-ld$/.test(path))
      .map((path) => ({ host: path, guest: `${inside}/${relative(sysroot, path)}` }))
  )
}

async function filesBelow(folder: string, { deep = true } = {}): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const lists = entries.map(async (entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return deep ? filesBelow(path) : []
    return [path]
  })
  return (await Promise.all(lists)).flat()
}

/** The C compiler as a linker: `cc`, and what it runs. */
async function linkerPrograms(): Promise<Bind[]> {
  const cc = await whereIs('/usr/bin/cc')
  if (cc === undefined) throw new ToolchainError('there is no C compiler, which links: /usr/bin/cc')
  const linker = await whereIs('/usr/bin/ld')
  const helpers = await Promise.all(
    ['collect2', 'lto-wrapper'].map(async (name) => {
      const path = (await run('/usr/bin/cc', [`-print-prog-name=${name}`])).stdout.trim()
      return path.startsWith('/') ? [{ host: await realpath(path), guest: resolve(path) }] : []
    }),
  )
  return [
    { host: cc, guest: '/usr/bin/cc' },
    ...(linker === undefined ? [] : [{ host: linker, guest: '/usr/bin/ld' }]),
    ...helpers.flat(),
  ]
}

const linked = [
  ...[
    'crti.o',
    'crtn.o',
    'Scrt1.o',
    'crt1.o',
    'crtbegin.o',
    'crtbeginS.o',
    'crtend.o',
    'crtendS.o',
  ],
  ...['libgcc.a', 'libgcc_eh.a', 'libgcc_s.so', 'libgcc_s.so.1', 'liblto_plugin.so'],
  ...['libc.so', 'libc.so.6', 'libc_nonshared.a', 'libm.so', 'libm.so.6', 'libmvec.so.1'],
  ...['libdl.a', 'libdl.so.2', 'libpthread.a', 'libpthread.so.0', 'librt.a', 'librt.so.1'],
  ...['libutil.a', 'libutil.so.1'],
]

/** Start files and libraries, where the linker looks for them. */
async function linkerFiles(): Promise<Bind[]> {
  const found = await Promise.all(
    linked.map(async (name) => {
      const { stdout } = await run('/usr/bin/cc', [`-print-file-name=${name}`])
      // What is not there is printed as it was asked for.
      const guest = stdout.trim()
      return guest.startsWith('/')
        ? [{ host: await realpath(guest), guest: usr(resolve(guest)) }]
        : []
    }),
  )
  return found.flat()
}

/** `/lib` is a link into `/usr` inside. */
function usr(path: string): string {
  return path.replace(/^\/(lib|lib64|bin)\//, '/usr/$1/')
}

function whereIs(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined)
}
