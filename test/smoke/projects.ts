/** Projects of users: what each installs beside the package, its files, and the commands that run it. */

/** A project that has to work with the packed package. */
export type Project = {
  name: string
  /** Packages beside the packed one. */
  packages: Readonly<Record<string, string>>
  files: Readonly<Record<string, string>>
  /** Run one after another in the project; the last one prints the answer. */
  commands: readonly (readonly string[])[]
  /** What the last command prints. @default the program's answer */
  prints?: string
  /** Is not run unless it is named: it installs hundreds of megabytes. */
  large?: true
}

const viem = { viem: '2.57.1' }

/** The same in every project: an id, a simulation with the lazily loaded engine, a verifier. */
const program = `import { computeArtifactHash } from '@newton/policy-sdk'
import { verifyTaskAttestation } from '@newton/policy-sdk/attestation'
import { simulate } from '@newton/policy-sdk/eval'

export async function program() {
  const rego = new TextEncoder().encode(\`package limit
default allow := false
deny contains "over the limit" if to_number(input.value) > 5
allow if { count(deny) == 0 }\`)
  const intent = {
    ...{ from: '0x' + '11'.repeat(20), to: '0x' + '22'.repeat(20) },
    ...{ value: 7n, data: '0x', chainId: 1n, functionSignature: '0x' },
  }
  const { allow, reasons } = await simulate({ rego, intent })
  const { status } = await verifyTaskAttestation({})
  return [computeArtifactHash(rego).length, allow, reasons.join(), status].join(' ')
}
`
/** What the program answers everywhere. */
export const answer = '66 false over the limit inconclusive'

const main = `import { program } from './program.mjs'\nconsole.log(await program())\n`
const common = { 'program.mjs': program, 'main.mjs': main }

const required = program
  .replace(/^import (\{.*\}) from ('.*')$/gm, 'const $1 = require($2)')
  .replace('export async function', 'async function')

/** Every entry that a browser may import, as types and as values. */
const everyEntry = (entries: readonly string[]): string =>
  `${entries.map((entry, at) => `import * as e${at} from '${entry}'`).join('\n')}\n` +
  `export const all: readonly object[] = [${entries.map((_, at) => `e${at}`).join(', ')}]\n`

const typescript = (version: string, browserEntries: readonly string[]): Project => ({
  name: `typescript-${version.slice(0, version.lastIndexOf('.'))}`,
  packages: { ...viem, typescript: version },
  files: {
    'all.ts': everyEntry(browserEntries),
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        ...{ target: 'ES2022', lib: ['ES2022', 'DOM', 'ESNext.Disposable'], types: [] },
        ...{ module: 'ESNext', moduleResolution: 'bundler', noEmit: true },
        ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
      },
    }),
  },
  commands: [
    ['npx', 'tsc', '-p', '.'],
    ['node', '-e', "console.log('types hold')"],
  ],
  prints: 'types hold',
})

/** The engine has a chunk of its own: what is loaded first is small. */
const looksAtChunks = (folder: string): string => `
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
const sizes = readdirSync('${folder}', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\\.m?js$/.test(file))
  .map((file) => statSync(join('${folder}', file)).size)
  .sort((a, b) => b - a)
const rest = sizes.slice(1).reduce((sum, size) => sum + size, 0)
if (sizes[0] < 1_500_000 || rest > 900_000) {
  throw new Error('the engine has no chunk of its own: ' + sizes.join(' '))
}
`

/** All projects, for the entries of this package that browsers may import. */
export const projectsFor = (browserEntries: readonly string[]): readonly Project[] => [
  { name: 'node-esm', packages: viem, files: common, commands: [['node', 'main.mjs']] },
  {
    name: 'node-commonjs',
    packages: viem,
    files: { 'main.cjs': `${required}\nprogram().then(console.log)\n` },
    commands: [['node', 'main.cjs']],
  },
  typescript('5.9.3', browserEntries),
  typescript('6.0.3', browserEntries),
  {
    name: 'esbuild',
    packages: { ...viem, esbuild: '0.28.2' },
    files: { ...common, 'look.mjs': looksAtChunks('out') },
    commands: [
      [
        ...['npx', 'esbuild', 'main.mjs', '--bundle', '--splitting', '--format=esm', '--minify'],
        ...['--outdir=out', '--out-extension:.js=.mjs', '--log-level=warning', '--target=es2022'],
      ],
      ['node', 'look.mjs'],
      ['node', 'out/main.mjs'],
    ],
  },
  {
    name: 'vite',
    packages: { ...viem, vite: '8.4.0' },
    files: {
      ...common,
      'index.html':
        '<!doctype html><title>page</title><script type="module" src="/main.mjs"></script>',
      'vite.config.mjs':
        "export default { logLevel: 'warn', build: { target: 'es2022', modulePreload: false } }",
      'look.mjs': `${looksAtChunks('dist')}
const [entry] = readdirSync('dist/assets').filter((file) => /^index-.*\\.js$/.test(file))
await import('./dist/assets/' + entry)
`,
      'package.json': '',
    },
    commands: [
      ['npx', 'vite', 'build'],
      ['node', 'look.mjs'],
    ],
  },
  {
    name: 'webpack',
    packages: { ...viem, webpack: '5.113.0' },
    files: {
      ...common,
      'build.mjs': `import webpack from 'webpack'
const configuration = {
  ...{ mode: 'production', target: 'node20', entry: './main.mjs', performance: { hints: false } },
  ...{ output: { path: process.cwd() + '/out', module: true, filename: 'main.mjs', chunkFormat: 'module' } },
  ...{ experiments: { outputModule: true } },
}
webpack(configuration, (error, stats) => {
  if (error || stats.hasErrors()) throw error ?? new Error(stats.toString({ all: false, errors: true }))
})
`,
      'look.mjs': looksAtChunks('out'),
    },
    commands: [
      ['node', 'build.mjs'],
      ['node', 'look.mjs'],
      ['node', 'out/main.mjs'],
    ],
  },
  {
    name: 'workerd',
    packages: { ...viem, esbuild: '0.28.2', workerd: '1.20261117.1' },
    files: {
      'program.mjs': program,
      'worker.mjs': `import engine from './engine.wasm'
import { setEngineModule } from '@newton/policy-sdk/eval'
import { program } from './program.mjs'
setEngineModule(engine)
export default { test: async () => console.log(await program()) }
`,
      'config.capnp': `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .worker)]);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "out/worker.js"),
    (name = "engine.wasm", wasm = embed "node_modules/@newton/policy-sdk/dist/eval/engine.wasm"),
  ],
  compatibilityDate = "2026-10-01",
);
`,
    },
    commands: [
      [
        ...['npx', 'esbuild', 'worker.mjs', '--bundle', '--format=esm', '--outfile=out/worker.js'],
        ...['--external:./engine.wasm', '--external:node:*', '--log-level=error'],
      ],
      ['npx', 'workerd', 'test', 'config.capnp'],
    ],
  },
  {
    name: 'bun',
    packages: { ...viem, bun: '1.4.5' },
    files: common,
    commands: [['npx', 'bun', 'main.mjs']],
  },
  {
    name: 'deno',
    packages: { ...viem, deno: '2.9.6' },
    files: common,
    commands: [['npx', 'deno', 'run', 'main.mjs']],
  },
  {
    name: 'next',
    large: true,
    packages: { ...viem, next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' },
    files: {
      'program.mjs': program,
      'app/layout.jsx':
        'export default function Layout({ children }) { return <html lang="en"><body>{children}</body></html> }\n',
      'app/page.jsx': `import { program } from '../program.mjs'
import { Verifier } from './verifier.jsx'
export default async function Page() { return <main><p id="answer">{await program()}</p><Verifier /></main> }
`,
      'app/verifier.jsx': `'use client'
import { verifyTaskAttestation } from '@newton/policy-sdk/attestation'
import { useState } from 'react'
export function Verifier() {
  const [status, setStatus] = useState('')
  return <button onClick={async () => setStatus((await verifyTaskAttestation({})).status)}>{status || 'verify'}</button>
}
`,
      'read.mjs': `import { readFileSync } from 'node:fs'
console.log(/<p id="answer">([^<]*)</.exec(readFileSync('.next/server/app/index.html', 'utf8'))?.[1])
`,
    },
    commands: [
      ['npx', 'next', 'build', '--webpack'],
      ['node', 'read.mjs'],
    ],
  },
]
