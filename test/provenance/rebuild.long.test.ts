import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { javascriptToolchain } from '../../src/cli/toolchains/javascript.js'
import type { OpenedToolchain } from '../../src/cli/toolchains/packages.js'
import { rustToolchain } from '../../src/cli/toolchains/rust.js'
import { readSourceFolder } from '../../src/cli/toolchains/sources.js'
import type { ProvenanceClaim } from '../../src/core/interfaces/provenance.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import { concat, fromHex, toHex } from '../../src/internal/bytes.js'
import {
  appendMetadata,
  type BuildOutcome,
  computeWasmHashes,
  createControlPlane,
  createProvenanceIndex,
  createSourceArchive,
  memoryQueue,
  readEvidence,
  toMetadataEntries,
} from '../../src/provenance/index.js'
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

/** In the source of both plugins, and in what is built of it. */
const word = 'x-api-key'

/** The same, with the last letter of that word turned into another. */
function withOneByteChanged(bytes: Uint8Array): Uint8Array {
  const at = Buffer.from(bytes).indexOf(word)
  if (at < 0) return bytes
  const changed = bytes.slice()
  const last = at + word.length - 1
  changed[last] = (changed[last] as number) ^ 1
  return changed
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
      // Cargo's own downloads are read first: a machine that reaches its registry by another way has them.
      const folder = fileURLToPath(
        new URL(`../../examples/plugins/${language.folder}`, import.meta.url),
      )
      if (existsSync(join(folder, 'Cargo.lock'))) {
        try {
          execFileSync('cargo', ['fetch', '--locked'], { cwd: folder, stdio: 'ignore' })
        } catch {
          console.log('cargo fetched nothing: crates are those that it has, or that can be fetched')
        }
      }
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
  ): Promise<{ wasm: Uint8Array; hash: string; log: string }> {
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
    return { wasm: made.wasm, hash: toHex(sha256(made.wasm)), log }
  }

  /** The plugin of the source as it is. */
  let plugin: Uint8Array | undefined

  test('behavior: the same in another folder, as another user, on another day, and without walls', async () => {
    if (opened === undefined) return
    const { toolchain } = opened
    const walls = await openSandbox()
    const archive = await source()
    const first = await build(toolchain, walls, archive)
    plugin = first.wasm
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

  test('behavior: a source with one byte changed is claimed to be no match', async () => {
    if (opened === undefined) return
    const { toolchain } = opened
    const sandbox = await openSandbox()
    plugin ??= (await build(toolchain, sandbox, await source())).wasm
    const url = new URL(`../../examples/plugins/${language.folder}`, import.meta.url)
    const files = await readSourceFolder(fileURLToPath(url))
    const changed = createSourceArchive(
      files.map((file) => ({ ...file, bytes: withOneByteChanged(file.bytes) })),
    )
    expect(changed.sourceSha256).not.toBe((await source()).sourceSha256)
    // The plugin says that it comes from the changed source.
    const { image, determinism } = toolchain
    const wasm = appendMetadata(
      plugin,
      toMetadataEntries({
        ...{ image, determinism, sourceSha256: changed.sourceSha256 },
        ...{ args: ['plugin', 'build'], options: [] },
      }),
    )
    const claims: ProvenanceClaim[] = []
    const documents: Uint8Array[] = []
    const { wasmHash } = computeWasmHashes(wasm)
    const place = { blockNumber: 1n, logIndex: 0, transactionHash: wasmHash, timestamp: 1n }
    const plane = createControlPlane({
      ...{ fromBlock: 1n, index: createProvenanceIndex(), queue: memoryQueue() },
      leaseMs: 1_800_000,
      events: {
        getFinalizedBlock: async () => 1n,
        getEvents: async () => [
          { ...place, type: 'PluginRegistered', wasmHash, templateId: wasmHash },
        ],
      },
      claims: {
        verifier: `0x${'12'.repeat(20)}`,
        submitClaim: async (claim) => {
          claims.push(claim)
          return { transactionHash: wasmHash }
        },
      },
      evidence: {
        put: async (bytes, hash) => {
          documents.push(bytes)
          return `https://a.example/${hash.slice(2)}.json`
        },
        get: async () => undefined,
      },
      readPlugin: async () => wasm,
    })
    await plane.follow()
    const builder = sandboxedBuilder({ sandbox, toolchains: [toolchain] })
    const lease = await plane.lease('w')
    if (lease === undefined) throw new TypeError('there is no job')
    const { job } = lease
    const signal = new AbortController().signal
    const made = await builder.make(job, { signal, archive: changed.archive })
    if (made.status !== 'built') throw new TypeError(made.reason)
    const hash = (bytes: Uint8Array) => toHex(sha256(bytes))
    const outcome: BuildOutcome = {
      status: 'built',
      ...{ isolation: 'bubblewrap', logSha256: made.logSha256 },
      codeSha256: hash(made.wasm),
      rebuiltSha256: hash(concat(made.wasm, fromHex(job.metadata))),
    }
    expect(await plane.finish('w', lease.leaseId, outcome)).toBe(true)
    await plane.settle()
    expect(claims).toMatchObject([{ wasmHash, result: 'no_match' }])
    expect(readEvidence(documents[0] as Uint8Array)).toMatchObject({ level: 'none' })
  }, 1_800_000)
})
