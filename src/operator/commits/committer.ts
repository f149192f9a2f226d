/**
 * State commits without a gateway: the window's proposer asks the others, aggregates and submits; a
 * silent or refused one costs a window. Everyone applies what the chain shows, so an operator that
 * slept catches up alone.
 */

import type { Address, Hex } from 'viem'
import {
  type Certificate,
  CertificateBuildError,
  type SignatureShare,
} from '../../core/bn254/index.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { CommitSink } from '../../core/interfaces/sinks.js'
import type { DaLocator } from '../../core/locator.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { createOrder } from '../../internal/singleFlight.js'
import {
  type Anomaly,
  aggregateCommit,
  type CommitPipeline,
  type CommitProposal,
  computeDeltaHash,
  createReplica,
  type PublishDelta,
  proposeCommit,
  proposerIndex,
  type ReplicaOptions,
  type ReplicaStatus,
  submitCommit,
  validateProposal,
} from '../../statetree/index.js'
import type { OperatorClient } from '../rpc/client.js'
import { OperatorRpcError } from '../rpc/errors.js'
import { readGivenAddress, readGivenBuild } from '../rpc/given.js'
import type { ProposalHead } from '../rpc/methods.js'
import type { SigningGuard } from '../signing/guard.js'
import type { OperatorFault } from '../tasks/errors.js'
import { type OperatorTables, reaches, type TableInForce, weightOf } from '../tasks/tables.js'

/** Gives an encoded delta by its hash, or fails. What it gives is hashed here. */
export type DeltaReader = (
  request: { deltaHash: Hex; locators: readonly DaLocator[] },
  options?: IoOptions,
) => Promise<Uint8Array>

/** Where deltas are kept that an operator answers for, such as `diskByteStore`. */
export type KeptDeltas = {
  read(hash: string, io?: IoOptions): Promise<Uint8Array | undefined>
  write(hash: string, bytes: Uint8Array, io?: IoOptions): Promise<void>
}

/** Parameters of {@link createCommitter}. */
export type CommitterParameters = {
  pipeline: CommitPipeline
  guard: SigningGuard
  events: ChainEvents
  tables: OperatorTables
  stateCommitRegistry: Address
  /** @default 0 */
  operatorSetId?: number | undefined
  /** `keccak256(PCR0)` of this operator's build. */
  pcr0Commitment: Hex
  /** Where deltas are published; peers have them by their hash even where nothing is. */
  publish?: PublishDelta | undefined
  readDelta: DeltaReader
  /**
   * Called with the delta of a peer before it is judged: whatever is needed for that can be had in here,
   * such as uploads that only the proposer knows. Its failure is no reason to sign or not to.
   */
  beforeJudging?: ((delta: Uint8Array, options?: IoOptions) => Promise<void>) | undefined
  /** Keeps deltas that were proposed or signed beyond this process's life. @default the 16 newest, in memory */
  keptDeltas?: KeptDeltas | undefined
  /** First block with commits. @default 0n */
  startBlock?: bigint | undefined
  /** Milliseconds for the others to sign. @default 20_000 */
  collectTimeout?: number | undefined
  /** Milliseconds to wait for more signatures than are needed: each missing one costs gas. @default 1_000 */
  linger?: number | undefined
  onAnomaly?: ((anomaly: Anomaly) => void) | undefined
  /** Told each commit that landed before it is applied. Where it fails, the commit is followed again. */
  onCommit?: ReplicaOptions['onCommit']
}

const committerOptions: Parameters<typeof assertOptions<CommitterParameters>>[1] = {
  ...{ pipeline: 'object', guard: 'object', events: 'object', tables: 'object' },
  ...{ stateCommitRegistry: 'text', operatorSetId: { least: 0, most: 2 ** 32 - 1 } },
  ...{ pcr0Commitment: 'text', publish: 'function', readDelta: 'function' },
  ...{ beforeJudging: 'function', keptDeltas: 'object', startBlock: 'uint' },
  ...{ collectTimeout: 'milliseconds', linger: 'milliseconds' },
  ...{ onAnomaly: 'function', onCommit: 'function' },
}

/** What a window ended in, for its proposer. */
export type WindowOutcome =
  | { status: 'not due' }
  | { status: 'not proposer' }
  | { status: 'no quorum'; proposal: CommitProposal; faults: readonly OperatorFault[] }
  | {
      status: 'landed'
      proposal: CommitProposal
      certificate: Certificate
      /** Indices in the table. */
      signers: readonly number[]
      transactionHash: Hex
      faults: readonly OperatorFault[]
    }

/** An operator's part of state commits. */
export type Committer = {
  /** Proposes the commit of a window; `undefined` where none is due. One proposal a window. */
  propose(timestamp: bigint, options?: IoOptions): Promise<CommitProposal | undefined>
  /** Derives a proposed commit, and signs it. */
  sign(head: ProposalHead, options?: IoOptions): Promise<SignatureShare>
  /** Proposes, gathers signatures and lands the commit of a window, where it is this operator's. */
  runWindow(
    parameters: { timestamp: bigint; peers: readonly OperatorClient[]; sink: CommitSink },
    options?: IoOptions,
  ): Promise<WindowOutcome>
  /** Applies the commits that landed, as far as their deltas can be had. */
  follow(options?: IoOptions): Promise<ReplicaStatus>
  /** A delta that this operator made or signed and still keeps. */
  delta(hash: Hex, options?: IoOptions): Promise<Uint8Array | undefined>
}

/** Deltas that are kept for peers. */
const KEPT_DELTAS = 16

/**
 * Creates an operator's part of state commits.
 *
 * @throws {InvalidInputError} for options that are none.
 * @example
 * ```ts
 * import { createCommitter } from '@newton/policy-sdk/operator'
 *
 * const committer = createCommitter({ pipeline, guard, events, tables, stateCommitRegistry, pcr0Commitment, readDelta })
 * const outcome = await committer.runWindow({ timestamp, peers, sink })
 * await committer.follow()
 * ```
 */
export function createCommitter(parameters: CommitterParameters): Committer {
  assertMembers('parameters', parameters, ['pipeline', 'guard', 'events', 'tables', 'readDelta'])
  assertOptions(parameters, committerOptions, { field: 'parameters' })
  const { pipeline, guard, tables, operatorSetId = 0 } = parameters
  const pcr0Commitment = readGivenBuild('parameters.pcr0Commitment', parameters.pcr0Commitment)
  const { collectTimeout = 20_000, linger = 1_000 } = parameters
  const domain = {
    chainId: pipeline.chainId,
    registry: readGivenAddress('parameters.stateCommitRegistry', parameters.stateCommitRegistry),
    operatorSetId,
  }
  const kept = new Map<Hex, Uint8Array>()
  const proposals = new Map<bigint, Promise<CommitProposal | undefined>>()

  /** The pipeline does one thing at a time. */
  const inOrder = createOrder()
  const keep = async (hash: Hex, bytes: Uint8Array, io: IoOptions | undefined): Promise<void> => {
    await parameters.keptDeltas?.write(hash, bytes, io)
    kept.delete(hash)
    kept.set(hash, bytes)
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_DELTAS) break
      kept.delete(oldest)
    }
  }
  const keptDelta: Committer['delta'] = async (hash, io) => {
    const bytes = kept.get(hash) ?? (await parameters.keptDeltas?.read(hash, io))
    // A file that was damaged is none.
    return bytes !== undefined && computeDeltaHash(bytes) === hash ? bytes : undefined
  }
  const readDelta: DeltaReader = async (request, io) => {
    const bytes =
      (await keptDelta(request.deltaHash, io)) ?? (await parameters.readDelta(request, io))
    if (computeDeltaHash(bytes) !== request.deltaHash) {
      throw new InvalidInputError({
        field: 'delta',
        reason: `it does not hash to ${request.deltaHash}`,
      })
    }
    return bytes
  }
  const tableAt = async (block: bigint, io: IoOptions | undefined): Promise<TableInForce> => {
    const inForce = await tables.tableAt(block, io)
    if (inForce === null) {
      const detail = `no known operator table is in force at block ${block}`
      throw new OperatorRpcError({ fault: 'OPERATOR_NOT_REGISTERED', detail })
    }
    return inForce
  }
  const replica = createReplica({
    pipeline,
    events: parameters.events,
    deltas: readDelta,
    startBlock: parameters.startBlock,
    onAnomaly: (found) => parameters.onAnomaly?.(found),
    onCommit: parameters.onCommit,
  })

  const propose: Committer['propose'] = (timestamp, io) => {
    const before = proposals.get(timestamp)
    if (before !== undefined) return before
    const made = inOrder(async () => {
      const { publish } = parameters
      const proposal = await proposeCommit(pipeline, { timestamp, pcr0Commitment, publish }, io)
      if (proposal !== undefined) await keep(proposal.deltaHash, proposal.delta, io)
      return proposal
    })
    proposals.clear()
    proposals.set(timestamp, made)
    // What failed, or was not due yet, is asked anew the next time.
    made.then(
      (proposal) => proposal ?? proposals.delete(timestamp),
      () => proposals.delete(timestamp),
    )
    return made
  }
  const sign: Committer['sign'] = async (head, io) => {
    const delta = await readDelta(head, io)
    const proposal: CommitProposal = { ...head, delta }
    await parameters.beforeJudging?.(delta, io)
    const verdict = await inOrder(() =>
      validateProposal(pipeline, { proposal, pcr0Commitment }, io),
    )
    const signing = { proposal, verdict, domain }
    // Without a table: the refusal says why, and a proposal that is none has no block to look one up at.
    if (verdict.status !== 'valid')
      return guard.signCommit({ ...signing, referenceTimestamp: 0 }, io)
    const { referenceTimestamp } = await tableAt(verdict.delta.cutoffBlock, io)
    // Before the signature: what a quorum signed has to be had from its signers.
    await keep(head.deltaHash, delta, io)
    return guard.signCommit({ ...signing, referenceTimestamp }, io)
  }

  return {
    propose,
    sign,
    delta: keptDelta,
    follow: (io) => inOrder(() => replica.follow(io)),
    async runWindow({ timestamp, peers, sink }, io) {
      const prepared = await inOrder(() => pipeline.prepare(timestamp, io))
      if (!pipeline.isDue(prepared)) return { status: 'not due' }
      const inForce = await tableAt(prepared.cutoff.number, io)
      const { table, referenceTimestamp } = inForce
      const { window } = pipeline.parameters
      const operators = table.operators.length
      if (proposerIndex({ timestamp, window, operators }) !== table.indexOf(guard.operator)) {
        return { status: 'not proposer' }
      }
      const proposal = await propose(timestamp, io)
      if (proposal === undefined) return { status: 'not due' }
      const faults: OperatorFault[] = []
      const shares = await collectCommitShares({
        proposal,
        own: sign(proposal, io),
        peers: peers.filter(
          ({ operator }) => operator.toLowerCase() !== guard.operator.toLowerCase(),
        ),
        inForce,
        faults,
        timeout: collectTimeout,
        linger,
        signal: io?.signal,
      })
      const context = { domain, referenceTimestamp }
      const certified = await certifyCommit({
        proposal,
        shares,
        inForce,
        faults,
        context,
        signal: io?.signal,
      })
      if (certified === undefined) return { status: 'no quorum', proposal, faults }
      const { certificate, signers } = certified
      const landed = await submitCommit(sink, { proposal, certificate }, io)
      return {
        status: 'landed',
        proposal,
        certificate,
        signers,
        transactionHash: landed.commit,
        faults,
      }
    },
  }
}

/** Asks all, and ends when all have answered, or a moment after enough have. */
async function collectCommitShares(parameters: {
  proposal: CommitProposal
  own: Promise<SignatureShare>
  peers: readonly OperatorClient[]
  inForce: TableInForce
  faults: OperatorFault[]
  timeout: number
  linger: number
  signal: AbortSignal | undefined
}): Promise<SignatureShare[]> {
  const { proposal, own, peers, inForce, faults, timeout, linger, signal } = parameters
  const { table, quorumBps } = inForce
  const total = table.info.totalWeights
  const shares: SignatureShare[] = [await own]
  const { commit, deltaHash, locators } = proposal
  // A signal for each call: one for all would have a listener for each peer.
  const calls = peers.map((client) => ({ client, controller: new AbortController() }))
  let ended = false
  const stop = (): void => {
    ended = true
    for (const { controller } of calls) controller.abort(signal?.reason)
  }
  signal?.addEventListener('abort', stop, { once: true })
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    await new Promise<void>((resolve) => {
      let left = calls.length
      if (left === 0) resolve()
      for (const { client, controller } of calls) {
        client
          .call(
            'newt_signStateCommit',
            { proposal: { commit, deltaHash, locators } },
            { signal: controller.signal, timeout },
          )
          .then((signature) => {
            shares.push({ operator: client.operator, signature })
            const indices = shares.map(({ operator }) => table.indexOf(operator))
            if (reaches(weightOf(table, indices), { total, bps: quorumBps })) {
              timer ??= setTimeout(resolve, linger)
            }
          })
          .catch((error: unknown) => {
            if (ended) return
            const known = isPolicySdkError(error)
            const detail = known ? error.shortMessage : 'it failed'
            faults.push({ operator: client.operator, fault: known ? error.code : 'FAILED', detail })
          })
          .finally(() => {
            left--
            if (left === 0) resolve()
          })
      }
    })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
    stop()
  }
  signal?.throwIfAborted()
  return shares
}

/** Aggregates; who sent a bad share is named and left out. `undefined` where the rest is too little. */
async function certifyCommit(parameters: {
  proposal: CommitProposal
  shares: readonly SignatureShare[]
  inForce: TableInForce
  faults: OperatorFault[]
  context: Parameters<typeof aggregateCommit>[1]
  signal: AbortSignal | undefined
}): Promise<{ certificate: Certificate; signers: readonly number[] } | undefined> {
  const { proposal, shares, inForce, faults, context, signal } = parameters
  const { table, quorumBps, backend } = inForce
  const total = table.info.totalWeights
  const enough = (indices: readonly number[]): boolean =>
    reaches(weightOf(table, indices), { total, bps: quorumBps })
  const listed = shares.filter(({ operator }) => table.indexOf(operator) >= 0)
  if (!enough(listed.map(({ operator }) => table.indexOf(operator)))) return undefined
  try {
    const { commit } = proposal
    const built = await aggregateCommit({ commit, table, shares: listed, backend }, context, {
      signal,
    })
    faults.push(...built.refused)
    return enough(built.signers) ? built : undefined
  } catch (error) {
    if (!(error instanceof CertificateBuildError)) throw error
    faults.push(...error.refused)
    return undefined
  }
}
