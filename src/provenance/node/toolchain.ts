/**
 * Toolchains as manifests of content: what a build reads of its environment, by SHA-256. The name of one
 * is `newton-toolchain@sha256:` and the hash of the manifest's canonical JSON, and a build sees the files
 * of the manifest and no others.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sha256 } from '@noble/hashes/sha2.js'
import { canonicalBytes, type JsonObject } from '../../core/canonicalJson.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { ToolchainError } from '../errors.js'
import type { Bind } from './isolation/sandbox.js'
import { reachableBinds } from './reachable.js'

/** A package of a toolchain. */
export type ToolchainPackage = { name: string; version: string; integrity: string }

/** What a toolchain is made of. */
export type ToolchainManifest = {
  arch: string
  node: { version: string; sha256: string }
  packages: readonly ToolchainPackage[]
  /** Files that the build finds, by their place inside. */
  rootfs: readonly { path: string; sha256: string }[]
  /** The kit that makes it repeat itself. */
  determinism: string
  mount: '/source'
}

/** A toolchain that is on this machine. */
export type Toolchain = {
  /** What build information calls it. */
  image: string
  manifest?: ToolchainManifest | undefined
  binds: readonly Bind[]
  /** What a build's arguments are given to; it prints the plugin. */
  entrypoint: readonly string[]
  env: Readonly<Record<string, string>>
  determinism?: string | undefined
  /** Whether the files are still those of the manifest. */
  isIntact(): Promise<boolean>
  /** Lays out what a build needs beside the source, before it loses the network. */
  prepare?:
    | ((source: string, options: { signal: AbortSignal }) => Promise<readonly Bind[]>)
    | undefined
}

/** What to make a toolchain of. */
export type ToolchainParts = {
  /** Programs and libraries by their place inside; libraries that they need come along. */
  programs: readonly Bind[]
  /** Files that are no programs. */
  files?: readonly Bind[] | undefined
  /** Programs of packages, whose libraries come along too. */
  linked?: readonly string[] | undefined
  /** Folders of packages. */
  packages: readonly (Bind & { name: string; version: string })[]
  /** Files that a build reads and that the packages determine: not listed. */
  derived?: readonly Bind[] | undefined
  determinism: string
  entrypoint: readonly string[]
  env?: Readonly<Record<string, string>> | undefined
  prepare?: Toolchain['prepare']
  /** Folder for second names of files that only root reaches. Without one, such files are not found. */
  scratch?: string | undefined
}

/** Name of a manifest. */
export function nameToolchain(manifest: ToolchainManifest): string {
  const bytes = canonicalBytes(manifest as unknown as JsonObject)
  return `newton-toolchain@sha256:${toHex(sha256(bytes)).slice(2)}`
}

/**
 * Describes a toolchain of this machine. Node itself, and the libraries that programs are linked to, are
 * part of it.
 *
 * @throws {ToolchainError} where a file is missing.
 */
export async function describeToolchain(parts: ToolchainParts): Promise<Toolchain> {
  const { scratch } = parts
  const [node, ...programs] = [
    { host: await realpath(process.execPath), guest: '/toolchain/bin/node' },
    ...parts.programs,
  ] as [Bind, ...Bind[]]
  const linked = [node, ...programs].map(({ host }) => host).concat(parts.linked ?? [])
  const listed = new Set([node, ...programs, ...(parts.files ?? [])].map(({ host }) => host))
  // A library that is listed already has its place, wherever it lies on this machine.
  const libraries = (await librariesOf(linked)).filter(({ host }) => !listed.has(host))
  // What is hashed is what is bound, under the name it is bound by.
  const [runtime] = (await reachableBinds([node], scratch)) as [Bind]
  const files = await reachableBinds([...programs, ...libraries, ...(parts.files ?? [])], scratch)
  const packages = await reachableBinds(parts.packages, scratch)
  const measure = async (): Promise<ToolchainManifest> => ({
    arch: `${process.platform}-${process.arch}`,
    node: { version: process.version, sha256: await hashFile(runtime.host) },
    packages: await mapBounded(packages, 4, async ({ name, version, host }) => ({
      ...{ name, version },
      integrity: `sha256-${await hashFolder(host)}`,
    })),
    rootfs: await mapBounded(files, 4, async ({ host, guest }) => ({
      ...{ path: guest, sha256: await hashAny(host) },
    })),
    ...{ determinism: parts.determinism, mount: '/source' as const },
  })
  const manifest = sortManifest(await measure())
  const image = nameToolchain(manifest)
  const watched = [runtime, ...files, ...packages].map(({ host }) => host)
  let last = await stampOf(watched)
  return {
    ...{ image, manifest, entrypoint: parts.entrypoint, env: parts.env ?? {} },
    ...{ determinism: parts.determinism, prepare: parts.prepare },
    binds: [runtime, ...files, ...packages, ...(parts.derived ?? [])].map(({ host, guest }) => ({
      host,
      guest,
    })),
    isIntact: async () => {
      const stamp = await stampOf(watched).catch(() => '')
      if (stamp === last) return true
      if (nameToolchain(sortManifest(await measure())) !== image) return false
      last = stamp
      return true
    },
  }
}

/**
 * The packages that one needs to run, itself included, by their `package.json`. Folders keep their places
 * relative to the folder that holds the outermost `node_modules`. Packages of `without` are not followed,
 * though they are declared.
 */
export async function packageClosure(
  folders: readonly string[],
  { without = [] }: { without?: readonly string[] | undefined } = {},
): Promise<readonly { name: string; version: string; host: string }[]> {
  const found = new Map<string, { name: string; version: string; host: string }>()
  const queue = await Promise.all(folders.map((folder) => realpath(folder)))
  for (const host of queue) {
    if (found.has(host)) continue
    const manifest = JSON.parse(await readFile(join(host, 'package.json'), 'utf8')) as {
      name: string
      version: string
      dependencies?: Record<string, string>
      optionalDependencies?: Record<string, string>
    }
    found.set(host, { name: manifest.name, version: manifest.version, host })
    const needed = { ...manifest.dependencies, ...manifest.optionalDependencies }
    for (const name of Object.keys(needed)) {
      if (without.includes(name)) continue
      const folder = await resolvePackage(host, name)
      // What is optional is there for other machines.
      if (folder !== undefined) queue.push(folder)
      else if (manifest.optionalDependencies?.[name] === undefined) {
        throw new ToolchainError(`${manifest.name} needs ${name}, which is not installed`)
      }
    }
  }
  return [...found.values()]
}

async function resolvePackage(from: string, name: string): Promise<string | undefined> {
  let folder = from
  for (;;) {
    const candidate = join(folder, 'node_modules', name)
    const isThere = await stat(join(candidate, 'package.json')).then(
      () => true,
      () => false,
    )
    if (isThere) return realpath(candidate)
    const parent = join(folder, '..')
    if (parent === folder) return undefined
    folder = parent
  }
}

const run = promisify(execFile)

/** The shared libraries that programs are linked to, at the places where their loader looks. */
async function librariesOf(programs: readonly string[]): Promise<Bind[]> {
  const guests = new Set<string>()
  for (const program of programs) {
    const { stdout } = await run('ldd', [program], {
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
    }).catch(
      // A static program, or a script.
      () => ({ stdout: '' }),
    )
    for (const line of stdout.split('\n')) {
      const path = /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1]
      if (path !== undefined) guests.add(path)
    }
  }
  return Promise.all(
    [...guests].sort().map(async (guest) => ({
      host: await realpath(guest),
      guest: guest.replace(/^\/(lib|lib64|bin)\//, '/usr/$1/'),
    })),
  )
}

async function hashAny(path: string): Promise<string> {
  return (await stat(path)).isDirectory() ? hashFolder(path) : hashFile(path)
}

/** SHA-256 of a file, read as it comes. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path)) hash.update(part as Uint8Array)
  return hash.digest('hex')
}

/** SHA-256 over names and hashes of all files of a folder, nested packages left out. */
async function hashFolder(folder: string): Promise<string> {
  const hash = createHash('sha256')
  for (const path of await filesOf(folder)) {
    const entry = await lstat(join(folder, path))
    const content = entry.isSymbolicLink()
      ? `link ${await readlink(join(folder, path))}`
      : await hashFile(join(folder, path))
    hash.update(utf8(`${path}\u0000${content}\n`))
  }
  return hash.digest('hex')
}

async function filesOf(folder: string, below = ''): Promise<string[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true })
  const lists = await Promise.all(
    entries.map((entry) => {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      // Packages inside are packages of their own.
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesOf(folder, path)
      return [path]
    }),
  )
  return lists.flat().sort()
}

/**
 * Sizes and times of files: while they stay, contents are not read again between two builds of one process.
 * Only what this process hashed itself is remembered, never on disk: a name is always made of the bytes.
 * The time of the last change of an inode cannot be set back, as that of a write can.
 */
async function stampOf(paths: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    paths.map(async (path) => {
      const entry = await stat(path)
      const inside = entry.isDirectory() ? await filesOf(path) : ['']
      return Promise.all(
        inside.map(async (name) => {
          const file = name === '' ? path : join(path, name)
          const { size, mtimeNs, ctimeNs, ino, dev } = await lstat(file, { bigint: true })
          return [file, size, mtimeNs, ctimeNs, ino, dev].join(' ')
        }),
      )
    }),
  )
  return createHash('sha256').update(stamps.flat().join('\n')).digest('hex')
}

function sortManifest(manifest: ToolchainManifest): ToolchainManifest {
  const by =
    <item>(key: (one: item) => string) =>
    (a: item, b: item) =>
      key(a) < key(b) ? -1 : 1
  return {
    ...manifest,
    packages: [...manifest.packages].sort(by(({ name, version }) => `${name}@${version}`)),
    rootfs: [...manifest.rootfs].sort(by(({ path }) => path)),
  }
}
