import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { rpcFaults } from '../../src/operator/index.js'
import { entrySources } from '../entryPoints.js'

const page = readFileSync('docs/operator.md', 'utf8')
const snippets = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string)
// The longest name first: an alias also takes the paths below it.
const alias = Object.fromEntries(
  Object.entries(entrySources())
    .map(([name, file]): [string, string] => [
      name.replace('.', '@newton/policy-sdk'),
      join(process.cwd(), file),
    ])
    .sort(([a], [b]) => b.length - a.length),
)

test('the page has examples', () => {
  expect(snippets.length).toBeGreaterThan(0)
})

test.each(snippets.map((code, index) => [index, code] as const))(
  'example %i of the page runs',
  async (_index, code) => {
    const folder = await mkdtemp(join(process.cwd(), 'node_modules', '.docs-operator-'))
    try {
      const entry = join(folder, 'example.ts')
      const outfile = join(folder, 'example.mjs')
      await writeFile(entry, code)
      await build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        alias,
      })
      await import(outfile)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
  60_000,
)

test('the page has every fault of a call', () => {
  const rows = [...page.matchAll(/^\| (-\d+) \| `(\w+)` \| (\d+) \| (yes|no) \|$/gm)]
  expect(
    rows.map(([, code, name, status, again]) => [
      name,
      { code: Number(code), retryable: again === 'yes', status: Number(status) },
    ]),
  ).toEqual(Object.entries(rpcFaults))
})
