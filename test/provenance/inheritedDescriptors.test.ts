/** What a worker was started with is in none of its builds. */
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { missingIsolation } from './toy.js'

const missing =
  missingIsolation() ?? (existsSync('/usr/bin/perl') ? undefined : 'perl is not installed')
if (missing !== undefined) console.log(`skipped: ${missing}`)

const directory = mkdtempSync(join(tmpdir(), 'inherited-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Says what each descriptor is that it has beside its streams, and tries to use each. */
const list = String.raw`
for my $fd (3 .. 1100) {
  open(my $it, '+<&=', $fd) || open($it, '<&=', $fd) || next;
  my $what = readlink("/proc/self/fd/$fd") // '';
  print STDERR "has $fd $what\n" if $what ne '/dev/null';
  my $text; sysread($it, $text, 100); print STDERR "read $text\n" if length($text // '');
  syswrite($it, 'written by the build');
  print STDERR "reached $fd\n" if open(my $host, '<', "/proc/self/fd/$fd/secret.txt");
}
print STDERR "looked\n";`

describe.skipIf(missing !== undefined)('a worker that was started with descriptors', () => {
  for (const isolation of ['bubblewrap', 'none'] as const) {
    test(`behavior: files, folders and sockets of its own are in no build, isolation ${isolation}`, async () => {
      const paths = ['secret.txt', 'lock'].map((name) => join(directory, name)) as [string, string]
      writeFileSync(paths[0], 'secret of the worker', { mode: 0o600 })
      writeFileSync(paths[1], '')
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
      const url = new URL('../../src/provenance/node/index.ts', import.meta.url)
      const program = [
        `import { openSandbox } from ${JSON.stringify(fileURLToPath(url))}`,
        "const binds = ['/usr', '/lib64'].map((path) => ({ host: path, guest: path }))",
        `const argv = ['/usr/bin/perl', '-e', ${JSON.stringify(list)}]`,
        `const options = ${isolation === 'none' ? "{ unsafeNoIsolation: true, bwrap: '/nowhere' }" : '{}'}`,
        'const it = await openSandbox(options)',
        "const end = await it.run({ binds, argv, env: {}, directory: '/tmp' })",
        'console.log(it.isolation + " " + end.status + "\\n" + end.logTail)',
      ].join('\n')
      const opened = [openSync(paths[0], 'r'), openSync(paths[1], 'a+'), openSync(directory, 'r')]
      const [secret, lock, folder] = opened as [number, number, number]
      const { fd: socket } = (server as unknown as { _handle: { fd: number } })._handle
      const stdio: ('ignore' | 'pipe' | 'inherit' | number)[] = Array(1_025).fill('ignore')
      const planted = { 1: 'pipe', 2: 'inherit', 3: secret, 17: secret, 18: socket } as const
      Object.assign(stdio, planted, { 200: lock, 201: secret, 400: folder, 1024: folder })
      const worker = spawn(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', program],
        { cwd: fileURLToPath(new URL('../..', import.meta.url)), stdio },
      )
      let said = ''
      worker.stdout?.on('data', (part) => {
        said += part
      })
      await new Promise((resolve) => worker.once('close', resolve))
      for (const each of opened) closeSync(each)
      server.close()
      expect(said.trim().split('\n')).toEqual([`${isolation} ended`, 'looked'])
      expect(readFileSync(paths[1], 'utf8')).toBe('')
    })
  }
})
