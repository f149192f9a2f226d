/** What roles do becomes events: once each, whatever the ledger does, and nothing is lost in a crash. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import { canonicalBytes } from '../../src/core/canonicalJson.js'
import { computeArtifactDigest, type DigestPreimage } from '../../src/core/digest.js'
import { encodeEvaluationResult } from '../../src/core/evaluationResult.js'
import type { ChainEvent, ChainEvents } from '../../src/core/interfaces/chainEvents.js'
import type { RegistryReader } from '../../src/core/interfaces/registryReader.js'
import type { PolicyTaskResponse } from '../../src/core/response.js'
import {
  createLedgerHandler,
  createLedgerSink,
  deriveEventId,
  httpLedgerTarget,
  type Ledger,
  ledgerTarget,
  memoryTiles,
  type OutboxItem,
  type SubmitRefusal,
} from '../../src/ledger/index.js'
import { fileOutbox, nodeFs } from '../../src/ledger/node/index.js'
import { createLedgerRecorder, memorySalts } from '../../src/operator/index.js'
import { fileSalts } from '../../src/operator/node/index.js'
import {
  anomaly,
  ledgerName,
  openTestLedger,
  people,
  schemas,
  submit,
  verify,
} from './ledgerWorld.js'

const home = mkdtempSync(join(tmpdir(), 'ledger-recorder-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const start = Date.UTC(2026, 0, 1)
const word = (value: number) => toHex(value, { size: 32 })
const address = (value: number) => toHex(value, { size: 20 })
const blockOf = (number: bigint) => ({
  ...{ number, hash: toHex(0xb10c00n + number, { size: 32 }) },
  timestamp: BigInt(start / 1_000) + number,
})

/** A chain of ten blocks with one template in block 3. */
function chain(head = 10n) {
  const found: ChainEvent[] = [
    {
      ...{ type: 'PolicyTemplateRegistered', id: word(2), author: address(9) },
      ...{ regoHash: word(0x10), paramsSchemaHash: word(0x11), refs: [] },
      ...{ blockNumber: 3n, blockHash: blockOf(3n).hash, transactionIndex: 0, logIndex: 4 },
      transactionHash: word(0x77),
    },
  ]
  const reads: bigint[] = []
  const events = {
    chainId: 31_337n,
    getEvents: async ({ fromBlock, toBlock }) => {
      reads.push(toBlock)
      return found.filter(({ blockNumber: at }) => at >= fromBlock && at <= toBlock)
    },
    getBlock: async (number) => (number > head ? null : blockOf(number)),
    getLatestBlock: async () => blockOf(head),
    getFinalizedBlock: async () => blockOf(head),
  } satisfies ChainEvents
  const registry = {
    ...{ chainId: 31_337n, policyRegistry: address(0xa1), policyDataRegistry: address(0xa2) },
    getBlock: events.getBlock,
  } as unknown as RegistryReader
  return { events, registry, reads }
}

function evaluation(task = 4) {
  const preimage: DigestPreimage = {
    ...{ chainId: 31_337n, policyInstanceId: word(1), policyTemplateId: word(2) },
    ...{ regoHash: word(0x10), policyParamsSchemaHash: word(0x11), paramsHash: word(3) },
    ...{ referenceBlock: 9n, expirationBlock: 50n, data: [] },
  }
  const response: PolicyTaskResponse = {
    ...{ chainId: 31_337n, policyRegistry: address(0xa1), policyClient: address(0xc1) },
    ...{ taskId: word(task), intentHash: word(5), policyInstanceId: word(1), inputsHash: word(6) },
    ...{ artifactDigest: computeArtifactDigest(preimage), pcr0Commitment: word(0) },
    ...{ evaluationResult: encodeEvaluationResult(true), referenceBlock: 9n },
    ...{ referenceBlockHash: blockOf(9n).hash, referenceTimestamp: start / 1_000 },
    expirationBlock: 50n,
  }
  return { response, preimage, inputs: { outputs: {}, secrets: {} }, reasons: ['because'] }
}
const certificate = {
  referenceTimestamp: 0,
} as never
const infinity = { X: 0n, Y: 0n }
const encodable = {
  ...{ referenceTimestamp: start / 1_000, messageHash: word(1), signature: infinity },
  ...{ apk: { X: [0n, 0n], Y: [0n, 0n] }, nonSignerWitnesses: [] },
} as never

const subjects = async (ledger: Ledger) =>
  (await ledger.readSince('7')).events.map(({ event }) => event.payload.type)

const item = (at: number): OutboxItem => ({
  eventId: `01970000-0000-7000-8000-${at.toString(16).padStart(12, '0')}`,
  ...{ domain: 'decisions', schemaVersion: 'newton.anomaly/1', occurredAt: start, links: {} },
  fields: { ...anomaly(at).fields },
})

describe('createLedgerRecorder', () => {
  test('behavior: an evaluation follows the registrations it names, and is one event however often it is recorded', async () => {
    const ledger = await openTestLedger()
    const refused: SubmitRefusal[] = []
    const recorderOf = (saltBytes?: () => Uint8Array) => {
      const { events, registry, reads } = chain()
      const sink = createLedgerSink({
        ...{ ledger: ledgerName, signer: people.operator, verify, now: () => start },
        target: ledgerTarget(ledger),
        onRefused: (_, refusal) => refused.push(refusal),
      })
      const salts = memorySalts(saltBytes ?? (() => new Uint8Array(32).fill(7)))
      return {
        sink,
        reads,
        recorder: createLedgerRecorder({ sink, registry, salts, registrations: { events } }),
      }
    }
    const first = recorderOf()
    await first.recorder.evaluated(evaluation())
    await first.recorder.evaluated(evaluation())
    await first.sink.flush()
    // Block 9 is not two blocks old yet: it was settled for whoever signed an answer that names it.
    expect(first.reads).toEqual([9n])
    // As after a crash: another process, which knows nothing, records the same.
    const second = recorderOf()
    await second.recorder.evaluated(evaluation())
    await second.sink.flush()
    expect(refused).toEqual([])
    expect(await subjects(ledger)).toEqual(['newton.template', 'newton.evaluation'])
    const [template, evaluated] = (await ledger.readSince('7')).events
    expect(template?.event.payload).toMatchObject({
      ...{ kind: 'policy', templateId: word(2), artifacts: [word(0x10), word(0x11)] },
      ...{ registry: address(0xa1), transactionHash: word(0x77) },
    })
    const salt = new Uint8Array(32).fill(7)
    expect(evaluated?.event.payload['reasonsHash']).toBe(
      toHex(sha256(Uint8Array.from([...salt, ...canonicalBytes(['because'])]))),
    )
    // Somebody with another salt: the first one stands.
    const other = recorderOf(() => new Uint8Array(32).fill(8))
    await other.recorder.evaluated(evaluation())
    await other.sink.flush()
    expect(refused.map(({ code }) => code)).toEqual(['event_id_conflict'])
    expect(ledger.head()?.seq).toBe(8n)
    for (const { sink } of [first, second, other]) await sink.close()
    await ledger.close()
  })

  test('behavior: commits, challenges and anomalies', async () => {
    const ledger = await openTestLedger()
    const { registry } = chain()
    const sinkOf = (signer = people.operator) =>
      createLedgerSink({
        ...{ ledger: ledgerName, signer, verify, now: () => start },
        target: ledgerTarget(ledger),
      })
    const [own, challenging] = [sinkOf(), sinkOf(people.challenger)]
    const recorder = createLedgerRecorder({ sink: own, registry })
    const commit = {
      type: 'StateRootCommitted',
      ...{ sequenceNo: 1n, prevStateRoot: word(0) },
      ...{ newStateRoot: word(1), timestamp: BigInt(start / 1_000), daCertHash: word(2) },
      ...{ pcr0Commitment: word(0), blockNumber: 5n, blockHash: word(5), transactionIndex: 0 },
      ...{ logIndex: 0, transactionHash: word(0x99) },
    } as const
    await recorder.committed({ commit, deltaHash: word(3), cutoffBlock: 4n })
    await recorder.committed({ commit, deltaHash: word(3), cutoffBlock: 4n })
    recorder.anomaly({ kind: 'x'.repeat(200), subject: 'commit 1', detail: 'y' })
    await own.flush()
    await createLedgerRecorder({ sink: challenging, registry }).challenged({
      ...{ messageHash: word(8), mismatch: 'digest', operators: [0, 2], referenceBlock: 9n },
      transactionHash: word(0x55),
    })
    await challenging.flush()
    expect(await subjects(ledger)).toEqual(['newton.commit', 'newton.anomaly', 'newton.challenge'])
    await own.close()
    await challenging.close()
    await ledger.close()
  })

  test('behavior: an evaluation whose id a challenger took is recorded, and its certificate names it', async () => {
    const evaluated = { ...evaluation(), certificate: encodable as never, signers: [0] }
    const record = async (ledger: Ledger) => {
      const { events, registry } = chain()
      const taken: string[] = []
      const refused: SubmitRefusal[] = []
      const sink = createLedgerSink({
        ...{ ledger: ledgerName, signer: people.operator, verify, now: () => start },
        target: ledgerTarget(ledger),
        onTaken: ({ eventId }) => taken.push(eventId),
        onRefused: (_, refusal) => refused.push(refusal),
      })
      const recorder = createLedgerRecorder({ sink, registry, registrations: { events } })
      await recorder.attested(evaluated)
      await sink.flush()
      await sink.close()
      return { taken, refused }
    }
    // Who sees what is evaluated can work out the id: by recording it elsewhere, for one.
    const elsewhere = await openTestLedger()
    await record(elsewhere)
    const learned = (await elsewhere.readSince('7')).events.map(({ event }) => event.event_id)
    const ledger = await openTestLedger()
    for (const eventId of learned.slice(1)) {
      const { domain, schemaVersion, fields } = anomaly(1)
      const draft = { domain, schemaVersion, fields, eventId, by: people.challenger }
      expect(await submit(ledger, draft)).toMatchObject({ status: 201 })
    }
    const { taken, refused } = await record(ledger)
    expect(refused).toEqual([])
    expect(taken).toEqual(learned.slice(1))
    const { events } = await ledger.readSince('9')
    expect(events.map(({ event }) => event.payload.type)).toEqual([
      ...['newton.template', 'newton.evaluation', 'newton.attestation'],
    ])
    const [, own, attestation] = events
    expect(attestation?.event.payload['evaluation']).toBe(own?.event.current_hash)
    for (const each of [elsewhere, ledger]) await each.close()
  })

  test('error: what cannot be kept is not answered for', async () => {
    const { events, registry } = chain()
    const sink = { record: () => Promise.reject(new Error('disk full')) }
    const told: unknown[] = []
    const recorder = createLedgerRecorder({
      ...{ sink, registry, registrations: { events } },
      onError: (error) => told.push(error),
    })
    await expect(recorder.evaluated(evaluation())).rejects.toThrow('disk full')
    await expect(recorder.attested({ ...evaluation(), certificate, signers: [0] })).rejects.toThrow(
      'disk full',
    )
    recorder.anomaly({ kind: '', subject: '', detail: '' })
    await new Promise((done) => setTimeout(done, 0))
    expect(told).toHaveLength(1)
  })
})

describe('httpLedgerTarget', () => {
  test('behavior: over HTTP, with an answer that is lost and a proxy in between, each record is one event', async () => {
    const store = memoryTiles()
    const ledger = await openTestLedger({ store })
    const handler = createLedgerHandler({ ledger, store, moduleId: 'eval', schemas, verify })
    let calls = 0
    const codes: unknown[] = []
    const sink = createLedgerSink({
      ...{ ledger: ledgerName, signer: people.operator, verify, now: () => start, maxDelay: 1 },
      random: () => 0,
      onError: (error) => codes.push((error as { code?: string }).code),
      target: httpLedgerTarget({
        ...{ url: 'https://ledger.example', moduleId: 'eval' },
        fetch: async (url, init) => {
          calls += 1
          if (calls % 4 === 0) return new Response('<html>bad gateway', { status: 502 })
          const answer = await handler(new Request(String(url), init))
          if (calls % 4 === 2) throw new TypeError('socket hang up')
          return answer
        },
      }),
    })
    for (let at = 0; at < 5; at += 1) {
      const { domain, schemaVersion, fields } = anomaly(at)
      await sink.record({ domain, schemaVersion, fields })
    }
    const first = await sink.record({
      ...{ domain: 'decisions', schemaVersion: 'newton.attestation/1' },
      fields: { ...evaluationFields },
      links: { evaluation: '01970000-0000-7000-8000-00000000ffff' },
    })
    expect(first.eventId).toMatch(/^[0-9a-f-]{36}$/)
    await sink.flush()
    await sink.close()
    expect(await subjects(ledger)).toEqual(Array(5).fill('newton.anomaly'))
    expect(new Set(codes)).toEqual(new Set(['LEDGER_UNREACHABLE']))
    await ledger.close()
  })

  test('error: LEDGER_UNREACHABLE for another module: nothing is taken for refused', async () => {
    const store = memoryTiles()
    const ledger = await openTestLedger({ store })
    const handler = createLedgerHandler({ ledger, store, moduleId: 'eval', schemas, verify })
    const target = httpLedgerTarget({
      ...{ url: 'https://ledger.example/', moduleId: 'other' },
      fetch: (url, init) => handler(new Request(String(url), init)),
    })
    await expect(target.submit(new Uint8Array([1]))).rejects.toMatchObject({
      ...{ code: 'LEDGER_UNREACHABLE', retryable: true },
      message: expect.stringContaining('module_foreign'),
    })
    await expect(target.event('x')).rejects.toMatchObject({ code: 'LEDGER_UNREACHABLE' })
    expect(() => httpLedgerTarget({ url: 'nowhere', moduleId: 'x' })).toThrow(/URL/)
    await ledger.close()
  })
})

const evaluationFields = {
  ...{ evaluationResult: '0x01', messageHash: word(1), certificateHash: word(2), signers: [0] },
}

describe('fileOutbox', () => {
  test('behavior: a sink that is down for a day loses and repeats nothing, over restarts', async () => {
    const directory = join(home, 'outbox')
    const ledger = await openTestLedger({ now: () => start + 86_400_000 })
    const down = { head: fail, event: fail, submit: fail }
    const openSink = async (target: Parameters<typeof createLedgerSink>[0]['target']) => {
      const outbox = await fileOutbox({ directory })
      const sink = createLedgerSink({
        ...{ ledger: ledgerName, signer: people.operator, verify, now: () => start, target },
        ...{ outbox, maxDelay: 1 },
      })
      return { outbox, sink }
    }
    const before = await openSink(down)
    for (let at = 0; at < 12; at += 1) {
      await before.sink.record({ ...recordOf(at), key: `${at}`, time: start })
    }
    await before.sink.close()
    // A write that was cut off: nobody was answered for it.
    writeFileSync(join(directory, '000000000000099-x.json.tmp'), '{')
    // The first process died between delivery and removal: its first three records come again.
    const between = await openSink(ledgerTarget(ledger))
    const keep = readdirSync(directory)
      .slice(0, 3)
      .map((name) => [name, readFileSync(join(directory, name))] as const)
    await between.sink.flush()
    await between.sink.close()
    expect(between.outbox.waiting()).toBe(0)
    expect(readdirSync(directory)).toEqual([])
    for (const [name, bytes] of keep) writeFileSync(join(directory, name), bytes)
    const after = await openSink(ledgerTarget(ledger))
    await after.sink.record({ ...recordOf(11), key: '11', time: start })
    await after.sink.flush()
    await after.sink.close()
    const { events } = await ledger.readSince('7')
    expect(events.map(({ event }) => event.payload['subject'])).toEqual(
      [...Array(12).keys()].map((at) => `number ${at}`),
    )
    await ledger.close()
  })

  test('behavior: who asks for the first record while one is removed gets the next', async () => {
    const directory = join(home, 'leaving')
    const fs = nodeFs()
    let release = (): void => undefined
    let failing = false
    const outbox = await fileOutbox({
      directory,
      fs: {
        ...fs,
        remove: async (path) => {
          if (failing) throw new TypeError('no')
          await fs.remove(path)
          await new Promise<void>((resolve) => {
            release = resolve
          })
        },
      },
    })
    const items = [0, 1].map((at) => ({
      ...{ eventId: deriveEventId({ time: start, key: `${at}` }), occurredAt: start, links: {} },
      ...{ domain: 'decisions', schemaVersion: 'newton.anomaly/1', fields: {} },
    }))
    for (const item of items) await outbox.add(item as never)
    const [one, two] = items.map(({ eventId }) => eventId) as [string, string]
    expect((await outbox.first())?.eventId).toBe(one)
    const leaving = [outbox.remove(one), outbox.remove(one)]
    while (readdirSync(directory).length > 1) await new Promise((resolve) => setTimeout(resolve, 1))
    const asked = outbox.first()
    await new Promise((resolve) => setTimeout(resolve, 20))
    release()
    await Promise.all(leaving)
    expect((await asked)?.eventId).toBe(two)
    // One that could not be removed is there still.
    failing = true
    await expect(outbox.remove(two)).rejects.toThrow('no')
    expect((await outbox.first())?.eventId).toBe(two)
    expect(outbox.waiting()).toBe(1)
  })

  test('error: LEDGER_OUTBOX: a disk that is full, a file that is damaged', async () => {
    const directory = join(home, 'full')
    const fs = nodeFs()
    let full = true
    const outbox = await fileOutbox({
      directory,
      fs: {
        ...fs,
        writeFile: async (path, bytes) => {
          if (full) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
          await fs.writeFile(path, bytes)
        },
      },
    })
    await expect(outbox.add(item(1))).rejects.toMatchObject({
      ...{ code: 'LEDGER_OUTBOX', retryable: true },
    })
    expect(await outbox.first()).toBeUndefined()
    full = false
    await Promise.all([outbox.add(item(1)), outbox.add(item(1))])
    await outbox.add(item(2))
    expect(await outbox.first()).toEqual(item(1))
    const [name = ''] = readdirSync(directory)
    rmSync(join(directory, name))
    writeFileSync(join(directory, name), '{"eventId":1}')
    await expect(outbox.first()).rejects.toMatchObject({
      ...{ code: 'LEDGER_OUTBOX', retryable: false },
    })
  })
})

describe('fileSalts', () => {
  test('behavior: one salt for a task, over restarts, until it is removed', async () => {
    const directory = join(home, 'salts')
    const salts = fileSalts({ directory })
    const [one, same] = await Promise.all([salts.saltOf(word(1)), salts.saltOf(word(1))])
    expect(one).toEqual(same)
    expect(one).toHaveLength(32)
    expect(await fileSalts({ directory }).saltOf(word(1))).toEqual(one)
    expect(await salts.saltOf(word(2))).not.toEqual(one)
    expect(statSync(directory).mode & 0o077).toBe(0)
    const path = join(directory, word(1).slice(2, 4), word(1))
    rmSync(path)
    expect(await salts.saltOf(word(1))).not.toEqual(one)
    rmSync(path)
    writeFileSync(path, 'short')
    await expect(salts.saltOf(word(1))).rejects.toThrow(/32 bytes/)
    expect(() => salts.saltOf('../../etc')).toThrow(/taskId/)
  })
})

function recordOf(at: number) {
  const { domain, schemaVersion, fields } = anomaly(at)
  return { domain, schemaVersion, fields }
}

function fail(): Promise<never> {
  return Promise.reject(new Error('down'))
}
