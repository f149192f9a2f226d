/**
 * A test of the chaos run's recorder: an operator that restarts and is then asked with other outputs signs once
 * behind its journal, and is caught where the journal's check is left out.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address, Hex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { agreeOnOutputs, commitToOutputs } from '../../src/attestation/index.js'
import { computeMessageHash } from '../../src/core/response.js'
import { computeTaskId } from '../../src/core/task.js'
import {
  createOperatorClient,
  createOperatorRpc,
  createSigningGuard,
  createTaskEvaluator,
  type SigningJournal,
} from '../../src/operator/index.js'
import { listenOperator, openFileJournal, witnessFile } from '../../src/operator/node/index.js'
import { computeJournalDomain } from '../../src/operator/signing/rules.js'
import { createWorld, policyRegistry } from '../support/attestationWorld.js'
import { startLink } from './proxy.js'
import { createRecorder } from './recorder.js'

const chainId = 31_337n
const gateway = privateKeyToAccount(generatePrivateKey())

/** As a journal without its check would be: it knows what this life did, and takes whatever is asked for. */
function unchecked(journal: SigningJournal): SigningJournal {
  const own = new Map<string, { digest: Hex; answer: Uint8Array }>()
  return {
    ...journal,
    recordAll: async (records) =>
      records.map(({ kind, key, digest, answer }) => {
        own.set(`${kind} ${key}`, { digest, answer })
        return { status: 'new', answer }
      }),
    find: async (kind, key) => own.get(`${kind} ${key}`),
  }
}

/** Two lives of one operator over one directory, each asked for the same task with outputs of its own. */
async function twoLives(journalOf: (journal: SigningJournal) => SigningJournal) {
  const directory = await mkdtemp(join(tmpdir(), 'newton-equivocation-'))
  const recorder = createRecorder()
  const world = createWorld()
  const { table } = world
  const [operator, key] = [table.operators[0]!.operator, world.keys[0]!]
  const tables = { tableAt: async () => world.state.tables[0]! }
  const task = world.makeTask()
  // A task that went over a wire comes back with checksums in its addresses.
  const registry: typeof world.registry = {
    ...world.registry,
    snapshot: ({ client, block }) =>
      world.registry.snapshot({ client: client.toLowerCase() as Address, block }),
  }
  const hashes: string[] = []
  let created = false

  const live = async (scores: number[]): Promise<void> => {
    const journal = await openFileJournal({
      directory: join(directory, 'journal'),
      witness: witnessFile(join(directory, 'witness.json')),
      domain: computeJournalDomain({ chainId, policyRegistry, publicKey: key.publicKey }),
      head: { block: 0n, timestamp: 0n },
      create: !created,
    })
    created = true
    const guard = createSigningGuard({
      ...{ operator, chainId, policyRegistry, signer: key, journal: journalOf(journal) },
      assertReady: async () => undefined,
    })
    const tasks = createTaskEvaluator({
      ...{ guard, tables, registry },
      evaluator: {
        evaluate: async () => {
          const { response, preimage, inputs } = world.evaluate(task, { scores })
          return { response, digestPreimage: preimage, ...inputs, reasons: [] } as never
        },
      } as never,
    })
    const rpc = createOperatorRpc({
      ...{ operator, chainId, policyRegistry, allow: () => true },
      handlers: {
        newt_fetchPolicyData: (params) => tasks.fetchPolicyData(params.task),
        newt_evaluateAndSign: (params) => tasks.evaluateAndSign(params),
      },
    })
    const server = await listenOperator({ rpc })
    const link = await startLink({ name: 'operator-0', target: server.url }, recorder.onExchange)
    try {
      const client = createOperatorClient({
        ...{ operator, chainId, policyRegistry, account: gateway, url: `${link.url}/rpc` },
      })
      const own = await client.call('newt_fetchPolicyData', { task })
      // The others are of its opinion, whatever it is.
      const others = await Promise.all(
        [1, 2, 3].map((index) =>
          commitToOutputs({
            ...{ key: world.keys[index]!, operator: table.operators[index]!.operator },
            ...{
              taskId: computeTaskId(task),
              outputs: world.evaluate(task, { scores }).inputs.outputs,
            },
          }),
        ),
      )
      const { groups: outputGroups } = await agreeOnOutputs({
        ...{ table, taskId: own.taskId, templates: Object.keys(own.hashes) as Hex[] },
        commitments: [own, ...others],
      })
      const answer = await client.call('newt_evaluateAndSign', {
        ...{ task, pcr0Commitment: `0x${'00'.repeat(32)}`, outputGroups },
        referenceTimestamp: world.state.tables[0]!.referenceTimestamp,
      })
      hashes.push(computeMessageHash(answer.response))
    } finally {
      link.close()
      await server.close(1_000)
      await journal.close()
    }
  }
  try {
    await live([1, 2])
    await live([99, 1])
  } finally {
    await rm(directory, { recursive: true })
  }
  return { violations: recorder.violations(), shares: recorder.counts.shares, hashes }
}

test('behavior: behind its journal an operator says the same in its next life', async () => {
  const { violations, shares, hashes } = await twoLives((journal) => journal)
  expect(violations).toEqual([])
  expect(shares).toBe(2)
  expect(hashes[1]).toBe(hashes[0])
})

test('behavior: with the check of the journal left out the same run is a violation', async () => {
  const { violations, shares, hashes } = await twoLives(unchecked)
  expect(shares).toBe(2)
  expect(new Set(hashes).size).toBe(2)
  expect(violations.join('\n')).toMatch(/a response signed twice: operator-0 0x[0-9a-f]{64} has 2/)
  expect(violations.join('\n')).toMatch(/outputs committed to twice/)
})
