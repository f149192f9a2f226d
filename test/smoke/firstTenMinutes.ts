/**
 * Types what `docs/start.md` says into a shell of a home of its own, as a new user would, and writes what
 * was printed to `docs/first-ten-minutes.md`: `npm run docs:transcript`, after `npm run build`. Needs the
 * registry of packages; this package is served beside it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = join(root, 'docs/first-ten-minutes.md')
const home = mkdtempSync(join(tmpdir(), 'newton-first-'))
const children: ChildProcess[] = []

type Manifest = { name: string; version: string } & Record<string, unknown>

/** Serves this package as the registry would. */
async function serveThisPackage(): Promise<Server> {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', home], {
    ...{ cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 },
  })
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }]
  const bytes = readFileSync(join(home, filename))
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
  const server = createServer((request, response) => {
    if (request.url?.endsWith('.tgz')) return response.end(bytes)
    const { port } = server.address() as AddressInfo
    const dist = { integrity, tarball: `http://127.0.0.1:${port}/package.tgz` }
    const { name, version } = manifest
    const versions = { [version]: { ...manifest, dist } }
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return server
}

/** The commands of a page's blocks, block by block. */
function blocksOf(text: string): string[][] {
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) =>
    (block as string)
      .replace(/\\\n\s*/g, '')
      .split('\n')
      .filter((line) => line.trim() !== ''),
  )
}

type Shell = { type: (command: string) => Promise<{ text: string; code: number }> }

/** A shell that keeps its variables and its directory between two commands. */
function openShell(env: NodeJS.ProcessEnv): Shell {
  const child = spawn('bash', ['--noprofile', '--norc'], { cwd: home, env })
  children.push(child)
  let printed = ''
  let look = (): void => undefined
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      look()
    })
  }
  return {
    type: (command) =>
      new Promise((done) => {
        printed = ''
        look = () => {
          const end = /^END (\d+)$/m.exec(printed)
          if (end !== null) done({ text: printed.slice(0, end.index), code: Number(end[1]) })
        }
        child.stdin.write(`{ ${command}\n} </dev/null 2>&1; printf 'END %s\\n' $?\n`)
      }),
  }
}

/** Starts the network in a terminal of its own; resolves when it is there. */
async function otherTerminal(command: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('bash', ['-c', command], {
    ...{ cwd: join(home, 'transfer-limit'), env, detached: true },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let printed = ''
  await new Promise<void>((done, failed) => {
    const look = (chunk: Buffer): void => {
      printed += chunk.toString()
      if (printed.includes('Ctrl-C ends')) done()
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.once('exit', (code) => failed(new Error(`it ended with ${code}: ${printed}`)))
  })
  return printed
}

const shown = (text: string): string =>
  text
    .replaceAll(home, '~')
    .replace(/^npm (?:warn|notice).*\n/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim()

/** What an exit code may be besides 0: a deny, and what is not committed yet. */
const DENIED = 3
const AGAIN = 5

async function main(): Promise<void> {
  const start = Date.now()
  const server = await serveThisPackage()
  const { port } = server.address() as AddressInfo
  const { PATH } = process.env
  const env = {
    ...{ PATH, HOME: home, 'npm_config_@newton:registry': `http://127.0.0.1:${port}` },
    ...{ npm_config_yes: 'true', npm_config_fund: 'false', npm_config_audit: 'false' },
    npm_config_update_notifier: 'false',
  }
  const shell = openShell(env)
  const sections: string[] = []
  const write = (lines: readonly string[]): void => {
    sections.push(`\`\`\`console\n${lines.filter((line) => line !== '').join('\n')}\n\`\`\``)
  }
  for (const block of blocksOf(readFileSync(join(root, 'docs/start.md'), 'utf8'))) {
    const lines: string[] = []
    for (const command of block) {
      console.log(`$ ${command}`)
      lines.push(`$ ${command}`)
      if (/newton-policy devnet/.test(command)) {
        lines.push(shown(await otherTerminal(command, env)))
        continue
      }
      for (let tries = 0; ; tries++) {
        const { text, code } = await shell.type(command)
        console.log(text)
        lines.push(shown(text))
        if (code === 0 || (code === DENIED && command.includes('task create'))) break
        // Operators on a busy machine need more than one try, and say so in more than one way.
        const again = code === AGAIN || (command.includes('task create') && code === 1)
        if (!again || tries > 5) throw new Error(`${command} ended with ${code}`)
        await new Promise((done) => setTimeout(done, 5_000))
        lines.push(`$ ${command}`)
      }
    }
    write(lines)
  }
  server.closeAllConnections()
  server.close()
  const minutes = Math.ceil((Date.now() - start) / 60_000)
  const head = `# The first ten minutes, as they were

What [start](start.md) says, typed into a shell in an empty home, and what was printed. Written by
\`npm run docs:transcript\`; all of it took ${minutes} minutes, most of them \`npm install\`.
`
  writeFileSync(page, `${[head, ...sections].join('\n')}\n`)
}

try {
  await main()
} finally {
  for (const { pid, exitCode } of children) {
    if (pid === undefined || exitCode !== null) continue
    try {
      process.kill(-pid, 'SIGINT')
    } catch {
      process.kill(pid, 'SIGTERM')
    }
  }
  rmSync(home, { recursive: true, force: true })
}
// What a child keeps open is not waited for.
process.exit()
