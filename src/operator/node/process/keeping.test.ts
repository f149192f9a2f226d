/** What an operator keeps in order each hour: its journal, and copies that can be read. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { computeArtifactHash, namespaces } from '../../../core/artifact.js'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import { createArtifactSource, memoryDa } from '../../../da/index.js'
import { utf8 } from '../../../internal/bytes.js'
import { watchOperator } from '../../roles/watch.js'
import { keepInOrder } from './keeping.js'

type Parts = Parameters<typeof keepInOrder>[0]
type Low = { block: bigint; timestamp: bigint }

const account = privateKeyToAccount(`0x${'11'.repeat(32)}`)
let directory: string
const ends: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keeping-'))
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
  await rm(directory, { recursive: true, force: true })
})

function setup(change: { head?: Low; renew?: boolean; fails?: boolean } = {}) {
  const { head = { block: 10_000n, timestamp: 1_800_000_000n } } = change
  const [committed, pending] = [utf8('package committed'), utf8('package pending')]
  const kept = {
    archive: memoryDa(),
    origin: memoryDa(),
    pruned: [] as Low[],
    told: [] as object[],
  }
  const watch = watchOperator()
  const rego = (bytes: Uint8Array) => {
    const artifactHash = computeArtifactHash(bytes)
    return { artifactHash, namespace: namespaces.rego, templateId: artifactHash }
  }
  const parts = {
    ...{ account, directory, watch, renew: change.renew ?? false },
    chain: {
      reader: { getLatestBlock: async () => ({ number: head.block, timestamp: head.timestamp }) },
      client: { getBlock: async () => ({ timestamp: 0n }) },
    },
    index: { registered: () => [committed, pending].map(rego) },
    pipeline: {
      inTree: ({ hash }: { hash: string }) => hash === rego(committed).artifactHash,
      locators: async () => [{ kind: 'keccakStore', name: '' }],
    },
    artifacts: {
      clients: [kept.archive],
      cache: createArtifactSource({ clients: [kept.origin] }),
    },
    journal: {
      prune: async (low: Low) => {
        if (change.fails === true) throw new Error('the disk is gone')
        kept.pruned.push(low)
        return 2
      },
    },
    log: (entry: object) => kept.told.push(entry),
    closers: { add: (end: () => Promise<void>) => ends.push(end) },
  } as unknown as Parts
  return { ...kept, committed, pending, watch, start: () => keepInOrder(parts) }
}

const holds = (client: DaClient, bytes: Uint8Array): Promise<boolean> =>
  createArtifactSource({ clients: [client] })
    .getArtifact({ hash: computeArtifactHash(bytes), namespace: namespaces.rego })
    .then(
      () => true,
      () => false,
    )
const soon = (condition: () => boolean | Promise<boolean>) =>
  expect.poll(condition, { timeout: 5_000, interval: 5 }).toBe(true)

test('default: the journal forgets what nobody can ask for any more, and nothing is renewed', async () => {
  const { start, pruned, told, archive, committed } = setup()
  start()
  await soon(() => pruned.length === 1)
  expect(pruned).toEqual([{ block: 8_200n, timestamp: 1_799_992_800n }])
  await soon(() => told.length === 1)
  expect(told).toEqual([{ level: 'info', event: 'journal.pruned', segments: 2 }])
  expect(await holds(archive, committed)).toBe(false)
  // Not before an hour has passed.
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(pruned).toHaveLength(1)
})

test('behavior: on a chain that has just begun nothing is forgotten', async () => {
  const { start, pruned, told } = setup({ head: { block: 1_800n, timestamp: 1_800_000_000n } })
  start()
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect([pruned, told]).toEqual([[], []])
})

test('behavior: with renewals, what is in the tree and missing in a store is put there, once', async () => {
  const { start, origin, archive, committed, pending, told } = setup({ renew: true })
  for (const bytes of [committed, pending]) await origin.put(bytes)
  start()
  await soon(() => holds(archive, committed))
  await soon(() => told.some((one) => 'status' in one && one.status === 'done'))
  expect(await holds(archive, pending)).toBe(false)
})

test('error: a round that fails is counted and told, and the process goes on', async () => {
  const { start, told, watch } = setup({ fails: true })
  start()
  await soon(() => told.length > 0)
  expect(told[0]).toMatchObject({ level: 'warn', event: 'keeping.failed' })
  expect(watch.metrics.text()).toContain('operator_failures_total{part="retention"} 1')
})
