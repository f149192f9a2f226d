/** What an auditor finds in the files that outsiders prove from, and what silences it not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TileReader } from '../../src/core/interfaces/tileStore.js'
import {
  type AuditorParameters,
  createAnchorer,
  createAuditor,
  createSnapshotter,
  createWitness,
  fsck,
  type Ledger,
  type LedgerViolation,
  memoryCheckpointStore,
  memoryTiles,
  type NoteSigner,
  openCheckpoint,
  readCut,
  replayLedger,
  verifyForkEvidence,
  witnessSigner,
} from '../../src/ledger/index.js'
import { fileCheckpointStore, openLedger } from '../../src/ledger/node/index.js'
import { createWorld } from '../support/attestationWorld.js'
import { byWidth, flippedIn, foundAt, openAudited } from './auditedLedger.js'
import { evaluationDraft, templateDraft } from './evaluationDrafts.js'
import {
  checkpointSeed,
  fill,
  ledgerName,
  openTestLedger,
  schemas,
  submit,
  verify,
} from './ledgerWorld.js'

const home = mkdtempSync(join(tmpdir(), 'ledger-auditor-'))
const store = memoryTiles()
const { signal } = new AbortController()
let ledger: Ledger
let trust: AuditorParameters['trust']

beforeAll(async () => {
  ledger = await openAudited(store)
  trust = { log: (ledger.signers.get('meta') as NoteSigner).key }
})
afterAll(async () => {
  await ledger?.close()
  rmSync(home, { recursive: true, force: true })
})

const auditorOf = (options: Partial<AuditorParameters> = {}) =>
  createAuditor({
    ...{ store, ledger: ledgerName, trust, schemas, verify, report: async () => undefined },
    ...options,
  })
const kindsOf = (found: readonly LedgerViolation[]) => found.map(({ kind }) => kind)
const flipped = (path: string) => flippedIn(store, path)

describe('files that outsiders prove from', () => {
  test('behavior: a byte that is changed in any file that is served is found by one rebuild', async () => {
    expect(await auditorOf().rebuild()).toEqual([])
    const paths = [...store.files.keys()]
    const edge = paths.filter((path) => path.startsWith('decisions/tile/0/001.p/')).sort(byWidth)
    const cuts = paths.filter((path) => path.startsWith('meta/tile/0/000.p/')).sort(byWidth)
    for (const [at, path] of [
      ...['decisions/tile/entries/000', 'decisions/tile/0/000', 'decisions/tile/1/000.p/1'],
      ...['decisions/tile/entries/000.p/7', 'decisions/tile/0/000.p/7', 'decisions/checkpoint'],
      ...[edge[0] as string, edge.at(-1) as string, cuts[0] as string, cuts.at(-1) as string],
      ...['meta/checkpoint', 'meta/tile/entries/000.p/1', 'agents/checkpoint'],
    ].entries()) {
      expect(await foundAt(store, { path, at: [0, 0.5, 1][at % 3] as number }, auditorOf)).toBe(
        path,
      )
    }
  }, 120_000)

  test('behavior: a store that lists nothing: all that can be asked for of the right edge', async () => {
    expect(await auditorOf({ store: { read: store.read } }).rebuild()).toEqual([])
    const size = ledger.head()?.seq ?? 0n
    expect(size).toBeGreaterThan(280n)
    for (const path of [
      'meta/tile/0/000.p/2',
      'meta/tile/entries/000.p/2',
      'agents/tile/0/000.p/3',
    ]) {
      expect(store.files.has(path), path).toBe(true)
      const found = await auditorOf({ store: { read: flipped(path) } }).rebuild()
      expect(found, path).toMatchObject([{ kind: 'files', detail: expect.stringContaining(path) }])
    }
  })

  test('behavior: a file in force that is gone is found, one that nobody has to serve is not', async () => {
    const without = (path: string): TileReader => ({
      read: async (asked, options) => (asked === path ? undefined : store.read(asked, options)),
    })
    const edge = [...store.files.keys()]
      .filter((path) => path.startsWith('decisions/tile/0/001.p/'))
      .sort(byWidth)
    for (const path of [
      ...['decisions/tile/0/000', 'decisions/tile/1/000.p/1', 'decisions/checkpoint'],
      ...[edge.at(-1) as string, 'meta/checkpoint'],
    ]) {
      expect(kindsOf(await auditorOf({ store: without(path) }).rebuild()), path).toContain('files')
    }
    expect(edge.length).toBeGreaterThan(1)
    for (const path of ['decisions/tile/0/000.p/7', edge[0] as string]) {
      expect(await auditorOf({ store: without(path) }).rebuild(), path).toEqual([])
    }
  })

  test('behavior: files of sizes that came after the cut are no fault', async () => {
    const growing = memoryTiles()
    const live = await openTestLedger({ store: growing, cutInterval: 3_600_000 })
    await fill(live, 250)
    await live.flush()
    const cut = await readCut({ store: growing, ledger: ledgerName, trust }, signal)
    await fill(live, 30, 900)
    const after = await readCut({ store: growing, ledger: ledgerName, trust }, signal)
    expect(after?.meta.size).toBe(cut?.meta.size)
    expect([...growing.files.keys()].some((path) => path.includes('decisions/tile/0/001.p'))).toBe(
      true,
    )
    for (const audited of [growing, { read: growing.read }]) {
      expect(await auditorOf({ store: audited }).rebuild()).toEqual([])
    }
    await live.close()
  })
})

describe('what silences it not', () => {
  const bad = 'decisions/tile/entries/000'
  const down = (): Promise<never> => Promise.reject(new TypeError('rpc down'))
  const never = (): Promise<never> => new Promise(() => undefined)

  test.each([
    ['refuse', down],
    ['never answer', never],
    ['answer nonsense', async () => ({}) as never],
  ])('behavior: anchors that %s', async (_, anchors) => {
    const reported: LedgerViolation[] = []
    const errors: unknown[] = []
    const auditor = auditorOf({
      ...{ store: { read: flipped(bad) }, anchors, timeout: 50 },
      report: async (one) => {
        reported.push(one)
      },
      onError: (error) => errors.push(error),
    })
    const { violations, anchors: outcome, replay } = await auditor.replay()
    expect(kindsOf(violations)).toEqual(['unchecked', 'replay'])
    expect(reported).toEqual(violations)
    expect(outcome).toMatchObject({ status: 'unreachable', error: expect.any(Error) })
    expect([errors.length, replay]).toEqual([1, undefined])
    const good = await auditorOf({ anchors, timeout: 50 }).replay()
    expect(kindsOf(good.violations)).toEqual(['unchecked'])
    expect(good.replay?.faults).toEqual([])
  })

  test('behavior: anchors that answer, and none', async () => {
    expect((await auditorOf().replay()).anchors).toEqual({ status: 'none' })
    const note = (await ledger.checkpoint('meta')) as string
    const opened = openCheckpoint(note, trust)
    if (opened.status !== 'verified') throw new Error(opened.reason)
    const anchors = async () => [{ ...opened.checkpoint, where: 'chain:31337' }]
    const { violations, anchors: outcome } = await auditorOf({ anchors }).replay()
    expect([violations, outcome]).toEqual([[], { status: 'compared', count: 1 }])
  })

  test('behavior: a report that is never taken holds up nothing', async () => {
    const errors: unknown[] = []
    const auditor = auditorOf({
      ...{ store: { read: flipped(bad) }, report: never, timeout: 50 },
      onError: (error) => errors.push(error),
    })
    expect(kindsOf(await auditor.rebuild())).toContain('root')
    expect(errors).toMatchObject([{ code: 'TIMEOUT' }])
  })

  test('behavior: evaluations that cannot be run again leave the rest of the replay', async () => {
    const { response, preimage } = createWorld().evaluate(createWorld().makeTask())
    const other = memoryTiles()
    const writer = await openTestLedger({ store: other })
    for (const draft of [templateDraft(preimage), evaluationDraft({ response, preimage })]) {
      expect(await submit(writer, draft)).toMatchObject({ status: 201 })
    }
    await writer.close()
    for (const reEvaluate of [down, never]) {
      const auditor = auditorOf({ store: other, reEvaluate, timeout: 50 })
      const { violations, replay } = await auditor.replay()
      expect(violations).toMatchObject([{ kind: 'unchecked', detail: /1 evaluations/ }])
      expect(replay).toMatchObject({ unknown: 1n, evaluated: 0n, faults: [] })
    }
  })
})

describe('an auditor that is started anew', () => {
  test('behavior: an emptied store is never clean', async () => {
    const found = await auditorOf({ store: memoryTiles() }).rebuild()
    expect(found).toMatchObject([{ kind: 'files', detail: 'meta/checkpoint is not there' }])
    expect((await auditorOf({ store: memoryTiles() }).replay()).violations).toHaveLength(1)
  })

  test('behavior: what it saw is kept in its pins, and told with evidence', async () => {
    const pins = () => fileCheckpointStore({ directory: join(home, 'pins') })
    expect(await auditorOf({ pins: pins() }).rebuild()).toEqual([])
    expect(await auditorOf({ pins: pins() }).rebuild()).toEqual([])
    const gone = auditorOf({ store: memoryTiles(), pins: pins() })
    expect(await gone.rebuild()).toMatchObject([{ kind: 'rollback', detail: /is not there/ }])
    // The key's holder starts over: a ledger without events, one that is shorter, and one that is longer.
    for (const [count, kind] of [
      [undefined, 'rollback'],
      [2, 'rollback'],
      [20, 'rollback'],
    ] as const) {
      const anew = memoryTiles()
      const writer = await openTestLedger({
        store: anew,
        bare: count === undefined,
        cutInterval: 0,
      })
      for (let at = 0; at < (count ?? 0); at += 1) {
        await fill(writer, 1, 50_000 + at)
        await writer.flush()
      }
      await writer.close()
      const [violation] = await auditorOf({ store: anew, pins: pins() }).rebuild()
      expect(violation, `${count}`).toMatchObject({ kind, evidence: expect.any(String) })
      const evidence = violation?.evidence as string
      expect(verifyForkEvidence(evidence, trust), `${count}`).toMatchObject({
        status: expect.stringMatching(/proven/),
      })
    }
    expect(await auditorOf({ pins: pins() }).rebuild()).toEqual([])
  })

  test('behavior: pins that are damaged are told, and the files are looked at all the same', async () => {
    const pins = memoryCheckpointStore()
    expect(await auditorOf({ pins }).rebuild()).toEqual([])
    const broken = { ...pins, read: async () => '{}' }
    expect(kindsOf(await auditorOf({ pins: broken }).rebuild())).toEqual(['unchecked'])
    const files = { read: flipped('decisions/tile/0/000') }
    const both = await auditorOf({ pins: broken, store: files }).rebuild()
    expect(kindsOf(both)).toEqual(['unchecked', 'files'])
    const full = { ...memoryCheckpointStore(), swap: () => Promise.reject(new Error('ENOSPC')) }
    expect(kindsOf(await auditorOf({ pins: full, store: files }).rebuild())).toEqual([
      ...['unchecked', 'files'],
    ])
  })

  test('behavior: two looks at once are one after the other', async () => {
    const auditor = auditorOf({ pins: memoryCheckpointStore() })
    const [one, other] = await Promise.all([auditor.rebuild(), auditor.replay()])
    expect([one, other.violations]).toEqual([[], []])
  })
})

describe('options', () => {
  const report = async () => undefined
  const target = {
    ...{ name: 't', every: 60_000 },
    anchor: async () => ({ kind: 'chain', size: 2n }) as never,
  }
  const anchorer = { targets: [target], latest: async () => undefined, record: report }

  test('error: InvalidInputError, for what is missing, unknown or no value of its kind', async () => {
    const cut = await readCut({ store, ledger: ledgerName, trust }, signal)
    const nan = () => Number.NaN
    const signer = witnessSigner({ name: 'witness.example/w1', seed: new Uint8Array(32).fill(8) })
    const logs = [{ keys: [(trust as { log: NoteSigner['key'] }).log] }]
    const pins = memoryCheckpointStore()
    const witness = { signer, logs, store: pins }
    const replay = { store, ledger: ledgerName, cut }
    const snapshots = { store, ledger: ledgerName, trust, sink: {} }
    const audit = { store, ledger: ledgerName, trust, report }
    const keys = new Map([...ledger.signers].map(([name, { key }]) => [name, key]))
    const cases: [string, (parameters: never) => unknown, object][] = [
      ['rebuildEvry', createAuditor, { ...audit, rebuildEvry: 3 }],
      ['report', createAuditor, { ...audit, report: undefined }],
      ['report', createAuditor, { ...audit, report: 'log' }],
      ['store', createAuditor, { ...audit, store: undefined }],
      ['timeout', createAuditor, { ...audit, timeout: Number.NaN }],
      ['clock.now', createAuditor, { ...audit, clock: { now: nan, after: () => () => undefined } }],
      ['clock.after', createAuditor, { ...audit, clock: { now: () => 1 } }],
      ['trust', createAuditor, { ...audit, ledger: 'another.example/eval' }],
      ['trust', createAuditor, { ...audit, trust: {} }],
      ['every', createSnapshotter, { ...snapshots, every: 0 }],
      ['evry', createSnapshotter, { ...snapshots, evry: 5 }],
      ['sink', createSnapshotter, { ...snapshots, sink: undefined }],
      ['now', createSnapshotter, { ...snapshots, now: nan }],
      ['stor', createWitness, { ...witness, stor: pins }],
      ['store', createWitness, { ...witness, store: undefined }],
      ['logs', createWitness, { ...witness, logs: {} }],
      ['logs[0].orgin', createWitness, { ...witness, logs: [{ ...logs[0], orgin: 'x' }] }],
      ['bodyTimeout', createWitness, { ...witness, bodyTimeout: 0 }],
      ['target', createAnchorer, { ...anchorer, target: [] }],
      ['record', createAnchorer, { ...anchorer, record: undefined }],
      [
        'targets[0].anchor',
        createAnchorer,
        { ...anchorer, targets: [{ name: 't', every: 60_000 }] },
      ],
      ['now', createAnchorer, { ...anchorer, now: nan }],
      [
        'recorded.t.at',
        createAnchorer,
        { ...anchorer, recorded: { t: { at: Number.NaN, size: 1n } } },
      ],
      ['recorded.t.at', createAnchorer, { ...anchorer, recorded: { t: { at: '1', size: 1n } } }],
      ['recorded.t.size', createAnchorer, { ...anchorer, recorded: { t: { at: 1, size: 1 } } }],
      [
        'recorded.t.siz',
        createAnchorer,
        { ...anchorer, recorded: { t: { at: 1, size: 1n, siz: 1 } } },
      ],
      ['to', (given) => replayLedger(given, signal), { ...replay, to: -1n }],
      ['to', (given) => replayLedger(given, signal), { ...replay, to: 5 }],
      ['from', (given) => replayLedger(given, signal), { ...replay, from: 3n, to: 2n }],
      ['form', (given) => replayLedger(given, signal), { ...replay, form: 3n }],
      ['maxFaults', (given) => replayLedger(given, signal), { ...replay, maxFaults: Number.NaN }],
      ['cut', (given) => replayLedger(given, signal), { ...replay, cut: undefined }],
      ['keys', fsck, { store, ledger: ledgerName }],
      ['keys', fsck, { store, ledger: ledgerName, keys: new Map() }],
      ['keys', fsck, { store, ledger: ledgerName, keys: { meta: keys.get('meta') } }],
      ['kys', fsck, { store, ledger: ledgerName, keys, kys: keys }],
    ]
    for (const [at, [field, make, parameters]] of cases.entries()) {
      const made = async () => make(parameters as never)
      await expect(made(), `${at}: ${field}`).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(field),
      })
    }
  })

  test('behavior: an anchor that is recorded ahead of the clock is made again, and waits then', async () => {
    const now = Date.UTC(2026, 0, 1)
    const latest = async () => ({ checkpoint: { size: 2n } }) as never
    const year = 365 * 86_400_000
    const recorded = { t: { at: now + year, size: 1n } }
    const running = createAnchorer({ ...anchorer, latest, now: () => now, recorded })
    expect(running.nextDue()).toBeLessThanOrEqual(now)
    expect(await running.tick()).toMatchObject([{ status: 'anchored' }])
    expect(running.nextDue()).toBe(now + target.every)
    expect(await running.tick()).toMatchObject([{ status: 'waiting', next: now + target.every }])
  })

  test('error: InvalidInputError, for a clock of a witness or a ledger that says no time', async () => {
    const signer = witnessSigner({ name: 'witness.example/w1', seed: new Uint8Array(32).fill(8) })
    const logs = [{ keys: [(trust as { log: NoteSigner['key'] }).log] }]
    const witness = createWitness({
      ...{ signer, logs, store: memoryCheckpointStore(), now: () => Number.NaN },
    })
    const note = (await ledger.checkpoint('meta')) as string
    const asked = witness.addCheckpoint(`old 0\n\n${note}`)
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const opening = openLedger({
      ...{ directory: join(home, 'clock'), ledger: ledgerName, checkpointSeed, schemas },
      ...{ now: () => Number.NaN, lookup: 'memory' },
    })
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
