/** The script that verifies a ledger with nothing of this package, on 511 entries. */
import { execFile } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { folder, open, start } from './ledgerDirectory.js'
import { fill } from './ledgerWorld.js'

const run = promisify(execFile)

describe('forensic.sh', () => {
  const script = new URL('../../src/ledger/node/forensic.sh', import.meta.url).pathname

  test('behavior: it verifies a ledger of 511 entries, and finds a flipped bit', async () => {
    const directory = folder()
    const ledger = await open(directory, { lookup: 'memory' })
    await start(ledger)
    await fill(ledger, 511)
    await ledger.close()
    const good = await run('sh', [script, directory], { timeout: 280_000 })
    expect(good.stdout).toMatch(/decisions: 511 entries/)
    expect(good.stdout).toMatch(/chain: 514 of 514 events/)
    expect(good.stdout).toMatch(/not checked/)
    expect(good.stdout.trim().split('\n').at(-1)).toBe('ok')
    const copy = folder()
    cpSync(join(directory, 'audit'), join(copy, 'audit'), { recursive: true })
    const bundle = join(copy, 'audit/tile/entries/000.p/1')
    const bytes = readFileSync(bundle)
    bytes[400] = (bytes[400] as number) ^ 1
    rmSync(bundle)
    writeFileSync(bundle, bytes)
    await expect(run('sh', [script, copy], { timeout: 60_000 })).rejects.toMatchObject({
      stdout: expect.stringMatching(/FAULT: audit: root/),
    })
  }, 300_000)
})
