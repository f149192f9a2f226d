import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const src = fileURLToPath(new URL('../src/', import.meta.url))

/** Rank of each folder; an import may only point to a lower rank, or stay in its folder. */
const ranks: Readonly<Record<string, number>> = {
  errors: 0,
  internal: 0,
  core: 1,
  da: 2,
  statetree: 2,
  attestation: 2,
  eval: 2,
  enclave: 2,
  gateway: 2,
  ledger: 2,
  provenance: 2,
  registry: 3,
  operator: 4,
  testing: 5,
  react: 5,
  cli: 6,
}

/**
 * Rooms of each layer, low to high: a room imports from those before it. What stands flat beside the
 * rooms (`errors.ts`, `stateTree.ts`) has no place in the order, and forms no circle with them.
 */
const rooms: Readonly<Record<string, readonly string[]>> = {
  core: ['abi', 'bn254', 'ethereum', 'interfaces', 'newton'],
  da: [
    'internal',
    'combined',
    'cache',
    'conformance',
    'eigenda',
    'ipfs',
    'kzg',
    'objectStore',
    'retention',
    'node',
  ],
  statetree: ['hash', 'tree', 'store', 'proof', 'wasm', 'pipeline', 'snapshot', 'node'],
  attestation: ['verify', 'challenger'],
  ledger: [
    'log',
    'events',
    'schemas',
    'store',
    'writer',
    'intake',
    'witness',
    'anchor',
    'audit',
    'http',
    'node',
  ],
  provenance: ['build', 'claims', 'index', 'trust', 'worker', 'queue', 'control', 'node'],
  eval: ['rego', 'schema', 'lint', 'check', 'plugins', 'intent', 'pipeline', 'node'],
  enclave: [
    'cbor',
    'nitro',
    'secrets',
    'store',
    'wire',
    'transport',
    'evaluate',
    'app',
    'host',
    'simulator',
    'node',
  ],
  registry: [
    'bundle',
    'chain',
    'rows',
    'events',
    'preflight',
    'newton',
    'actions',
    'enclaveApp',
    'node',
  ],
  operator: [
    'ledger',
    'rpc',
    'identity',
    'secrets',
    'signing',
    'tasks',
    'commits',
    'gateway',
    'roles',
    'node',
  ],
  testing: ['artifacts', 'evm', 'eigenDaProxy', 'mock', 'msw', 'vitest', 'node'],
  cli: ['terminal', 'config', 'scaffold', 'toolchains', 'commands'],
}

/** Folders that are lists by nature: read by looking a name up, not from the top down. */
const lists: ReadonlySet<string> = new Set([
  // The page of the specification: an id, a digest, a codec a file.
  'core',
  // A contract a file, generated.
  'core/abi',
  // A neighbour's interface a file.
  'core/interfaces',
  // A kind of write a file.
  'registry/actions',
  // A group of commands a file.
  'cli/commands',
])

type Import = {
  file: string
  folder: string
  specifier: string
  target: string | undefined
  /** The imported file, relative to src, where the import is relative. */
  path: string | undefined
}

function sources(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.ts$/.test(entry.name) &&
      !/\.generated\.ts$/.test(entry.name) &&
      !/\.(test|test-d|fuzz)\.ts$/.test(entry.name)
      ? [path]
      : []
  })
}

function importsOf(path: string): Import[] {
  // Comments hold examples with imports of their own.
  const text = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
  const file = relative(src, path)
  const folder = file.includes('/') ? (file.split('/')[0] as string) : ''
  const pattern =
    /(?:^|[\s;])(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g
  return [...text.matchAll(pattern)].map((match) => {
    const specifier = (match[1] ?? match[2]) as string
    const imported = specifier.startsWith('.')
      ? relative(src, join(path, '..', specifier)).replace(/\.js$/, '.ts')
      : undefined
    return { file, folder, specifier, target: imported?.split('/')[0], path: imported }
  })
}

/** The room of a file, or the file itself where it stands flat in its layer. */
function unitOf(file: string): string {
  const [, unit = ''] = file.split('/')
  return unit.replace(/\.ts$/, '')
}

/** The first circle among arrows from a name to others, as the names along it. */
function circleIn(arrows: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const done = new Set<string>()
  const walk = (name: string, trail: readonly string[]): string[] => {
    const start = trail.indexOf(name)
    if (start >= 0) return [...trail.slice(start), name]
    if (done.has(name)) return []
    for (const next of arrows.get(name) ?? []) {
      const found = walk(next, [...trail, name])
      if (found.length > 0) return found
    }
    done.add(name)
    return []
  }
  for (const name of arrows.keys()) {
    const found = walk(name, [])
    if (found.length > 0) return found
  }
  return []
}

function arrowsOf(pairs: readonly (readonly [string, string])[]): Map<string, Set<string>> {
  const arrows = new Map<string, Set<string>>()
  for (const [from, to] of pairs) {
    if (from !== to) arrows.set(from, (arrows.get(from) ?? new Set()).add(to))
  }
  return arrows
}

const files = sources(src)
const imports = files.flatMap(importsOf)

describe('layers', () => {
  test('behavior: there is something to check', () => {
    expect(imports.filter(({ target }) => target !== undefined).length).toBeGreaterThan(50)
  })

  test('behavior: every folder has a rank', () => {
    const folders = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(folders.map(({ name }) => name).filter((name) => !(name in ranks))).toEqual([])
  })

  test('behavior: imports only point downwards', () => {
    const wrong = imports.filter(({ folder, target }) => {
      if (target === undefined || folder === '' || target === folder) return false
      const from = ranks[folder]
      const to = ranks[target]
      if (from === undefined || to === undefined) return true
      // errors and internal are one layer and may meet; folders of a higher layer may not.
      return from === 0 ? to !== 0 : to >= from
    })
    expect(wrong).toEqual([])
  })

  test('behavior: node built-ins only in node folders and cli', () => {
    const allowed = ({ file }: Import): boolean => /(^|\/)node\//.test(file) || /^cli\//.test(file)
    const wrong = imports.filter((entry) => entry.specifier.startsWith('node:') && !allowed(entry))
    expect(wrong).toEqual([])
  })

  test('behavior: no Buffer, process or console outside node folders and cli', () => {
    const wrong = files.flatMap((path) => {
      const file = relative(src, path)
      if (/(^|\/)node\//.test(file) || /^cli\//.test(file)) return []
      const code = readFileSync(path, 'utf8')
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .replace(/\/\/.*$/gm, '')
      return /\bBuffer\s*[.(]|\bnew Buffer\b|\bprocess\s*\.|\bconsole\s*\./.test(code) ? [file] : []
    })
    expect(wrong).toEqual([])
  })

  test('behavior: nothing but our errors is thrown', () => {
    const wrong = files.flatMap((path) => {
      const code = readFileSync(path, 'utf8')
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .replace(/\/\/.*$/gm, '')
      return /throw new (?:Error|TypeError|RangeError)\(/.test(code) ? [relative(src, path)] : []
    })
    expect(wrong).toEqual([])
  })
})

describe('rooms', () => {
  const layers = readdirSync(src, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  // The index of a layer names everything; it has no place among the rooms.
  const inside = (layer: string): Import[] =>
    imports.filter(
      ({ folder, target, file, path }) =>
        folder === layer &&
        target === layer &&
        unitOf(file) !== 'index' &&
        unitOf(path as string) !== 'index',
    )

  test('behavior: a circle is found', () => {
    const arrows = arrowsOf([
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'b'],
    ])
    expect(circleIn(arrows)).toEqual(['b', 'c', 'b'])
  })

  test('behavior: no files import each other in a circle', () => {
    const pairs = imports.flatMap(({ file, path }) =>
      path === undefined ? [] : [[file, path] as const],
    )
    expect(circleIn(arrowsOf(pairs))).toEqual([])
  })

  test.each(layers.map(({ name }) => name))('behavior: the rooms of %s form no circle', (layer) => {
    const pairs = inside(layer).map(
      ({ file, path }) => [unitOf(file), unitOf(path as string)] as const,
    )
    expect(circleIn(arrowsOf(pairs))).toEqual([])
  })

  test.each(Object.entries(rooms))('behavior: the rooms of %s have a place', (layer, order) => {
    const found = readdirSync(join(src, layer), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
    expect(found.sort()).toEqual([...order].sort())
  })

  test.each(Object.entries(rooms))('behavior: no arrow of %s points up', (layer, order) => {
    const wrong = inside(layer).filter(({ file, path }) => {
      const [from, to] = [order.indexOf(unitOf(file)), order.indexOf(unitOf(path as string))]
      return from >= 0 && to > from
    })
    expect(wrong.map(({ file, path }) => `${file} -> ${path}`)).toEqual([])
  })

  test('behavior: a folder of more than a dozen files has rooms instead', () => {
    const counts = new Map<string, number>()
    for (const path of files) {
      const file = relative(src, path)
      const folder = dirname(file)
      if (/(^|\/)(index|errors)\.ts$/.test(file) || lists.has(folder)) continue
      counts.set(folder, (counts.get(folder) ?? 0) + 1)
    }
    const crowded = [...counts].filter(([, count]) => count > 12)
    expect(crowded.map(([folder, count]) => `${folder}: ${count} files`)).toEqual([])
  })

  test('behavior: a folder that may be a list still is one', () => {
    const folders = new Set(files.map((path) => dirname(relative(src, path))))
    expect([...lists].filter((folder) => !folders.has(folder))).toEqual([])
  })
})
