import { describe, expect, test } from 'vitest'
import {
  type CheckpointStore,
  cosign,
  formatForkEvidence,
  leafHash,
  memoryCheckpointStore,
  noteSigner,
  type PinOutcome,
  parseNote,
  pinnedLog,
  verifyForkEvidence,
  witnessSigner,
} from '../../src/ledger/index.js'
import { writeLog } from './writeLog.js'

const log = noteSigner({ name: 'example.com/log', seed: new Uint8Array(32).fill(9) })
const witness = witnessSigner({ name: 'w', seed: new Uint8Array(32).fill(8) })
const trust = { log: log.key }
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A log of `size` entries of which those from `fork` on are others. */
function served(size: number, fork = size) {
  const entries = Array.from({ length: size }, (_, at) =>
    utf8(at < fork ? `entry ${at}` : `other ${at}`),
  )
  const files = writeLog({ entries, signer: log })
  return { files, note: new TextDecoder().decode(files.get('checkpoint')) }
}

/** A client that looks at one state of the log after another. */
function clientOf(store: CheckpointStore = memoryCheckpointStore()) {
  return (state: ReturnType<typeof served>, note = state.note): Promise<PinOutcome> => {
    const read = async (path: string) => state.files.get(path)
    return pinnedLog({ trust, store, read }).advance(note)
  }
}
const evidenceOf = (outcome: PinOutcome): string => {
  if (outcome.status !== 'fork' && outcome.status !== 'rollback') throw new Error(outcome.status)
  return outcome.evidence
}

describe('pinnedLog', () => {
  test('behavior: a log that grows is followed', async () => {
    const look = clientOf()
    let before = 'first'
    for (const size of [0, 1, 2, 7, 8, 255, 256, 300, 300]) {
      const { status } = await look(served(size))
      expect(status).toBe(before === 'last' && size === 300 ? 'same' : before)
      before = size === 300 ? 'last' : 'advanced'
    }
  })

  test.each([
    ['same size', 300, 300, 200],
    ['grown, last entry rewritten', 300, 301, 299],
    ['grown, first entry rewritten', 300, 520, 0],
    ['smaller, rewritten early', 300, 290, 3],
    ['smaller by far, rewritten early', 300, 5, 1],
    ['one entry', 1, 2, 0],
  ])('behavior: a fork is proved: %s', async (_, pinned, next, fork) => {
    const look = clientOf()
    await look(served(pinned))
    const outcome = await look(served(next, fork))
    expect(outcome.status).toBe('fork')
    const evidence = evidenceOf(outcome)
    expect(verifyForkEvidence(evidence, trust)).toMatchObject({
      status: 'proven',
      kind: 'fork',
      checkpoints: [{ size: BigInt(pinned) }, { size: BigInt(next) }],
    })
    // The pin stays: what was right goes on, what was caught is caught again.
    expect((await look(served(next, fork))).status).toBe('fork')
    expect((await look(served(pinned + 1))).status).toBe('advanced')
  })

  test('behavior: a log that became smaller is told, also without its files', async () => {
    const look = clientOf()
    await look(served(300))
    for (const state of [served(299), served(1), served(0), { ...served(40), files: new Map() }]) {
      const outcome = await look(state)
      expect(outcome).toMatchObject({ status: 'rollback', pinned: { size: 300n } })
      expect(verifyForkEvidence(evidenceOf(outcome), trust)).toEqual({
        status: 'unproven',
        reason: 'order',
      })
    }
  })

  test('behavior: a rollback is proved by a witness that saw both', () => {
    const both = { log: log.key, witnesses: { keys: [witness.key], quorum: 1 } }
    const dated = (note: string, time: bigint): string =>
      note + cosign({ text: parseNote(note)?.text as string, time, signer: witness })
    const file = (first: bigint, second: bigint): string =>
      formatForkEvidence({
        kind: 'rollback',
        larger: dated(served(9).note, first),
        smaller: dated(served(4).note, second),
      })
    expect(verifyForkEvidence(file(5n, 6n), both)).toMatchObject({
      status: 'proven',
      kind: 'rollback',
    })
    for (const [first, second] of [
      [6n, 5n],
      [5n, 5n],
    ] as const) {
      expect(verifyForkEvidence(file(first, second), both)).toMatchObject({ reason: 'order' })
    }
    // Without the witness's key its time is nobody's word.
    expect(verifyForkEvidence(file(5n, 6n), trust)).toMatchObject({ reason: 'order' })
    const swapped = formatForkEvidence({
      kind: 'rollback',
      larger: dated(served(4).note, 5n),
      smaller: dated(served(9).note, 6n),
    })
    expect(verifyForkEvidence(swapped, both)).toMatchObject({ reason: 'same' })
  })

  test('behavior: files that are wrong are an error, and pin nothing', async () => {
    const look = clientOf()
    await look(served(300))
    const wrong = served(520)
    wrong.files.delete('tile/0/000')
    await expect(look(wrong)).rejects.toMatchObject({ code: 'LEDGER_LOG_INVALID' })
    expect((await look(served(310))).status).toBe('advanced')
  })

  test('behavior: what is not the log’s is no checkpoint', async () => {
    const look = clientOf()
    const state = served(5)
    for (const [note, reason] of [
      [state.note.replace('\n5\n', '\n6\n'), 'signature'],
      ['nonsense', 'malformed'],
    ] as const) {
      expect(await look(state, note)).toEqual({ status: 'invalid', reason })
    }
  })

  test('error: LEDGER_PIN, a damaged pin is no fresh one', async () => {
    const stored: string[] = []
    const inner = memoryCheckpointStore()
    const recording: CheckpointStore = {
      ...inner,
      swap: (hash, change) => {
        stored.push(hash, change.next)
        return inner.swap(hash, change)
      },
    }
    await clientOf(recording)(served(300))
    const [hash, pin] = stored as [string, string]
    for (const kept of [
      '',
      '{}',
      pin.replace('300', '301'),
      pin.replace('"spine":["', '"spine":["!'),
    ]) {
      const store = memoryCheckpointStore()
      await store.swap(hash, { expected: undefined, next: kept })
      await expect(clientOf(store)(served(301))).rejects.toMatchObject({
        code: 'LEDGER_PIN',
        origin: log.key.name,
        retryable: false,
      })
    }
    const moved: CheckpointStore = { read: async () => undefined, swap: async () => false }
    await expect(clientOf(moved)(served(3))).rejects.toMatchObject({ retryable: true })
  })
})

describe('verifyForkEvidence', () => {
  const fork = async (): Promise<string> => {
    const look = clientOf()
    await look(served(3))
    return evidenceOf(await look(served(5, 1)))
  }

  test('behavior: no changed byte, part or member convinces', async () => {
    const evidence = await fork()
    expect(verifyForkEvidence(evidence, trust).status).toBe('proven')
    const bytes = utf8(evidence)
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect(verifyForkEvidence(changed, trust).status, `byte ${at}`).toBe('unproven')
    }
    for (const file of [
      evidence.slice(0, -1),
      ` ${evidence}`,
      evidence.replace('{', '{"a":1,'),
      evidence.replace('"kind":"fork"', '"kind":"spoon"'),
    ]) {
      expect(verifyForkEvidence(file, trust)).toEqual({ status: 'unproven', reason: 'malformed' })
    }
    for (const hostile of [undefined, null, 7, '[]', '{}', 'null', new Uint8Array([255])]) {
      expect(verifyForkEvidence(hostile as never, trust).status).toBe('unproven')
    }
  })

  test('behavior: an honest log cannot be accused', async () => {
    const [small, large] = [served(3), served(5)]
    const claim = (note: string) => ({ note, root: leafHash(utf8('x')), proof: [] })
    for (const prefix of [0n, 1n, 3n, 5n]) {
      const one = claim(small.note)
      const file = formatForkEvidence({ kind: 'fork', prefix, one, other: claim(large.note) })
      expect(verifyForkEvidence(file, trust)).toEqual({ status: 'unproven', reason: 'proof' })
    }
    // Two logs of two keys contradict nobody.
    const evidence = await fork()
    const stranger = noteSigner({ name: log.key.name, seed: new Uint8Array(32).fill(1) })
    expect(verifyForkEvidence(evidence, { log: stranger.key })).toMatchObject({
      reason: 'signature',
    })
    expect(() => verifyForkEvidence(evidence, { log: witness.key })).toThrow(/log/)
  })
})
