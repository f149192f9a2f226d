/**
 * Crates of a Rust source: those that its lock file names, by the SHA-256 that it names, laid out as a
 * folder that cargo takes for its registry. Part of the fetch phase: the build sees no network.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { assertCount, assertText } from '../../internal/options.js'
import { archiveLimits, readSourceArchive, type SourceFile } from '../build/archive.js'
import { SourceArchiveError, SourceUnavailableError } from '../errors.js'
import { fetchGuarded } from './fetchSource.js'
import { layOut } from './layOut.js'

/** A crate of a lock file. */
export type LockedCrate = { name: string; version: string; sha256: string }

const registry = 'registry+https://github.com/rust-lang/crates.io-index'
/** What a source may ask for at most. */
const limits = {
  lockBytes: 1024 * 1024,
  crates: 1_000,
  crateBytes: 16 * 1024 * 1024,
  allBytes: 256 * 1024 * 1024,
}
/** Bytes of all crates once they are laid out. */
const maxInflated = 1024 * 1024 * 1024
/** Files and folders of all crates. */
const maxEntries = 200_000
/** Where cargo finds a crate's checksum: what a crate has there itself is not laid out. */
const checksumFile = '.cargo-checksum.json'

/**
 * Reads the crates of a lock file.
 *
 * @throws {SourceUnavailableError} for one that comes from elsewhere than crates.io, or without a checksum:
 * what no hash names cannot be fetched.
 */
export function readCargoLock(text: string): readonly LockedCrate[] {
  assertText('text', text)
  if (text.length > limits.lockBytes)
    throw new SourceUnavailableError('its Cargo.lock is too large')
  const crates = new Map<string, LockedCrate>()
  for (const block of text.split(/^\[\[package\]\]\s*$/m).slice(1)) {
    const fieldOf = (key: string): string => {
      const found = [...block.matchAll(new RegExp(`^${key} = "([^"\\\\]*)"\\s*$`, 'gm'))]
      if (found.length > 1) throw new SourceUnavailableError(`Cargo.lock has ${key} twice`)
      return found[0]?.[1] ?? ''
    }
    const [name, version, source, sha256] = ['name', 'version', 'source', 'checksum'].map(
      fieldOf,
    ) as [string, string, string, string]
    // A member of the source itself.
    if (source === '' && sha256 === '') continue
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name) || !/^\d[0-9A-Za-z.+-]{0,63}$/.test(version)) {
      throw new SourceUnavailableError('its Cargo.lock names a crate that cannot be one')
    }
    if (source !== registry || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw new SourceUnavailableError(`${name} ${version} is not from crates.io by its checksum`)
    }
    crates.set(`${name}-${version}`, { name, version, sha256 })
    if (crates.size > limits.crates) throw new SourceUnavailableError('it has too many crates')
  }
  return [...crates.values()]
}

/** Where crates come from. */
export type CrateOptions = IoOptions & {
  /** Places that have crates as `<sha256>.crate`. */
  mirrors?: readonly string[] | undefined
  allowPrivate?: boolean | undefined
  /** Cargo's own folder, whose downloads are read first. @default `CARGO_HOME`, else `~/.cargo` */
  cargoHome?: string | undefined
  /** Files and folders of all crates together. @default 200,000 */
  entries?: number | undefined
}

/**
 * Lays out the crates of a source below `folder`, one folder each.
 *
 * @throws {SourceUnavailableError} where one cannot be had as its lock file names it.
 * @throws {SourceArchiveError} for one that would write where it must not.
 */
export async function layOutCrates(
  source: string,
  folder: string,
  options: CrateOptions = {},
): Promise<void> {
  const { signal, entries = maxEntries } = options
  assertCount('entries', entries)
  await mkdir(folder, { mode: 0o755 })
  const lock = await readFile(join(source, 'Cargo.lock'), 'utf8').catch(() => undefined)
  // Without one the build itself ends: it is run with --locked.
  if (lock === undefined) return
  const local = await downloadsOf(options.cargoHome)
  const crates = readCargoLock(lock)
  let fetched = 0
  const archives = await mapBounded(crates, 4, async (crate) => {
    signal?.throwIfAborted()
    const bytes = await readCrate(crate, { ...options, local })
    fetched += bytes.length
    if (fetched > limits.allBytes) throw new SourceUnavailableError('its crates are too large')
    return bytes
  })
  let [bytesLeft, entriesLeft] = [maxInflated, entries]
  for (const [at, crate] of crates.entries()) {
    const files = await readSourceArchive(archives[at] as Uint8Array, {
      ...{ longNames: true, signal },
      ...{ inflatedBytes: Math.max(1, bytesLeft) },
      ...{ entries: Math.min(archiveLimits.entries, Math.max(1, entriesLeft)) },
    })
    bytesLeft -= files.reduce((sum, file) => sum + file.bytes.length, 0)
    if (bytesLeft < 0)
      throw new SourceArchiveError({ fault: 'too_large', reason: 'its crates are' })
    const content = withChecksum(files, crate)
    entriesLeft -= await layOut(join(folder, `${crate.name}-${crate.version}`), content, signal)
  }
}

/** Cargo compares the checksum with the lock file; each file was covered by the hash of all. */
function withChecksum(files: readonly SourceFile[], crate: LockedCrate): SourceFile[] {
  const bytes = utf8(JSON.stringify({ files: {}, package: crate.sha256 }))
  const own = files.filter(({ path }) => path.split('/')[0] !== checksumFile)
  return [
    ...own.map(({ path, bytes: content }) => ({ path, bytes: content })),
    { path: checksumFile, bytes },
  ]
}

/** A crate's bytes, from the first place whose bytes have its hash. */
async function readCrate(
  { name, version, sha256 }: LockedCrate,
  options: CrateOptions & { local: readonly string[] },
): Promise<Uint8Array> {
  const isIt = (bytes: Uint8Array): boolean =>
    createHash('sha256').update(bytes).digest('hex') === sha256
  for (const folder of options.local) {
    const bytes = await readFile(join(folder, `${name}-${version}.crate`)).catch(() => undefined)
    if (bytes !== undefined && isIt(bytes)) return bytes
  }
  const urls = [
    ...(options.mirrors ?? []).map((mirror) => `${mirror.replace(/\/$/, '')}/${sha256}.crate`),
    `https://static.crates.io/crates/${name}/${name}-${version}.crate`,
  ]
  const { signal, timeout, allowPrivate } = options
  let last: unknown
  for (const url of urls) {
    try {
      const most = { maxBytes: limits.crateBytes }
      const bytes = await fetchGuarded(url, { signal, timeout, allowPrivate, ...most })
      if (isIt(bytes)) return bytes
    } catch (error) {
      signal?.throwIfAborted()
      last = error
    }
  }
  throw new SourceUnavailableError(`nobody has ${name} ${version}`, { cause: last })
}

/** Folders of what cargo downloaded on this machine. */
async function downloadsOf(home: string | undefined): Promise<string[]> {
  const cache = join(
    home ?? process.env['CARGO_HOME'] ?? join(homedir(), '.cargo'),
    'registry/cache',
  )
  const names = await readdir(cache).catch(() => [])
  return names.map((name) => join(cache, name))
}
