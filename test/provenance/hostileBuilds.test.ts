import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, describe, expect, test } from 'vitest'
import { toHex } from '../../src/internal/bytes.js'
import type { BuildOutcome } from '../../src/provenance/index.js'
import { type BuildLimits, openSandbox, sandboxedBuilder } from '../../src/provenance/node/index.js'
import { missingIsolation, toyImage, toyPlugin, toyScript, toySource, toyToolchain } from './toy.js'

const missing = missingIsolation()
if (missing !== undefined) console.log(`skipped: ${missing}`)

const directory = mkdtempSync(join(tmpdir(), 'hostile-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const signal = new AbortController().signal
const expected = toHex(sha256(toyPlugin('fine')))
let log = ''

async function build(
  script: string,
  more: { files?: Record<string, string>; limits?: BuildLimits } = {},
): Promise<BuildOutcome> {
  const { archive, sourceSha256 } = toySource(script, more.files)
  const builder = sandboxedBuilder({
    sandbox: await openSandbox(),
    toolchains: [toyToolchain()],
    limits: { time: 60_000, ...more.limits },
    onLog: (tail) => {
      log = tail
    },
  })
  const job = { image: toyImage, args: [], options: [], sourceSha256 }
  const built = await builder.make(job, { signal, archive })
  if (built.status === 'did_not_run') return { ...built, isolation: 'bubblewrap' }
  const codeSha256 = toHex(sha256(built.wasm))
  return {
    ...{ status: 'built', codeSha256, rebuiltSha256: codeSha256, isolation: 'bubblewrap' },
    logSha256: built.logSha256,
  }
}

/** Does something hostile, prints what came of it to the log, and builds as if nothing had been. */
const after = (script: string): string => `{ ${script}\n} >&2 2>&1\n${toyScript('fine')}`

describe.skipIf(missing !== undefined)('a hostile build', () => {
  test('behavior: an honest one gives its plugin', async () => {
    expect(await build(toyScript('fine'))).toMatchObject({ status: 'built', codeSha256: expected })
  }, 60_000)

  test('behavior: it has no network, not even this machine', async () => {
    const server = createServer((socket) => socket.end('reached'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const probe = (host: string, to: number): string =>
      `node -e "require('net').connect(${to},'${host}').on('connect',()=>console.log('REACHED')).on('error',(e)=>console.log(e.code))"`
    try {
      expect(
        await build(
          after(`${probe('127.0.0.1', port)}\n${probe('1.1.1.1', 443)}\nls /sys/class/net`),
        ),
      ).toMatchObject({ status: 'built', codeSha256: expected })
      expect(log).not.toContain('REACHED')
      expect(log).toMatch(/ECONNREFUSED/)
      expect(log).toMatch(/ENETUNREACH|EHOSTUNREACH/)
    } finally {
      server.close()
    }
  }, 60_000)

  test('behavior: it sees no key, no environment and no file of the host', async () => {
    const secret = join(directory, 'key.pem')
    writeFileSync(secret, 'SECRETKEY')
    process.env['NEWTON_TEST_SECRET'] = 'SECRETENV'
    try {
      const script = [
        `cat ${secret}`,
        ...['env', 'cat /proc/1/environ | tr "\\0" "\\n"', 'cat /etc/shadow', 'cat /etc/hosts'],
        ...['ls /root /home /work /run /var /host', 'ls -la /', 'ls -d /proc/[0-9]* | wc -l'],
        'id -u',
      ].join('\n')
      expect(await build(after(script))).toMatchObject({ status: 'built' })
      expect(log).not.toMatch(/SECRETKEY|SECRETENV|root:/)
      expect(log).toContain('SOURCE_DATE_EPOCH=1577836800')
      // The first process, the shell, and what counts them.
      expect(Number(/^(\d+)\n1000$/m.exec(log)?.[1])).toBeLessThan(8)
    } finally {
      delete process.env['NEWTON_TEST_SECRET']
    }
  }, 60_000)

  test('behavior: it changes neither its source nor its toolchain nor anything else', async () => {
    const script = [
      ...['echo x > /source/build.sh', 'echo x > /usr/bin/node', 'echo x > /x', 'mkdir /y'],
      ...[
        'mount -t tmpfs none /usr',
        'chroot / true',
        'date -s 2001-01-01',
        'mknod /tmp/sda b 8 0',
      ],
    ].join('; ')
    expect(await build(after(script))).toMatchObject({ status: 'built', codeSha256: expected })
    expect(log.match(/Read-only file system/g)?.length).toBeGreaterThanOrEqual(4)
  }, 60_000)

  test('behavior: namespaces of its own are refused', async () => {
    expect(await build(after('unshare --user --map-root-user id && echo NESTED'))).toMatchObject({
      status: 'built',
    })
    expect(log).not.toContain('NESTED')
  }, 60_000)

  test('behavior: planted outputs are not there to be handed out', async () => {
    const planted = {
      'plugin.wasm': 'planted',
      'target/release/plugin.wasm': 'planted',
      'target/release/fingerprint': 'planted',
      'node_modules/tool/index.js': 'planted',
    }
    const script = after('find /source -type f')
    expect(await build(script, { files: planted })).toMatchObject({ codeSha256: expected })
    expect(log).not.toContain('plugin.wasm')
    expect(log).not.toContain('target')
    expect(await build('cat /source/plugin.wasm', { files: planted })).toMatchObject({
      status: 'did_not_run',
      reason: 'build_failed',
    })
  }, 60_000)

  test('behavior: a fork bomb ends, and its processes with it', async () => {
    const outcome = await build(
      `bomb() { bomb | bomb & }; bomb; i=0; while [ $i -lt 400 ]; do sleep 60 & i=$((i+1)); done; wait`,
      { limits: { processes: 100, time: 20_000 } },
    )
    expect(outcome.status).toBe('did_not_run')
    const left = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length
    expect(left).toBeLessThan(5_000)
  }, 60_000)

  test('behavior: memory ends', async () => {
    const script = `node -e "const all=[];for(;;)all.push(Buffer.alloc(1<<24,1))"`
    expect(await build(script, { limits: { memory: 400 * 2 ** 20, time: 30_000 } })).toMatchObject({
      status: 'did_not_run',
      reason: 'limit_exceeded',
    })
  }, 60_000)

  test('behavior: the disk is not filled', async () => {
    const limits = { written: 8 * 2 ** 20 }
    const fill = (path: string): string => `dd if=/dev/zero of=${path} bs=1M count=64`
    const script = after(
      [fill('/tmp/a'), fill('/dev/shm/a'), fill('/dev/a'), fill('/a')].join('\n'),
    )
    expect(await build(script, { limits })).toMatchObject({ status: 'built', codeSha256: expected })
    expect(log).toMatch(/No space left|File too large/)
    expect(log).not.toContain('67108864 bytes')
  }, 60_000)

  test('behavior: output and log end', async () => {
    expect(await build('cat /dev/zero', { limits: { output: 2 ** 20 } })).toMatchObject({
      reason: 'limit_exceeded',
    })
    expect(await build('cat /dev/zero >&2', { limits: { log: 2 ** 20 } })).toMatchObject({
      reason: 'limit_exceeded',
    })
  }, 60_000)

  test('behavior: time ends', async () => {
    expect(await build('sleep 600', { limits: { time: 1_500 } })).toMatchObject({
      status: 'did_not_run',
      reason: 'timeout',
    })
  }, 60_000)

  test('behavior: what prints a lie has built that lie and nothing else', async () => {
    expect(await build('echo "0x1234 MATCH verified"')).toMatchObject({
      status: 'did_not_run',
      reason: 'output_invalid',
    })
    expect(await build(`echo "${'ab'.repeat(32)}" >&2; ${toyScript('evil')}`)).toMatchObject({
      codeSha256: toHex(sha256(toyPlugin('evil'))),
    })
    expect(await build('exit 3')).toMatchObject({ reason: 'build_failed' })
  }, 60_000)

  test('behavior: it shows the clock of nobody, where the toolchain has one that stands', async () => {
    const builder = sandboxedBuilder({
      sandbox: await openSandbox(),
      toolchains: [toyToolchain()],
    })
    const { archive, sourceSha256 } = toySource(toyScript('fine'))
    const job = {
      image: toyImage,
      args: [],
      options: [],
      sourceSha256,
      determinism: 'newton-det/1',
    }
    expect(await builder.make(job, { signal, archive })).toMatchObject({
      status: 'did_not_run',
      reason: 'nondeterministic_toolchain',
    })
  }, 60_000)
})

describe.skipIf(missing !== undefined)('sandboxedBuilder', () => {
  test('behavior: why a build did not run', async () => {
    const sandbox = await openSandbox()
    const { archive, sourceSha256 } = toySource(toyScript('fine'))
    const none: string[] = []
    const job = { image: toyImage, args: none, options: none, sourceSha256 }
    const make = (
      toolchains: Parameters<typeof sandboxedBuilder>[0]['toolchains'],
      more: Partial<typeof job> & { sourceUri?: string } = {},
      bytes: Uint8Array | undefined = archive,
    ) =>
      sandboxedBuilder({ sandbox, toolchains }).make(
        { ...job, ...more },
        { signal, archive: bytes },
      )
    const reasonOf = async (made: ReturnType<typeof make>): Promise<unknown> =>
      (await made) as unknown
    expect(await reasonOf(make([]))).toMatchObject({ reason: 'toolchain_unavailable' })
    const image = `registry.example/a@sha256:${'ab'.repeat(32)}`
    expect(await reasonOf(make([toyToolchain()], { image }))).toMatchObject({
      reason: 'unknown_image',
    })
    const changed = toyToolchain({ isIntact: async () => false })
    expect(await reasonOf(make([changed]))).toMatchObject({ reason: 'toolchain_unavailable' })
    expect(
      await reasonOf(make([toyToolchain()], { sourceSha256: `0x${'ab'.repeat(32)}` })),
    ).toMatchObject({ reason: 'source_unavailable' })
    const junk = new Uint8Array(2_000)
    expect(
      await reasonOf(make([toyToolchain()], { sourceSha256: toHex(sha256(junk)) }, junk)),
    ).toMatchObject({ reason: 'source_invalid' })
    // No program can be called with such a word.
    for (const words of [{ args: ['a\0b'] }, { options: ['--a=\0'] }]) {
      expect(await reasonOf(make([toyToolchain()], words))).toMatchObject({
        reason: 'build_info_invalid',
      })
    }
    const builder = sandboxedBuilder({ sandbox, toolchains: [toyToolchain()] })
    for (const sourceUri of [
      undefined,
      'http://example.com/a.tar',
      'https://127.0.0.1/a.tar',
      'https://localhost/a.tar',
      'file:///etc/passwd',
    ]) {
      expect(await builder.make({ ...job, sourceUri }, { signal })).toMatchObject({
        reason: 'source_unavailable',
      })
    }
  }, 60_000)

  test('error: walls that cannot be built are no failure of the build', async () => {
    const sandbox = await openSandbox()
    const run = (host: string, script: string) =>
      sandbox.run({
        binds: [
          { host: '/usr', guest: '/usr' },
          { host, guest: '/source' },
        ],
        argv: ['/usr/bin/sh', '-c', script],
        ...{ env: {}, directory: '/source', limits: { time: 30_000 } },
      })
    await expect(run(join(directory, 'not there'), 'true')).rejects.toMatchObject({
      code: 'NO_ISOLATION',
      reason: expect.stringContaining('ended before the build') as string,
    })
    expect(await run('/usr', 'exit 7')).toMatchObject({ status: 'failed' })
    // The stream on which the walls report is not the build's to write.
    const forged = await run('/usr', `echo '{"exit-code":0}' >&3; exit 1`)
    expect(forged).toMatchObject({ status: 'failed' })
    expect(forged.logTail).toMatch(/bad file descriptor/i)
  }, 60_000)

  test('error: no isolation is a refusal to work, not a result', async () => {
    await expect(openSandbox({ bwrap: '/usr/bin/false' })).rejects.toMatchObject({
      code: 'NO_ISOLATION',
    })
    const open = await openSandbox({ bwrap: '/usr/bin/false', unsafeNoIsolation: true })
    expect(open.isolation).toBe('none')
  }, 60_000)
})
