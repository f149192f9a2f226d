import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { lintPolicy } from '../src/eval/index.js'

const path = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))
const readme = readFileSync(path('README.md'), 'utf8')

describe('README', () => {
  test('behavior: under 150 lines', () => {
    expect(readme.split('\n').length).toBeLessThan(150)
  })

  test('behavior: its example is the file it names', () => {
    const block = /<!-- (examples\/[\w/.-]+) -->\n```ts\n([\s\S]*?)```/.exec(readme)
    expect(block).not.toBeNull()
    expect(block?.[2]).toBe(readFileSync(path(block?.[1] as string), 'utf8'))
  })

  test('behavior: its example runs and prints what it says', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', path('examples/quickstart/index.ts')],
      {
        cwd: path('.'),
      },
    )
    expect(stdout).toMatch(/^false \[ 'over the limit' \]\n$/)
  }, 60_000)

  test('behavior: its policies, and those of the pages, are clean under the linter', async () => {
    const pages = readdirSync(path('docs'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => readFileSync(path(`docs/${file}`), 'utf8'))
    const policies = [readme, ...pages].flatMap((page) =>
      [...page.matchAll(/`(package [\s\S]*?)`\)/g)].map(([, rego]) => rego as string),
    )
    expect(policies.length).toBeGreaterThan(1)
    for (const rego of policies) {
      const findings = await lintPolicy({ rego: new TextEncoder().encode(rego) })
      expect(
        findings.filter(({ severity }) => severity !== 'info'),
        rego,
      ).toEqual([])
    }
  })

  test('behavior: its links lead somewhere', () => {
    const broken = [...readme.matchAll(/\]\(([^)#]+)\)/g)]
      .map((match) => match[1] as string)
      .filter((link) => !link.startsWith('http') && !existsSync(path(link)))
    expect(broken).toEqual([])
  })

  test('behavior: every entry point of the package is named', () => {
    const { exports } = JSON.parse(readFileSync(path('package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const missing = Object.keys(exports)
      .filter(
        (entry) => entry !== '.' && entry !== './package.json' && entry !== './da/conformance',
      )
      .filter((entry) => !readme.includes(`\`${entry.slice(1)}\``))
    expect(missing).toEqual([])
  })
})
