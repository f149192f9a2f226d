/** Statements that `provenance control` signs: made of claims, kept beside evidence, served. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, expect, test } from 'vitest'
import { openStatements } from '../../src/cli/commands/provenance/statements.js'
import { fromHex } from '../../src/internal/bytes.js'
import {
  createControlHandler,
  encodeEvidence,
  type VerificationEvidence,
  verifyStatement,
} from '../../src/provenance/index.js'

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

test('error: the key of the claims', () => {
  const own = { directory, chainId: 1, seed: fromHex(word('08')), verifier }
  expect(() => openStatements(own)).toThrow(/has to be another/)
})
