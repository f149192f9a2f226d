/** What `provenance control` signs beside claims: statements, and events of a ledger. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address, Hex } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, expect, test, vi } from 'vitest'
import { openRecording } from '../../src/cli/commands/provenance/recording.js'
import { openStatements } from '../../src/cli/commands/provenance/statements.js'
import type { Terminal } from '../../src/cli/terminal/output.js'
import type { ProvenanceEvent } from '../../src/core/interfaces/provenance.js'
import { fromHex } from '../../src/internal/bytes.js'
import { serve } from '../../src/internal/node/serve.js'
import { createLedgerHandler, memoryTiles } from '../../src/ledger/index.js'
import {
  createControlHandler,
  encodeEvidence,
  type VerificationEvidence,
  verifyStatement,
} from '../../src/provenance/index.js'
import { ledgerName, openTestLedger, schemas, verify } from '../ledger/ledgerWorld.js'

const directory = mkdtempSync(join(tmpdir(), 'statements-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const word = (byte: string): Hex => `0x${byte.repeat(32)}`
const seed = new Uint8Array(32).fill(7)
const verifier = privateKeyToAddress(word('08'))
const buildInfo = {
  ...{ wasmSha256: word('02'), sourceSha256: word('04'), args: ['plugin', 'build'], options: [] },
  image: `newton-toolchain@sha256:${'ab'.repeat(32)}`,
}
const match: VerificationEvidence = {
  ...{ schema: 'newton.verification-evidence/1', result: 'match', level: 'exact' },
  ...{ wasmHash: word('01'), wasmSha256: word('02'), buildInfoHash: word('03') },
  ...{ image: buildInfo.image, sourceSha256: word('04'), rebuiltSha256: word('02') },
  isolation: 'bubblewrap',
}

test('behavior: each claim has its statements, and provenance only what was seen to be built so', async () => {
  const statements = openStatements({
    ...{ seed, directory, verifier, chainId: 31_337, now: () => 1_800_000_000_000 },
  })
  const handle = createControlHandler({
    ...{ plane: {} as never, workers: {}, statements },
  })
  const publicKeys = { [statements.keyId]: fromHex(`0x${statements.keyId}`) }
  const of = async (evidence: VerificationEvidence) => {
    const hash = encodeEvidence(evidence).hash.slice(2)
    const evidenceUri = `https://control.example/evidence/${hash}.json`
    await statements.onClaim({ evidence, evidenceUri, buildInfo, transactionHash: word('05') })
    const response = await handle(new Request(`https://control.example/statements/${hash}.json`))
    expect(response.status).toBe(200)
    const document = (await response.json()) as { provenance?: unknown; summary: unknown }
    const summary = verifyStatement(document.summary, { publicKeys })
    const provenance = document.provenance && verifyStatement(document.provenance, { publicKeys })
    return { summary, provenance }
  }
  expect(await of(match)).toMatchObject({
    summary: {
      status: 'verified',
      statement: {
        subject: [{ digest: { sha256: '02'.repeat(32) } }],
        predicate: { verificationResult: 'PASSED', timeVerified: '2027-01-15T08:00:00.000Z' },
      },
    },
    provenance: {
      status: 'verified',
      statement: { predicateType: 'https://slsa.dev/provenance/v1' },
    },
  })
  const others: VerificationEvidence[] = [
    { ...match, isolation: 'none' },
    { ...match, result: 'no_match', level: 'none', rebuiltSha256: word('09') },
  ]
  for (const evidence of others) {
    expect(await of(evidence)).toMatchObject({
      summary: { statement: { predicate: { verificationResult: 'FAILED' } } },
      provenance: undefined,
    })
  }
  expect(readdirSync(directory)).toHaveLength(3)
  const missing = new Request(`https://control.example/statements/${'00'.repeat(32)}.json`)
  expect((await handle(missing)).status).toBe(404)
})

const terminal = { cwd: directory, env: {}, stderr: () => undefined } as unknown as Terminal
const args = (more: object = {}) => ({
  ...{ ledger: ledgerName, 'ledger-key': 'builder', 'ledger-module': 'eval' },
  'ledger-url': 'https://ledger.example',
  ...more,
})
const quiet = { getFinalizedBlock: async () => 0n, getEvents: async () => [] }

test('behavior: claims of this verifier become events of a ledger, once', async () => {
  // Its keys are older than what is recorded: a ledger takes no event of before.
  const [store, now] = [memoryTiles(), Date.now()]
  let early = 3_600_000
  const ledger = await openTestLedger({ store, now: () => Date.now() - early })
  early = 0
  const server = await serve(
    { fetch: createLedgerHandler({ ledger, store, moduleId: 'eval', schemas, verify }) },
    { host: '127.0.0.1', port: 0 },
  )
  const before = (await ledger.readSince('0')).events.length
  const common = { blockNumber: 1n, transactionHash: word('0a'), wasmHash: word('01') }
  const claimed = (by: Address, logIndex: number): ProvenanceEvent => ({
    ...{ ...common, type: 'ClaimSubmitted', verifier: by, result: 'match', logIndex },
    ...{ buildInfoHash: word('03'), timestamp: BigInt(Math.floor(now / 1_000)) },
    evidenceUri: `https://control.example/evidence/${'0b'.repeat(32)}.json`,
  })
  const all = [claimed(verifier, 0), claimed(`0x${'66'.repeat(20)}`, 1)]
  writeFileSync(join(directory, 'builder'), '07'.repeat(32))
  const events = { getFinalizedBlock: async () => 1n, getEvents: async () => all }
  const said: unknown[] = []
  const signal = new AbortController().signal
  const payloads = async () =>
    (await ledger.readSince('0')).events.slice(before).map(({ event }) => event.payload)
  // A process that starts again records what it has recorded.
  for (let start = 0; start < 2; start++) {
    const recording = await openRecording(terminal, {
      ...{ args: args({ 'ledger-url': server.url }), directory, verifier, events, fromBlock: 0n },
      onEvent: (event) => said.push(event),
    })
    await recording?.record({ signal })
    await vi.waitFor(async () => expect(await payloads()).toHaveLength(1), 10_000)
    await recording?.close()
  }
  expect(said).toEqual([])
  expect(await payloads()).toMatchObject([
    { wasmHash: word('01'), result: 'MATCH', level: 'exact', reportHash: '0b'.repeat(32) },
  ])
  await server.close(1_000)
  await ledger.close()
})

test.each<[string, object, RegExp]>([
  ['a ledger without a key', { 'ledger-key': undefined }, /go together/],
  ['a key without a ledger', { 'ledger-url': undefined, ledger: undefined }, /go together/],
  ['the key of the claims', { 'ledger-key': 'claims' }, /has to be another/],
  ['the key of the statements', { 'ledger-key': 'statements' }, /has to be another/],
])('error: %s', async (_, more, message) => {
  writeFileSync(join(directory, 'claims'), '08'.repeat(32))
  writeFileSync(join(directory, 'statements'), Buffer.from(seed).toString('hex'))
  const opened = openRecording(terminal, {
    ...{ args: args(more), directory, verifier, statementSeed: seed, events: quiet, fromBlock: 0n },
    onEvent: () => undefined,
  })
  await expect(opened).rejects.toThrow(message)
})

test('error: the key of the claims', () => {
  const own = { directory, chainId: 1, seed: fromHex(word('08')), verifier }
  expect(() => openStatements(own)).toThrow(/has to be another/)
})
