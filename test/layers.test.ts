import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
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
  cli: 6,
}

type Import = { file: string; folder: string; specifier: string; target: string | undefined }

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
    const target = specifier.startsWith('.')
      ? relative(src, join(path, '..', specifier)).split('/')[0]
      : undefined
    return { file, folder, specifier, target }
  })
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
