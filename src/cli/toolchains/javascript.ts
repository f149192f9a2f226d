/**
 * The toolchain of JavaScript plugins: Node, this package's builder, ComponentizeJS with what it needs, and
 * the libraries that they are linked to. Nothing else of the machine is there when a verifier builds.
 */
import { readdir, realpath } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildDeterminismShim, DETERMINISM_KIT } from '../../eval/node/index.js'
import { ToolchainError } from '../../provenance/errors.js'
import { type Bind, describeToolchain } from '../../provenance/node/index.js'
import {
  entryFile,
  installedPackages,
  moduleClosure,
  type OpenedToolchain,
  openInScratch,
  own,
  packageFolder,
} from './packages.js'

/**
 * Declared by ComponentizeJS and jco, for their other commands, and loaded by no build. They are half a
 * gigabyte: with them the manifest took ten times as long. A build that came to need one would not find it.
 */
const unused = [
  '@bytecodealliance/componentize-js-0-19-3',
  '@bytecodealliance/jco-std',
  '@bytecodealliance/preview3-shim',
  'binaryen',
  'commander',
  'componentize-qjs',
  'mkdirp',
  'regexpu-core',
  'rolldown',
  'typescript',
  'typescript-compiler-api',
  'unenv',
]

/**
 * Describes the toolchain of JavaScript plugins on this machine.
 *
 * @throws {ToolchainError} where it cannot make builds that repeat themselves.
 */
export async function javascriptToolchain(): Promise<OpenedToolchain> {
  if (process.platform !== 'linux') throw new ToolchainError('it needs Linux')
  return openInScratch(async ({ directory, moduleKind }) => {
    const shim = await buildDeterminismShim(directory)
    if (shim === undefined) throw new ToolchainError('there is no C compiler')
    const { files, packages: imported } = await moduleClosure(entryFile('replayBuild.js'))
    const packages = await installedPackages(
      [...imported, '@bytecodealliance/componentize-js'],
      unused,
    )
    return describeToolchain({
      scratch: directory,
      programs: [{ host: await realpath('/bin/sh'), guest: '/usr/bin/sh' }],
      linked: [await snapshotTool(), ...(await bindingsOf(packages))],
      files,
      packages,
      derived: [{ host: shim, guest: '/toolchain/shim.so' }, moduleKind],
      determinism: DETERMINISM_KIT,
      entrypoint: ['/toolchain/bin/node', `${own}/cli/toolchains/replayBuild.js`],
      env: { NEWTON_PLUGIN_SHIM: '/toolchain/shim.so' },
    })
  })
}

/** Native parts of packages, which Node loads into itself. */
async function bindingsOf(packages: readonly Pick<Bind, 'host'>[]): Promise<string[]> {
  const lists = await Promise.all(
    packages.map(async ({ host }) =>
      (await readdir(host))
        .filter((name) => name.endsWith('.node'))
        .map((name) => join(host, name)),
    ),
  )
  return lists.flat().sort()
}

/** The native program that makes the heap's snapshot. */
async function snapshotTool(): Promise<string> {
  const componentize = join(
    await packageFolder('@bytecodealliance/componentize-js'),
    'src/componentize.js',
  )
  const path = createRequire(componentize).resolve('@bytecodealliance/wizer')
  const { default: wizer } = (await import(pathToFileURL(path).href)) as { default: string }
  return wizer
}
