import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { javascriptToolchain } from '../../src/cli/toolchains/javascript.js'
import type { OpenedToolchain } from '../../src/cli/toolchains/packages.js'
import { rustToolchain } from '../../src/cli/toolchains/rust.js'
import { readSourceFolder } from '../../src/cli/toolchains/sources.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import { toHex } from '../../src/internal/bytes.js'
import { createSourceArchive } from '../../src/provenance/index.js'
import {
  openSandbox,
  type Sandbox,
  sandboxedBuilder,
  type Toolchain,
} from '../../src/provenance/node/index.js'
import { missingIsolation } from './toy.js'

const missing = missingIsolation()
if (missing !== undefined) console.log(`skipped: ${missing}`)

const directory = mkdtempSync(join(tmpdir(), 'rebuild-'))
// Builds of root run as somebody else, who has to reach it.
chmodSync(directory, 0o755)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A clock that is 400 days ahead, for every program that is linked to the C library. */
const clock = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>
#define AHEAD (400L * 86400)
int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int r = real(id, t);
  if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += AHEAD;
  return r;
}
time_t time(time_t *to) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (to) *to = t.tv_sec;
  return t.tv_sec;
}
int gettimeofday(struct timeval *to, void *zone) {
  struct timespec t;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &t);
  to->tv_sec = t.tv_sec;
  to->tv_usec = t.tv_nsec / 1000;
  return 0;
}
`

/** The same toolchain on another day. */
function onAnotherDay(toolchain: Toolchain): Toolchain {
  const file = (name: string): string => join(directory, name)
  writeFileSync(file('clock.c'), clock)
  execFileSync('cc', ['-shared', '-fPIC', '-o', file('clock.so'), file('clock.c'), '-ldl'])
  writeFileSync(file('preload'), '/toolchain/clock.so\n')
  return {
    ...toolchain,
    binds: [
      ...toolchain.binds,
      { host: file('clock.so'), guest: '/toolchain/clock.so' },
      { host: file('preload'), guest: '/etc/ld.so.preload' },
    ],
  }
}

const languages = [
  { name: 'JavaScript', folder: 'sanctions-score-js/plugin.js', open: javascriptToolchain },
  { name: 'Rust', folder: 'sanctions-score', open: rustToolchain },
]

describe.skipIf(missing !== undefined).each(languages)('a plugin in $name', (language) => {
  let opened: OpenedToolchain | undefined
  beforeAll(async () => {
    try {
      opened = await language.open()
    } catch (error) {
      if (!isPolicySdkError(error) || process.env['CI_REQUIRE_ALL'] === '1') throw error
      console.log(`skipped: ${error.shortMessage}`)
    }
  }, 120_000)
  afterAll(() => opened?.close())

  const source = async (): Promise<ReturnType<typeof createSourceArchive>> => {
    const url = new URL(`../../examples/plugins/${language.folder}`, import.meta.url)
    return createSourceArchive(await readSourceFolder(fileURLToPath(url)))
  }

  async function build(
    toolchain: Toolchain,
    sandbox: Sandbox,
    given: ReturnType<typeof createSourceArchive>,
  ): Promise<{ hash: string; log: string }> {
    let log = ''
    const builder = sandboxedBuilder({
      ...{ sandbox, toolchains: [toolchain] },
      onLog: (tail) => {
        log = tail
      },
    })
    const { image, determinism } = toolchain
    const { archive, sourceSha256 } = given
    const job = { image, determinism, args: ['plugin', 'build'], options: [], sourceSha256 }
    const made = await builder.make(job, { signal: new AbortController().signal, archive })
    if (made.status !== 'built') throw new TypeError(`${made.reason}: ${log}`)
    return { hash: toHex(sha256(made.wasm)), log }
  }

  test('behavior: the same in another folder, as another user, on another day, and without walls', async () => {
    if (opened === undefined) return
    const { toolchain } = opened
    const walls = await openSandbox()
    const archive = await source()
    const first = await build(toolchain, walls, archive)
    const later = onAnotherDay(toolchain)
    const { logTail } = await walls.run({
      ...{ binds: later.binds, env: {}, directory: '/tmp' },
      argv: ['/toolchain/bin/node', '-e', 'console.error(Date.now())'],
    })
    expect(Number(logTail) - Date.now()).toBeGreaterThan(399 * 86_400_000)
    // A worker that is root takes another user for each build; folders have names of their own.
    const other = join(directory, `elsewhere ${language.name}`.replace(' ', '-'))
    mkdirSync(other, { mode: 0o755 })
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = other
    try {
      expect((await build(later, walls, archive)).hash).toBe(first.hash)
      const none = await openSandbox({ bwrap: '/no/bwrap', unsafeNoIsolation: true })
      expect((await build(toolchain, none, archive)).hash).toBe(first.hash)
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
    console.log(`${language.name}: ${first.hash}`)
  }, 1_800_000)
})
