/**
 * Installs the packed package into projects of users and runs each: `npm run smoke`, or
 * `npm run smoke -- vite deno` for some. Needs the registry of packages and a built package.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { answer, type Project, projectsFor } from './projects.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const env = { ...process.env, NO_COLOR: '1', CI: '1', NEXT_TELEMETRY_DISABLED: '1' }

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | object>
}
// What needs Node, and what needs another peer than viem for its types, is not for every page.
const forPages = Object.entries(exports)
  .filter(
    ([name, target]) => typeof target === 'object' && !/node|testing|react|schemas|mcl/.test(name),
  )
  .map(([name]) => `@newton/policy-sdk${name.slice(1)}`)

/** Builds one project in a directory of its own. Returns what its last command printed. */
async function build(
  project: Project,
  at: { directory: string; tarball: string },
): Promise<string> {
  const directory = join(at.directory, project.name)
  const manifest = {
    ...{ name: project.name, private: true, type: 'module' },
    dependencies: { '@newton/policy-sdk': `file:${at.tarball}`, ...project.packages },
  }
  const files = { ...project.files, 'package.json': JSON.stringify(manifest) }
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), text)
  }
  const shell = { cwd: directory, env, timeout: 300_000, maxBuffer: 1 << 26 }
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline'], shell)
  let printed = ''
  for (const [program = '', ...words] of project.commands) {
    printed = (await run(program, words, shell)).stdout
  }
  return printed.trim()
}

async function main(): Promise<number> {
  if (!existsSync(join(root, 'dist/index.js'))) {
    console.error('run npm run build first')
    return 1
  }
  const named = process.argv.slice(2)
  const all = projectsFor(forPages)
  const unknown = named.find((name) => !all.some((project) => project.name === name))
  if (unknown !== undefined) {
    console.error(`there is no project ${unknown}: ${all.map(({ name }) => name).join(', ')}`)
    return 1
  }
  const wanted = all.filter(({ name, large }) =>
    named.length === 0 ? large !== true : named.includes(name),
  )
  const directory = mkdtempSync(join(tmpdir(), 'newton-policy-smoke-'))
  let failed = 0
  try {
    const packed = await run('npm', ['pack', '--json', '--pack-destination', directory], {
      cwd: root,
      maxBuffer: 1 << 26,
    })
    const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
    const tarball = join(directory, filename)
    for (const project of wanted) {
      const start = performance.now()
      const { prints = answer } = project
      const printed = await build(project, { directory, tarball }).catch((error: unknown) => {
        const {
          stderr = '',
          stdout = '',
          message,
        } = error as { stderr?: string; stdout?: string; message: string }
        return `${message}\n${stdout}${stderr}`
      })
      const good = printed.split('\n').at(-1) === prints
      if (!good) failed++
      const seconds = ((performance.now() - start) / 1_000).toFixed(1)
      console.log(
        `${good ? 'works ' : 'FAILS '} ${project.name.padEnd(16)} ${seconds.padStart(6)} s`,
      )
      if (!good) console.log(printed.slice(-2_000))
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  console.log(`${wanted.length - failed} of ${wanted.length} projects work`)
  return failed === 0 ? 0 : 1
}

process.exitCode = await main()
