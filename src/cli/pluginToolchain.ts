/**
 * The toolchain of JavaScript plugins: Node, this package's builder, ComponentizeJS with what it needs, and
 * the libraries that they are linked to. Nothing else of the machine is there when a verifier builds.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MissingPeerError } from '../errors/common.js'
import { buildDeterminismShim, DETERMINISM_KIT } from '../eval/node/index.js'
import { ToolchainError } from '../provenance/errors.js'
import {
  type Bind,
  describeToolchain,
  packageClosure,
  type Toolchain,
} from '../provenance/node/index.js'

const inside = '/toolchain/node_modules'
const own = `${inside}/@newton/policy-sdk`

/** A toolchain and what it left on the disk. */
export type OpenedToolchain = { toolchain: Toolchain; close(): Promise<void> }

/**
 * Describes the toolchain of JavaScript plugins on this machine.
 *
 * @throws {ToolchainError} where it cannot make builds that repeat themselves.
 */
export async function javascriptToolchain(): Promise<OpenedToolchain> {
  if (process.platform !== 'linux') throw new ToolchainError('it needs Linux')
  const directory = await mkdtemp(join(tmpdir(), 'newton-toolchain-'))
  // Whoever builds is another user, who reads here and writes nowhere.
  await chmod(directory, 0o755)
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    const shim = await buildDeterminismShim(directory)
    if (shim === undefined) throw new ToolchainError('there is no C compiler')
    const { files, packages: imported } = await moduleClosure(entryFile())
    const roots = [...imported, '@bytecodealliance/componentize-js']
    const folders = await Promise.all(roots.map(packageFolder))
    const packages = (await packageClosure(folders)).map((each) => ({
      ...each,
      guest: inside + each.host.slice(each.host.indexOf('/node_modules/') + 13),
    }))
    const kind = join(directory, 'package.json')
    await writeFile(kind, '{"type":"module"}\n')
    const toolchain = await describeToolchain({
      programs: [{ host: await realpath('/bin/sh'), guest: '/usr/bin/sh' }],
      linked: [await snapshotTool(), ...(await bindingsOf(packages))],
      files,
      packages,
      derived: [
        { host: shim, guest: '/toolchain/shim.so' },
        { host: kind, guest: `${own}/package.json` },
      ],
      determinism: DETERMINISM_KIT,
      entrypoint: ['/toolchain/bin/node', `${own}/cli/replayBuild.js`],
      env: { NEWTON_PLUGIN_SHIM: '/toolchain/shim.so' },
    })
    return { toolchain, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The built entry, beside this file or, where this runs from its source, in `dist`. */
function entryFile(): string {
  const here = fileURLToPath(new URL('./replayBuild.js', import.meta.url))
  const built = fileURLToPath(new URL('../../dist/cli/replayBuild.js', import.meta.url))
  const found = [here, built].find(existsSync)
  if (found === undefined) throw new ToolchainError('the package is not built: npm run build')
  return found
}

/** The files that an entry loads, and the packages that these name. */
async function moduleClosure(
  entry: string,
): Promise<{ files: readonly Bind[]; packages: readonly string[] }> {
  const base = join(dirname(entry), '..')
  const files = new Set([entry])
  const packages = new Set<string>()
  for (const file of files) {
    const text = (await readFile(file, 'utf8')).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    const pattern = /(?:^|[\s;])(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]/g
    for (const [, specifier = ''] of text.matchAll(pattern)) {
      if (specifier.startsWith('.')) files.add(join(dirname(file), specifier))
      else if (!specifier.startsWith('node:')) packages.add(packageOf(specifier))
    }
  }
  return {
    files: [...files].sort().map((host) => ({ host, guest: `${own}/${relative(base, host)}` })),
    packages: [...packages],
  }
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

async function packageFolder(name: string): Promise<string> {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const found = folders.map((folder) => join(folder, name)).find(existsSync)
  if (found === undefined) throw new MissingPeerError({ peer: name, needed: 'Building plugins' })
  return realpath(found)
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
