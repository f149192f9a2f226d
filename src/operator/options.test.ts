/** Options that are none: each function refuses them by name, before it does anything. */
import { describe, expect, test } from 'vitest'
import {
  chainTables,
  collectTask,
  createCommitter,
  createDeltaReader,
  createOperatorNode,
  createReadAuthentication,
  createReEvaluator,
  createReplicaNode,
  createSigningGuard,
  createTaskClient,
  createTaskEvaluator,
  knownTables,
  memoryGatewayStore,
  watchGateway,
} from './index.js'
import { listenRole, pgliteGatewayStore, postgresGatewayStore } from './node/index.js'

const none = {} as never
const fn = (() => undefined) as never
const address = `0x${'a1'.repeat(20)}` as const
const word = `0x${'b2'.repeat(32)}` as const
const listed = [] as never
const times = [Number.NaN, -1, Number.POSITIVE_INFINITY, '5'] as unknown[]
const counts = [0, -1, 1.5, Number.NaN, '3'] as unknown[]
const functions = [5, {}, 'f'] as unknown[]

type Case = {
  call: (parameters: never) => unknown
  good: Record<string, unknown>
  bad: Record<string, unknown[]>
}
const cases: Record<string, Case> = {
  createTaskEvaluator: {
    call: createTaskEvaluator,
    good: { guard: none, evaluator: none, registry: none, tables: none },
    bad: {
      ...{ maxAge: [900, -1n], concurrent: counts, now: functions, guard: [null, 5] },
      ...{ pcr0Commitment: ['0x12', 5, null, word.slice(2)], ledger: [5] },
    },
  },
  collectTask: {
    call: collectTask,
    good: { task: none, operators: listed, registry: none, tables: none },
    bad: {
      ...{ timeout: times, operators: [{}, null], onPhase: functions, keepShare: functions },
      ...{ keepCommitments: functions, now: functions, snapshot: [5], pcr0Commitment: [5] },
    },
  },
  createCommitter: {
    call: createCommitter,
    good: {
      ...{ pipeline: none, guard: none, events: none, tables: none, readDelta: fn },
      ...{ stateCommitRegistry: address, pcr0Commitment: word },
    },
    bad: {
      ...{ operatorSetId: [-1, 0.5, 2 ** 32], collectTimeout: times, linger: times },
      ...{ stateCommitRegistry: ['0x12', undefined], pcr0Commitment: ['0x12'], startBlock: [5] },
      ...{ publish: functions, readDelta: functions, onCommit: functions, keptDeltas: [5] },
    },
  },
  createOperatorNode: {
    call: createOperatorNode,
    good: { guard: none, tasks: none, commits: none, tables: none, gateways: [], peers: [] },
    bad: {
      ...{ gateways: [{}, ['0x12'], [address, 5]], peers: ['0x', [null]] },
      ...{ pcr0Commitment: ['0x12', 5], ledger: [5], secrets: [5], reads: ['x'] },
    },
  },
  createReplicaNode: {
    call: createReplicaNode,
    good: { registry: none, pipeline: none, events: none, deltas: fn },
    bad: {
      ...{ interval: times, deltaTimeout: times, startBlock: [5], now: functions },
      ...{ onAnomaly: functions, onError: functions, responses: [5], deltas: [{}, undefined] },
    },
  },
  createDeltaReader: {
    call: createDeltaReader,
    good: { artifacts: none },
    bad: {
      ...{ maxBytes: counts, timeout: times, patience: times, peers: functions },
      ...{ bootnodes: ['https://a.example'], fetch: functions, artifacts: [5, undefined] },
    },
  },
  createReadAuthentication: {
    call: createReadAuthentication,
    good: { operator: address, chainId: 1n, policyRegistry: address },
    bad: {
      ...{ operator: ['0x12', 5], chainId: [1, -1n], policyRegistry: ['', undefined] },
      now: functions,
    },
  },
  createReEvaluator: {
    call: createReEvaluator,
    good: { replayer: none, inputs: fn },
    bad: { inputs: functions, onFalse: functions, replayer: [5] },
  },
  createSigningGuard: {
    call: createSigningGuard,
    good: {
      ...{ operator: address, chainId: 1n, policyRegistry: address, signer: none },
      ...{ journal: none, assertReady: fn },
    },
    bad: { chainId: [1, -1n], assertReady: functions, signer: [5], operator: [5, '0x12'] },
  },
  createTaskClient: {
    call: createTaskClient,
    good: { gateway: { url: 'https://gateway.example' }, reader: none },
    bad: { maxReferenceAge: [5, -1n], tables: [5], backend: [5], gateway: [5], reader: [null] },
  },
  watchGateway: {
    call: watchGateway,
    good: { store: none, registry: none, operators: [] },
    bad: { operators: [{}, ['0x12']], maxHeadAge: counts, now: functions, onEvent: functions },
  },
  knownTables: {
    call: knownTables,
    good: { certificates: none, tables: listed },
    bad: { tables: [{}, 5], certificates: [5, undefined] },
  },
  chainTables: {
    call: chainTables,
    good: { certificates: none, read: fn },
    bad: { read: functions, backend: [5], certificates: [null] },
  },
  memoryGatewayStore: { call: memoryGatewayStore, good: {}, bad: { now: functions } },
}

describe.each(Object.entries(cases))('%s', (_name, { call, good, bad }) => {
  test('error: INVALID_INPUT that names the option', async () => {
    const field = async (parameters: object): Promise<string> => {
      try {
        await call(parameters as never)
        return 'taken'
      } catch (error) {
        const { code, field: named } = error as { code?: string; field?: string }
        return code === 'INVALID_INPUT' ? String(named) : String(error)
      }
    }
    for (const [name, values] of Object.entries(bad)) {
      for (const value of values) {
        const refused = await field({ ...good, [name]: value })
        const end = refused.replace(/^parameters\./, '').replace(/\[\d+\]$/, '')
        expect(end, `${name}: ${String(value)}`).toBe(name)
      }
    }
    expect(await field({ ...good, misspelled: 1 })).toMatch(/(^|\.)misspelled$/)
  })
})

test('error: a store of no network, and an address to listen at that is none', async () => {
  const bad: [object, string][] = [
    [{ chainId: 1, policyRegistry: address }, 'chainId'],
    [{ chainId: 1n, policyRegistry: '0x12' }, 'policyRegistry'],
    [{ chainId: 1n }, 'policyRegistry'],
    [{ chainId: 1n, policyRegistry: address, connections: 0 }, 'connections'],
  ]
  for (const [domain, field] of bad) {
    const url = 'postgres://127.0.0.1:1/none'
    await expect(postgresGatewayStore({ url, ...domain } as never)).rejects.toMatchObject({ field })
  }
  await expect(
    pgliteGatewayStore({ chainId: 1n, policyRegistry: address } as never),
  ).rejects.toMatchObject({ field: 'directory' })
  const listening: [object, string][] = [
    [{ port: 70_000 }, 'port'],
    [{ port: Number.NaN }, 'port'],
    [{ host: 5 }, 'host'],
    [{ ready: true }, 'ready'],
    [{ metrics: 'text' }, 'metrics'],
    [{ bodyTimeout: 0 }, 'bodyTimeout'],
  ]
  for (const [options, field] of listening) {
    await expect(listenRole(options as never)).rejects.toMatchObject({ field })
  }
})
