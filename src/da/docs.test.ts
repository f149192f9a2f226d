import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const page = readFileSync('docs/da.md', 'utf8')
const snippets = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string)

test('the page has examples', () => {
  expect(snippets.length).toBeGreaterThanOrEqual(3)
})

test.each(snippets.map((code, index) => [index, code] as const))(
  'example %i of the page runs',
  async (_index, code) => {
    const folder = await mkdtemp(join(process.cwd(), 'node_modules', '.docs-da-'))
    try {
      const outfile = join(folder, 'example.mjs')
      const entry = join(folder, 'example.ts')
      await writeFile(entry, code)
      await build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        alias: Object.fromEntries(
          ['da/conformance', 'da', 'testing'].map((path) => [
            `@newton/policy-sdk/${path}`,
            join(process.cwd(), `src/${path}/index.ts`),
          ]),
        ),
      })
      await import(outfile)
    } finally {
      await rm(folder, { recursive: true })
    }
  },
)
