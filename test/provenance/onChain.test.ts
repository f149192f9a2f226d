/** Build information, claims and what is made of them, through the contracts of a real chain. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LedgerRecord } from '../../src/core/interfaces/ledgerSink.js'
import { toHex } from '../../src/internal/bytes.js'
import { createLedgerSink, ledgerTarget } from '../../src/ledger/index.js'
import {
  type BuildInfo,
  computeBuildInfoHash,
  createProvenanceIndex,
  createProvenanceRecorder,
  evaluateTrust,
} from '../../src/provenance/index.js'
import {
  createClaimSink,
  createProvenanceEvents,
  dryRunSubmitClaim,
  setBuildInfoManagerSync,
  simulateSubmitBuildInfo,
  submitBuildInfoSync,
  submitClaim,
  submitClaimSync,
} from '../../src/registry/index.js'
import { ledgerName, openTestLedger, people, verify } from '../ledger/ledgerWorld.js'
import { setUpPolicy, startChain, type TestChain, word } from '../registry/chain.js'

let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
}, 120_000)
afterAll(() => chain.anvil.stop())

const wasmHash = word(4_101)
const info: BuildInfo = {
  ...{ wasmSha256: word(7), sourceSha256: word(8) },
  ...{ image: `newton-toolchain@sha256:${'00'.repeat(32)}`, args: ['build', '--release'] },
  ...{ options: [], sourceUri: 'https://sources.example/plugin.tar' },
}
const evidenceUri = `https://evidence.example/${'ab'.repeat(32)}`

const events = () =>
  createProvenanceEvents({
    ...{ client: chain.owner, addresses: chain.addresses, finality: 'latest' },
  })

describe('provenance on chain', () => {
  test('behavior: a manager submits build information, of which the contract computes the hash', async () => {
    const { owner, addresses } = chain
    const [, author] = [owner, chain.wallet(1)]
    const input = { addresses, wasmHash, buildInfo: info }
    await expect(simulateSubmitBuildInfo(author, input)).rejects.toMatchObject({
      name: 'ContractRevertError',
    })
    await setBuildInfoManagerSync(owner, {
      ...{ addresses, manager: author.account.address, allowed: true },
    })
    expect(await simulateSubmitBuildInfo(author, input)).toMatchObject({
      result: computeBuildInfoHash(info),
    })
    const submitted = await submitBuildInfoSync(author, input)
    expect(submitted).toMatchObject({
      ...{ wasmHash, buildInfoHash: computeBuildInfoHash(info) },
      submitter: author.account.address,
    })
    await setBuildInfoManagerSync(owner, {
      ...{ addresses, manager: author.account.address, allowed: false },
    })
    await expect(submitBuildInfoSync(author, input)).rejects.toMatchObject({
      name: 'ContractRevertError',
    })
  })

  test('behavior: claims are their sender’s, and one that stands is not sent again', async () => {
    const { addresses } = chain
    const buildInfoHash = computeBuildInfoHash(info)
    const claim = { wasmHash, buildInfoHash, result: 'match', evidenceUri } as const
    const [believed, stranger] = [chain.wallet(2), chain.wallet(3)]
    const sink = createClaimSink({ client: believed, addresses })
    expect(sink.verifier).toBe(believed.account.address)
    expect((await sink.submitClaim(claim)).transactionHash).toMatch(/^0x/)
    expect(await sink.submitClaim(claim)).toEqual({ transactionHash: undefined })
    expect(await sink.submitClaim(claim, { replace: false })).toEqual({
      transactionHash: undefined,
    })
    await submitClaimSync(stranger, { addresses, ...claim, result: 'no_match' })
    for (const result of ['none', '', undefined]) {
      await expect(
        submitClaim(stranger, { addresses, ...claim, result: result as 'match' }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await expect(
      dryRunSubmitClaim(stranger, { addresses, ...claim, wasmHash: '0x12' }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('behavior: events come in order, and a reader with a policy sees a verified plugin', async () => {
    await setUpPolicy(chain, 41)
    const source = await events()
    const all = await source.getEvents({
      ...{ fromBlock: 0n, toBlock: await source.getFinalizedBlock() },
    })
    expect(all.map(({ type }) => type)).toEqual([
      'BuildInfoSubmitted',
      'ClaimSubmitted',
      'ClaimSubmitted',
      'PluginRegistered',
    ])
    expect(all.at(-1)).toMatchObject({ author: expect.stringMatching(/^0x[0-9a-fA-F]{40}$/) })
    expect(new Set(all.map((event) => event.wasmHash))).toEqual(new Set([wasmHash]))
    const index = createProvenanceIndex()
    index.apply(all)
    const { claims = [], builds = [] } = index.get(wasmHash) ?? {}
    expect(claims.map(({ result }) => result).sort()).toEqual(['match', 'no_match'])
    // The plugin's bytes have not been seen, so nothing is verified by what is said about them.
    expect(builds).toEqual([])
    const verifiers = [chain.wallet(2).account.address]
    const policy = { images: { [info.image]: 'trusted' as const }, verifiers }
    expect(evaluateTrust(policy, wasmHash, index.get(wasmHash)).status).toBe('unverified')
  })

  test('behavior: a ledger gets each event once, and no stranger’s claim', async () => {
    // Its keys are older than what is recorded: a ledger takes no event of before.
    let early = 3_600_000
    const ledger = await openTestLedger({ now: () => Date.now() - early })
    early = 0
    const sink = createLedgerSink({
      ...{ ledger: ledgerName, signer: people.builder, verify, target: ledgerTarget(ledger) },
      onError: (error) => errors.push(error),
      onRefused: (_, refusal) => errors.push(refusal),
    })
    const errors: unknown[] = []
    const before = (await ledger.readSince('0')).events.length
    const source = await events()
    const verifiers = [chain.wallet(2).account.address]
    for (const fromBlock of [0n, 0n, 1n]) {
      const recorder = createProvenanceRecorder({ events: source, sink, verifiers, fromBlock })
      expect((await recorder.record()).recorded).toBe(2)
      expect((await recorder.record()).recorded).toBe(0)
    }
    await sink.flush()
    await sink.close()
    expect(errors).toEqual([])
    const written = (await ledger.readSince('0')).events.slice(before)
    expect(written.map(({ event }) => event.payload)).toMatchObject([
      {
        wasmHash,
        ...{ buildInfoHash: computeBuildInfoHash(info).slice(2), sourceUri: info.sourceUri },
      },
      {
        ...{ wasmHash, result: 'MATCH' },
        ...{ level: 'exact', reportHash: 'ab'.repeat(32) },
      },
    ])
    await ledger.close()
  })

  test('error: a sink that fails loses nothing', async () => {
    const source = await events()
    const taken: LedgerRecord[] = []
    let fails = 1
    const recorder = createProvenanceRecorder({
      ...{ events: source, fromBlock: 0n, verifiers: [chain.wallet(3).account.address] },
      sink: {
        record: async (record) => {
          if (taken.length === 1 && fails-- > 0) throw new Error('down')
          taken.push(record)
          return { eventId: toHex(new Uint8Array(8)) }
        },
      },
    })
    await expect(recorder.record()).rejects.toThrow('down')
    expect((await recorder.record()).recorded).toBe(2)
    const [first, again, claim] = taken
    // What was taken before the failure comes again, as the same record.
    expect(again).toEqual(first)
    expect(claim).toMatchObject({ fields: { result: 'NO_MATCH', level: 'none' } })
    for (const blocksAtOnce of [0, 1.5, Number.NaN]) {
      expect(() =>
        createProvenanceRecorder({
          ...{ events: source, verifiers: [], fromBlock: 0n, blocksAtOnce },
          sink: { record: async () => ({ eventId: '' }) },
        }),
      ).toThrow(/blocksAtOnce/)
    }
  })
})
