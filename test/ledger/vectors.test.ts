/** A second implementation, in Python: its vectors, its verdicts on changed events, its look at a ledger. */
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, test } from 'vitest'
import {
  computeMetaRoot,
  ed25519EventSigner,
  encodeEvent,
  eventChecks,
  formatNoteKey,
  keyProofMessage,
  leafHash,
  noteSigner,
  verifyEvent,
} from '../../src/ledger/index.js'
import { folder, open, start } from './ledgerDirectory.js'
import { fill, ledgerName, verify } from './ledgerWorld.js'

const run = promisify(execFile)
const folderOf = new URL('../vectors/ledger/', import.meta.url)
const script = new URL('ledger.py', folderOf).pathname
type Previous = { current_hash: string; timestamp: string } | 'none' | null
type Case = { name: string; ledger: string; entry: string; previous: Previous; verdict: string }
const vectors = JSON.parse(readFileSync(new URL('events.json', folderOf), 'utf8')) as {
  cases: Case[]
  leaves: string[]
  metaRoots: {
    checkpointEventId: string
    domains: { name: string; size: string; root: string }[]
    metaRoot: string
  }[]
  keyProofs: {
    ledger: string
    eventId: string
    oldKeyId: string | null
    newKeyId: string
    message: string
    signature: string
  }[]
  noteKeys: { name: string; seed: string; key: string }[]
}
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'))

/** The check that failed, as the other implementation names it. */
function verdictOf(entry: Uint8Array, ledger: string, previous: Previous): string {
  const verdict = verifyEvent({ entry, ledger, previous: previous ?? undefined })
  const quick = verifyEvent({ entry, ledger, previous: previous ?? undefined, verify })
  expect(quick.checks).toEqual(verdict.checks)
  return eventChecks.find((check) => verdict.checks[check] === 'failed') ?? verdict.status
}

describe('vectors', () => {
  test.each(vectors.cases)('behavior: $name: $verdict', ({ entry, ledger, previous, verdict }) => {
    expect(verdictOf(bytesOf(entry), ledger, previous)).toBe(verdict)
  })

  test('behavior: leaves, roots over all domains, proofs of new keys, keys of notes', async () => {
    const good = vectors.cases.filter(({ name }) => /^event \d$/.test(name))
    expect(good.map(({ entry }) => bytesToHex(leafHash(bytesOf(entry))))).toEqual(vectors.leaves)
    for (const { checkpointEventId, domains, metaRoot } of vectors.metaRoots) {
      const read = domains.map(({ name, size, root }) => ({
        ...{ name, size: BigInt(size), root: hexToBytes(root) },
      }))
      expect(bytesToHex(computeMetaRoot({ checkpointEventId, domains: read }))).toBe(metaRoot)
    }
    const signer = ed25519EventSigner(new Uint8Array(32).fill(2))
    for (const { message, signature, oldKeyId, ...parts } of vectors.keyProofs) {
      const made = keyProofMessage({ ...parts, oldKeyId: oldKeyId ?? undefined })
      expect(bytesToHex(made)).toBe(message)
      expect(await signer.sign(made)).toEqual(bytesOf(signature))
    }
    for (const { name, seed, key } of vectors.noteKeys) {
      expect(formatNoteKey(noteSigner({ name, seed: hexToBytes(seed) }).key)).toBe(key)
    }
  })
})

const python = await run('python3', ['--version'], { timeout: 10_000 }).then(
  () => true,
  () => {
    if (process.env['CI_REQUIRE_ALL']) throw new Error('Python is required here')
    console.warn('skipped: Python is not on this machine')
    return false
  },
)

describe.skipIf(!python)('the implementation in Python', () => {
  test('behavior: it verifies a ledger that was written here, and says the same of changed events', async () => {
    const directory = folder()
    const ledger = await open(directory, { lookup: 'memory' })
    await start(ledger)
    await fill(ledger, 20)
    const { events } = await ledger.readSince('0')
    await ledger.close()
    const looked = await run('python3', [script, 'directory', directory, ledgerName], {
      timeout: 60_000,
    })
    expect(looked.stdout).toBe('ok 23\n')
    // One byte of an event changed, at places all over it.
    const [before, event] = [events[10]?.event, events[11]?.event]
    const entry = encodeEvent(event as NonNullable<typeof event>)
    const previous = before as NonNullable<typeof before>
    const cases = Array.from({ length: 150 }, (_, at) => {
      const changed = entry.slice()
      const place = Math.floor((at * entry.length) / 150)
      changed[place] = (changed[place] as number) ^ (1 << (at % 8))
      return changed
    })
    const input = [entry, ...cases].map((bytes) =>
      JSON.stringify({ entry: Buffer.from(bytes).toString('base64'), previous }),
    )
    const stdout = execFileSync('python3', [script, 'entries', ledgerName], {
      ...{ input: `${input.join('\n')}\n`, encoding: 'utf8', timeout: 60_000 },
    })
    const verdicts = stdout.trim().split('\n')
    expect(verdicts).toHaveLength(151)
    expect(verdicts[0]).toBe('valid')
    expect(verdicts).toEqual(
      [entry, ...cases].map((bytes) => verdictOf(bytes, ledgerName, previous)),
    )
    expect(new Set(verdicts).size).toBeGreaterThan(4)
  }, 120_000)
})
