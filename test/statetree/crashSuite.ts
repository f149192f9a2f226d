/** What a killed process leaves on disk; the number of kills is the caller's. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let base: string
// Inside node_modules, so that the bundle finds the LMDB binding.
const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
const script = join(cache, `statetree-crash-${process.pid}.mjs`)

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'statetree-crash-'))
  mkdirSync(cache, { recursive: true })
  await build({
    entryPoints: [fileURLToPath(new URL('crashChild.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['lmdb'],
  })
})
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
  rmSync(script, { force: true })
})

type Life = { ready: string | undefined; bad: string | undefined; exit: number | null }

/**
 * Runs a child until it has checked what its predecessor left, and until `commits` of its own
 * landed, then kills it after `delay` ms.
 */
function live(
  mode: string,
  directory: string,
  { delay, commits }: { delay: number; commits: number },
): Promise<Life> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, mode, directory], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    let ready: string | undefined
    let killed = false
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      ready ??= /ready (\w+)/.exec(output)?.[1]
      const landed = output.split('landed').length - 1
      if (killed || ready === undefined || landed < commits) return
      killed = true
      setTimeout(() => child.kill('SIGKILL'), delay)
    })
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString()
    })
    child.on('close', (exit) =>
      resolve({
        ready,
        bad: /bad .*/s.exec(output)?.[0] ?? (exit === null ? undefined : errors),
        exit,
      }),
    )
  })
}

/** Kills a process that commits and restores, `kills` times in all, and checks what each one left. */
export function crashSuite(kills: number): void {
  describe('a killed process leaves the old state or the new one', () => {
    for (const [mode, share] of [
      ['commits', 2 / 3],
      ['restores', 1 / 3],
    ] as const) {
      test(`${Math.ceil(kills * share)} times during ${mode}`, async () => {
        const directory = join(base, mode)
        mkdirSync(directory, { recursive: true })
        const seen = new Set<string>()
        for (let i = 0; i < Math.ceil(kills * share); i++) {
          // Three of four die after a commit of their own, the others perhaps within the first.
          const commits = mode === 'commits' && i % 4 !== 0 ? 1 : 0
          const { ready, bad } = await live(mode, directory, { delay: Math.random() * 80, commits })
          expect(bad, `life ${i}`).toBeUndefined()
          seen.add(ready as string)
        }
        // The last one's work is checked too.
        expect((await live(mode, directory, { delay: 0, commits: 0 })).bad).toBeUndefined()
        // Three of four landed a commit of their own, and the next one found it: 225 of 300 in the
        // long form, and more, since the others may land one too.
        if (mode === 'commits')
          expect(seen.size).toBeGreaterThanOrEqual(Math.floor(share * kills * 0.75))
      }, 1_500_000)
    }
  })
}
