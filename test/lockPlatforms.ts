/**
 * Completes package-lock.json with the optional packages of other platforms.
 *
 * A registry mirror that carries one platform only makes npm leave the others out of the lock file,
 * and then `npm ci` refuses it. The missing entries follow from the names: version, os, cpu, libc.
 *
 * `npm run lock:platforms`; with `--check` it only says whether something is missing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

type Entry = {
  version?: string
  dev?: boolean
  devOptional?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

const path = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Entry> }

const systems = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'openharmony',
  'win32',
  'aix',
  'sunos',
  'netbsd',
  'openbsd',
]
const processors: Readonly<Record<string, string>> = {
  amd64: 'x64',
  x64: 'x64',
  arm64: 'arm64',
  arm: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  wasm32: 'wasm32',
  loong64: 'loong64',
  mips64el: 'mips64el',
}

function entryFor(name: string, spec: string, owner: Entry): Entry {
  const words = name.replace(/^@[^/]+\//, '').split('-')
  const os = systems.filter(
    (system) => words.includes(system) || (system === 'win32' && words.includes('windows')),
  )
  const cpu = words.flatMap((word) => processors[word] ?? [])
  if (cpu.length === 0 && os.length === 0)
    throw new Error(`${name} names no platform; install it and try again`)
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu')) && os[0] === 'linux'
      ? ['glibc']
      : []
  return {
    version: spec.replace(/^[\^~]/, ''),
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(owner.dev === true ? { dev: true } : {}),
    ...(owner.devOptional === true ? { devOptional: true } : {}),
    ...(libc.length > 0 ? { libc } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  }
}

/** The folders in which the package at `at` looks for others, the nearest first. */
function lookedIn(at: string): string[] {
  const folders = [`${at}/node_modules`]
  const parts = at.split('node_modules/').slice(0, -1)
  for (let depth = parts.length; depth > 0; depth--) {
    folders.push(`${parts.slice(0, depth).join('node_modules/')}node_modules`)
  }
  return folders
}

const added: string[] = []
for (const [at, entry] of Object.entries(lock.packages)) {
  for (const [name, spec] of Object.entries(entry.optionalDependencies ?? {})) {
    const places = lookedIn(at).map((folder) => `${folder}/${name}`)
    const found = places.map((place) => lock.packages[place]).find((locked) => locked !== undefined)
    if (found !== undefined && (found.version === spec || /^[\^~]/.test(spec))) continue
    // As high as it can be, as npm does it; another version up there pushes it down.
    const free = [...places].reverse().find((place) => lock.packages[place] === undefined)
    lock.packages[free as string] = entryFor(name, spec, entry)
    added.push(name)
  }
}

if (process.argv.includes('--check')) {
  if (added.length > 0) {
    console.error(
      `package-lock.json lacks ${added.length} packages of other platforms; run npm run lock:platforms`,
    )
    process.exitCode = 1
  }
} else if (added.length > 0) {
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
  writeFileSync(
    path,
    `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`,
  )
  console.log(`added ${added.length} packages of other platforms`)
}
