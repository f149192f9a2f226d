import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { sizeBudgets } from './sizes.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: true }>
}
const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [{ name: `@newton/policy-sdk${name.slice(1)}`, ...target }],
)
const built = existsSync(`${root}dist/index.js`)
if (!built) {
  if (process.env['CI_REQUIRE_ALL']) throw new Error('run npm run build first')
  console.warn('skipped: the package is not built; run npm run build')
}

describe('peers', () => {
  const { peerDependencies, peerDependenciesMeta } = manifest
  const optional = Object.keys(peerDependenciesMeta)
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    // What `init` writes into a project is text here.
    .filter((file) => /(?<!\.test|\.test-d)\.ts$/.test(file) && !file.startsWith('cli/scaffold/'))
    .map((file) => ({ file, text: readFileSync(`${root}src/${file}`, 'utf8') }))
  const imports = (text: string, peer: string): string[] =>
    [...text.matchAll(/^(?:import|export) (?!type )[^'"`]*from '([^']+)'/gm)]
      .map(([, specifier]) => specifier as string)
      .filter((specifier) => specifier === peer || specifier.startsWith(`${peer}/`))

  test('behavior: the hooks bring no wallet of their own', () => {
    const connectors = sources.filter(({ text }) => text.includes('wagmi/connectors'))
    expect(connectors.map(({ file }) => file)).toEqual([])
  })

  test('behavior: every optional peer is needed by something that ships', () => {
    const unused = optional.filter(
      (peer) =>
        !sources.some(({ text }) => new RegExp(`['"\`]${peer}(?:/[\\w./-]+)?['"\`]`).test(text)),
    )
    expect(unused).toEqual([])
    expect(Object.keys(peerDependencies).filter((peer) => !optional.includes(peer))).toEqual([
      'viem',
    ])
  })

  // Hooks are called where they are imported, in a project that has React and wagmi: see
  // docs/decisions/react-hooks.md.
  const hooks = ({ file }: { file: string }): boolean => file.startsWith('react/')

  // A program of its own, started in a toolchain: opening that looks for each package (`packageFolder`).
  const program = 'cli/toolchains/rustBuild'

  test('behavior: one that is missing is an error of ours: none is imported before it is needed', () => {
    expect(sources.filter(({ text }) => /from '[^']*rustBuild/.test(text))).toEqual([])
    const early = optional.flatMap((peer) =>
      sources
        .filter((source) => !hooks(source) && source.file !== `${program}.ts`)
        .filter(({ text }) => imports(text, peer).length > 0)
        .map(({ file }) => `${file}: ${peer}`),
    )
    expect(early).toEqual([])
  })
})

/** Whether a version is in a range of the forms that `engines` uses: `>=18`, `^20.19.0 || >=22`, `20.x`, `*`. */
function satisfies(version: string, range: string): boolean {
  const numbers = (text: string): number[] =>
    text.split('.').map((part) => Number.parseInt(part, 10))
  const [major = 0, minor = 0, patch = 0] = numbers(version)
  const value = (text: string): number => {
    const [a = 0, b = 0, c = 0] = numbers(text).map((part) => (Number.isNaN(part) ? 0 : part))
    return a * 1e8 + b * 1e4 + c
  }
  const own = major * 1e8 + minor * 1e4 + patch
  return range.split('||').some((part) =>
    part
      .trim()
      .replace(/([<>=^~]+)\s+/g, '$1')
      .split(/\s+/)
      .every((one) => {
        const [, operator = '', bound = ''] = /^([<>=^~]*)v?(.*)$/.exec(one) ?? []
        if (bound === '' || bound === '*') return true
        if (operator === '>=') return own >= value(bound)
        if (operator === '>') return own > value(bound)
        if (operator === '<') return own < value(bound)
        if (operator === '<=') return own <= value(bound)
        return numbers(bound)[0] === major && own >= value(bound)
      }),
  )
}

test('behavior: nothing that is installed, here or by a user, wants a newer Node than is promised', () => {
  const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as {
    packages: Record<string, { engines?: { node?: string } }>
  }
  const { engines } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    engines: { node: string }
  }
  const oldest = engines.node.replace('>=', '')
  const newer = Object.entries(packages)
    .filter(([, { engines: wanted }]) => !satisfies(oldest, wanted?.node ?? '*'))
    .map(([name]) => name)
  expect(newer).toEqual([])
  expect(satisfies('20.19.0', '^22.12.0 || >=24')).toBe(false)
})

test('behavior: the page of platforms names every budget of size', () => {
  const page = readFileSync(`${root}docs/platforms.md`, 'utf8')
  const missing = sizeBudgets
    .map(({ name, own, withPeers }) => `| ${name} | ${own} | ${withPeers} |`)
    .filter((row) => !page.includes(row))
  expect(missing).toEqual([])
})

describe.skipIf(!built)('the built package', () => {
  test('behavior: every declared file is there', () => {
    const missing = entries
      .flatMap((entry) => [entry.default, entry.types])
      .filter((file) => !existsSync(`${root}${file}`))
    expect(missing).toEqual([])
  })

  test('behavior: Node imports every entry point, from import and from require', async () => {
    const names = JSON.stringify(entries.map(({ name }) => name))
    const script = `for (const name of ${names}) {
      const keys = Object.keys(await import(name))
      if (keys.length === 0) throw new Error(name + ' exports nothing')
    }
    const { createRequire } = await import('node:module')
    createRequire(process.cwd() + '/x.js')('@newton/policy-sdk')`
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      cwd: root,
    })
  }, 60_000)

  const forBrowsers = entries.filter(({ name }) => !/\/node$/.test(name))
  test.each(forBrowsers.map(({ name, default: file }) => [name, file]))(
    'behavior: %s bundles for browsers without a Node built-in',
    async (_, file) => {
      const result = await build({
        entryPoints: [`${root}${file}`],
        bundle: true,
        write: false,
        metafile: true,
        platform: 'browser',
        format: 'esm',
        target: 'es2022',
        logLevel: 'silent',
        // Optional peers that a user brings; the transpiler asks for a file only under Node.
        external: [
          ...['@open-policy-agent/opa-wasm', '@bytecodealliance/*', 'lmdb', 'msw', 'msw/*'],
          ...['wagmi', 'wagmi/*', '@tanstack/react-query'],
        ],
      })
      const builtIns = Object.values(result.metafile.inputs)
        .flatMap((input) => input.imports)
        .filter(({ path }) => path.startsWith('node:'))
      expect(builtIns).toEqual([])
    },
    60_000,
  )
})
