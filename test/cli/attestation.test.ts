/** Answers, proofs and documents that were kept in files: verified by the commands alone, and challenged. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { computeKeyHash, namespaces, ZERO_HASH } from '@newton/policy-sdk'
import { computeSignableDigest } from '@newton/policy-sdk/attestation'
import { fileDa } from '@newton/policy-sdk/da/node'
import { writeTaskAnswer } from '@newton/policy-sdk/operator'
import { acceptResponseSync, commitStateRootSync } from '@newton/policy-sdk/registry'
import { createStateTree, memoryStore, snapshotServer } from '@newton/policy-sdk/statetree'
import type { Hex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { computeArtifactDigest } from '../../src/core/digest.js'
import {
  computeDaCertHash,
  computeStateCommitHash,
  type StateCommit,
} from '../../src/core/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { joinShares } from '../support/certificates.js'
import { type ChainWorld, createChainWorld } from '../support/chainWorld.js'
import { session } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-attestation-'))
// The third of anvil's accounts, which challenges.
const key = '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a'
const run = session(home, { NEWTON_CONFIG: join(home, 'config.toml'), NEWTON_SIGNER_KEY: key })
let world: ChainWorld

beforeAll(async () => {
  world = await createChainWorld()
  const directory = join(home, 'artifacts')
  const da = fileDa({ directory })
  for (const bytes of world.artifacts.values()) await da.put(bytes)
  const { fromBlock, ...contracts } = world.addresses
  const toml = [
    'profile = "devnet"',
    '[profiles.devnet]',
    'default_chain = "local"',
    `da_directory = ${JSON.stringify(directory)}`,
    '[profiles.devnet.chains.local]',
    `rpc_url = "${world.anvil.url}"`,
    `from_block = ${fromBlock}`,
    '[profiles.devnet.chains.local.contracts]',
    ...Object.entries(contracts).map(([name, address]) => `${name} = "${address}"`),
  ]
  writeFileSync(join(home, 'config.toml'), toml.join('\n'), { mode: 0o600 })
}, 60_000)
afterAll(async () => {
  await world?.anvil.stop()
  rmSync(home, { recursive: true, force: true })
})

type Answer = Parameters<typeof writeTaskAnswer>[0]

/** An answer as a gateway gives it; `change` is what the signers lie about. */
async function answer(
  name: string,
  change: (preimage: Answer['preimage']) => Partial<Answer['preimage']> = () => ({}),
): Promise<Answer> {
  const task = await world.makeTask()
  const evaluation = await world.evaluate(task)
  const preimage = { ...evaluation.digestPreimage, ...change(evaluation.digestPreimage) }
  const response = { ...evaluation.response, artifactDigest: computeArtifactDigest(preimage) }
  const certificate = world.sign(response, { signers: [0, 1, 2] })
  const whole = {
    ...{ task, taskId: response.taskId, response, certificate, preimage },
    inputs: { outputs: evaluation.outputs, secrets: {} },
    ...{ reasons: evaluation.reasons, signers: [0, 1, 2], documents: [] },
  }
  writeFileSync(join(home, name), JSON.stringify(writeTaskAnswer(whole)))
  return whole
}

async function land({ task, response, certificate }: Answer): Promise<void> {
  const { addresses, challenger } = world
  await acceptResponseSync(challenger, { task, response, certificate, addresses })
  await world.mine()
}

describe('attestation', () => {
  test('behavior: an honest answer is valid, level by level, and nothing is challenged', async () => {
    const honest = await answer('honest.json')
    await land(honest)
    const verified = await run('attestation', 'verify', 'honest.json')
    expect(verified).toMatchObject({ code: 0, stdout: 'valid: operators signed allow\n' })
    expect(verified.stderr.match(/^ok {6}/gm)).toHaveLength(6)
    const json = await run('attestation', 'verify', 'honest.json', '--level', 'quorum', '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: true,
      data: { taskId: honest.taskId, allowed: true, outcome: { status: 'valid', level: 'quorum' } },
    })
    const challenged = await run('attestation', 'challenge', 'honest.json')
    expect(challenged).toMatchObject({ code: 3 })
    expect(challenged.stdout).toContain('nothing to challenge: the answer is valid')
  }, 60_000)

  test('behavior: a consistent answer is no valid one', async () => {
    await answer('below.json')
    const below = await run('attestation', 'verify', 'below.json', '--level', 'digest')
    expect(below.code).toBe(3)
    expect(below.stdout).toContain('valid from level quorum on')
    const json = await run('attestation', 'verify', 'below.json', '--level', 'digest', '--json')
    expect((JSON.parse(json.stdout) as { data: object }).data).not.toHaveProperty('allowed')
  })

  test('error: an answer with a flipped byte in any member is refused', async () => {
    await answer('whole.json')
    const text = readFileSync(join(home, 'whole.json'), 'utf8')
    for (const member of ['task', 'response', 'certificate'] as const) {
      const changed = JSON.parse(text) as Record<string, string>
      const hex = changed[member] as string
      // Within the first word there are offsets, whose change is a malformed one.
      const at = hex.length - 3
      changed[member] = `${hex.slice(0, at)}${hex[at] === '1' ? '2' : '1'}${hex.slice(at + 1)}`
      writeFileSync(join(home, 'flipped.json'), JSON.stringify(changed))
      const refused = await run('attestation', 'verify', 'flipped.json')
      expect(refused.code, `${member}: ${refused.stdout}${refused.stderr}`).not.toBe(0)
      expect(refused.stdout).not.toContain('valid: operators')
    }
  }, 60_000)

  test('behavior: a lie is named, challenged once, and then there is nothing left to slash', async () => {
    const lie = await answer('lie.json', () => ({ regoHash: keccakHex(utf8('another policy')) }))
    await land(lie)
    const verified = await run('attestation', 'verify', 'lie.json')
    expect(verified.code).toBe(3)
    expect(verified.stdout).toMatch(/^slashable: WRONG_REGO: /)
    const before = await world.stakes()
    const dry = await run('attestation', 'challenge', 'lie.json', '--dry-run')
    expect(dry).toMatchObject({ code: 0, stdout: '' })
    expect(dry.stderr).toContain('would send challengeAttestationDigest')
    expect(await world.stakes()).toEqual(before)
    const filed = await run('attestation', 'challenge', 'lie.json')
    expect(filed.stderr).toContain('sent    challengeAttestationDigest: 0x')
    expect(filed).toMatchObject({ code: 0 })
    expect(filed.stdout).toContain('slashed 3 signers')
    const after = await world.stakes()
    expect(after.filter((stake, index) => stake < (before[index] as bigint))).toHaveLength(3)
    const again = await run('attestation', 'challenge', 'lie.json')
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('all 3 signers')
  }, 60_000)

  test('error: another file, another level, a file that is not there', async () => {
    writeFileSync(join(home, 'other.json'), '{"task":"0x"}')
    const other = await run('attestation', 'verify', 'other.json')
    expect(other.code).toBe(2)
    expect(other.stderr).toContain('other.json')
    const level = await run('attestation', 'verify', 'other.json', '--level', 'quorums')
    expect(level.code).toBe(2)
    expect(level.stderr).toContain('--level is one of binding')
    const none = await run('attestation', 'verify', 'none.json')
    expect(none.stderr).toContain('none.json cannot be read')
  })
})

describe('state prove and verify', () => {
  const rego = utf8('package committed\n')
  const hash = keccakHex(rego)
  let server: Server
  let url: string

  beforeAll(async () => {
    const tree = await createStateTree({ store: memoryStore() })
    await tree.commit([], { version: 0 })
    const beside = utf8('package beside\n')
    const leaves = [rego, beside].map((value) => ({
      keyHash: computeKeyHash(namespaces.rego, keccakHex(value)),
      value,
    }))
    await tree.commit(leaves, { version: 1 })
    const { timestamp } = await world.client.getBlock()
    const commit: StateCommit = {
      ...{ version: 2, sequenceNo: 1n, prevStateRoot: ZERO_HASH, timestamp },
      newStateRoot: tree.root({ version: 1 }),
      daCertHash: computeDaCertHash(`0x${'d1'.repeat(32)}`, []),
      pcr0Commitment: `0x${'33'.repeat(32)}`,
    }
    const { table, referenceTimestamp } = world.current
    const { owner, addresses } = world
    const registry = addresses.stateCommitRegistry
    const domain = { chainId: 31_337n, registry, operatorSetId: 0 }
    const messageHash = computeStateCommitHash(commit, domain)
    const digest = computeSignableDigest({ referenceTimestamp, messageHash })
    const shares = world.operators.map(({ address: operator, key: bls }) => ({
      operator,
      signature: bls.sign(digest),
    }))
    const certificate = joinShares({ table, referenceTimestamp, messageHash, shares })
    await commitStateRootSync(owner, { commit, certificate, addresses })
    const handler = snapshotServer({ tree })
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const answered = await handler(
        new Request(`http://server${request.url}`, {
          method: request.method ?? 'GET',
          ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
        }),
      )
      response.writeHead(answered.status, Object.fromEntries(answered.headers))
      response.end(Buffer.from(await answered.arrayBuffer()))
    }).listen(0)
    await new Promise((resolve) => server.once('listening', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }, 60_000)
  afterAll(() => server?.close())

  test('behavior: a proof is kept, and verified against the chain without the server', async () => {
    const words = ['--namespace', 'rego', '--server', url, '--out', 'proof.json']
    const proved = await run('state', 'prove', hash, ...words)
    expect(proved).toMatchObject({ code: 0 })
    expect(proved.stdout).toMatch(/^is under root 0x[\da-f]{64}, commit 1\n$/)
    const verified = await run('state', 'verify', 'proof.json')
    expect(verified).toMatchObject({ code: 0, stdout: proved.stdout })
    const absent = await run('state', 'prove', `0x${'12'.repeat(32)}`, ...words.slice(0, 4))
    expect(absent).toMatchObject({ code: 4 })
    expect(absent.stdout).toContain('is not under root')
  })

  test('error: every member of a proof that is changed is found', async () => {
    const text = readFileSync(join(home, 'proof.json'), 'utf8')
    const proof = JSON.parse(text) as Record<string, Record<string, unknown>>
    const other: Hex = `0x${'77'.repeat(32)}`
    const changes: Record<string, unknown>[] = [
      { ...proof, name: other },
      { ...proof, namespace: 6 },
      { ...proof, valueHash: other },
      { ...proof, valueHash: null },
      { ...proof, proof: { ...proof['proof'], type: 'exclusion' } },
      { ...proof, proof: { ...proof['proof'], depth: 9 } },
      { ...proof, proof: { ...proof['proof'], siblings: other } },
      { ...proof, commit: { ...proof['commit'], root: other } },
      { ...proof, commit: { ...proof['commit'], sequenceNo: '2' } },
    ]
    for (const changed of changes) {
      writeFileSync(join(home, 'changed.json'), JSON.stringify(changed))
      const refused = await run('state', 'verify', 'changed.json')
      expect(refused.code, JSON.stringify(changed)).toBe(3)
      expect(refused.stdout).toContain('not verified')
    }
    const words = ['--namespace', 'secrets', '--server', url]
    expect((await run('state', 'prove', hash, ...words)).code).toBe(2)
  })
})

describe('enclave', () => {
  const policy = 'package p\n'
  const nonce = `0x${'ab'.repeat(32)}`

  test('behavior: a simulated document verifies under its own root, and says so', async () => {
    writeFileSync(join(home, 'policy.rego'), policy)
    const measured = await run('enclave', 'measure', '--image', 'policy.rego', '--json')
    const { pcrs, pcr0Commitment } = (
      JSON.parse(measured.stdout) as { data: { pcrs: Hex[]; pcr0Commitment: Hex } }
    ).data
    const made = await run(
      ...['enclave', 'simulate', '--image', 'policy.rego', '--nonce', nonce],
      ...['--out', 'document.cbor'],
    )
    expect(made).toMatchObject({ code: 0, stdout: `${pcr0Commitment}\n` })
    // The command line that it prints is typed as it is.
    const hint = made.stderr.match(/^verify it: newton-policy (.*)$/m)?.[1] as string
    const verified = await run(...hint.split(' '))
    expect(verified.code).toBe(0)
    expect(verified.stdout).toContain('valid: simulator, live')
    expect(verified.stderr).toContain('anyone can have made it')
    const root = hint.match(/--insecure-root (0x\w+)/)?.[1] as string
    const words = ['enclave', 'verify', 'document.cbor', '--insecure-root', root]
    for (const [more, code] of [
      [['--pcr0', pcr0Commitment], 0],
      [['--pcr0', pcr0Commitment, '--archived'], 0],
      [['--pcr0', pcrs[0], '--pcr1', pcrs[1], '--pcr2', pcrs[2]], 0],
      [['--pcr0', pcrs[0], '--pcr1', pcrs[2]], 3],
      [['--pcr0', `0x${'11'.repeat(48)}`], 3],
      [['--pcr0', pcr0Commitment, '--nonce', `0x${'cd'.repeat(32)}`], 3],
      [['--pcr0', pcr0Commitment, '--user-data', '0x01'], 3],
      [['--pcr0', pcr0Commitment, '--archived', '--nonce', nonce], 2],
      [['--pcr0', pcr0Commitment, '--pcr1', pcrs[1]], 2],
      [['--pcr0', '0x1'], 2],
    ] as [string[], number][]) {
      expect((await run(...words, ...more)).code, more.join(' ')).toBe(code)
    }
    // Without a word about the root it is AWS's, and nobody else's.
    expect((await run(...words.slice(0, 3), '--pcr0', pcr0Commitment)).code).toBe(3)
  })
})
