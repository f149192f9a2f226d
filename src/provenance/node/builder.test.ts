import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { createSourceArchive, type SourceFile } from '../build/archive.js'
import { SourceUnavailableError } from '../errors.js'
import { type LocalBuild, type SandboxedBuilderParameters, sandboxedBuilder } from './builder.js'
import type { SandboxEnd } from './isolation/buildStreams.js'
import type { SandboxRun } from './isolation/sandbox.js'
import { layOut } from './layOut.js'
import type { Toolchain } from './toolchain.js'

const directory = mkdtempSync(join(tmpdir(), 'builder-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const image = `newton-toolchain@sha256:${'70'.repeat(32)}`
const { archive, sourceSha256 } = createSourceArchive([{ path: 'a', bytes: utf8('a') }])
const ended: SandboxEnd = {
  ...{ status: 'failed', output: new Uint8Array(), logSha256: `0x${'00'.repeat(32)}`, logTail: '' },
}

type Made = { runs: SandboxRun[]; log: string[]; build: Promise<LocalBuild> }

/** Builds in a sandbox that only notes what it is given. */
function make(
  more: Partial<Toolchain> & {
    time?: number
    signal?: AbortSignal
    sourceUri?: string
    run?: (run: SandboxRun) => Promise<SandboxEnd>
  } = {},
): Made {
  const {
    time = 60_000,
    signal = new AbortController().signal,
    sourceUri,
    run,
    ...toolchain
  } = more
  const runs: SandboxRun[] = []
  const log: string[] = []
  const parameters: SandboxedBuilderParameters = {
    sandbox: {
      isolation: 'bubblewrap',
      run: async (given) => {
        runs.push(given)
        return run ? run(given) : ended
      },
    },
    toolchains: [
      { image, binds: [], entrypoint: [], env: {}, isIntact: async () => true, ...toolchain },
    ],
    ...{ limits: { time }, allowPrivate: true, onLog: (tail) => log.push(tail) },
  }
  const job = { image, args: [], options: [], sourceSha256, sourceUri }
  const given = sourceUri === undefined ? { signal, archive } : { signal }
  return { runs, log, build: sandboxedBuilder(parameters).make(job, given) }
}

/** Ends where the signal does, as all that is given one has to. */
const untilAborted = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

describe('one time for source, layout and build', () => {
  test('behavior: a source that never comes is one that cannot be had', async () => {
    const server = createServer((_, response) => response.write('a'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const sourceUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    try {
      const { runs, build } = make({ time: 50, sourceUri })
      expect(await build).toMatchObject({ status: 'did_not_run', reason: 'source_unavailable' })
      expect(runs).toEqual([])
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  test('behavior: what takes too long before the build is a timeout of the build', async () => {
    let source = ''
    const { runs, build } = make({
      time: 50,
      prepare: (folder, { signal }) => {
        source = folder
        return untilAborted(signal)
      },
    })
    expect(await build).toMatchObject({ status: 'did_not_run', reason: 'timeout' })
    expect([runs, existsSync(source)]).toEqual([[], false])
  })

  test('behavior: a build has what its source left of the time', async () => {
    const prepare = async (): Promise<[]> => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return []
    }
    const { runs, build } = make({ prepare })
    await build
    expect(runs[0]?.limits?.time).toBeGreaterThan(0)
    expect(runs[0]?.limits?.time).toBeLessThan(60_000)
  })

  test('error: a fault of this machine is none of the build, however late', async () => {
    const { build } = make({
      time: 50,
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 100))
        throw new TypeError('no walls')
      },
    })
    await expect(build).rejects.toThrow('no walls')
  })

  test('error: a signal that fires before the build leaves no build', async () => {
    const controller = new AbortController()
    const isIntact = async (): Promise<boolean> => {
      controller.abort(new TypeError('enough'))
      return true
    }
    const { runs, build } = make({ isIntact, signal: controller.signal })
    await expect(build).rejects.toThrow('enough')
    expect(runs).toEqual([])
  })

  test.each([{ time: 0 }, { time: Number.NaN }, { time: 2 ** 31 }, { tim: 1 } as never])(
    'error: limits that no timer can keep: %j',
    (limits) => {
      const sandbox = { isolation: 'bubblewrap', run: async () => ended } as const
      expect(() => sandboxedBuilder({ sandbox, toolchains: [], limits })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    },
  )
})

describe('why there is no source', () => {
  test('behavior: it is told to whoever builds, and is in no outcome', async () => {
    const server = createServer((_, response) => response.writeHead(404).end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const sourceUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const { build, log } = make({ sourceUri })
    expect(await build).toEqual({ status: 'did_not_run', reason: 'source_unavailable' })
    server.close()
    expect(log).toEqual([expect.stringMatching(/nobody has it.* status 404/)])
  })

  test('behavior: which crate is missing, too', async () => {
    const prepare = async (): Promise<never> => {
      throw new SourceUnavailableError('nobody has left-pad 1.0.0')
    }
    const { build, log } = make({ prepare })
    expect(await build).toMatchObject({ reason: 'source_unavailable' })
    expect(log).toEqual([expect.stringContaining('left-pad 1.0.0')])
  })
})

describe('layOut', () => {
  test('behavior: files and folders at the time of the build, and how many', async () => {
    const folder = join(directory, 'fine')
    const files: SourceFile[] = [
      { path: 'a/b/c', bytes: utf8('c'), executable: true },
      { path: 'a/d', bytes: utf8('d') },
    ]
    expect(await layOut(folder, files, undefined)).toBe(5)
    for (const path of ['', 'a', 'a/b', 'a/b/c', 'a/d']) {
      expect(statSync(join(folder, path)).mtimeMs).toBe(1_577_836_800_000)
    }
    expect(statSync(join(folder, 'a/b/c')).mode & 0o777).toBe(0o755)
    expect(statSync(join(folder, 'a/d')).mode & 0o777).toBe(0o644)
  })

  test('error: a signal ends it between two files', async () => {
    const controller = new AbortController()
    const folder = join(directory, 'ended')
    const files: SourceFile[] = ['a', 'b', 'c'].map((path) => ({
      path,
      get bytes() {
        if (path === 'b') controller.abort(new TypeError('enough'))
        return utf8(path)
      },
    }))
    await expect(layOut(folder, files, controller.signal)).rejects.toThrow('enough')
    expect(['a', 'c'].map((path) => existsSync(join(folder, path)))).toEqual([true, false])
  })
})
