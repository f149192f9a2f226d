/** A challenger and a replica as processes run them: state on disk, restarts, what is shown of them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ARTIFACT_ABSENT, namespaces } from '../../src/core/artifact.js'
import type { RegistryReader } from '../../src/core/interfaces/registryReader.js'
import type { AcceptedResponse } from '../../src/core/interfaces/responses.js'
import { utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { createChallengerNode, createReplicaNode } from '../../src/operator/index.js'
import { fileTextStore, listenRole } from '../../src/operator/node/index.js'
import {
  bootstrapTree,
  type CommitProposal,
  commitParameters,
  createStateTree,
  memoryStore,
  openCommitPipeline,
  proposeCommit,
  snapshotClient,
  submitCommit,
} from '../../src/statetree/index.js'
import { createFakeChain, registerPolicy } from '../statetree/fakeChain.js'
import { lie, setup } from '../support/challengerWorld.js'

let directory: string
const closers: (() => Promise<void>)[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'roles-'))
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await rm(directory, { recursive: true, force: true })
})

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come to be')
}

test('a challenger files over a restart what it has read before it, once', async () => {
  const made = setup()
  made.accept(lie(made.world))
  made.failures.push(...Array.from({ length: 1_000 }, () => new Error('no gas')))
  const store = fileTextStore(join(directory, 'state.json'))
  const first = createChallengerNode({ ...made.parameters, store, interval: 5 })
  closers.push(first.close)
  await until(async () => (await first.metrics()).includes('outcome="retry"'))
  await first.close()
  const text = await readFile(join(directory, 'state.json'), 'utf8')
  expect(JSON.parse(text)).toMatchObject({ outbox: [{ status: 'pending' }] })

  // Nothing is accepted any more that could be read again: the outbox alone remembers it.
  made.accepted.length = 0
  made.failures.length = 0
  made.clock.now += 10_000_000
  const second = createChallengerNode({ ...made.parameters, store, interval: 5 })
  closers.push(second.close)
  await until(() => made.filed.length > 0)
  await until(async () => (await second.ready()).length === 0)
  await until(async () => (await second.metrics()).includes('challenger_outbox{status="filed"} 1'))
  expect(made.filed).toHaveLength(1)
  expect(await second.metrics()).toContain('kind="digest",outcome="filed"')
})

test('a challenger that cannot pay, or does not read, is not ready', async () => {
  const made = setup({ responses: { getAcceptedResponses: () => Promise.reject(new Error('no')) } })
  const store = fileTextStore(join(directory, 'state.json'))
  const node = createChallengerNode({
    ...made.parameters,
    ...{ store, interval: 5, balance: async () => 1n },
  })
  closers.push(node.close)
  await until(async () => (await node.metrics()).includes('challenger_failures_total'))
  expect(await node.ready()).toEqual([
    'it has not read the chain yet',
    'its account cannot pay for challenges',
  ])
})

test('a challenger is not started with options that are none', () => {
  const made = setup()
  const store = fileTextStore(join(directory, 'state.json'))
  const slips = {
    level: ['resullt', 5],
    challengWindow: [5n],
    challengeWindow: [Number.NaN, 5, -1n, undefined],
    minBalance: [Number.NaN, -1n],
    maxLag: [-1n, 64],
    startBlock: [0],
    onEvent: ['log'],
  }
  for (const [name, values] of Object.entries(slips)) {
    for (const value of values) {
      const given = { ...made.parameters, store, [name]: value } as never
      expect(() => createChallengerNode(given)).toThrow(`\`parameters.${name}\` is not valid`)
    }
  }
})

test('a challenger does not start anew over a state that it cannot read', async () => {
  const made = setup()
  const path = join(directory, 'state.json')
  await writeFile(path, '{"version":1')
  const errors: unknown[] = []
  const node = createChallengerNode({
    ...made.parameters,
    store: fileTextStore(path),
    interval: 5,
    onEvent: (event) => event.type === 'error' && errors.push(event.error),
  })
  closers.push(node.close)
  await until(() => errors.length > 0)
  expect(errors[0]).toMatchObject({ code: 'CHALLENGER_STATE' })
  expect(await readFile(path, 'utf8')).toBe('{"version":1')
})

async function replicaWorld() {
  const chain = createFakeChain()
  const events = chain.view()
  const rego = utf8('package a\n')
  registerPolicy(chain, rego)
  const deltas = new Map<string, Uint8Array>()
  const parameters = commitParameters({ chainId: 31_337 })
  const open = (tree = createStateTree({ store: memoryStore() })) =>
    openCommitPipeline({ tree, events, parameters, artifacts: { getArtifact: async () => rego } })
  chain.mine(20)
  const proposer = await open()
  const proposal = (await proposeCommit(proposer, {
    timestamp: 1_320n,
    pcr0Commitment: keccakHex(utf8('p')),
  })) as CommitProposal
  deltas.set(proposal.deltaHash, proposal.delta)
  await submitCommit(chain.sink, { proposal, certificate: {} as never })
  const landed = chain.mine().number
  chain.mine(3)
  const responses: AcceptedResponse[] = []
  const regoHash = keccakHex(rego)
  const snapshot = { policyTemplate: { regoHash, paramsSchemaHash: ARTIFACT_ABSENT } }
  const named = { ...snapshot, data: [] as unknown[] }
  const registry = {
    ...{ getBlock: events.getBlock, getLatestBlock: events.getLatestBlock },
    snapshot: async () => named,
  } as unknown as RegistryReader
  const respond = (referenceBlock: bigint, at: bigint): void => {
    responses.push({
      response: {
        taskId: keccakHex(utf8(`${referenceBlock}`)),
        policyClient: '0x',
        referenceBlock,
      },
      blockNumber: at,
      blockHash: keccakHex(utf8(`block ${at}`)),
    } as unknown as AcceptedResponse)
  }
  return {
    chain,
    events,
    open,
    deltas,
    proposal,
    landed,
    registry,
    responses,
    respond,
    rego,
    named,
  }
}

test('a replica follows, holds responses against the tree, and others bootstrap from it', async () => {
  const world = await replicaWorld()
  const { events, proposal, landed, registry, rego } = world
  const anomalies: { code: number; detail: string }[] = []
  // One that was made before the commit landed names what nobody had agreed on.
  world.respond(landed - 1n, landed + 1n)
  world.respond(landed, landed + 1n)
  const node = createReplicaNode({
    ...{ pipeline: await world.open(), events, registry, serve: true, interval: 5 },
    deltas: async ({ deltaHash }) => world.deltas.get(deltaHash) as Uint8Array,
    responses: {
      getAcceptedResponses: async ({ fromBlock, toBlock }) =>
        world.responses.filter((one) => one.blockNumber >= fromBlock && one.blockNumber <= toBlock),
    },
    store: fileTextStore(join(directory, 'bindings.json')),
    onAnomaly: (found) => anomalies.push(found),
  })
  closers.push(node.close)
  await until(async () => (await node.metrics()).includes('replica_responses_checked_total 2'))
  expect(anomalies.map(({ code }) => code)).toEqual([0x13])
  expect(anomalies[0]?.detail).toContain(`not under the root at block ${landed - 1n}`)
  expect(await node.metrics()).toContain('replica_anomalies_total{code="0x13"} 1')
  expect(await node.ready()).toEqual([])

  const server = await listenRole({
    fetch: node.fetch,
    metrics: node.metrics,
    ready: node.ready,
  })
  closers.push(() => server.close(100))
  // Nobody else has the delta any more.
  world.deltas.clear()
  const client = snapshotClient({ url: server.url })
  const store = memoryStore()
  const { commit, deltaHash } = proposal
  const tree = await bootstrapTree({
    store,
    client,
    commit: {
      ...{ sequenceNo: commit.sequenceNo, root: commit.newStateRoot, deltaHash },
      timestamp: commit.timestamp,
    },
  })
  expect(tree.root()).toBe(commit.newStateRoot)
  expect(await client.bytes(keccakHex(rego))).toEqual(rego)
  const reading = await client.read({ namespace: namespaces.rego, name: keccakHex(rego) })
  expect(reading.valueHash).toBe(keccakHex(rego))
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  // The joined tree goes on from there.
  expect((await world.open(tree)).head().sequenceNo).toBe(1n)
})

test('a replica without the delta waits, says so, and goes on when it is there', async () => {
  const world = await replicaWorld()
  const kept = new Map(world.deltas)
  world.deltas.clear()
  const node = createReplicaNode({
    ...{
      pipeline: await world.open(),
      events: world.events,
      registry: world.registry,
      interval: 5,
    },
    deltas: async ({ deltaHash }) => {
      const found = world.deltas.get(deltaHash)
      if (found === undefined) throw new Error('nobody has it')
      return found
    },
  })
  closers.push(node.close)
  await until(() => node.status() !== undefined)
  expect(await node.ready()).toEqual(['it waits for the delta of commit 1'])
  expect(await node.metrics()).toContain('replica_at_root 0')
  for (const [hash, bytes] of kept) world.deltas.set(hash, bytes)
  await until(async () => (await node.ready()).length === 0)
  expect(node.status()).toMatchObject({ sequenceNo: 1n, root: world.proposal.commit.newStateRoot })
})
