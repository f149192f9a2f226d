import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

const solidityFiles = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.sol'))
    .map((path) => join(folder, path))

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const deployScript = read('contracts/script/Deploy.s.sol')

/** What is deployed: no interfaces, and no libraries, whose code is inlined anyway. */
const shipped = [
  ...solidityFiles('contracts/src')
    .map(read)
    .flatMap((text) => [...text.matchAll(/^(?:abstract )?contract (\w+)/gm)]),
  ...deployScript.matchAll(/^contract (\w+)|\bnew ([A-Z]\w+)\(/gm),
].map((match) => match[1] ?? match[2] ?? '')

/** The paths that `contracts/solc` compiles as `foundry.toml` says. */
const asConfigured = [
  ...(/const asConfigured = \[(.*?)\n\]/s.exec(read('contracts/solc'))?.[1] ?? '').matchAll(
    /'([^']+)'/g,
  ),
].map((match) => match[1] ?? '')

describe('contracts/solc', () => {
  test('behavior: every listed path holds a test', () => {
    const tests = solidityFiles('contracts/test')
    expect(asConfigured.length).toBeGreaterThan(0)
    for (const prefix of asConfigured) {
      expect(tests.some((path) => path.startsWith(prefix))).toBe(true)
    }
  })

  test('behavior: no test of the legacy pipeline compiles a shipped contract into itself', () => {
    const embeds = new RegExp(
      `\\bnew (?:${shipped.join('|')})\\b|^contract \\w+ is [^{]*\\b(?:${shipped.join('|')})\\b|type\\((?:${shipped.join('|')})\\)\\.(?:creation|runtime)Code`,
      'gm',
    )
    const found = solidityFiles('contracts/test')
      .filter((path) => !asConfigured.some((prefix) => path.startsWith(prefix)))
      .flatMap((path) => (read(path).match(embeds) ?? []).map((text) => `${path}: ${text}`))
    expect(shipped).toEqual(expect.arrayContaining(['PolicyRegistry', 'Deploy', 'ERC1967Proxy']))
    expect(found).toEqual([])
  })
})
