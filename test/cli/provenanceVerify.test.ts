/** `provenance verify` of plugins that say nothing of themselves: the registry says it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type GuessEvent, publishGuess } from '../../src/cli/commands/provenance/candidates.js'
import { fileDa } from '../../src/da/node/index.js'
import {
  computeBuildInfoHash,
  computeWasmHashes,
  type RecordedClaim,
} from '../../src/provenance/index.js'
import {
  createProvenanceEvents,
  setBuildInfoManagerSync,
  submitBuildInfoSync,
} from '../../src/registry/index.js'
import { missingIsolation, toyPlugin } from '../provenance/toy.js'
import { startChain, type TestChain, word } from '../registry/chain.js'
import { session } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'verify-'))
let chain: TestChain
beforeAll(async () => {
  chain = await startChain()
  const { fromBlock: _, ...addresses } = chain.addresses
  writeFileSync(join(home, 'contracts.json'), JSON.stringify(addresses))
}, 120_000)
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await chain.anvil.stop()
})

test.each([
  ['a token twice', (token: string) => `{"${token}":"w1","${token}":"w2"}`],
  ['no colon', (token: string) => `{"${token}" "w1"}`],
  ['a name that is no text', (token: string) => `{"${token}":"\\ud800"}`],
  ['a number too large', (token: string) => `{"${token}":99999999999999999999}`],
  ['a name that is a number', (token: string) => `{"${token}":7}`],
  ['a short token', (token: string) => `{"${token.slice(0, 20)}":"w1"}`],
  ['a list', (token: string) => `["${token}"]`],
])('error: a file of tokens with %s shows none of them', async (_, textOf) => {
  const token = 'kJ7'.repeat(14)
  writeFileSync(join(home, 'workers.json'), textOf(token))
  const { code, stdout, stderr } = await session(home, {
    NEWTON_SIGNER_KEY: `0x${'11'.repeat(32)}`,
  })(
    ...['provenance', 'control', '--workers', 'workers.json', '--directory', 'state', '--da', 'a'],
    ...['--memory-queue', '--rpc-url', chain.anvil.url, '--contracts', 'contracts.json'],
  )
  expect(code).not.toBe(0)
  expect(stdout + stderr).not.toContain('kJ7')
})

describe('candidates of a control plane', () => {
  test.each<[string, object, string]>([
    ['no sources', { images: [] }, 'candidates.sources'],
    ['a tag', { sources: [], images: [{ archs: { x: 'a.b/c:1' } }] }, 'candidates.images[0].archs'],
  ])('error: a file with %s says what is wrong, and its form', async (_, content, field) => {
    writeFileSync(join(home, 'workers.json'), JSON.stringify({ ['k'.repeat(40)]: 'w' }))
    writeFileSync(join(home, 'candidates.json'), JSON.stringify(content))
    const { code, stderr } = await session(home, { NEWTON_SIGNER_KEY: `0x${'11'.repeat(32)}` })(
      ...['provenance', 'control', '--workers', 'workers.json', '--directory', 'state'],
      ...['--memory-queue', '--candidates', 'candidates.json', '--da', 'a'],
      ...['--rpc-url', chain.anvil.url, '--contracts', 'contracts.json'],
    )
    expect(code).toBe(2)
    expect(stderr).toContain('candidates.json holds no candidates')
    expect(stderr).toContain(field)
    expect(stderr).toContain('"linux-x64"')
  })

  test('behavior: the build of a match is submitted by a manager, and told by anybody else', async () => {
    const { owner, addresses } = chain
    const told: GuessEvent[] = []
    const publish = publishGuess({ client: owner, addresses }, (event) => told.push(event))
    const { wasmHash, wasmSha256 } = computeWasmHashes(toyPlugin('guessed'))
    const buildInfo = {
      ...{ wasmSha256, sourceSha256: word(8), image: `ghcr.io/a/b@sha256:${'cc'.repeat(32)}` },
      ...{ args: ['plugin', 'build'], options: [] },
    }
    const buildInfoHash = computeBuildInfoHash(buildInfo)
    const evidence = { wasmHash, buildInfoHash } as RecordedClaim['evidence']
    const claim = { evidence, evidenceUri: '', buildInfo, transactionHash: undefined }
    await publish(claim)
    expect(told).toEqual([])
    await setBuildInfoManagerSync(owner, {
      ...{ addresses, manager: owner.account.address, allowed: false },
    })
    await publish({ ...claim, guessed: true })
    expect(told).toMatchObject([{ type: 'control.unpublished', wasmHash, buildInfo }])
    await setBuildInfoManagerSync(owner, {
      ...{ addresses, manager: owner.account.address, allowed: true },
    })
    await publish({ ...claim, guessed: true })
    expect(told[1]).toEqual({ type: 'control.published', wasmHash, buildInfoHash })
    const events = await createProvenanceEvents({ client: owner, addresses, finality: 'latest' })
    const range = { fromBlock: 0n, toBlock: await events.getFinalizedBlock() }
    expect(await events.getEvents(range)).toContainEqual(
      expect.objectContaining({ type: 'BuildInfoSubmitted', wasmHash, buildInfoHash }),
    )
  })
})

describe.skipIf(missingIsolation() !== undefined)('provenance verify', () => {
  test('behavior: builds that the registry names are tried, by hash and by file', async () => {
    const wasm = toyPlugin('without metadata')
    const { wasmHash, wasmSha256 } = computeWasmHashes(wasm)
    writeFileSync(join(home, 'plugin.wasm'), wasm)
    await fileDa({ directory: join(home, 'artifacts') }).put(wasm)
    const run = session(home)
    const at = ['--rpc-url', chain.anvil.url, '--contracts', 'contracts.json']
    const verify = async (...words: string[]) => {
      const { code, stdout, stderr } = await run('provenance', 'verify', ...words, '--json')
      return { code, said: JSON.parse(stdout || '{}'), stderr }
    }
    // Nobody has said anything yet.
    const unknown = await verify(wasmHash, ...at, '--da', 'artifacts')
    expect(unknown).toMatchObject({ code: 4, said: { data: { status: 'unknown' } } })
    const build = (image: string) => ({
      ...{ wasmSha256, sourceSha256: word(8), args: ['build'], options: [], image },
    })
    const { owner, addresses } = chain
    await setBuildInfoManagerSync(owner, {
      ...{ addresses, manager: owner.account.address, allowed: true },
    })
    const infos = ['aa', 'bb'].map((byte) => build(`ghcr.io/a/b@sha256:${byte.repeat(32)}`))
    for (const buildInfo of infos) {
      await submitBuildInfoSync(owner, { addresses, wasmHash, buildInfo })
    }
    const shown = {
      ...{ wasmHash, status: 'did_not_run', reason: 'unknown_image', origin: 'registry' },
      buildInfoHash: computeBuildInfoHash(infos[0] as (typeof infos)[number]),
      tried: infos.map((info) => ({ buildInfoHash: computeBuildInfoHash(info) })),
    }
    const upper = `0X${wasmHash.slice(2).toUpperCase()}`
    for (const named of [wasmHash, upper, 'plugin.wasm']) {
      const words = named === 'plugin.wasm' ? at : [...at, '--da', 'artifacts']
      expect(await verify(named, ...words), named).toMatchObject({ code: 4, said: { data: shown } })
    }
    // Without a chain there is nobody to ask.
    expect(await verify('plugin.wasm')).toMatchObject({
      code: 4,
      said: { data: { status: 'unknown' } },
    })
    // 64 digits are a SHA-256 in the draft's answers, and no name of a plugin here.
    const sha = await run('provenance', 'verify', wasmSha256.slice(2), ...at)
    expect(sha).toMatchObject({ code: 2, stderr: expect.stringContaining('keccak-256') as string })
  }, 240_000)
})
