/** Ways out of a build that need more than a shell: each tried from inside, by the calls themselves. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, describe, expect, test } from 'vitest'
import { toHex, utf8 } from '../../src/internal/bytes.js'
import { createSourceArchive } from '../../src/provenance/index.js'
import { type BuildLimits, openSandbox, sandboxedBuilder } from '../../src/provenance/node/index.js'
import { openMemoryGroup } from '../../src/provenance/node/isolation/processTree.js'
import { buildFilter } from '../../src/provenance/node/isolation/seccomp.js'
import { missingIsolation, toyImage, toyPlugin, toyScript, toySource, toyToolchain } from './toy.js'

const missing =
  missingIsolation() ?? (existsSync('/usr/bin/perl') ? undefined : 'perl is not installed')
if (missing !== undefined) console.log(`skipped: ${missing}`)

const directory = mkdtempSync(join(tmpdir(), 'escapes-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const signal = new AbortController().signal
const fine = toHex(sha256(toyPlugin('fine')))

/** What a build printed, and what it built. */
async function build(
  script: string,
  more: { files?: Record<string, string>; limits?: BuildLimits; signal?: AbortSignal } = {},
) {
  let log = ''
  const { archive, sourceSha256 } = toySource(script, more.files)
  const builder = sandboxedBuilder({
    ...{ sandbox: await openSandbox(), toolchains: [toyToolchain()] },
    limits: { time: 60_000, ...more.limits },
    onLog: (tail) => {
      log = tail
    },
  })
  const job = { image: toyImage, args: [], options: [], sourceSha256 }
  const built = await builder.make(job, { signal: more.signal ?? signal, archive })
  const hash = built.status === 'built' ? toHex(sha256(built.wasm)) : built.reason
  return { hash, log }
}
/** Tries something, and builds as if nothing had been. */
const after = (script: string): string => `{ ${script}\n} >&2 2>&1 </dev/null\n${toyScript('fine')}`

/** Whether a process of this machine has `mark` in its command line. */
function isRunning(mark: string): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(mark)
    } catch {
      return false
    }
  })
}
/** Control groups that a process made. */
function groupsOf(pid: number): string[] {
  return ['/sys/fs/cgroup', '/sys/fs/cgroup/memory'].flatMap((root) =>
    existsSync(root) ? readdirSync(root).filter((it) => it.startsWith(`newton-build-${pid}-`)) : [],
  )
}
async function until(check: () => boolean): Promise<void> {
  for (let tries = 0; !check(); tries++) {
    if (tries > 100) throw new TypeError('it did not come')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Calls by number, as the filter has to know them too: those of this machine. */
const calls =
  process.arch === 'arm64'
    ? { memfd_create: 279, shmget: 194, msgget: 186, semget: 190, keyctl: 219, add_key: 217 }
    : { memfd_create: 319, shmget: 29, msgget: 68, semget: 64, keyctl: 250, add_key: 248 }
const more =
  process.arch === 'arm64'
    ? { bpf: 280, perf_event_open: 241, userfaultfd: 282 }
    : { bpf: 321, perf_event_open: 298, userfaultfd: 323 }
const common = { io_uring_setup: 425, io_uring_enter: 426, memfd_secret: 447 }

describe.skipIf(missing !== undefined)('a build that leaves the shell', () => {
  test('behavior: memory of nobody, keys of the session and the kernel’s machinery are not there', async () => {
    const numbers = { ...calls, ...more, ...common }
    const lines = Object.entries(numbers).map(
      ([name, number]) =>
        `my $x = "a" x 256; my $r = syscall(${number}, $x, 0, 0, 0, 0); print "${name} ", $r < 0 ? $!{ENOSYS} ? "none" : "error" : "OPEN", "\\n";`,
    )
    const script = `use Errno; { ${lines.join(' } { ')} }`
    const { hash, log } = await build(after('perl /source/try.pl'), { files: { 'try.pl': script } })
    expect(hash).toBe(fine)
    expect(log.trim().split('\n').sort()).toEqual(
      Object.keys(numbers)
        .map((name) => `${name} none`)
        .sort(),
    )
  }, 60_000)

  test('behavior: memory that the kernel holds for it is its own', async () => {
    const group = await openMemoryGroup(2 ** 30)
    await group?.close()
    // Where no groups can be made, the machine's own reserve is what ends it.
    if (group === undefined) return
    // Messages in sockets that nobody reads, and names of files that are empty: both belong to no process.
    const sockets = [
      'use Socket; my @all; my $m = "x" x 65536;',
      'for (1 .. 2000) { socketpair(my $a, my $b, AF_UNIX, SOCK_DGRAM, 0) or last;',
      'fcntl($a, 4, 2048); push @all, $a, $b; 1 while send($a, $m, 0); } sleep 30;',
    ].join('\n')
    const files = 'for (1 .. 3000000) { open(my $f, ">", "/tmp/$_"); close $f }'
    for (const script of [sockets, files]) {
      const { hash } = await build('perl /source/try.pl', {
        ...{ files: { 'try.pl': script }, limits: { memory: 48 * 2 ** 20, time: 40_000 } },
      })
      expect(hash).toBe('limit_exceeded')
    }
  }, 100_000)

  test('behavior: sockets end at the namespace, those of a virtual machine’s host too', async () => {
    // vsock, packet, alg, bluetooth, xdp; then those that builds may have.
    const script = [40, 17, 38, 31, 44, 1, 2, 10]
      .map((family) => `print "${family} ", socket(my $s, ${family}, 1, 0) ? "open" : "no", "\\n";`)
      .join('\n')
    const { hash, log } = await build(after('perl /source/try.pl'), { files: { 'try.pl': script } })
    expect(hash).toBe(fine)
    expect(log.trim().split('\n')).toEqual([
      ...['40 no', '17 no', '38 no', '31 no', '44 no', '1 open', '2 open', '10 open'],
    ])
  }, 60_000)

  test('behavior: it types into no terminal and reads from none', async () => {
    const script = [
      'my $c = "x"; for my $h (\\*STDIN, \\*STDOUT, \\*STDERR) {',
      'print -t $h ? "TERMINAL" : "none", "\\n";',
      'print ioctl($h, 0x5412, $c) ? "TYPED" : "no", "\\n"; }',
      'print open(my $t, "+<", "/dev/tty") ? "TTY" : "no", "\\n";',
      // A terminal of its own is one, and typing into it is refused too.
      'if (open(my $p, "+<", "/dev/ptmx")) { print ioctl($p, 0x5412, $c) ? "TYPED" : "no", "\\n"; }',
      'print defined(<STDIN>) ? "READ" : "nothing", "\\n";',
    ].join('\n')
    const { hash, log } = await build(after('perl /source/try.pl'), { files: { 'try.pl': script } })
    expect(hash).toBe(fine)
    expect(log).not.toMatch(/TERMINAL|TYPED|TTY|READ/)
    expect(log).toContain('nothing')
  }, 60_000)

  test('behavior: its signals reach nobody else, and its streams for the walls are not its', async () => {
    const other = spawn('sleep', ['120'], { stdio: 'ignore' })
    let ended = false
    other.once('exit', () => {
      ended = true
    })
    try {
      const pid = other.pid as number
      const script = [
        `kill -9 ${pid}; kill -9 ${process.pid}; kill -9 ${process.ppid}`,
        'kill -STOP 1; kill -9 1; kill -TERM 0 || true',
        `ls /proc/${pid} /proc/${process.pid}`,
        'ls -l /proc/self/fd | wc -l; echo x >&3; echo x >&4',
      ].join('\n')
      await build(`trap "" TERM\n${after(script)}`)
      // Every process that it sees, which are its own.
      expect((await build(`sleep 60 & kill -9 -1; ${toyScript('fine')}`)).hash).toBe(fine)
      expect(ended).toBe(false)
    } finally {
      other.kill('SIGKILL')
    }
  }, 60_000)

  test('behavior: it becomes nobody else, and has the devices of nobody', async () => {
    const script = [
      'cp /usr/bin/id /tmp/id && chmod 6755 /tmp/id && /tmp/id -u',
      'su -c "echo ROOT" root; newgrp root; mknod /tmp/null c 1 3; mknod /tmp/mem c 1 1',
      'echo "devices: $(ls /dev | tr "\\n" " ")"',
    ].join('\n')
    const { hash, log } = await build(after(script), { files: { 'tool.sh': 'id -u' } })
    expect(hash).toBe(fine)
    expect(log).not.toContain('ROOT')
    expect(log).toMatch(/^1000$/m)
    expect(log.match(/not permitted/g)?.length).toBeGreaterThanOrEqual(2)
    const known = /^(core|fd|full|null|ptmx|pts|random|shm|std(in|out|err)|tty|urandom|zero)$/
    const devices = /^devices: (.*)$/m.exec(log)?.[1]?.trim().split(' ') ?? []
    expect(devices.length).toBeGreaterThan(3)
    expect(devices.filter((name) => !known.test(name))).toEqual([])
  }, 60_000)

  test('behavior: what is set in an archive beside contents is not there', async () => {
    const { archive, sourceSha256 } = createSourceArchive([
      { path: 'build.sh', bytes: utf8(after('stat -c "%a %Y %u" /source /source/build.sh')) },
      { path: 'a/b/c.txt', bytes: utf8('') },
    ])
    // Owner, times and setuid in its headers: another archive, of which a build sees the same.
    const changed = archive.slice()
    for (let at = 0; at + 512 <= changed.length; at += 512) {
      if (String.fromCharCode(...changed.subarray(at + 257, at + 262)) !== 'ustar') continue
      changed.set(utf8('0006755'), at + 100)
      changed.set(utf8('00000001234'), at + 136)
      changed.set(utf8('        '), at + 148)
      const sum = changed.subarray(at, at + 512).reduce((total, byte) => total + byte, 0)
      changed.set(utf8(`${sum.toString(8).padStart(6, '0')}\u0000 `), at + 148)
    }
    const logs: string[] = []
    for (const each of [archive, changed]) {
      const builder = sandboxedBuilder({
        ...{ sandbox: await openSandbox(), toolchains: [toyToolchain()] },
        onLog: (tail) => logs.push(tail),
      })
      const job = { image: toyImage, args: [], options: [], sourceSha256: toHex(sha256(each)) }
      expect(await builder.make(job, { signal, archive: each })).toMatchObject({ status: 'built' })
    }
    expect(sourceSha256).not.toBe(toHex(sha256(changed)))
    expect(logs[0]).toMatch(/^755 1577836800 \d+\n644 1577836800 \d+\n$/)
    expect(logs[1]).toBe(logs[0]?.replace('644', '755'))
  }, 60_000)

  test('behavior: what it leaves behind in the place of an output is looked at by nobody', async () => {
    const places = ['/tmp/plugin.wasm', '/tmp/out', '/dev/shm/plugin.wasm']
    const script = places
      .flatMap((at) => [`ln -s /etc/shadow ${at}`, `rm ${at}`, `mkfifo ${at}`])
      .concat('truncate -s 100G /tmp/giant', 'dd if=/dev/zero of=/tmp/sparse bs=1 count=1 seek=90G')
      .join('; ')
    const { hash, log } = await build(after(script), { limits: { written: 16 * 2 ** 20 } })
    expect(hash).toBe(fine)
    expect(log).toMatch(/File (too large|size limit)|Invalid argument|No space/)
    // A file with a hole that is printed is read no further than an output may be.
    const hole = 'truncate -s 15M /tmp/hole; cat /tmp/hole'
    const limits = { written: 16 * 2 ** 20, output: 2 ** 20 }
    expect((await build(hole, { limits })).hash).toBe('limit_exceeded')
  }, 60_000)

  test('behavior: what it starts does not outlive it, however it ends', async () => {
    const daemon = (mark: string): string =>
      `setsid sh -c 'trap "" HUP TERM INT; sleep ${mark} & wait; wait' >/dev/null 2>&1 &\n`
    // By itself.
    const [quiet, failing, slow, aborted] = ['61', '62', '63', '64'].map(
      (end) => `12${process.pid}.${end}`,
    ) as [string, string, string, string]
    expect((await build(daemon(quiet) + toyScript('fine'))).hash).toBe(fine)
    expect((await build(`${daemon(failing)}exit 1`)).hash).toBe('build_failed')
    const limits = { time: 1_000 }
    expect((await build(`${daemon(slow)}sleep 60`, { limits })).hash).toBe('timeout')
    const stop = new AbortController()
    const ending = build(`${daemon(aborted)}sleep 60`, { signal: stop.signal })
    await until(() => isRunning(aborted))
    stop.abort()
    await expect(ending).rejects.toThrow()
    for (const mark of [quiet, failing, slow, aborted]) await until(() => !isRunning(mark))
  }, 60_000)

  test('behavior: a worker that is killed takes its build with it', async () => {
    const mark = `13${process.pid}.65`
    const url = new URL('../../src/provenance/node/index.ts', import.meta.url)
    const source = [
      `import { openSandbox } from ${JSON.stringify(fileURLToPath(url))}`,
      "const binds = [{ host: '/usr', guest: '/usr' }]",
      `const argv = ['/usr/bin/sh', '-c', 'setsid sleep ${mark} & sleep ${mark}']`,
      "void openSandbox().then((it) => it.run({ binds, argv, env: {}, directory: '/tmp' }))",
    ].join('\n')
    const worker = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', source],
      {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        stdio: 'ignore',
      },
    )
    try {
      const sleeps = (): boolean =>
        readdirSync('/proc').some((name) => {
          try {
            return readFileSync(`/proc/${name}/cmdline`, 'latin1') === `sleep\0${mark}\0`
          } catch {
            return false
          }
        })
      await until(sleeps)
      worker.kill('SIGKILL')
      await until(() => !sleeps())
      // The group that it left is removed by whoever makes the next one.
      const left = async (): Promise<string[]> => {
        const group = await openMemoryGroup(2 ** 30)
        await group?.close()
        return group === undefined ? [] : groupsOf(worker.pid as number)
      }
      // It is empty only once what was killed has been waited for.
      await expect.poll(left, { timeout: 10_000 }).toEqual([])
    } finally {
      worker.kill('SIGKILL')
    }
  }, 60_000)
})

describe('buildFilter', () => {
  test('behavior: whole instructions for machines whose calls are known, none for others', () => {
    for (const arch of ['x64', 'arm64'])
      expect((buildFilter(arch) as Uint8Array).length % 8).toBe(0)
    for (const arch of ['ia32', 'riscv64', 'constructor', '']) {
      expect(buildFilter(arch)).toBeUndefined()
    }
  })
})
