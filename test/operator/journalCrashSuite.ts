/** What signatures left processes that were killed; the number of kills is the caller's. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let base: string
// Inside node_modules, so that the bundle finds the binding of the lock.
const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
const script = join(cache, `operator-journal-${process.pid}.mjs`)

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'operator-journal-'))
  mkdirSync(cache, { recursive: true })
  await build({
    entryPoints: [fileURLToPath(new URL('journalChild.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['fs-native-extensions'],
  })
})
afterAll(() => {
  rmSync(base, { recursive: true, force: true })
  rmSync(script, { force: true })
})

type Life = {
  lines: string[]
  ready: string | undefined
  errors: string
  signal: NodeJS.Signals | null
}

/** Runs a child, and kills it `delay` ms after it was ready, or after its first signature. */
export function live(args: {
  directory: string
  seed: string
  delay: number
  after?: 'ready' | 'signed'
  broken?: boolean
}): Promise<Life> {
  const { directory, seed, delay, after = 'ready', broken = false } = args
  return new Promise((resolve) => {
    const more = broken ? ['broken'] : []
    const child = spawn(process.execPath, [script, directory, seed, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    let timer: ReturnType<typeof setTimeout> | undefined
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      if (timer === undefined && output.includes(after)) {
        timer = setTimeout(() => child.kill('SIGKILL'), delay)
      }
    })
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString()
    })
    child.on('close', (_code, signal) => {
      // A line that was cut by the kill did not leave whole.
      const lines = output.split('\n').slice(0, -1)
      resolve({ lines, errors, signal, ready: lines.find((line) => line.startsWith('ready')) })
    })
  })
}

/** Lives and dies in one directory; returns what was signed, and twice. */
async function lives(
  directory: string,
  options: { kills: number; broken?: boolean },
): Promise<{ signed: Map<string, string>; twice: number; acknowledged: number[] }> {
  mkdirSync(directory, { recursive: true })
  const signed = new Map<string, string>()
  const acknowledged: number[] = []
  let twice = 0
  for (let life = 0; life < options.kills; life++) {
    // Two of three die counted from a signature: a disk with slow syncs has something to lose too.
    const { lines, errors, signal, ready } = await live({
      directory,
      seed: `life ${life}`,
      delay: 20 + Math.random() * 250,
      after: life % 3 === 0 ? 'ready' : 'signed',
      broken: options.broken ?? false,
    })
    expect(errors, `life ${life}`).toBe('')
    expect(signal, `life ${life} did not die of our signal`).toBe('SIGKILL')
    // The witness is written before a signature leaves, so a killed journal is known as the newest.
    if (signed.size > 0) expect(ready).toMatch(/^ready \d+ trusted$/)
    const mine = lines.filter((line) => line.startsWith('signed'))
    acknowledged.push(mine.length)
    for (const line of mine) {
      const [, key, digest] = line.split(' ') as [string, string, string]
      if ((signed.get(key) ?? digest) !== digest) twice++
      signed.set(key, digest)
    }
  }
  return { signed, twice, acknowledged }
}

/** Kills a signing process again and again, and judges by what it printed. */
export function journalCrashSuite(kills: number): void {
  describe('a signing process that is killed', () => {
    test(`behavior: ${kills} times, it never signs two different responses for a task`, async () => {
      const { signed, twice, acknowledged } = await lives(join(base, 'kills'), { kills })
      expect(twice).toBe(0)
      // There was something to lose: most lives signed.
      expect(acknowledged.filter((count) => count > 0).length).toBeGreaterThan(kills / 2)
      expect(signed.size).toBeGreaterThan(kills)
    }, 1_500_000)

    test('behavior: with the check left out the same run finds double signatures', async () => {
      const { twice } = await lives(join(base, 'broken'), { kills: 2, broken: true })
      expect(twice).toBeGreaterThan(0)
    }, 120_000)

    test('error: DIRECTORY_LOCKED names the holder, and the lock ends with it', async () => {
      const directory = join(base, 'lock')
      mkdirSync(directory, { recursive: true })
      const first = live({ directory, seed: 'a', delay: 3_000 })
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      const second = await live({ directory, seed: 'b', delay: 0 })
      expect(second.errors).toMatch(/belongs to signing journal, process \d+/)
      expect(second.lines).toEqual([])
      await first
      const third = await live({ directory, seed: 'c', delay: 50 })
      expect(third.ready).toMatch(/^ready/)
    }, 60_000)
  })
}
