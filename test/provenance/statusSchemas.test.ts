/** Answers of the status handler, against the JSON Schemas of the public draft. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  appendMetadata,
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  computeWasmHashes,
  createProvenanceIndex,
  createStatusHandler,
  encodeEvidence,
  toMetadataEntries,
  type VerificationEvidence,
} from '../../src/provenance/index.js'
import { publicVectors } from '../publicVectors.js'

const found = publicVectors('stellar')

describe.skipIf(found === undefined)('status answers', () => {
  const read = (name: string): object =>
    JSON.parse(readFileSync(join(found as string, name), 'utf8'))
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  const isStatus = ajv.compile(found ? read('status-object-1.0.schema.json') : {})
  const isError = ajv.compile(found ? read('error-1.0.schema.json') : {})

  test('behavior: the draft’s own examples pass', () => {
    const names = readdirSync(found as string).filter((name) => name.startsWith('examples_'))
    expect(names.length).toBe(7)
    for (const name of names) {
      expect((name.includes('_error_') ? isError : isStatus)(read(name)), name).toBe(true)
    }
  })

  const code = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
  const told = {
    image: `registry.example/build@sha256:${'ab'.repeat(32)}`,
    ...{ args: ['build'], options: ['--world=0.2'], sourceSha256: `0x${'04'.repeat(32)}` as Hex },
    sourceUri: 'https://a.example/s.tar',
  }
  const plugin = appendMetadata(code, toMetadataEntries(told))
  const { wasmHash, wasmSha256 } = computeWasmHashes(plugin)
  const buildInfoHash = computeBuildInfoHash(completeBuildInfo(told, wasmSha256) as BuildInfo)

  test('behavior: every state of a plugin passes', async () => {
    const index = createProvenanceIndex()
    let pending = true
    const service = { name: 'Example', url: 'https://verify.example' }
    const handle = createStatusHandler({ index, service, isPending: () => pending })
    const get = async (path: string): Promise<{ status: number; body: unknown }> => {
      const response = await handle(new Request(`https://a.example${path}`))
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    }
    const bySha = `/wasms/${wasmSha256.slice(2)}.json`
    expect((await get(bySha)).status).toBe(404)
    index.addPlugin(plugin)
    const check = async (status: number): Promise<unknown> => {
      const answer = await get(bySha)
      expect(answer.status).toBe(status)
      expect(isStatus(answer.body), JSON.stringify(isStatus.errors)).toBe(true)
      expect(await get(`/wasms/${wasmHash}.json`)).toEqual(answer)
      return answer.body
    }
    await check(202)
    pending = false
    expect(await check(200)).toMatchObject({
      source_code_verifications: [{ status: 'unverified' }],
    })
    const common = {
      schema: 'newton.verification-evidence/1' as const,
      ...{
        wasmHash,
        wasmSha256,
        buildInfoHash,
        image: told.image,
        sourceSha256: told.sourceSha256,
      },
      isolation: 'bubblewrap' as const,
    }
    const other: Hex = `0x${'99'.repeat(32)}`
    const documents = [
      encodeEvidence({ ...common, result: 'match', level: 'exact', rebuiltSha256: wasmSha256 }),
      encodeEvidence({ ...common, result: 'no_match', level: 'none', rebuiltSha256: other }),
      encodeEvidence({ ...common, result: 'did_not_run', reason: 'timeout' }),
    ]
    const results = ['match', 'no_match', 'did_not_run'] as const
    for (const [i, { bytes, hash }] of documents.entries()) {
      index.apply([
        {
          ...{ blockNumber: BigInt(i), logIndex: 0, timestamp: 1_800_000_000n },
          transactionHash: `0x${i}`,
          ...{ type: 'ClaimSubmitted', wasmHash, buildInfoHash },
          ...{ verifier: `0x${String(i).repeat(40)}`, result: results[i] ?? 'match' },
          evidenceUri: `https://a.example/evidence/${hash.slice(2)}.json`,
        },
      ])
      await check(200)
      index.addEvidence(bytes)
      await check(200)
    }
    expect(await check(200)).toMatchObject({
      source_code_verifications: [
        { status: 'verified', bldimg: told.image, processed_at: '2027-01-15T08:00:00Z' },
        { status: 'mismatched', rebuilt_hash: '99'.repeat(32) },
        { status: 'unverified' },
      ],
    })
    expect((await get(`/wasms/${wasmHash}/claims.json`)).body).toMatchObject({
      claims: [{ result: 'match' }, { result: 'no_match' }, { result: 'did_not_run' }],
    })
  })

  test('behavior: a match with a build of nobody, or with other bytes, is not shown as verified', async () => {
    const index = createProvenanceIndex()
    index.addPlugin(plugin)
    const other: Hex = `0x${'77'.repeat(32)}`
    const { bytes, hash } = encodeEvidence({
      schema: 'newton.verification-evidence/1',
      ...{ wasmHash, buildInfoHash, result: 'match', level: 'exact', isolation: 'bubblewrap' },
      ...{ wasmSha256: other, rebuiltSha256: other },
      ...{ image: told.image, sourceSha256: told.sourceSha256 },
    })
    const claims = [
      { buildInfoHash: other, evidenceUri: '' },
      { buildInfoHash, evidenceUri: `https://a.example/evidence/${hash.slice(2)}.json` },
    ]
    for (const [i, claim] of claims.entries()) {
      index.apply([
        {
          ...{ blockNumber: BigInt(i), logIndex: 0, timestamp: 1n, transactionHash: `0x${i}` },
          ...{ type: 'ClaimSubmitted', wasmHash, result: 'match', ...claim },
          verifier: `0x${String(i).repeat(40)}`,
        },
      ])
    }
    expect(index.addEvidence(bytes)).toBe(true)
    const handle = createStatusHandler({ index, service: { name: 'us' } })
    const response = await handle(new Request(`https://a.example/wasms/${wasmHash}.json`))
    const body = (await response.json()) as { source_code_verifications: { status: string }[] }
    expect(isStatus(body)).toBe(true)
    expect(body.source_code_verifications.map(({ status }) => status)).toEqual([
      'unverified',
      'unverified',
    ])
  })

  test('behavior: a mismatch is shown by evidence of this build and of these bytes alone', async () => {
    const other: Hex = `0x${'77'.repeat(32)}`
    const own = {
      schema: 'newton.verification-evidence/1' as const,
      ...{ wasmHash, wasmSha256, buildInfoHash, image: told.image },
      ...{
        sourceSha256: told.sourceSha256,
        rebuiltSha256: other,
        isolation: 'bubblewrap' as const,
      },
    }
    const strange = [
      // Of other bytes, so that what it was rebuilt to is the plugin itself.
      { wasmSha256: other, rebuiltSha256: wasmSha256 },
      { image: `a.example/other@sha256:${'cd'.repeat(32)}` },
      { sourceSha256: other },
    ]
    for (const [more, status] of [
      [{}, 'mismatched'] as const,
      ...strange.map((each) => [each, 'unverified'] as const),
    ]) {
      const index = createProvenanceIndex()
      index.addPlugin(plugin)
      const { bytes, hash } = encodeEvidence({ ...own, ...more, result: 'no_match', level: 'none' })
      index.apply([
        {
          ...{ blockNumber: 1n, logIndex: 0, timestamp: 1n, transactionHash: '0x1' },
          ...{ type: 'ClaimSubmitted', wasmHash, result: 'no_match', buildInfoHash },
          ...{
            verifier: `0x${'12'.repeat(20)}`,
            evidenceUri: `https://a.example/${hash.slice(2)}`,
          },
        },
      ])
      index.addEvidence(bytes)
      const handle = createStatusHandler({ index, service: { name: 'us' } })
      const response = await handle(new Request(`https://a.example/wasms/${wasmHash}.json`))
      const body = (await response.json()) as { source_code_verifications: object[] }
      const [shown] = body.source_code_verifications
      expect(shown, JSON.stringify(more)).toMatchObject({ status })
      expect(shown).not.toMatchObject({ rebuilt_hash: wasmSha256.slice(2) })
    }
  })

  /** What the draft's answer says of claims: each with evidence that says this, or without. */
  function shown(
    claims: readonly { evidence?: object | undefined; verifier?: string }[],
    verifiers?: Record<string, { name: string }>,
  ) {
    const index = createProvenanceIndex()
    index.addPlugin(plugin)
    for (const [i, { evidence, verifier = `0x${'12'.repeat(20)}` }] of claims.entries()) {
      const document = evidence && encodeEvidence({ ...good, ...evidence } as VerificationEvidence)
      const evidenceUri = document ? `https://a.example/${document.hash.slice(2)}.json` : ''
      index.apply([
        {
          ...{ blockNumber: BigInt(i), logIndex: 0, timestamp: 1n, transactionHash: `0x${i}` },
          ...{ type: 'ClaimSubmitted', wasmHash, result: 'match', buildInfoHash, evidenceUri },
          verifier: verifier as Hex,
        },
      ])
      if (document !== undefined) index.addEvidence(document.bytes)
    }
    const handle = createStatusHandler({ index, service: { name: 'us' }, verifiers })
    return async (path = `/wasms/${wasmHash}.json`) => {
      const response = await handle(new Request(`https://a.example${path}`))
      return { status: response.status, body: await response.json() }
    }
  }
  const good = {
    schema: 'newton.verification-evidence/1',
    ...{ wasmHash, wasmSha256, buildInfoHash, result: 'match', level: 'exact' },
    ...{ rebuiltSha256: wasmSha256, image: told.image, sourceSha256: told.sourceSha256 },
    isolation: 'bubblewrap',
  }

  test.each<[string, object | undefined, string]>([
    ['evidence of an isolated build', {}, 'verified'],
    ['no evidence', undefined, 'unverified'],
    [
      'evidence that is refused',
      { result: 'did_not_run', reason: 'timeout', level: undefined },
      'unverified',
    ],
    ['a build without walls', { isolation: 'none' }, 'unverified'],
    ['another environment', { image: `a.example/b@sha256:${'00'.repeat(32)}` }, 'unverified'],
    ['another source', { sourceSha256: `0x${'00'.repeat(32)}` }, 'unverified'],
    ['other code', { rebuiltCodeSha256: `0x${'00'.repeat(32)}` }, 'unverified'],
  ])('behavior: a match with %s is shown as it is', async (_, evidence, status) => {
    const { body } = await shown([{ evidence }])()
    expect(isStatus(body)).toBe(true)
    expect(body).toMatchObject({ source_code_verifications: [{ status }] })
  })

  test('behavior: strangers are not listed where verifiers are named, and never without bound', async () => {
    const many = Array.from({ length: 1_200 }, (_, i) => ({
      verifier: `0x${i.toString(16).padStart(40, '0')}`,
    }))
    const get = shown(many)
    expect((await get()).body.source_code_verifications).toHaveLength(100)
    const { body } = await get(`/wasms/${wasmHash}/claims.json`)
    expect(body).toMatchObject({ counts: { claims: 1_200, history: 1_200 } })
    expect([body.claims.length, body.history.length]).toEqual([1_000, 1_000])
    const [oldest = { verifier: '' }] = many
    const one = await get(`/wasms/${wasmHash}/claims.json?verifier=${oldest.verifier}`)
    expect(one.body.claims).toMatchObject([{ verifier: oldest.verifier }])
    expect((await get(`/wasms/${wasmHash}/claims.json?verifier=me`)).status).toBe(400)
    const list = (await get('/wasms.json')).body
    expect(list.wasms[0]).toMatchObject({ claimCount: 1_200 })
    expect(list.wasms[0].claims).toHaveLength(100)
    const [first = { verifier: '' }] = many
    const named = await shown(many, { [first.verifier]: { name: 'Alice' } })()
    expect(named.body.source_code_verifications).toMatchObject([{ verifier: { name: 'Alice' } }])
    const nobody = await shown(many, {})()
    expect(nobody.body.source_code_verifications).toEqual([
      { verifier: { name: 'us' }, status: 'unverified' },
    ])
  })

  test('behavior: a hash that is none is a 400 of the draft', async () => {
    const handle = createStatusHandler({ index: createProvenanceIndex(), service: { name: 'us' } })
    for (const hash of ['x', 'AB'.repeat(32), '0xab', `${'ab'.repeat(32)}0`]) {
      const response = await handle(new Request(`https://a.example/wasms/${hash}.json`))
      expect(response.status).toBe(400)
      expect(isError(await response.json())).toBe(true)
    }
    const post = await handle(new Request('https://a.example/wasms.json', { method: 'POST' }))
    expect(post.status).toBe(405)
  })
})
