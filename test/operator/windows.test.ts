/** Windows whose proposer does not do what it should: each costs a window, never the chain. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { beforeEach, expect, test } from 'vitest'
import { blsKeyFromSeed, createOperatorTable } from '../../src/core/bn254/index.js'
import { diskByteStore } from '../../src/da/node/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import type { Committer, KeptDeltas, OperatorClient } from '../../src/operator/index.js'
import { createCommitter, createSigningGuard } from '../../src/operator/index.js'
import { openSigningJournal } from '../../src/operator/signing/journal.js'
import { computeJournalDomain } from '../../src/operator/signing/rules.js'
import { memoryJournalStorage } from '../../src/operator/signing/storage.js'
import {
  type CommitPipeline,
  type CommitProposal,
  commitParameters,
  createStateTree,
  memoryStore,
  openCommitPipeline,
  proposerIndex,
} from '../../src/statetree/index.js'
import { createFakeChain, type FakeChain, registerPolicy } from '../statetree/fakeChain.js'
import { policyRegistry, referenceTimestamp } from '../support/attestationWorld.js'

const operators = [0, 1, 2, 3].map((index) => {
  const operator: Hex = `0x${`b${index}`.repeat(20)}`
  return { operator, key: blsKeyFromSeed(utf8(`windows ${index}`)) }
})
const table = createOperatorTable(
  operators.map(({ operator, key }) => ({ operator, ...key.publicKey, weights: [100n] })),
)
const window = 120n
const pcr0Commitment = keccakHex(utf8('build'))
const rego = (name: string): Uint8Array => utf8(`package ${name}\n`)

type Seat = {
  committer: Committer
  pipeline: CommitPipeline
  hides: Set<Hex>
  client: OperatorClient
}

let chain: FakeChain
let seats: Seat[]

/** One operator: a tree, a journal, and bytes that it has or has not. */
async function sit(index: number, keptDeltas?: KeptDeltas): Promise<Seat> {
  const hides = new Set<Hex>()
  const known = new Map(['one', 'two', 'three'].map((name) => [keccakHex(rego(name)), rego(name)]))
  const events = chain.view()
  const pipeline = await openCommitPipeline({
    ...{ tree: createStateTree({ store: memoryStore() }), events },
    parameters: commitParameters({ chainId: 31_337 }),
    artifacts: {
      getArtifact: async ({ hash }) => {
        const bytes = known.get(hash)
        if (bytes === undefined || hides.has(hash)) throw new Error('it cannot be had')
        return bytes
      },
    },
  })
  const { key, operator } = operators[index]!
  const domain = computeJournalDomain({
    ...{ chainId: 31_337n, policyRegistry, publicKey: key.publicKey },
  })
  const journal = await openSigningJournal({
    ...{ storage: memoryJournalStorage(), domain, create: true },
    head: { block: 0n, timestamp: 0n },
  })
  const guard = createSigningGuard({
    ...{ operator, chainId: 31_337n, policyRegistry, signer: key, journal },
    assertReady: async () => undefined,
  })
  const committer = createCommitter({
    ...{ pipeline, guard, events, pcr0Commitment, keptDeltas },
    // As on a chain: before the first one is shown there is none.
    tables: {
      tableAt: async (block) =>
        block === 0n ? null : { referenceTimestamp, quorumBps: 6_700, table },
    },
    stateCommitRegistry: `0x${'c0'.repeat(20)}`,
    readDelta: async ({ deltaHash }) => {
      for (const seat of seats) {
        const found = await seat.committer.delta(deltaHash)
        if (found !== undefined) return found
      }
      throw new Error('nobody has it')
    },
    ...{ linger: 0, collectTimeout: 2_000 },
  })
  const client = {
    ...{ operator, url: '' },
    call: async (_method: string, { proposal }: { proposal: CommitProposal }) =>
      (await committer.sign(proposal)).signature,
  } as unknown as OperatorClient
  return { committer, pipeline, hides, client }
}

/** The next window, and whose it is. */
function nextWindow(): { timestamp: bigint; proposer: Seat; others: Seat[] } {
  const { timestamp: now } = chain.blocks.at(-1)!
  const timestamp = (now / window + 1n) * window
  while (chain.blocks.at(-1)!.timestamp <= timestamp) chain.mine()
  const at = proposerIndex({ timestamp, window, operators: seats.length })
  return { timestamp, proposer: seats[at]!, others: seats.filter((_, index) => index !== at) }
}

const run = async ({ timestamp, proposer, others }: ReturnType<typeof nextWindow>) => {
  const peers = others.map(({ client }) => client)
  const outcome = await proposer.committer.runWindow({ timestamp, peers, sink: chain.sink })
  chain.mine()
  for (const { committer } of seats) await committer.follow()
  return outcome
}

/** All are at one root, and it is the chain's. */
async function atOneRoot(sequenceNo: bigint): Promise<void> {
  const latest = await chain.sink.latest()
  expect(latest).toMatchObject({ sequenceNo })
  for (const { pipeline } of seats) expect(pipeline.head()).toMatchObject({ root: latest!.root })
}

beforeEach(async () => {
  chain = createFakeChain()
  seats = []
  for (const index of operators.keys()) seats.push(await sit(index))
  registerPolicy(chain, rego('one'))
  registerPolicy(chain, rego('two'))
  chain.mine()
})

test('default: the proposer of each window lands it, and whose turn it is not does nothing', async () => {
  const first = nextWindow()
  const { timestamp } = first
  for (const { committer } of first.others) {
    const other = await committer.runWindow({ timestamp, peers: [], sink: chain.sink })
    expect(other.status).toBe('not proposer')
  }
  expect(await run(first)).toMatchObject({ status: 'landed', faults: [] })
  await atOneRoot(1n)
})

test('error: PROPOSAL_REFUSED by name, whatever table is in force where', async () => {
  const first = nextWindow()
  const proposal = await first.proposer.committer.propose(first.timestamp)
  const { commit } = proposal!
  const { committer } = first.others[0]!
  for (const change of [
    { sequenceNo: commit.sequenceNo + 1n },
    { newStateRoot: keccakHex(utf8('another root')) },
    { prevStateRoot: keccakHex(utf8('another root')) },
    { timestamp: commit.timestamp + 1n },
  ]) {
    const other = { ...proposal!, commit: { ...commit, ...change } }
    await expect(committer.sign(other), Object.keys(change)[0]).rejects.toMatchObject({
      code: 'PROPOSAL_REFUSED',
    })
  }
  // One of a window that is over is none any more.
  expect(await run(nextWindow())).toMatchObject({ status: 'landed' })
  await expect(committer.sign(proposal!)).rejects.toMatchObject({ code: 'PROPOSAL_REFUSED' })
})

test('behavior: one that dies with the signatures costs a window', async () => {
  const lost = nextWindow()
  const proposal = await lost.proposer.committer.propose(lost.timestamp)
  const shares = await Promise.all(lost.others.map(({ committer }) => committer.sign(proposal!)))
  expect(shares.length).toBe(seats.length - 1)
  // They never reach the chain. The next window signs another commit of the same number.
  expect(await chain.sink.latest()).toBeNull()
  const next = await run(nextWindow())
  expect(next).toMatchObject({ status: 'landed', proposal: { commit: { sequenceNo: 1n } } })
  await atOneRoot(1n)
})

test('behavior: the signatures of a lost window that land late are followed, and no other of that number', async () => {
  const lost = nextWindow()
  // It has them, and sends its transaction after the next window has ended.
  let send = (): void => undefined
  const late = new Promise<void>((resolve) => {
    send = resolve
  })
  const peers = lost.others.map(({ client }) => client)
  const landing = lost.proposer.committer.runWindow({
    ...{ timestamp: lost.timestamp, peers },
    sink: {
      ...chain.sink,
      commitStateRoot: async (commit) => {
        await late
        return chain.sink.commitStateRoot(commit)
      },
    },
  })
  const next = nextWindow()
  send()
  expect((await landing).status).toBe('landed')
  chain.mine()
  for (const { committer } of seats) await committer.follow()
  // The next proposer finds nothing due: what it would have proposed is there.
  const outcome = await next.proposer.committer.runWindow({
    ...{ timestamp: next.timestamp, peers: [], sink: chain.sink },
  })
  expect(outcome.status).toBe('not due')
  await atOneRoot(1n)
})

test('behavior: one that shows two proposals gets no second signature, and costs a window', async () => {
  const { timestamp, proposer, others } = nextWindow()
  const whole = await proposer.committer.propose(timestamp)
  // Another one of the same window, valid by itself: it leaves out what it says it cannot have.
  const liar = await sit(
    operators.findIndex(({ operator }) => operator === proposer.client.operator),
  )
  liar.hides.add(keccakHex(rego('two')))
  const partial = await liar.committer.propose(timestamp)
  expect(partial!.commit.newStateRoot).not.toBe(whole!.commit.newStateRoot)
  const delta = async (hash: Hex): Promise<Uint8Array | undefined> =>
    (await proposer.committer.delta(hash)) ?? liar.committer.delta(hash)
  seats.push({ ...liar, committer: { ...liar.committer, delta } })
  const half = others.slice(0, Math.ceil(others.length / 2))
  const rest = others.slice(half.length)
  for (const { committer } of half) await committer.sign(whole!)
  for (const { committer } of rest) await committer.sign(partial!)
  for (const { committer } of half) {
    await expect(committer.sign(partial!)).rejects.toMatchObject({ code: 'EQUIVOCATION_REFUSED' })
  }
  for (const { committer } of rest) {
    await expect(committer.sign(whole!)).rejects.toMatchObject({ code: 'EQUIVOCATION_REFUSED' })
  }
  seats.pop()
  // Neither half is a quorum: the window is lost, and the chain goes on in the next.
  expect(await run(nextWindow())).toMatchObject({ status: 'landed' })
  await atOneRoot(1n)
})

test('behavior: a window with too few signers is lost, and lands in the next', async () => {
  const lost = nextWindow()
  const peers = lost.others.slice(0, 1).map(({ client }) => client)
  const outcome = await lost.proposer.committer.runWindow({
    ...{ timestamp: lost.timestamp, peers, sink: chain.sink },
  })
  expect(outcome.status).toBe('no quorum')
  expect(await run(nextWindow())).toMatchObject({ status: 'landed' })
  await atOneRoot(1n)
})

test('behavior: what was proposed or signed is had from its signers after a restart of all', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'deltas-'))
  try {
    const storeOf = (index: number) => diskByteStore({ directory: join(directory, `${index}`) })
    seats = await Promise.all(operators.map((_, index) => sit(index, storeOf(index))))
    const { timestamp, proposer, others } = nextWindow()
    const proposal = await proposer.committer.propose(timestamp)
    const { deltaHash, delta } = proposal!
    const [slow, ...rest] = others
    for (const { committer } of rest) await committer.sign(proposal!)
    const restarted = await Promise.all(operators.map((_, index) => sit(index, storeOf(index))))
    const kept = await Promise.all(restarted.map(({ committer }) => committer.delta(deltaHash)))
    const without = seats.indexOf(slow!)
    expect(kept).toEqual(seats.map((_, index) => (index === without ? undefined : delta)))
  } finally {
    await rm(directory, { recursive: true })
  }
})
