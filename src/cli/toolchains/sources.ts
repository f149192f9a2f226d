/** A plugin's source, and what a plugin says of its build. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Hex } from 'viem'
import {
  appendMetadata,
  type BuildInfo,
  completeBuildInfo,
  computeWasmHashes,
  type SourceFile,
  toMetadataEntries,
} from '../../provenance/index.js'
import { FileAccessError } from '../errors.js'
import { javascriptToolchain } from './javascript.js'

/** Folders that hold no source. */
const skipped = new Set(['node_modules', 'target', '.git', 'dist'])

/**
 * What is published with nobody meaning to. Hidden files are for tools and no source of a plugin, and it is
 * among them that tokens stand (`.env`, `.npmrc`, `.netrc`, `.aws`); of the others it is keys, by name.
 */
const secretNames = [
  /\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg|age)$/i,
  /^id_(rsa|dsa|ecdsa|ed25519)/i,
  /^(credentials|secrets?|keystore)(\.(json|toml|ya?ml|ini|txt))?$/i,
  /^UTC--/,
]

/**
 * The files of a folder, or the one file that is named. Outputs are left out, links refused, and hidden files
 * and keys left out too: an archive is public for good.
 *
 * @param onLeftOut - Told of each hidden file or folder and each key.
 */
export async function readSourceFolder(
  path: string,
  onLeftOut: (path: string) => void = () => undefined,
): Promise<readonly SourceFile[]> {
  try {
    const entry = await stat(path)
    if (entry.isFile()) return [{ path: basename(path), bytes: await bytesOf(path) }]
    return await filesOf(path, { below: '', onLeftOut })
  } catch (cause) {
    if (cause instanceof FileAccessError) throw cause
    throw new FileAccessError({ path, action: 'read' }, { cause })
  }
}

/** Writes into a plugin how it was built, by the toolchain of this machine. */
export async function describeBuild(
  component: Uint8Array,
  build: { sourceSha256: Hex; sourceUri: string | undefined; options: readonly string[] },
): Promise<{ component: Uint8Array; buildInfo: BuildInfo | undefined }> {
  const { toolchain, close } = await javascriptToolchain()
  try {
    const told = {
      ...{ image: toolchain.image, args: ['plugin', 'build'], options: build.options },
      sourceSha256: build.sourceSha256,
      ...(build.sourceUri === undefined ? {} : { sourceUri: build.sourceUri }),
      ...(toolchain.determinism === undefined ? {} : { determinism: toolchain.determinism }),
    }
    return describedBy(component, told)
  } finally {
    await close()
  }
}

/** A plugin with its build information in it. */
export function describedBy(
  component: Uint8Array,
  told: Parameters<typeof toMetadataEntries>[0],
): { component: Uint8Array; buildInfo: BuildInfo | undefined } {
  const described = appendMetadata(component, toMetadataEntries(told))
  const { wasmSha256 } = computeWasmHashes(described)
  return { component: described, buildInfo: completeBuildInfo(told, wasmSha256) }
}

async function filesOf(
  folder: string,
  at: { below: string; onLeftOut: (path: string) => void },
): Promise<SourceFile[]> {
  const { below, onLeftOut } = at
  const entries = await readdir(join(folder, below), { withFileTypes: true })
  const lists = await Promise.all(
    entries.map(async (entry): Promise<SourceFile[]> => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory() && skipped.has(entry.name)) return []
      const isKey = !entry.isDirectory() && secretNames.some((name) => name.test(entry.name))
      if (isKey || entry.name.startsWith('.')) {
        onLeftOut(entry.isDirectory() ? `${path}/` : path)
        return []
      }
      if (entry.isDirectory()) return filesOf(folder, { ...at, below: path })
      if (!entry.isFile()) throw new FileAccessError({ path, action: 'read' })
      if (/\.(wasm|tar)$/.test(entry.name)) return []
      const { mode } = await stat(join(folder, path))
      const executable = (mode & 0o111) !== 0
      return [{ path, bytes: await bytesOf(join(folder, path)), executable }]
    }),
  )
  return lists.flat()
}

async function bytesOf(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path))
}
