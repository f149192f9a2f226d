/** Tessera's `fsck` reads logs that were written here. Its exit code is 0 on failure: its line of success counts. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { formatNoteKey, noteSigner } from '../../src/ledger/index.js'
import { folder, open, start } from './ledgerDirectory.js'
import { fill } from './ledgerWorld.js'
import { writeLog } from './writeLog.js'

const run = promisify(execFile)
const directory = mkdtempSync(join(tmpdir(), 'ledger-fsck-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const program = join(directory, 'fsck')

const built = await run(
  'go',
  ['build', '-o', program, 'github.com/transparency-dev/tessera/cmd/fsck'],
  {
    cwd: new URL('goFsck/', import.meta.url).pathname,
    env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' },
    timeout: 600_000,
  },
).then(
  () => true,
  (error: Error) => {
    if (process.env['CI_REQUIRE_ALL']) throw error
    console.warn(`skipped: Tessera's fsck cannot be built: ${error.message.split('\n')[0]}`)
    return false
  },
)

/** Whether it says so within its time: on a fault it may never return. */
async function isClean(log: string, key: string): Promise<boolean> {
  const file = join(directory, 'key')
  writeFileSync(file, key)
  const origin = key.slice(0, key.indexOf('+'))
  const words = [`--storage_url=file://${log}`, `--public_key=${file}`, `--origin=${origin}`]
  const told = await run(program, [...words, '--ui=false'], { timeout: 30_000 }).catch(
    (error: { stdout?: string; stderr?: string }) => error,
  )
  return `${told.stdout}${told.stderr}`.includes("Successfully fsck'd")
}

describe.skipIf(!built)('Tessera’s fsck', () => {
  test('behavior: logs of each size around the ends of tiles', async () => {
    const signer = noteSigner({ name: 'example.com/fsck', seed: new Uint8Array(32).fill(3) })
    const key = formatNoteKey(signer.key)
    for (const count of [1, 2, 255, 256, 257, 511, 65_537]) {
      const log = join(directory, `${count}`)
      const entries = Array.from({ length: count }, (_, at) => new TextEncoder().encode(`e${at}`))
      for (const [path, bytes] of writeLog({ entries, signer })) {
        mkdirSync(dirname(join(log, path)), { recursive: true })
        writeFileSync(join(log, path), bytes)
      }
      expect(await isClean(log, key), `${count}`).toBe(true)
    }
    const other = noteSigner({ name: 'example.com/fsck', seed: new Uint8Array(32).fill(4) })
    expect(await isClean(join(directory, '2'), formatNoteKey(other.key))).toBe(false)
  }, 300_000)

  test('behavior: every log of a ledger', async () => {
    const own = folder()
    const ledger = await open(own, { lookup: 'memory' })
    await start(ledger)
    await fill(ledger, 300)
    await ledger.flush()
    await ledger.close()
    for (const [name, { key }] of ledger.signers) {
      if (name === 'context') continue
      expect(await isClean(join(own, name), formatNoteKey(key)), name).toBe(true)
    }
  }, 300_000)
})
