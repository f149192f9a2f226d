/** An operator of a devnet: the parts of `src/operator`, with an evaluator in a simulated enclave. */
import { join } from 'node:path'
import type { Address, Hex, LocalAccount } from 'viem'
import { type BlsKey, computeSignableDigest, type SignatureShare } from '../../core/bn254/index.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import {
  createArtifactSource,
  createLayeredArtifactCache,
  type LayeredArtifactCache,
  memoryByteStore,
} from '../../da/index.js'
import type { EnclaveEvaluator, NitroRoot } from '../../enclave/index.js'
import { utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import {
  computeJournalDomain,
  createDeltaReader,
  createOperatorNode,
  createSigningGuard,
  type LedgerRecorder,
  type OperatorNode,
  type OperatorTables,
} from '../../operator/index.js'
import { listenOperator, openFileJournal } from '../../operator/node/index.js'
import {
  openSimulatedEnclave,
  type SimulatedEnclaveParameters,
} from '../../operator/node/process/enclave.js'
import { committedEvaluator } from '../../operator/node/process/operator.js'
import {
  type CommitPipeline,
  type CommittedTree,
  committedTree,
  createStateTree,
  memoryStore,
  openCommitPipeline,
} from '../../statetree/index.js'
import type { PrivateData } from '../privateData.js'

/** Parameters of {@link createEnclaveOperator}. */
export type EnclaveOperatorParameters = {
  index: number
  account: LocalAccount
  key: BlsKey
  /** The 32-byte secret that all operators' enclaves are provisioned with. */
  secretsKey: Uint8Array
  reader: RegistryReader
  events: ChainEvents
  da: DaClient
  privateData: PrivateData
  fromBlock: bigint
  stateCommitRegistry: Address
  tables: OperatorTables
  /** Accounts that may ask for tasks. */
  gateways: readonly Address[]
  /** Accounts of all operators. */
  peers: readonly Address[]
  /** Base URLs of the operators that run. */
  peerUrls: () => readonly string[]
  /** A directory of its own. */
  directory: string
  allowHost: (target: { host: string; port: number }) => boolean
  /** Keeps what it does for the evaluation ledger. */
  ledger?: LedgerRecorder | undefined
}

/** An operator with its enclave, behind a socket. */
export type EnclaveOperator = {
  readonly address: Address
  readonly account: LocalAccount
  readonly key: BlsKey
  /** `keccak256(PCR0)` of its enclave build. */
  readonly pcr0Commitment: Hex
  /** What a verifier's `roots` takes to accept its simulated enclave's documents. */
  readonly roots: readonly NitroRoot[]
  readonly node: OperatorNode
  /** Base URL of its server. */
  readonly url: string
  readonly evaluator: EnclaveEvaluator
  /** What its tree holds under the root committed at a block, with proofs. */
  readonly committed: CommittedTree
  /** Seconds of a commit window. */
  readonly window: bigint
  /**
   * Signs whatever it is given, past its journal. An honest operator has no such function: it is how
   * tests build dishonest ones.
   */
  signAnything(response: PolicyTaskResponse): Promise<SignatureShare>
  close(): Promise<void>
}

/**
 * Creates an operator: a tree of its own, a signing journal on disk, a server, and an evaluator inside
 * a simulated enclave that is reached over TCP. All operators run the same image, so their PCR0 is the
 * same.
 */
export async function createEnclaveOperator(
  parameters: EnclaveOperatorParameters,
): Promise<EnclaveOperator> {
  const { account, key, reader, events, da, fromBlock, tables } = parameters
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).reverse()) await each()
  }
  try {
    const { artifacts, pipeline, committed } = await followArtifacts(parameters)
    const { index, secretsKey, allowHost } = parameters
    const { evaluator, pcr0Commitment, roots } = await startEnclave({
      ...{ index, secretsKey, allowHost, reader, artifacts, committed },
      closers: {
        add: (end) => {
          closers.push(async () => {
            await end()
          })
        },
      },
    })
    const { chainId, policyRegistry } = reader
    const latest = await reader.getLatestBlock()
    const journal = await openFileJournal({
      directory: join(parameters.directory, 'journal'),
      domain: computeJournalDomain({ chainId, policyRegistry, publicKey: key.publicKey }),
      head: { block: latest.number, timestamp: latest.timestamp },
      create: true,
    })
    closers.push(journal.close)
    const guard = createSigningGuard({
      operator: account.address,
      chainId,
      policyRegistry,
      signer: key,
      journal,
      // One process and one endpoint: nothing can be behind or disagree.
      assertReady: async () => undefined,
    })
    const node = createOperatorNode({
      guard,
      tables,
      pcr0Commitment,
      ledger: parameters.ledger,
      gateways: parameters.gateways,
      peers: parameters.peers,
      // The first run of a plugin compiles it, four times on one machine.
      limits: { timeout: 60_000 },
      tasks: { evaluator, registry: reader },
      commits: {
        pipeline,
        events,
        stateCommitRegistry: parameters.stateCommitRegistry,
        startBlock: fromBlock,
        publish: async ({ bytes }) => [(await da.put(bytes)).locator],
        readDelta: createDeltaReader({ artifacts, peers: parameters.peerUrls }),
      },
      // Envelopes are for the operators of the network.
      reads: {
        rootAt: committed.rootAt,
        mayRead: ({ caller }) => isAmong(parameters.peers, caller),
      },
    })
    const server = await listenOperator({
      rpc: node.rpc,
      delta: async (hash) => node.commits.delta(hash),
    })
    closers.push(() => server.close(1_000))
    return {
      address: account.address,
      account,
      key,
      pcr0Commitment,
      roots,
      node,
      url: server.url,
      evaluator,
      committed,
      window: pipeline.parameters.window,
      signAnything: async (response) => {
        const { referenceTimestamp } = response
        const messageHash = computeMessageHash(response)
        const digest = computeSignableDigest({ referenceTimestamp, messageHash })
        return { operator: account.address, signature: await key.sign(digest) }
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function isAmong(accounts: readonly Address[], one: string): boolean {
  return accounts.some((account) => account.toLowerCase() === one.toLowerCase())
}

/** The operator's tree, which follows the chain, and the bytes that are in it. */
async function followArtifacts(
  parameters: Pick<EnclaveOperatorParameters, 'events' | 'da' | 'privateData' | 'fromBlock'>,
): Promise<{
  artifacts: LayeredArtifactCache
  pipeline: CommitPipeline
  committed: CommittedTree
}> {
  const { events, da, privateData, fromBlock } = parameters
  // One cache for the tree's bytes and for what the enclave asks of its host.
  const artifacts = createLayeredArtifactCache({
    disk: memoryByteStore(),
    da: createArtifactSource({ clients: [da] }),
  })
  const tree = createStateTree({ store: memoryStore() })
  const pipeline = await openCommitPipeline({
    tree,
    events,
    artifacts,
    external: privateData,
    startBlock: fromBlock,
  })
  privateData.subscribe((hash, envelope) => tree.store.bytes.put(hash, envelope))
  return { artifacts, pipeline, committed: committedTree({ tree, events, startBlock: fromBlock }) }
}

/** Starts an enclave as operators do. What it opens is closed through `closers`. */
async function startEnclave(
  parameters: Omit<SimulatedEnclaveParameters, 'seed'> & { index: number },
): Promise<{
  evaluator: EnclaveEvaluator
  pcr0Commitment: Hex
  roots: readonly NitroRoot[]
}> {
  const { index, ...parts } = parameters
  const seed = keccak(utf8(`newton devnet enclave ${index}`))
  const { enclave, pcr0Commitment, roots } = await openSimulatedEnclave({ ...parts, seed })
  const { evaluate } = committedEvaluator(enclave, parts)
  return { evaluator: { ...enclave, evaluate }, pcr0Commitment, roots }
}
