import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { toHex } from '../../internal/bytes.js'
import { parseCoseSign1 } from './cose.js'
import { parseNitroPayload } from './payload.js'
import type { NitroPolicy, PcrSet } from './policy.js'
import { verifyArchivedNitroAttestation, verifyNitroAttestation } from './verify.js'
import type { P384Backend } from './x509/signature.js'

const folder = new URL('../../../../shared/vectors/public/nitro/', import.meta.url)
const present = existsSync(folder)
if (!present) {
  if (process.env['CI_REQUIRE_ALL'] === '1') throw new Error('the public Nitro vectors are absent')
  console.warn('skipped: ../shared/vectors/public/nitro is absent')
}
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)))
const json = <value>(name: string): value => JSON.parse(Buffer.from(read(name)).toString()) as value

type Sample = {
  file: string
  pcr0: string
  expect_production: string
  reason: string
  now_ms: number
  timestamp_ms: number
}
type Negative = {
  file: string
  expect: 'accept' | 'reject' | 'policy'
  reason: string
  now_ms: number
  root: string
}

const samples = present ? json<Sample[]>('MANIFEST.json') : []
const negatives = present ? json<{ vectors: Negative[] }>('NEGATIVE.json').vectors : []

/** Codes that may stand for one another, depending on the order of checks. */
const classes = [
  ['CHAIN', 'UNTRUSTED_ROOT'],
  ['MALFORMED', 'TRAILING', 'NON_CANONICAL_OUTER', 'UNPROTECTED_NOT_EMPTY', 'OUTER_TAG'],
  ['CERT_EXPIRED', 'CERT_NOT_YET_VALID', 'TIMESTAMP', 'STALE', 'FUTURE'],
]
const classOf = (code: string): readonly string[] =>
  classes.find((codes) => codes.includes(code)) ?? [code]

/** The four that a verifier has to decide for itself, and what is decided here. */
const decisions: Record<string, string> = {
  'negative/a01_tag18.bin': 'NON_CANONICAL_OUTER',
  'negative/a27_clock_one_hour_later.bin': 'STALE',
  'negative/b55_nonminimal_inner_len.bin': 'valid',
  'negative/b56_payload_16k.bin': 'PAYLOAD_SIZE',
}

const backends: readonly P384Backend[] = ['webcrypto', 'noble']
const testRoot = present
  ? ([
      { sha256: toHex(createHash('sha256').update(read('negative/test_root.der')).digest()) },
    ] as const)
  : []

/** Takes the document's own PCR0 as the expected one where it has one: measurements are not the subject here. */
function policyFor(
  bytes: Uint8Array,
  parameters: { now: number; backend: P384Backend; root: 'aws' | 'test' },
): NitroPolicy {
  let expected: PcrSet = { 0: `0x${'a0'.repeat(48)}` }
  try {
    const pcr0 = parseNitroPayload(parseCoseSign1(bytes).payload).pcrs.get(0)
    if (pcr0 !== undefined) expected = { 0: toHex(pcr0) }
  } catch {}
  return {
    ...(parameters.root === 'aws' ? {} : { roots: testRoot, insecureTrustRoot: true }),
    measurements: [expected],
    freshness: { kind: 'maxAge', maxAge: 3_600_000 },
    binding: { userData: 'any', publicKey: 'any' },
    clock: () => parameters.now,
    skew: 300_000,
    backend: parameters.backend,
  }
}

describe.skipIf(!present).each(backends)('published documents, %s', (backend) => {
  test.each(samples)('$file is $expect_production $reason', async (sample) => {
    const bytes = read(sample.file)
    const policy = {
      ...policyFor(bytes, { now: sample.now_ms, backend, root: 'aws' }),
      measurements: [{ 0: `0x${sample.pcr0}` as const }],
    }
    const verdict = await verifyNitroAttestation(bytes, policy)
    if (sample.expect_production === 'accept') {
      expect(verdict).toMatchObject({
        status: 'valid',
        attestation: { assurance: 'nitro', freshness: 'live', timestamp: sample.timestamp_ms },
      })
    } else expect(verdict).toEqual({ status: 'reject', code: sample.reason, stage: 'debug' })
  })
})

describe.skipIf(!present).each(backends)('negative vectors, %s', (backend) => {
  test.each(negatives)(
    '$file: $expect $reason',
    async ({ file, expect: expected, reason, now_ms, root }) => {
      const bytes = read(file)
      const verdict = await verifyNitroAttestation(
        bytes,
        policyFor(bytes, { now: now_ms, backend, root: root === 'aws' ? 'aws' : 'test' }),
      )
      const outcome = verdict.status === 'valid' ? 'valid' : verdict.code
      if (expected === 'policy') expect(outcome).toBe(decisions[file])
      else if (expected === 'accept') expect(outcome).toBe('valid')
      else expect(classOf(reason)).toContain(outcome)
    },
  )
})

describe.skipIf(!present)('archived', () => {
  test('a document of 2021 verifies at its own time and says so', async () => {
    const bytes = read('234f1201a137.bin')
    const { measurements } = policyFor(bytes, { now: 0, backend: 'auto', root: 'aws' })
    const verdict = await verifyArchivedNitroAttestation(bytes, {
      at: 'document',
      measurements,
      binding: { userData: 'any', publicKey: 'any' },
    })
    expect(verdict).toMatchObject({ status: 'valid', attestation: { freshness: 'archived' } })
  })
})
