import { ed25519 } from '@noble/curves/ed25519.js'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { canonicalBytes } from '../../core/canonicalJson.js'
import { utf8 } from '../../internal/bytes.js'
import type { BuildInfo } from '../build/buildInfo.js'
import { statementSigner, verifyStatement } from './dsse.js'
import {
  encodeEvidence,
  evidenceHashOf,
  readEvidence,
  type VerificationEvidence,
  verifyEvidence,
} from './evidence.js'
import { provenanceStatement, summaryStatement } from './statement.js'

const hash = (byte: string): Hex => `0x${byte.repeat(32)}`
const match: VerificationEvidence = {
  schema: 'newton.verification-evidence/1',
  ...{ wasmHash: hash('01'), wasmSha256: hash('02'), buildInfoHash: hash('03') },
  ...{
    result: 'match',
    level: 'exact',
    image: 'registry.example/a@sha256:',
    sourceSha256: hash('04'),
  },
  ...{ rebuiltSha256: hash('02'), rebuiltCodeSha256: hash('05'), logSha256: hash('06') },
  isolation: 'bubblewrap',
}
const { wasmHash, buildInfoHash } = match
const claimOf = (evidence: VerificationEvidence, uri?: string) => ({
  ...{ wasmHash, buildInfoHash, result: evidence.result },
  evidenceUri: uri ?? `https://a.example/evidence/${encodeEvidence(evidence).hash.slice(2)}.json`,
})

const invalid = expect.objectContaining({ code: 'INVALID_INPUT' })
const origin = {
  verifier: `0x${'12'.repeat(20)}` as const,
  ...{ chainId: 1n, timestamp: 1_800_000_000n },
  evidenceUri: claimOf(match).evidenceUri,
}

describe('verifyEvidence', () => {
  test('behavior: evidence that a claim names and that says the same', () => {
    const { bytes } = encodeEvidence(match)
    expect(verifyEvidence(claimOf(match), bytes)).toEqual({ status: 'verified', evidence: match })
  })

  test('behavior: a flipped byte, another claim, no hash', () => {
    const { bytes } = encodeEvidence(match)
    for (let at = 0; at < bytes.length; at++) {
      const other = bytes.slice()
      other[at] = (other[at] as number) ^ 1
      expect(verifyEvidence(claimOf(match), other).status).toBe('refused')
    }
    for (const change of [
      { wasmHash: hash('99') },
      { buildInfoHash: hash('99') },
      { result: 'no_match' as const },
      { evidenceUri: 'https://a.example/evidence.json' },
      { evidenceUri: '' },
    ]) {
      expect(verifyEvidence({ ...claimOf(match), ...change }, bytes).status).toBe('refused')
    }
  })

  test('behavior: documents that contradict themselves are none', () => {
    const without = (name: keyof VerificationEvidence): object => {
      const { [name]: _, ...rest } = match
      return rest
    }
    const wrong: object[] = [
      { ...match, rebuiltSha256: hash('99') },
      { ...match, level: 'code' },
      { ...match, reason: 'timeout' },
      { ...match, result: 'no_match', level: 'none' },
      { ...match, result: 'no_match', level: 'exact', rebuiltSha256: hash('99') },
      { ...match, result: 'did_not_run', level: undefined, reason: 'because' },
      { ...match, result: 'verified' },
      { ...match, schema: 'newton.verification-evidence/2' },
      { ...match, isolation: 'docker' },
      { ...match, extra: 1 },
      { ...match, difference: 'code, byte 9' },
      { ...match, wasmHash: '0x12' },
      without('rebuiltSha256'),
      without('isolation'),
      without('sourceSha256'),
    ]
    for (const one of wrong) {
      const bytes = canonicalBytes(JSON.parse(JSON.stringify(one)))
      expect(readEvidence(bytes), JSON.stringify(one)).toBeUndefined()
      // Nobody writes what nobody reads.
      expect(() => encodeEvidence(one as VerificationEvidence)).toThrow(invalid)
      expect(() => summaryStatement(one as VerificationEvidence, origin)).toThrow(invalid)
    }
    const didNotRun = {
      ...{ schema: match.schema, wasmHash, wasmSha256: match.wasmSha256, buildInfoHash },
      ...{ result: 'did_not_run' as const, reason: 'timeout' as const, image: match.image },
      ...{ sourceSha256: match.sourceSha256, isolation: 'bubblewrap' as const },
    }
    expect(readEvidence(encodeEvidence(didNotRun).bytes)).toEqual(didNotRun)
    expect(readEvidence(utf8('{ "schema": 1 }'))).toBeUndefined()
    expect(readEvidence(utf8('[]'))).toBeUndefined()
    expect(readEvidence(new Uint8Array(20_000))).toBeUndefined()
  })

  test('behavior: where a URI names a hash', () => {
    const hex = 'ab'.repeat(32)
    expect(evidenceHashOf(`https://a.example/evidence/${hex}.json`)).toBe(`0x${hex}`)
    expect(evidenceHashOf(`sha256:${hex}`)).toBe(`0x${hex}`)
    expect(evidenceHashOf(`https://a.example/${hex}0.json`)).toBeUndefined()
  })
})

describe('statements', () => {
  const info: BuildInfo = {
    ...{ wasmSha256: hash('02'), sourceSha256: hash('04') },
    image: `registry.example/a@sha256:${'ab'.repeat(32)}`,
    ...{ args: ['plugin', 'build'], options: ['--world=0.2'], determinism: 'newton-det/2' },
    sourceUri: 'https://a.example/source.tar',
  }
  const signer = statementSigner({ keyId: 'k', seed: new Uint8Array(32).fill(7) })
  const publicKeys = { k: signer.publicKey }

  test('behavior: SLSA provenance and a summary, as their specifications have them', () => {
    expect(provenanceStatement(info, origin)).toMatchObject({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: '02'.repeat(32) } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: {
          buildType: expect.stringMatching(/^https:/),
          externalParameters: { args: ['plugin', 'build'] },
          resolvedDependencies: [{ digest: { sha256: '04'.repeat(32) } }, { name: 'image' }],
        },
        runDetails: { builder: { id: `did:pkh:eip155:1:0x${'12'.repeat(20)}` } },
      },
    })
    expect(summaryStatement(match, origin)).toMatchObject({
      predicateType: 'https://slsa.dev/verification_summary/v1',
      predicate: { verificationResult: 'PASSED', timeVerified: '2027-01-15T08:00:00.000Z' },
    })
    const others: VerificationEvidence[] = [
      { ...match, result: 'no_match', level: 'none', rebuiltSha256: hash('99') },
      // Without walls it is worth little, and the summary has no word for little.
      { ...match, isolation: 'none' },
    ]
    for (const other of others) {
      expect(summaryStatement(other, origin)).toMatchObject({
        predicate: { verificationResult: 'FAILED', verifiedLevels: [] },
      })
    }
  })

  test('behavior: a signed statement, and DSSE’s own signed bytes', () => {
    const envelope = signer.sign(summaryStatement(match, origin))
    expect(verifyStatement(envelope, { publicKeys })).toMatchObject({
      status: 'verified',
      keyIds: ['k'],
    })
    // One signer is one, however often it signed and whatever it is called.
    const [first = { keyid: '', sig: '' }] = envelope.signatures
    const many = { ...envelope, signatures: [first, first, { ...first, keyid: 'same' }] }
    const twice = { ...publicKeys, same: Uint8Array.from(signer.publicKey) }
    expect(verifyStatement(many, { publicKeys: twice })).toMatchObject({ keyIds: ['k'] })
    const body = Buffer.from(envelope.payload, 'base64')
    const signed = Buffer.concat([
      Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${body.length} `),
      body,
    ])
    const signature = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64')
    expect(ed25519.verify(signature, signed, signer.publicKey)).toBe(true)
  })

  test('behavior: anything else is refused and nothing throws', () => {
    const envelope = signer.sign(summaryStatement(match, origin))
    const [first = { keyid: '', sig: '' }] = envelope.signatures
    const flipped = Buffer.from(first.sig, 'base64')
    flipped[10] = (flipped[10] as number) ^ 1
    const wrong: unknown[] = [
      ...[null, 1, 'x', {}, [], { ...envelope, payload: 'e30=' }],
      { ...envelope, payload: `${envelope.payload}!` },
      { ...envelope, payloadType: 'application/json' },
      { ...envelope, signatures: [] },
      { ...envelope, signatures: [{ ...first, keyid: 'other' }] },
      { ...envelope, signatures: [{ ...first, keyid: '__proto__' }] },
      { ...envelope, signatures: [{ ...first, sig: flipped.toString('base64') }] },
      { ...envelope, signatures: Array(17).fill(first) },
      { ...envelope, signatures: [null, 1] },
    ]
    for (const one of wrong) {
      expect(verifyStatement(one, { publicKeys }).status, JSON.stringify(one)).toBe('refused')
    }
    expect(verifyStatement(envelope, { publicKeys: { k: new Uint8Array(32) } }).status).toBe(
      'refused',
    )
    const statement = summaryStatement(match, origin)
    const { subject: _, ...nameless } = statement
    for (const one of [
      nameless,
      ...[[], 1, [null], [{ name: 'a' }], [{ digest: {} }], [{ digest: { sha256: '' } }]].map(
        (subject) => ({ ...statement, subject }),
      ),
      { ...statement, predicateType: '' },
      { ...statement, predicateType: undefined },
      { ...statement, _type: 'https://in-toto.io/Statement/v0.1' },
    ]) {
      const body = JSON.parse(JSON.stringify(one)) as typeof statement
      const { status } = verifyStatement(signer.sign(body), { publicKeys })
      expect(status, JSON.stringify(one)).toBe('refused')
    }
    const throwing = Object.defineProperty({}, 'payloadType', {
      get: () => {
        throw new TypeError('no')
      },
    })
    expect(verifyStatement(throwing, { publicKeys }).status).toBe('refused')
    expect(() => statementSigner({ keyId: 'k', seed: new Uint8Array(31) })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})
