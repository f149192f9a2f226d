/** Processes that write to a ledger and come to an end: what they promised is there. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { checkpointSigners, fsck, parseCheckpoint } from '../../src/ledger/index.js'
import { parseNote } from '../../src/ledger/log/note.js'
import { openLedger, posixTiles } from '../../src/ledger/node/index.js'
import { checkpointSeed, ledgerName, schemas, verify } from './ledgerWorld.js'

// Inside node_modules, so that the bundle finds the binding of the lock.
const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))
const script = join(cache, `ledger-crash-${process.pid}.mjs`)
let base = ''

/** Builds the writing process. Call `endCrashes` afterwards. */
export async function startCrashes(): Promise<void> {
  mkdirSync(cache, { recursive: true })
  base = mkdtempSync(join(tmpdir(), 'ledger-crash-'))
  await build({
    entryPoints: [fileURLToPath(new URL('crashChild.ts', import.meta.url))],
    ...{ outfile: script, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' },
    external: ['fs-native-extensions', 'lmdb'],
  })
}

/** Removes what was made. */
export function endCrashes(): void {
  rmSync(base, { recursive: true, force: true })
  rmSync(script, { force: true })
}

/** A directory for a ledger. */
export function crashFolder(name: string): string {
  const path = join(base, name)
  mkdirSync(path)
  chmodSync(path, 0o700)
  return path
}

/** How a process came to its end, and what it said. */
export type Life = { lines: string[]; acked: string[]; code: number | null; errors: string }

/**
 * Runs a process to its end.
 *
 * @param parameters.under - Words before it, such as `strace …`.
 * @param parameters.kill - SIGKILL after so many promises, and so many milliseconds more.
 */
export function live(parameters: {
  directory: string
  mode: 'few' | 'loop' | 'fill' | 'hold'
  under?: readonly string[]
  kill?: { promises: number; later: number }
  /** Told the process once it is ready. */
  onReady?: (child: ChildProcess) => void
}): Promise<Life> {
  const { directory, mode, under = [], kill, onReady } = parameters
  const [command = '', ...words] = [...under, process.execPath, script, directory, mode]
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      // One thread does what touches the disk, so that the n-th call is the n-th.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    })
    let output = ''
    let errors = ''
    let isReady = false
    let isKilled = false
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (!isReady && output.includes('ready\n')) {
        isReady = true
        onReady?.(child)
      }
      if (kill === undefined || isKilled || !isReady) return
      if ((output.match(/^acked /gm)?.length ?? 0) < kill.promises) return
      isKilled = true
      setTimeout(() => child.kill('SIGKILL'), kill.later)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.on('error', reject)
    child.on('close', (code) => {
      // A line that was cut off was not said.
      const lines = output.split('\n').slice(0, -1)
      const acked = lines.flatMap((line) => (line.startsWith('acked ') ? [line.slice(6)] : []))
      resolve({ lines, acked, code, errors })
    })
  })
}

/** Size of the published checkpoint of `decisions`. */
export async function publishedSize(directory: string): Promise<bigint> {
  const file = await posixTiles({ directory }).read('decisions/checkpoint')
  return file === undefined ? 0n : (parseCheckpoint(parseNote(file.bytes)?.text ?? '')?.size ?? 0n)
}

/** Opens the ledger once more, and says what is missing of what was promised, and what fsck finds. */
export async function account(
  directory: string,
  acked: readonly string[],
): Promise<{ missing: string[]; twice: number; faults: readonly unknown[]; events: bigint }> {
  const ledger = await openLedger({
    ...{ directory, ledger: ledgerName, checkpointSeed, schemas, lookup: 'memory' },
  })
  const ids: string[] = []
  for (let cursor = '0'; ; ) {
    const page = await ledger.readSince(cursor, { limit: 1_000 })
    ids.push(...page.events.map(({ event }) => event.event_id))
    if (page.cursor === cursor) break
    cursor = page.cursor
  }
  await ledger.close()
  const keys = new Map(
    [...checkpointSigners(ledgerName, checkpointSeed)].map(([name, { key }]) => [name, key]),
  )
  const store = posixTiles({ directory })
  const report = await fsck({ store, ledger: ledgerName, keys, schemas, verify })
  const there = new Set(ids)
  return {
    missing: acked.filter((id) => !there.has(id)),
    twice: ids.length - there.size,
    ...{ faults: report.faults, events: report.events },
  }
}

/** Kills a writer so many times, and counts. */
export async function killMany(
  lives: number,
  onLife: (told: { life: number; acked: number }) => void = () => undefined,
): Promise<{ acked: number; shrunk: number; account: Awaited<ReturnType<typeof account>> }> {
  const directory = crashFolder('killed')
  const acked = (await live({ directory, mode: 'few' })).acked
  let shrunk = 0
  let size = await publishedSize(directory)
  for (let life = 0; life < lives; life += 1) {
    // From at once to well into its batches.
    const kill = { promises: (life * 7) % 23, later: (life * 13) % 31 }
    const told = await live({ directory, mode: 'loop', kill })
    acked.push(...told.acked)
    const now = await publishedSize(directory)
    if (now < size) shrunk += 1
    size = now
    onLife({ life, acked: acked.length })
  }
  return { acked: acked.length, shrunk, account: await account(directory, acked) }
}
