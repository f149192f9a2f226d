/**
 * A tree of many artifacts, in a network whose processes do not run yet: registered on chain, committed with
 * the operators' keys, and laid into each operator's directory as its own.
 */
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Address, encodeFunctionData, type Hex, numberToHex } from 'viem'
import { registerTemplate } from '../../src/core/abi/policyDataRegistryAbi.js'
import { computeArtifactHash } from '../../src/core/artifact.js'
import { mclBackend } from '../../src/core/bn254/mcl/index.js'
import { createArtifactSource } from '../../src/da/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import { resolveAddress } from '../../src/registry/chain/addresses.js'
import {
  createCertificateReader,
  createChainEvents,
  createCommitSink,
} from '../../src/registry/index.js'
import {
  aggregateCommit,
  applyCommit,
  type CommitPipeline,
  commitParameters,
  createStateTree,
  openCommitPipeline,
  proposeCommit,
  signCommit,
  submitCommit,
  validateProposal,
} from '../../src/statetree/index.js'
import { lmdbStore } from '../../src/statetree/node/index.js'
import { until } from '../../test/network/asking.js'
import type { NetworkWorld } from '../../test/network/world.js'

/** Artifacts of a policy-data template. */
const EACH = 3
/** Templates of one author, and authors, of a round: what the queue takes. */
const [TEMPLATES, AUTHORS] = [21, 64]
/** Transactions under way at a time. */
const AT_ONCE = 32
/** Seconds of a window, as in the configurations of the network. */
const WINDOW = 10n

/** Fills the trees of all operators with `count` artifacts or a few more. Returns how many. */
export async function fillTrees(world: NetworkWorld, count: number): Promise<number> {
  const { anvil, contracts, client, directory, members } = world
  const bytes = new Map<Hex, Uint8Array>()
  const stored = createArtifactSource({ clients: [world.da] })
  const path = join(directory, 'filled')
  await mkdir(path, { recursive: true })
  const store = await lmdbStore({ path })
  const events = await createChainEvents({ client, addresses: contracts, finality: 'latest' })
  const pipeline = await openCommitPipeline({
    ...{ tree: createStateTree({ store }), events, startBlock: contracts.fromBlock },
    artifacts: {
      getArtifact: async (request, io) =>
        bytes.get(request.hash) ?? stored.getArtifact(request, io),
    },
    parameters: commitParameters({
      ...{ chainId: events.chainId, window: WINDOW },
      windows: (await events.getWindows?.()) ?? undefined,
    }),
  })
  await anvil.rpc('anvil_autoImpersonateAccount', [true])
  // A block a second and no more: one for each transaction would run ahead of the clock.
  await anvil.rpc('evm_setIntervalMining', [1])
  await anvil.rpc('evm_setBlockGasLimit', [numberToHex(1_000_000_000)])
  let templates = 0
  for (let round = 1; templates * EACH < count; round++) {
    const left = Math.ceil(count / EACH) - templates
    const made = Math.min(AUTHORS * TEMPLATES, left)
    await register(world, { round, templates: made, bytes })
    // What is not mined yet would come after the cutoff.
    await until('an empty pool', async () => {
      const { pending } = (await anvil.rpc('txpool_status', [])) as { pending: Hex }
      return BigInt(pending) === 0n
    })
    templates += made
    // What the next round registers would find the queue full.
    await commit(world, pipeline)
    if (pipeline.state().queue.length > 0) throw new Error('a window did not take all')
  }
  await anvil.rpc('anvil_autoImpersonateAccount', [false])
  await store.close()
  for (const { role, directory: own } of members) {
    if (role === 'operator') await cp(path, join(own, 'tree'), { recursive: true })
  }
  return templates * EACH
}

/** Registers templates of three artifacts each, by authors who need no keys. */
async function register(
  { anvil, contracts }: NetworkWorld,
  parts: { round: number; templates: number; bytes: Map<Hex, Uint8Array> },
): Promise<void> {
  const { round, templates, bytes } = parts
  const authorOf = (index: number): Address =>
    numberToHex(0xa0000 + round * 0x1000 + (index % AUTHORS), { size: 20 })
  for (let nth = 0; nth < AUTHORS; nth++) {
    await anvil.rpc('anvil_setBalance', [authorOf(nth), numberToHex(10n ** 20n)])
  }
  const make = (what: string, index: number): Hex => {
    const made = utf8(`{"title":"${what} ${round} ${index}","description":"${'.'.repeat(900)}"}`)
    const hash = computeArtifactHash(made)
    bytes.set(hash, made)
    return hash
  }
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < templates; index = next++) {
      const [wasm, params, secrets] = ['plugin', 'params', 'secrets'].map((what) =>
        make(what, index),
      ) as [Hex, Hex, Hex]
      const transaction = {
        ...{ from: authorOf(index), to: contracts.policyDataRegistry },
        data: encodeFunctionData({
          abi: [registerTemplate],
          args: [wasm, params, secrets, ['0x', '0x', '0x']],
        }),
        // Several of one author at once: the chain would give them the same nonce.
        nonce: numberToHex(Math.floor(index / AUTHORS)),
        gas: numberToHex(2_000_000),
      }
      await anvil.rpc('eth_sendTransaction', [transaction])
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Commits all that waits, in one window. */
async function commit(world: NetworkWorld, pipeline: CommitPipeline): Promise<void> {
  const { client, contracts: addresses, operators, table, owner, pcr0Commitment } = world
  const { timestamp: now } = await client.getBlock()
  const timestamp = (now / WINDOW + 1n) * WINDOW
  await until('the end of a window', async () => (await client.getBlock()).timestamp > timestamp)
  const proposal = await proposeCommit(pipeline, {
    ...{ timestamp, pcr0Commitment, fetchBudget: 600_000 },
    publish: async ({ bytes }) => [(await world.da.put(bytes)).locator],
  })
  if (proposal === undefined) throw new Error('nothing was due')
  const verdict = await validateProposal(pipeline, { proposal })
  if (verdict.status !== 'valid') throw new Error(`${verdict.reason}: ${verdict.detail}`)
  const certificates = await createCertificateReader({ client, addresses })
  const inForce = await certificates.tableAt(verdict.delta.cutoffBlock)
  if (inForce === null) throw new Error('there is no table')
  const registry = resolveAddress('stateCommitRegistry', { addresses })
  const context = {
    referenceTimestamp: inForce.referenceTimestamp,
    domain: { chainId: pipeline.chainId, registry, operatorSetId: 0 },
  }
  const shares = await Promise.all(
    operators.map(({ address: operator, key: signer }) =>
      signCommit({ proposal, verdict, operator, signer }, context),
    ),
  )
  const backend = await mclBackend()
  const { certificate } = await aggregateCommit(
    { commit: proposal.commit, table, shares, backend },
    context,
  )
  const sink = createCommitSink({ client: owner, addresses })
  await submitCommit(sink, { proposal, certificate }, { timeout: 300_000 })
  await applyCommit(pipeline, proposal)
}
