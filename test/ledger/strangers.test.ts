import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  formatNoteKey,
  logReader,
  noteSigner,
  parseNoteKey,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '../../src/ledger/index.js'
import { publicVectors } from '../publicVectors.js'
import { folder, open, start } from './ledgerDirectory.js'
import { fill, ledgerName } from './ledgerWorld.js'
import { writeLog } from './writeLog.js'

const run = promisify(execFile)
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))

const golden = publicVectors('tessera/testdata/log')
const words =
  'one two three four five six seven eit nain ten ileven twelf threeten fourten fivten'.split(' ')
const goldenSigner = noteSigner({
  name: 'example.com/log/testdata',
  seed: bytesOf('AeymY/SZAX0jZcJ8enZ5FY1Dz+wTML2yWSkK+9DSF3eg').slice(1),
})

describe.skipIf(golden === undefined)('the log that Tessera wrote', () => {
  test('behavior: its key has the id that Tessera gave it', () => {
    expect(goldenSigner.key.id).toBe('0x33d7b496')
    expect(parseNoteKey(formatNoteKey(goldenSigner.key))).toEqual(goldenSigner.key)
  })

  test('behavior: every checkpoint, tile and bundle is written the same, byte for byte', () => {
    let compared = 0
    for (let size = 0; size <= words.length; size += 1) {
      const entries = words.slice(0, size).map((word) => new TextEncoder().encode(word))
      for (const [path, bytes] of writeLog({ entries, signer: goldenSigner })) {
        const file = path === 'checkpoint' ? `checkpoint.${size}` : path
        expect(new Uint8Array(readFileSync(join(golden as string, file)))).toEqual(bytes)
        compared += 1
      }
    }
    expect(compared).toBe(46)
  })

  test('behavior: it is read at each of its sizes', async () => {
    for (let size = 1; size <= words.length; size += 1) {
      const note = readFileSync(join(golden as string, `checkpoint.${size}`))
      const verified = verifyCheckpoint(note, { log: goldenSigner.key })
      if (verified.status !== 'verified') throw new Error(verified.reason)
      const { checkpoint } = verified
      const read = async (path: string) => readFileSync(join(golden as string, path))
      const { entry } = await logReader({ checkpoint, read }).entry(BigInt(size - 1))
      expect(new TextDecoder().decode(entry)).toBe(words[size - 1])
    }
  })
})

const probes = publicVectors('merkle/testdata')

/** Sizes go up to 2^64 - 1, beyond what JSON.parse keeps. */
function readProbe(path: string): Record<string, unknown> {
  const text = readFileSync(path, 'utf8').replace(/: (\d{16,})/g, ': "$1"')
  return JSON.parse(text) as Record<string, unknown>
}
const probeFiles = (folder: string): string[] =>
  probes === undefined
    ? []
    : readdirSync(join(probes, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.json'))
        .map((name) => join(probes, folder, name))

describe.skipIf(probes === undefined)('the probes of transparency-dev/merkle', () => {
  const size = (value: unknown): bigint => BigInt(value as number | string)
  const hashes = (value: unknown): Uint8Array[] => ((value as string[] | null) ?? []).map(bytesOf)

  test('behavior: inclusion', () => {
    const files = probeFiles('inclusion')
    expect(files.length).toBeGreaterThan(90)
    for (const file of files) {
      const probe = readProbe(file)
      const accepted = verifyInclusion({
        index: size(probe['leafIdx']),
        size: size(probe['treeSize']),
        root: bytesOf(probe['root'] as string),
        leaf: bytesOf(probe['leafHash'] as string),
        proof: hashes(probe['proof']),
      })
      expect({ file, accepted }).toEqual({ file, accepted: !probe['wantErr'] })
    }
  })

  test('behavior: consistency', () => {
    const files = probeFiles('consistency')
    expect(files.length).toBeGreaterThan(90)
    for (const file of files) {
      const probe = readProbe(file)
      const accepted = verifyConsistency({
        oldSize: size(probe['size1']),
        newSize: size(probe['size2']),
        oldRoot: bytesOf(probe['root1'] as string),
        newRoot: bytesOf(probe['root2'] as string),
        proof: hashes(probe['proof']),
      })
      // One probe has roots of 12 bytes, which are refused here whatever else is right.
      const isRoot = bytesOf(probe['root1'] as string).length === 32
      expect({ file, accepted }).toEqual({ file, accepted: isRoot && !probe['wantErr'] })
    }
  })
})

const go = await run('go', ['version'], { timeout: 10_000 }).then(
  () => true,
  () => {
    if (process.env['CI_REQUIRE_ALL']) throw new Error('Go is required here')
    console.warn('skipped: Go is not on this machine')
    return false
  },
)

describe.skipIf(!go)('Go’s note and tlog', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ledger-go-'))
  const program = join(directory, 'reader')
  beforeAll(async () => {
    const source = new URL('goReader/', import.meta.url).pathname
    const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' }
    await run('go', ['build', '-o', program, '.'], { cwd: source, env, timeout: 240_000 })
  }, 300_000)
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test('behavior: they read every log of a ledger that was written here, and refuse it under another key', async () => {
    const own = folder()
    const ledger = await open(own, { lookup: 'memory' })
    await start(ledger)
    // Its sizes are around the end of a tile in one log, and small in the others.
    await fill(ledger, 257)
    await ledger.flush()
    await ledger.close()
    for (const [name, { key }] of ledger.signers) {
      if (name === 'context') continue
      const { stdout } = await run(program, [join(own, name), formatNoteKey(key)], {
        timeout: 30_000,
      })
      const size = { decisions: '257', agents: '2', audit: '1' }[name] ?? '\\d+'
      expect(stdout).toMatch(new RegExp(`^ok ${size}\\n$`))
    }
    const other = formatNoteKey(
      noteSigner({ name: `${ledgerName}/decisions`, seed: new Uint8Array(32) }).key,
    )
    await expect(
      run(program, [join(own, 'decisions'), other], { timeout: 30_000 }),
    ).rejects.toThrow(/exit|failed/i)
  }, 120_000)

  test('behavior: they open our notes and prove every leaf of our tiles, and find a flipped byte', async () => {
    const signer = noteSigner({ name: 'example.com/go', seed: new Uint8Array(32).fill(3) })
    for (const count of [1, 2, 255, 256, 257, 511, 600]) {
      const log = join(directory, `${count}`)
      const entries = Array.from({ length: count }, (_, at) => new TextEncoder().encode(`e${at}`))
      const files = writeLog({ entries, signer })
      for (const [path, bytes] of files) {
        mkdirSync(dirname(join(log, path)), { recursive: true })
        writeFileSync(join(log, path), bytes)
      }
      const key = formatNoteKey(signer.key)
      const { stdout } = await run(program, [log, key], { timeout: 30_000 })
      expect(stdout).toBe(`ok ${count}\n`)
      const tile = [...files.keys()].find((path) =>
        path.startsWith(count === 1 ? 'tile/entries/' : 'tile/0/'),
      ) as string
      const changed = (files.get(tile) as Uint8Array).slice()
      changed[changed.length - 1] = (changed[changed.length - 1] as number) ^ 1
      writeFileSync(join(log, tile), changed)
      await expect(run(program, [log, key], { timeout: 30_000 })).rejects.toThrow(/exit|failed/i)
    }
  }, 300_000)
})
