import type { Address, Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import type { ProvenanceEvent, VerificationResult } from '../../core/interfaces/provenance.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import {
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  encodeBuildInfo,
  parseBuildEntries,
  toMetadataEntries,
} from '../build/buildInfo.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { appendMetadata } from '../build/metadata.js'
import { encodeEvidence, type VerificationEvidence } from '../claims/evidence.js'
import { createProvenanceIndex, type ProvenanceIndex } from '../index/provenanceIndex.js'
import { createStatusHandler } from '../index/statusHandler.js'
import { evaluateTrust, indexedProvenance, type TrustPolicy } from './trustPolicy.js'

const image = `newton-toolchain@sha256:${'ab'.repeat(32)}`
const told = { image, args: ['build'], options: [], sourceSha256: `0x${'04'.repeat(32)}` as Hex }
const code = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
const plugin = appendMetadata(code, toMetadataEntries(told))
const { wasmHash, wasmSha256 } = computeWasmHashes(plugin)
const info = completeBuildInfo(told, wasmSha256) as BuildInfo
const buildInfoHash = computeBuildInfoHash(info)
const [alice, bob, carol] = ['aa', 'bb', 'cc'].map((byte) => `0x${byte.repeat(20)}` as Address) as [
  Address,
  Address,
  Address,
]

let count = 0
const at = (): {
  blockNumber: bigint
  logIndex: number
  transactionHash: Hex
  timestamp: bigint
} => {
  count += 1
  const transactionHash: Hex = `0x${count.toString(16).padStart(64, '0')}`
  return { blockNumber: BigInt(count), logIndex: 0, transactionHash, timestamp: BigInt(count) }
}

function claim(
  index: ProvenanceIndex,
  verifier: Address,
  result: VerificationResult,
  more: Partial<VerificationEvidence> & { without?: boolean } = {},
): void {
  const { without = false, ...changes } = more
  const other: Hex = `0x${'99'.repeat(32)}`
  const parts = {
    match: { level: 'exact', rebuiltSha256: wasmSha256 },
    no_match: { level: 'none', rebuiltSha256: other },
    did_not_run: { reason: 'timeout' },
  }[result]
  const { bytes, hash } = encodeEvidence({
    schema: 'newton.verification-evidence/1',
    ...{ wasmHash, wasmSha256, buildInfoHash, result, image, sourceSha256: info.sourceSha256 },
    isolation: 'bubblewrap',
    ...(parts as object),
    ...changes,
  })
  const evidenceUri = `https://a.example/evidence/${hash.slice(2)}.json`
  index.apply([
    { ...at(), type: 'ClaimSubmitted', wasmHash, verifier, result, buildInfoHash, evidenceUri },
  ])
  if (!without) expect(index.addEvidence(bytes)).toBe(true)
}

const policy: TrustPolicy = { images: { [image]: 'trusted' }, verifiers: [alice, bob] }
function filled(): ProvenanceIndex {
  const index = createProvenanceIndex()
  index.apply([{ ...at(), type: 'PluginRegistered', wasmHash, templateId: wasmHash }])
  expect(index.addPlugin(plugin)).toBe(wasmHash)
  return index
}
const verdict = (index: ProvenanceIndex, more: Partial<TrustPolicy> = {}) =>
  evaluateTrust({ ...policy, ...more }, wasmHash, index.get(wasmHash))

describe('evaluateTrust', () => {
  test('behavior: a match of a believed verifier in a trusted image', async () => {
    const index = filled()
    expect(verdict(index)).toMatchObject({ status: 'unverified', agreeing: [] })
    claim(index, alice, 'match')
    expect(verdict(index)).toMatchObject({
      ...{ status: 'verified', image: 'trusted', agreeing: [alice], disagreeing: [] },
      ...{ buildInfoHash, sourceSha256: info.sourceSha256 },
    })
    const provenance = indexedProvenance({ index, policy, follower: 'none' })
    expect(await provenance.getProvenance(wasmHash)).toEqual(verdict(index))
    expect(await provenance.getProvenance(`0x${'00'.repeat(32)}`)).toMatchObject({
      status: 'unverified',
    })
  })

  test('behavior: what is known of one plugin is no word about another, in whichever case it is named', () => {
    const index = filled()
    claim(index, alice, 'match')
    const record = index.get(wasmHash)
    const other: Hex = `0x${'11'.repeat(32)}`
    expect(evaluateTrust(policy, other, record)).toMatchObject({
      ...{ status: 'unverified', wasmHash: other, agreeing: [], reason: 'nothing is known of it' },
    })
    // SHA-256 is no name of a plugin here.
    expect(evaluateTrust(policy, wasmSha256, record)).toMatchObject({ status: 'unverified' })
    const upper = `0x${wasmHash.slice(2).toUpperCase()}` as Hex
    expect(evaluateTrust(policy, upper, index.get(upper))).toMatchObject({ status: 'verified' })
    const loud = policy.verifiers.map((each) => `0x${each.slice(2).toUpperCase()}` as Address)
    expect(verdict(index, { verifiers: loud })).toMatchObject({ status: 'verified' })
  })

  test('behavior: evidence of another environment, source or plugin shows nothing', () => {
    const other: Hex = `0x${'77'.repeat(32)}`
    for (const more of [
      { image: `newton-toolchain@sha256:${'cd'.repeat(32)}` },
      { sourceSha256: other },
      // Bytes that match themselves, and not the plugin.
      { wasmSha256: other, rebuiltSha256: other },
      // The same bytes of other code: one of the two is not so.
      { rebuiltCodeSha256: other },
    ]) {
      const index = filled()
      claim(index, alice, 'match', more)
      expect(verdict(index)).toMatchObject({ status: 'unverified', image: 'arbitrary' })
    }
  })

  test('behavior: a claim that its verifier replaced, or about a build of nobody, verifies nothing', () => {
    const index = filled()
    claim(index, alice, 'match')
    claim(index, alice, 'did_not_run')
    expect(verdict(index).status).toBe('unverified')
    claim(index, alice, 'no_match')
    expect(verdict(index).status).toBe('mismatched')
    const stray = filled()
    stray.apply([
      {
        ...{ ...at(), type: 'ClaimSubmitted', wasmHash, verifier: alice, result: 'match' },
        ...{ buildInfoHash: `0x${'55'.repeat(32)}`, evidenceUri: '' },
      },
    ])
    expect(verdict(stray).status).toBe('unverified')
    expect(verdict(stray, { minimum: 'arbitrary' }).status).toBe('unverified')
  })

  test('behavior: an image off the list, or of little trust, downgrades and deletes nothing', () => {
    const index = filled()
    claim(index, alice, 'match')
    expect(verdict(index, { images: {} })).toMatchObject({ status: 'unverified', image: 'unknown' })
    expect(verdict(index, { images: { [image]: 'auditable' } })).toMatchObject({
      ...{ status: 'unverified', image: 'auditable' },
    })
    expect(
      verdict(index, { images: { [image]: 'auditable' }, minimum: 'auditable' }),
    ).toMatchObject({ status: 'verified', image: 'auditable' })
    expect(index.get(wasmHash)?.claims).toHaveLength(1)
  })

  test('behavior: without isolation, or without evidence, it is arbitrary at most', () => {
    for (const more of [{ isolation: 'none' as const }, { without: true }]) {
      const index = filled()
      claim(index, alice, 'match', more)
      expect(verdict(index)).toMatchObject({ status: 'unverified', image: 'arbitrary' })
      expect(verdict(index, { minimum: 'arbitrary' })).toMatchObject({ status: 'verified' })
    }
  })

  test('behavior: k of n, each verifier once, strangers not at all', () => {
    const index = filled()
    claim(index, alice, 'match')
    claim(index, carol, 'match')
    expect(verdict(index, { threshold: 2 })).toMatchObject({ status: 'unverified' })
    claim(index, alice, 'match')
    expect(verdict(index, { threshold: 2 }).status).toBe('unverified')
    claim(index, bob, 'match')
    expect(verdict(index, { threshold: 2 })).toMatchObject({
      ...{ status: 'verified', agreeing: [alice, bob] },
    })
    expect(verdict(index, { verifiers: [carol] }).agreeing).toEqual([carol])
  })

  test('behavior: a disagreement is shown, not resolved', () => {
    const index = filled()
    claim(index, alice, 'match')
    claim(index, bob, 'no_match')
    expect(verdict(index)).toMatchObject({
      ...{ status: 'disputed', agreeing: [alice], disagreeing: [bob] },
    })
    expect(verdict(index, { verifiers: [bob] }).status).toBe('mismatched')
    expect(verdict(index, { verifiers: [alice] }).status).toBe('verified')
    expect(index.get(wasmHash)?.claims.map(({ result }) => result)).toEqual(['match', 'no_match'])
  })

  test('behavior: a build that did not run is no word either way, and a claim can be replaced', () => {
    const index = filled()
    claim(index, alice, 'did_not_run')
    expect(verdict(index)).toMatchObject({ status: 'unverified', disagreeing: [] })
    claim(index, alice, 'match')
    expect(verdict(index).status).toBe('verified')
    claim(index, alice, 'no_match')
    expect(verdict(index).status).toBe('mismatched')
    expect(index.get(wasmHash)?.history).toHaveLength(3)
  })

  test('behavior: without the bytes, or with metadata that is malformed, nothing is verified', () => {
    const index = createProvenanceIndex()
    claim(index, alice, 'match')
    expect(verdict(index)).toMatchObject({ status: 'unverified', image: 'unknown' })
    const odd = appendMetadata(code, [{ key: 'bldimg', value: 'debian' }])
    const other = createProvenanceIndex()
    const hash = other.addPlugin(odd)
    expect(evaluateTrust(policy, hash, other.get(hash))).toMatchObject({
      ...{ status: 'unverified', reason: 'its metadata is malformed' },
    })
  })

  test.each([
    [{ threshold: 0 }],
    [{ threshold: 3 }],
    [{ threshold: Number.NaN }],
    [{ threshold: null as never }],
    [{ minimum: 'unknown' as never }],
    [{ minimum: null as never }],
    [{ images: new Map() as never }],
    [{ images: [] as never }],
    [{ verifiers: ['alice' as Address] }],
    [{ images: { [image]: 'yes' as never } }],
    [{ minimun: 'trusted' } as Partial<TrustPolicy>],
  ])('error: a policy with %j', (change) => {
    expect(() => verdict(filled(), change)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })
})

test('behavior: a policy that is changed after it was given is the one that was given', async () => {
  const index = filled()
  claim(index, alice, 'match')
  const own = { images: {} as Record<string, 'trusted'>, verifiers: [alice] }
  const provenance = indexedProvenance({ index, policy: own, follower: 'none' })
  own.images[image] = 'trusted'
  expect(await provenance.getProvenance(wasmHash)).toMatchObject({ status: 'unverified' })
})

describe('a plugin of which several builds are said', () => {
  const hashes = computeWasmHashes(code)
  const builds = ['01', '02', '03'].map(
    (byte) =>
      completeBuildInfo(
        { ...told, sourceSha256: `0x${byte.repeat(32)}` },
        hashes.wasmSha256,
      ) as BuildInfo,
  )
  const [a, b, c] = builds.map((build) => computeBuildInfoHash(build)) as [Hex, Hex, Hex]
  type Said = [verifier: Address, buildInfoHash: Hex, result: VerificationResult]

  const judge = (said: readonly Said[], more: Partial<TrustPolicy> = {}) => {
    const index = createProvenanceIndex()
    index.addPlugin(code)
    for (const build of builds) {
      const xdr = toHex(encodeBuildInfo(build))
      const event = { buildInfoHash: computeBuildInfoHash(build), submitter: carol, xdr }
      index.apply([{ ...at(), type: 'BuildInfoSubmitted', wasmHash: hashes.wasmHash, ...event }])
    }
    for (const [verifier, buildInfoHash, result] of said) {
      const event = { verifier, buildInfoHash, result, evidenceUri: '' }
      index.apply([{ ...at(), type: 'ClaimSubmitted', wasmHash: hashes.wasmHash, ...event }])
    }
    const record = index.get(hashes.wasmHash)
    expect(record?.claims).toHaveLength(said.length)
    // Without evidence a match is arbitrary, which is enough here.
    const own: TrustPolicy = { ...policy, minimum: 'arbitrary', ...more }
    const { status, disagreeing } = evaluateTrust(own, hashes.wasmHash, record)
    return [status, ...disagreeing]
  }

  test.each<[string, Said[], string[]]>([
    [
      'one tried in vain, then the right one',
      [
        [alice, a, 'no_match'],
        [alice, b, 'match'],
      ],
      ['verified'],
    ],
    [
      'the right one, then one more in vain',
      [
        [alice, a, 'match'],
        [alice, b, 'no_match'],
      ],
      ['verified'],
    ],
    [
      'another verifier came by another way',
      [
        [alice, b, 'match'],
        [bob, a, 'no_match'],
        [bob, b, 'match'],
      ],
      ['verified'],
    ],
    [
      'two with a build each, of which one denies the other’s',
      [
        [alice, a, 'match'],
        [bob, a, 'no_match'],
        [bob, b, 'match'],
      ],
      ['verified'],
    ],
    [
      'one denies the build',
      [
        [alice, a, 'match'],
        [bob, a, 'no_match'],
      ],
      ['disputed', bob],
    ],
    [
      'one denies the build that most confirm, and has one of its own',
      [
        [alice, a, 'match'],
        [carol, a, 'match'],
        [bob, a, 'no_match'],
        [bob, b, 'match'],
      ],
      ['disputed', bob],
    ],
    [
      'one denies another build, and has none',
      [
        [alice, a, 'match'],
        [bob, c, 'no_match'],
      ],
      ['disputed', bob],
    ],
    [
      'a match of a build that nobody says is none',
      [
        [alice, a, 'match'],
        [bob, b, 'no_match'],
        [bob, `0x${'55'.repeat(32)}`, 'match'],
      ],
      ['disputed', bob],
    ],
    [
      'a build that did not run is none either',
      [
        [alice, a, 'no_match'],
        [alice, b, 'did_not_run'],
      ],
      ['mismatched', alice],
    ],
    [
      'none of several',
      [
        [alice, a, 'no_match'],
        [alice, b, 'no_match'],
      ],
      ['mismatched', alice],
    ],
  ])('behavior: %s', (_, said, expected) => {
    const verifiers = [alice, bob, carol]
    expect(judge(said, { verifiers })).toEqual(expected)
    // The order of claims and entries says nothing.
    expect(judge([...said].reverse(), { verifiers })).toEqual(expected)
  })

  test('behavior: not enough that agree are no mismatch where each has a match', () => {
    const said: Said[] = [
      [alice, a, 'no_match'],
      [alice, b, 'match'],
    ]
    expect(judge(said, { threshold: 2 })).toEqual(['unverified'])
    expect(judge(said, { minimum: 'trusted' })).toEqual(['unverified'])
  })

  test('behavior: a verifier counts once, however often a record has its claim', () => {
    const index = createProvenanceIndex()
    index.addPlugin(plugin)
    claim(index, alice, 'match')
    const record = index.get(wasmHash)
    const twice = record && { ...record, claims: [...record.claims, ...record.claims] }
    expect(evaluateTrust({ ...policy, threshold: 2 }, wasmHash, twice).status).toBe('unverified')
  })
})

describe('index', () => {
  test('behavior: the same events again change nothing', () => {
    const index = createProvenanceIndex()
    const event: ProvenanceEvent = {
      ...at(),
      ...{ type: 'ClaimSubmitted', wasmHash, verifier: alice, result: 'match', buildInfoHash },
      evidenceUri: '',
    }
    index.apply([event, event])
    index.apply([event])
    expect(index.get(wasmHash)?.history).toHaveLength(1)
  })

  test('behavior: an entry fills gaps of a plugin and overrides nothing', () => {
    const bare = appendMetadata(code, [{ key: 'bldarg', value: 'own' }])
    const hashes = computeWasmHashes(bare)
    const index = createProvenanceIndex()
    const entry = completeBuildInfo(told, hashes.wasmSha256) as BuildInfo
    const submit = (xdr: Hex): void =>
      index.apply([
        {
          ...at(),
          ...{ type: 'BuildInfoSubmitted', wasmHash: hashes.wasmHash, xdr },
          ...{ buildInfoHash: computeBuildInfoHash(entry), submitter: alice },
        },
      ])
    submit(toHex(encodeBuildInfo(entry)))
    // One of another plugin, and one that is no build at all.
    submit(toHex(encodeBuildInfo(info)))
    submit('0x1234')
    expect(index.get(hashes.wasmHash)?.builds).toEqual([])
    index.addPlugin(bare)
    expect(index.get(hashes.wasmHash)?.builds).toMatchObject([
      { origin: 'registry', info: { args: ['own'], image } },
    ])
    expect(parseBuildEntries([{ key: 'bldarg', value: 'own' }])).toEqual({ args: ['own'] })
  })

  test('behavior: evidence that no claim names is not kept', () => {
    const index = filled()
    claim(index, alice, 'match', { without: true })
    expect(index.missingEvidence()).toHaveLength(1)
    expect(index.addEvidence(utf8('{}'))).toBe(false)
    expect(index.missingEvidence()).toHaveLength(1)
  })

  test('behavior: lists are filtered and cut', async () => {
    const index = filled()
    claim(index, alice, 'match')
    index.apply([
      { ...at(), type: 'PluginRegistered', wasmHash: `0x${'ff'.repeat(32)}`, templateId: wasmHash },
    ])
    expect(index.list()).toHaveLength(2)
    expect(index.list({ verifier: alice })).toHaveLength(1)
    expect(index.list({ verifier: bob })).toHaveLength(0)
    expect(index.list({ result: 'no_match' })).toHaveLength(0)
    expect(index.list({ image })).toHaveLength(1)
    const [first] = index.list({ limit: 1 })
    expect(index.list({ after: first?.wasmHash ?? '0x' })).toHaveLength(1)
    expect(() => index.list({ limit: 0 })).toThrow()
    const handle = createStatusHandler({ index, service: { name: 'us' } })
    const get = async (query: string): Promise<Response> =>
      handle(new Request(`https://a.example/wasms.json${query}`))
    expect(await (await get('?limit=1')).json()).toMatchObject({ next: first?.wasmHash })
    for (const query of [
      '?limit=0',
      '?limit=x',
      '?verifier=alice',
      '?bogus=1',
      '?limit=1&limit=2',
    ]) {
      expect((await get(query)).status).toBe(400)
    }
  })
})
