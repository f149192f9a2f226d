/** ARCHITECTURE.md names what is there: rooms, files, scripts, and functions where it says they are. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../', import.meta.url))
const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
const travel = /\n## From a Rego file[^\n]*\n([\s\S]*?)\n## /.exec(page)?.[1] ?? ''
const code = [...page.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)].map(
  (match) => match[1] as string,
)

/** Folders in `path` that hold a file at any depth: git knows no others. */
function foldersOf(path: string): string[] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${path}/${entry.name}`)
    .filter((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).some((entry) =>
        entry.isFile(),
      ),
    )
}

/** Contents of every Solidity source, by the name of the contract. */
function contractSources(): Map<string, string> {
  const files = readdirSync(join(root, 'contracts/src'), { recursive: true, encoding: 'utf8' })
  return new Map(
    files
      .filter((file) => file.endsWith('.sol'))
      .map((file) => [
        file.replace(/^.*[\\/]|\.sol$/g, ''),
        readFileSync(join(root, 'contracts/src', file), 'utf8'),
      ]),
  )
}

describe('ARCHITECTURE.md', () => {
  test('behavior: every layer and room on disk is named, and drawn', () => {
    const layers = foldersOf('src')
    const rooms = layers.flatMap(foldersOf)
    expect(rooms.length).toBeGreaterThan(30)
    const folders = [...layers, ...rooms, ...foldersOf('contracts/src')]
    expect(folders.filter((folder) => !code.includes(folder))).toEqual([])
    const drawing = /## Layers\n\n```\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const drawn = new Set(drawing.match(/[a-z]+/gi))
    expect(layers.filter((layer) => !drawn.has(layer.slice('src/'.length)))).toEqual([])
  })

  test('behavior: every path exists', () => {
    const tops = /^(?:src|test|docs|contracts|examples|engine|bench)(?:\/|$)|^[A-Z]+\.md$/
    const links = [...page.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] as string)
    const paths = [...code.filter((text) => tops.test(text)), ...links]
    expect(paths.length).toBeGreaterThan(100)
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  test('behavior: every script exists', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = code.flatMap((text) => /^npm (?:run )?([\w:]+)/.exec(text)?.[1] ?? [])
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('behavior: every function on the way is exported where it says', async () => {
    // A list of calls, then the entry point they belong to.
    const groups = [...travel.matchAll(/((?:`\w+\(\)`(?:, )?)+) of `(src\/\w+)`/g)]
    const calls = groups.flatMap(([, list, folder]) =>
      [...(list as string).matchAll(/`(\w+)\(\)`/g)].map(([, name]) => ({
        name: name as string,
        folder: folder as string,
      })),
    )
    // None stands without an entry point.
    expect(calls.length).toBe([...travel.matchAll(/`\w+\(\)`/g)].length)
    expect(calls.length).toBeGreaterThan(30)
    const entries = new Map<string, Record<string, unknown>>()
    for (const folder of new Set(calls.map((call) => call.folder))) {
      entries.set(folder, await import(join(root, folder, 'index.ts')))
    }
    const missing = calls.filter(
      ({ name, folder }) => typeof entries.get(folder)?.[name] !== 'function',
    )
    expect(missing).toEqual([])
  }, 60_000)

  test('behavior: every function of a contract is there', () => {
    const sources = contractSources()
    const calls = [...travel.matchAll(/`([A-Z]\w+)\.(\w+)`/g)].map(([, contract, name]) => ({
      contract: contract as string,
      name: name as string,
    }))
    expect(calls.length).toBeGreaterThan(5)
    const missing = calls.filter(
      ({ contract, name }) => !sources.get(contract)?.includes(`function ${name}(`),
    )
    expect(missing).toEqual([])
  })
})
