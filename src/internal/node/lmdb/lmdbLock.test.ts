import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { openLmdb } from './openLmdb.js'

const base = mkdtempSync(join(tmpdir(), 'lmdb-lock-'))
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

/** Starts a process that says when it is ready, and stays. */
async function start(command: string, args: string[]): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', () => reject(new Error('it ended')))
  })
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

const holding = (path: string): string =>
  `require('lmdb').open({ path: ${JSON.stringify(path)}, noSubdir: true }).get('read'); console.log('ready'); setInterval(() => {}, 1000)`
const open = async (path: string): Promise<void> => {
  const { root } = await openLmdb({ path, needed: 'a test', options: {}, tables: () => {} })
  await root.close()
}
/** Has the lock file say that another kind of locks is in it. */
function changeFormat(path: string): void {
  const handle = openSync(`${path}-lock`, 'r+')
  writeSync(handle, Uint8Array.of(0x03), 0, 1, 4)
  closeSync(handle)
}

test.skipIf(process.platform !== 'linux')(
  'error: DATABASE_UNAVAILABLE where another version of LMDB has it open, which ends the process',
  async () => {
    const path = join(base, 'other.mdb')
    const holder = await start(process.execPath, ['-e', holding(path)])
    // Of the same version it can be shared, also with one that reads, and stays so.
    for (let i = 0; i < 2; i++) await open(path)
    changeFormat(path)
    await expect(open(path)).rejects.toMatchObject({
      ...{ code: 'DATABASE_UNAVAILABLE', path, retryable: false },
      message: expect.stringContaining(
        `another version of LMDB has it open, in process ${holder.pid}`,
      ),
    })
    const { signal } = spawnSync(process.execPath, ['-e', holding(path)], { timeout: 20_000 })
    // Where this is an error of the call one day, the check can go.
    expect(signal).toBe('SIGSEGV')
    // Nobody holds what a process left behind.
    await end(holder)
    changeFormat(path)
    await open(path)
  },
  60_000,
)

const python = spawnSync('python3', ['-c', 'import fcntl']).status === 0
test.skipIf(process.platform !== 'linux' || !python)(
  'error: DATABASE_UNAVAILABLE where something holds the lock file alone, which LMDB waits for without end',
  async () => {
    const path = join(base, 'alone.mdb')
    await open(path)
    const script =
      'import fcntl, sys, time\nf = open(sys.argv[1], "r+b")\nfcntl.lockf(f, fcntl.LOCK_EX, 1, 0)\nprint("ready", flush=True)\ntime.sleep(60)'
    const holder = await start('python3', ['-c', script, `${path}-lock`])
    await expect(open(path)).rejects.toMatchObject({
      ...{ code: 'DATABASE_UNAVAILABLE', path, retryable: true },
      message: expect.stringContaining(`process ${holder.pid} holds its lock file alone`),
    })
    await end(holder)
    await open(path)
  },
  60_000,
)
