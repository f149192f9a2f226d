/** What is no plugin, no build information and no bytes: named where it is given, and never read as something. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { isPolicySdkError } from '../../src/errors/base.js'
import {
  appendMetadata,
  type BuildInfo,
  compareBuild,
  computeBuildInfoHash,
  computeWasmHashes,
  createProvenanceIndex,
  createSourceArchive,
  decodeBuildInfo,
  encodeEvidence,
  evaluateTrust,
  evidenceHashOf,
  memoryQueue,
  parseBuildEntries,
  provenanceStatement,
  readEvidence,
  readMetadata,
  readSourceArchive,
  summaryStatement,
  toMetadataEntries,
  verifyEvidence,
  verifyStatement,
} from '../../src/provenance/index.js'
import { fetchSource, readCargoLock } from '../../src/provenance/node/index.js'
import { toyPlugin } from './toy.js'

const any = (value: unknown): never => value as never
const junk = [undefined, null, 7, {}, [1, 2], true]
const policy = { images: {}, verifiers: [] }
const code = toyPlugin('fine')

/** What throws a typed error for junk. */
const refusing: Readonly<Record<string, (value: unknown) => unknown>> = {
  readMetadata: (it) => readMetadata(any(it)),
  compareBuild: (it) => compareBuild(any(it), any(it)),
  computeWasmHashes: (it) => computeWasmHashes(any(it)),
  decodeBuildInfo: (it) => decodeBuildInfo(any(it)),
  computeBuildInfoHash: (it) => computeBuildInfoHash(any(it)),
  toMetadataEntries: (it) => toMetadataEntries(any(it)),
  readSourceArchive: (it) => readSourceArchive(any(it)),
  createSourceArchive: (it) => createSourceArchive([{ path: 'a', bytes: any(it) }]),
  encodeEvidence: (it) => encodeEvidence(any(it)),
  appendMetadata: (it) => appendMetadata(code, any(it ?? undefined)),
  provenanceStatement: (it) => provenanceStatement(any(it), any(it)),
  summaryStatement: (it) => summaryStatement(any(it), any(it)),
  evaluateTrust: (it) => evaluateTrust(policy, any(it), undefined),
  'index.get': (it) => createProvenanceIndex().get(any(it)),
  'index.addPlugin': (it) => createProvenanceIndex().addPlugin(any(it)),
  'index.addEvidence': (it) => createProvenanceIndex().addEvidence(any(it)),
  'index.apply': (it) => createProvenanceIndex().apply(any({ it })),
  'queue.put': (it) => memoryQueue().put(any(it)),
  readCargoLock: (it) => readCargoLock(any(it)),
  fetchSource: (it) => fetchSource(any(it)),
}

/** What answers whatever it is given. */
const answering: Readonly<Record<string, (value: unknown) => unknown>> = {
  readEvidence: (it) => readEvidence(any(it)),
  verifyEvidence: (it) => verifyEvidence(any(it), any(it)),
  verifyStatement: (it) => verifyStatement(it, any(it)),
  evidenceHashOf: (it) => evidenceHashOf(any(it)),
}

describe('junk', () => {
  test.each(Object.entries(refusing))('error: %s', async (_, call) => {
    for (const value of junk) {
      const thrown = await Promise.resolve()
        .then(() => call(value))
        .then(
          (made) => made ?? 'nothing',
          (error: unknown) => error,
        )
      expect(isPolicySdkError(thrown), `${JSON.stringify(value)}: ${String(thrown)}`).toBe(true)
    }
  })

  test.each(Object.entries(answering))('behavior: %s never throws', (_, call) => {
    for (const value of junk) expect(JSON.stringify(call(value)) ?? '').not.toContain('verified')
  })
})

describe('build information', () => {
  const hash = (byte: string): Hex => `0x${byte.repeat(32)}`
  const info: BuildInfo = {
    ...{ wasmSha256: hash('01'), sourceSha256: hash('02'), args: ['build'], options: [] },
    image: `newton-toolchain@sha256:${'ab'.repeat(32)}`,
  }

  test('behavior: a hash in capitals is the same hash, on chain and in a plugin', () => {
    const loud = { ...info, sourceSha256: `0x${'AB'.repeat(32)}` as Hex }
    const quiet = { ...info, sourceSha256: `0x${'ab'.repeat(32)}` as Hex }
    expect(computeBuildInfoHash(loud)).toBe(computeBuildInfoHash(quiet))
    const { entries } = readMetadata(appendMetadata(code, toMetadataEntries(loud)))
    expect(parseBuildEntries(entries).sourceSha256).toBe(quiet.sourceSha256)
  })

  test('error: what would be named or written as something else than it says', () => {
    for (const change of [
      { args: ['\ud800'] },
      { args: [7] },
      { options: ['no option'] },
      { options: ['--a', '--a'] },
      { image: 'newton-toolchain@sha256:latest' },
      { sourceUri: 'no uri' },
      { sourceURI: 'https://a.example' },
      { sourceSha256: '0x02' },
    ]) {
      const other = { ...info, ...change } as never
      for (const call of [computeBuildInfoHash, toMetadataEntries]) {
        let thrown: unknown
        try {
          call(other)
        } catch (error) {
          thrown = error
        }
        expect(isPolicySdkError(thrown), JSON.stringify(change)).toBe(true)
      }
    }
  })
})
