/** Changed proofs, notes and events: none is accepted, and nothing throws. */
import { expect, test } from 'vitest'
import {
  encodeEvent,
  memoryTiles,
  type NoteKey,
  type NoteSigner,
  verifyCheckpoint,
  verifyEvent,
  verifyTlogProof,
} from '../../src/ledger/index.js'
import { fill, ledgerName, openTestLedger, schemas, verify } from './ledgerWorld.js'

const ledger = await openTestLedger({ store: memoryTiles() })
await fill(ledger, 40)
await ledger.flush()
const { events } = await ledger.readSince('20', { limit: 2 })
const [before, after] = events.map(({ event }) => event)
const proof = await ledger.prove(after?.event_id as string)
const note = (await ledger.checkpoint('decisions')) as string
const log = (ledger.signers.get('decisions') as NoteSigner).key as NoteKey
await ledger.close()
if (proof === undefined || proof === 'pending' || before === undefined || after === undefined) {
  throw new Error('there is no proof')
}

/** Numbers that are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
}

/** One change: a bit, a byte, a cut, a part twice, two bytes that change places. */
function mutate(bytes: Uint8Array, next: (below: number) => number): Uint8Array {
  const at = next(bytes.length)
  const copy = bytes.slice()
  switch (next(6)) {
    case 0:
      copy[at] = (copy[at] as number) ^ (1 << next(8))
      return copy
    case 1:
      copy[at] = next(256)
      return copy
    case 2:
      return copy.slice(0, at)
    case 3:
      return Uint8Array.from([...copy.slice(0, at), ...copy.slice(at + 1 + next(40))])
    case 4:
      return Uint8Array.from([...copy.slice(0, at), ...copy.slice(Math.max(0, at - next(90)))])
    default: {
      const other = next(bytes.length)
      ;[copy[at], copy[other]] = [copy[other] as number, copy[at] as number]
      return copy
    }
  }
}

const utf8 = new TextEncoder()
const entry = encodeEvent(after)
const subjects: [string, Uint8Array, (bytes: Uint8Array) => string][] = [
  [
    'proofs',
    utf8.encode(proof.domainProof),
    (file) => verifyTlogProof({ file, entry: proof.entry, trust: { log } }).status,
  ],
  ['notes', utf8.encode(note), (bytes) => verifyCheckpoint(bytes, { log }).status],
  [
    'events',
    entry,
    // The ledger's own time is under its log's root alone: the event and its proof, as a reader has them.
    (bytes) => {
      const parts = { entry: bytes, ledger: ledgerName, previous: before, schemas, verify }
      const { status } = verifyEvent(parts)
      if (status !== 'valid') return status
      return verifyTlogProof({ file: proof.domainProof, entry: bytes, trust: { log } }).status
    },
  ],
]

/** Changes each subject so many times. */
export function mutatedSuite(times: number): void {
  test.each(subjects)(
    'behavior: changed %s',
    (name, good, verdict) => {
      expect(verdict(good)).toBe('verified')
      const next = numbers(name.length)
      let refused = 0
      for (let tries = 0; refused < times; tries += 1) {
        expect(tries).toBeLessThan(times + 1_000)
        const bytes = mutate(good, next)
        // What came out as it went in is no change.
        if (bytes.length === good.length && bytes.every((byte, at) => byte === good[at])) continue
        if (verdict(bytes) !== 'invalid') {
          expect({ at: tries, bytes: new TextDecoder().decode(bytes) }).toBe('refused')
        }
        refused += 1
      }
    },
    300_000,
  )
}
