import type { Address, Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { toyPlugin } from '../../../test/provenance/toy.js'
import type { ProvenanceEvent } from '../../core/interfaces/provenance.js'
import {
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  toMetadataEntries,
} from '../build/buildInfo.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { appendMetadata } from '../build/metadata.js'
import { encodeEvidence } from '../claims/evidence.js'
import {
  createProvenanceIndex,
  type IndexedClaim,
  type ProvenanceRecord,
} from './provenanceIndex.js'
import { createStatusHandler } from './statusHandler.js'

const addressOf = (name: number): Address => `0x${name.toString(16).padStart(40, '0')}`
const told = {
  image: 'registry.example/build@sha256:'.padEnd(94, 'a'),
  ...{ args: ['build'], options: ['--x'], sourceSha256: `0x${'04'.repeat(32)}` as Hex },
}
const wasm = appendMetadata(toyPlugin('a'), toMetadataEntries(told))
const { wasmHash, wasmSha256 } = computeWasmHashes(wasm)
const buildInfoHash = computeBuildInfoHash(completeBuildInfo(told, wasmSha256) as BuildInfo)
const evidence = encodeEvidence({
  schema: 'newton.verification-evidence/1',
  ...{ wasmHash, wasmSha256, buildInfoHash, result: 'match', level: 'exact' },
  ...{ image: told.image, sourceSha256: told.sourceSha256, isolation: 'bubblewrap' },
  rebuiltSha256: wasmSha256,
})

function claimed(block: number, verifier: Address, result: 'match' | 'no_match'): ProvenanceEvent {
  return {
    ...{ type: 'ClaimSubmitted', wasmHash, buildInfoHash, verifier, result, timestamp: 1n },
    ...{ blockNumber: BigInt(block), logIndex: 0, transactionHash: `0x${block.toString(16)}` },
    evidenceUri: `https://a.example/${evidence.hash.slice(2)}.json`,
  }
}

describe('createProvenanceIndex', () => {
  test('behavior: nobody changes what others are shown', () => {
    const index = createProvenanceIndex()
    index.addPlugin(wasm)
    index.apply([claimed(1, addressOf(1), 'match')])
    expect(index.addEvidence(evidence.bytes)).toBe(true)
    const record = index.get(wasmHash) as ProvenanceRecord
    const before = JSON.stringify(record, plain)
    const [claim, build] = [record.claims[0], record.builds[0]]
    const parts = [
      ...[record, record.claims, record.history, record.builds, record.hashes, claim, build],
      ...[claim?.evidence, build?.info, build?.info.args, build?.info.options],
    ]
    for (const part of parts) {
      expect(Object.isFrozen(part)).toBe(true)
      expect(() => Object.assign(part as object, { 0: 'other', result: 'no_match' })).toThrow()
    }
    expect(JSON.stringify(index.get(wasmHash), plain)).toBe(before)
    expect(index.list()[0]).toBe(record)
  })

  test('behavior: a record is the same until something of it changes, and then another', () => {
    const index = createProvenanceIndex()
    const at = (): ProvenanceRecord => index.get(wasmHash) as ProvenanceRecord
    index.apply([claimed(1, addressOf(1), 'no_match')])
    const first = at()
    expect([at() === first, index.list(), index.list({ claimed: true })]).toEqual([
      ...[true, [], [first]],
    ])
    index.addPlugin(wasm)
    expect([at() === first, at().builds.length, index.list()]).toEqual([false, 1, [at()]])
    index.apply([claimed(2, addressOf(2), 'match'), claimed(3, addressOf(1), 'match')])
    // Replaced, and the newest last.
    expect(at().claims.map(({ verifier, result }) => [verifier, result])).toEqual([
      [addressOf(2), 'match'],
      [addressOf(1), 'match'],
    ])
    expect([at().history.length, first.history.length]).toEqual([3, 1])
    const list = (filter: object): number => index.list(filter).length
    expect(list({ result: 'no_match' })).toBe(0)
    expect(list({ result: 'match', verifier: addressOf(1) })).toBe(1)
    expect(list({ result: 'match', verifier: addressOf(3) })).toBe(0)
    expect([list({ after: wasmHash }), list({ image: told.image })]).toEqual([0, 1])
    const bare = at()
    expect(index.addEvidence(evidence.bytes)).toBe(true)
    expect([bare, at()].map(({ claims }) => claims[0]?.evidence !== undefined)).toEqual([
      false,
      true,
    ])
  })

  test('behavior: an answer looks at the claims that it shows, whatever number strangers write', async () => {
    let looks = 0
    const count = 20_000
    const claims = Array.from({ length: count }, (_, at) => {
      const { type: _type, logIndex: _index, ...claim } = claimed(at, addressOf(at), 'match')
      return new Proxy(claim as unknown as IndexedClaim, {
        get: (of, name) => {
          looks += 1
          return Reflect.get(of, name)
        },
      })
    })
    const index = createProvenanceIndex()
    index.addPlugin(wasm)
    const record = Object.freeze({
      ...(index.get(wasmHash) as ProvenanceRecord),
      ...{ claims, history: claims },
    })
    const handle = createStatusHandler({
      index: { get: () => record, getBySha256: () => record, list: () => [record] },
      verifiers: { [addressOf(7)]: { name: 'seven' } },
      service: { name: 'Example' },
    })
    const get = async (path: string): Promise<string> =>
      (await handle(new Request(`https://a.example${path}`))).text()
    await get('/wasms.json')
    for (const [path, shown] of [
      [`/wasms/${wasmHash}.json`, 1],
      [`/wasms/${wasmHash}/claims.json?verifier=${addressOf(7)}`, 2],
      [`/wasms/${wasmHash}/claims.json`, 2_000],
      ['/wasms.json', 100],
    ] as const) {
      looks = 0
      expect(await get(path)).toContain('"verifier"')
      expect(looks, path).toBeLessThan(40 * shown)
    }
    expect(JSON.parse(await get('/wasms.json')).wasms[0].claimCount).toBe(count)
  })
})

function plain(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value
}
