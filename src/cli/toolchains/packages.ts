/** What programs of this package load, as parts of a toolchain: their own files, and installed packages. */
import { existsSync } from 'node:fs'
import { chmod, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MissingPeerError } from '../../errors/common.js'
import { ToolchainError } from '../../provenance/errors.js'
import { type Bind, packageClosure, type Toolchain } from '../../provenance/node/index.js'
import { makeWorkFolder } from '../../provenance/node/workFolder.js'

/** Where packages lie inside. */
const inside = '/toolchain/node_modules'

/** Where this package lies inside. */
export const own = `${inside}/@newton/policy-sdk`

/** A toolchain and what it left on the disk. */
export type OpenedToolchain = { toolchain: Toolchain; close(): Promise<void> }

/** A folder that a toolchain keeps for as long as it is open, and what says that its files are modules. */
export type Scratch = { directory: string; moduleKind: Bind }

/** Opens what `describe` makes of a new folder, which goes when it is closed or cannot be described. */
export async function openInScratch(
  describe: (scratch: Scratch) => Promise<Toolchain>,
): Promise<OpenedToolchain> {
  const directory = await makeWorkFolder('toolchain')
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    // Whoever builds is another user, who reads here and writes nowhere.
    await chmod(directory, 0o755)
    const host = join(directory, 'package.json')
    await writeFile(host, '{"type":"module"}\n')
    const moduleKind = { host, guest: `${own}/package.json` }
    return { toolchain: await describe({ directory, moduleKind }), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A built program of this folder, beside this file or, where this runs from its source, in `dist`. */
export function entryFile(name: string): string {
  const here = fileURLToPath(new URL(`./${name}`, import.meta.url))
  const built = fileURLToPath(new URL(`../../../dist/cli/toolchains/${name}`, import.meta.url))
  const found = [here, built].find(existsSync)
  if (found === undefined) throw new ToolchainError('the package is not built: npm run build')
  return found
}

/** The files that an entry loads, and the packages that these name. */
export async function moduleClosure(
  entry: string,
): Promise<{ files: readonly Bind[]; packages: readonly string[] }> {
  const base = join(dirname(entry), '../..')
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

/**
 * Installed packages with what they need, at their places inside.
 *
 * @param without - Packages that are declared and that no build loads: they would be hashed for nothing.
 */
export async function installedPackages(
  names: readonly string[],
  without: readonly string[] = [],
): Promise<readonly (Bind & { name: string; version: string })[]> {
  const folders = await Promise.all(names.map(packageFolder))
  return (await packageClosure(folders, { without })).map((each) => ({
    ...each,
    guest: inside + each.host.slice(each.host.indexOf('/node_modules/') + 13),
  }))
}

/** Folder of an installed package. */
export async function packageFolder(name: string): Promise<string> {
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const found = folders.map((folder) => join(folder, name)).find(existsSync)
  if (found === undefined) throw new MissingPeerError({ peer: name, needed: 'Building plugins' })
  return realpath(found)
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}
