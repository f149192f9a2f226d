/**
 * What a bundle gets from one import, as users download it: minified and with brotli, by itself and with
 * the peers that it brings. `npm run size` measures the built package and fails above a budget.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { build, type Rolldown } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))

/** One import, and the most that it may cost, in kB of 1,000 bytes. */
export type SizeBudget = {
  name: string
  /** Names to import, by entry point. */
  imports: Readonly<Record<string, readonly string[]>>
  /** Modules that are loaded when they are needed. The engine is always one of them. */
  later?: readonly string[]
  /** Without viem, which a page has anyway. */
  own: number
  withPeers: number
}

/** The budgets. */
export const sizeBudgets: readonly SizeBudget[] = JSON.parse(
  readFileSync(join(root, 'test/fixtures/sizes.json'), 'utf8'),
)

/** Bytes of one import after minifying and brotli, as Vite bundles it. What is loaded later is not counted. */
async function measure(budget: SizeBudget, external: readonly RegExp[]): Promise<number> {
  const lines = Object.entries(budget.imports).map(
    ([entry, names], at) =>
      `import { ${names.map((name) => `${name} as x${at}${name}`).join(', ')} } from '${entry}'\n` +
      `globalThis.used = [globalThis.used, ${names.map((name) => `x${at}${name}`).join(', ')}]`,
  )
  const page = join(root, 'page.js')
  const built = (await build({
    ...{ root, configFile: false, publicDir: false, logLevel: 'silent' },
    plugins: [
      {
        name: 'page',
        enforce: 'pre',
        resolveId: (id) => (id === page ? page : null),
        load: (id) => (id === page ? lines.join('\n') : null),
      },
    ],
    build: {
      ...{ write: false, minify: true, target: 'es2022', modulePreload: false },
      rolldownOptions: { input: page, external: [...external, ...(budget.later ?? [])] },
    },
  })) as Rolldown.RolldownOutput
  const chunks = built.output.filter((output) => output.type === 'chunk')
  // From the page's chunk on, what it imports at once.
  const wanted = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName))
  for (const name of wanted) {
    const imported = chunks.find(({ fileName }) => fileName === name)?.imports ?? []
    for (const file of imported)
      if (chunks.some(({ fileName }) => fileName === file)) wanted.add(file)
  }
  return chunks
    .filter(({ fileName }) => wanted.has(fileName))
    .reduce((sum, { code }) => sum + brotliCompressSync(code).length, 0)
}

/** Sizes of one budget, in kB. */
export async function sizesOf(budget: SizeBudget): Promise<{ own: number; withPeers: number }> {
  const own = await measure(budget, [/^viem(\/|$)/])
  const withPeers = await measure(budget, [])
  return { own: own / 1_000, withPeers: withPeers / 1_000 }
}

async function main(): Promise<number> {
  if (!existsSync(join(root, 'dist/index.js'))) {
    console.error('run npm run build first')
    return 1
  }
  let above = 0
  console.log('kB, minified, brotli                              own  budget    with viem  budget')
  for (const budget of sizeBudgets) {
    const { own, withPeers } = await sizesOf(budget)
    const good = own <= budget.own && withPeers <= budget.withPeers
    if (!good) above++
    const cells = [own.toFixed(1).padStart(6), String(budget.own).padStart(7)]
    const peers = [withPeers.toFixed(1).padStart(12), String(budget.withPeers).padStart(7)]
    console.log(
      `${budget.name.padEnd(46)}${[...cells, ...peers].join(' ')}${good ? '' : '  ABOVE'}`,
    )
  }
  return above === 0 ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
