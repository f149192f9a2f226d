/** Proposing, validating, signing, aggregating and submitting state commits. */
import type { Address, Hex } from 'viem'
import {
  type Aggregation,
  type BlsSigner,
  type Bn254Backend,
  buildCertificate,
  type Certificate,
  computeSignableDigest,
  type OperatorTable,
  type SignatureShare,
  signWith,
} from '../../../core/bn254/index.js'
import type { CommitSink } from '../../../core/interfaces/sinks.js'
import type { DaLocator } from '../../../core/locator.js'
import {
  assertStateCommit,
  computeDaCertHash,
  computeStateCommitHash,
  type StateCommit,
  type StateCommitDomain,
} from '../../../core/stateCommit.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { InvalidInputError } from '../../../errors/common.js'
import { fromHex, toHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { keccak } from '../../../internal/keccak.js'
import { defaultHasher } from '../../hash/hasher.js'
import { previewRoot } from '../../tree/preview.js'
import { computeDeltaHash, type Delta, decodeDelta, encodeDelta } from '../delta.js'
import { CutoffNotFinalError, ProposalRefusedError, type RefusalReason } from '../errors.js'
import { type CommitPipeline, deltaWrites, type PreparedWindow } from '../pipeline.js'
import { applySelection, computeQueueHash, type QueueState } from '../queue/queue.js'
import type { FetchLimits } from './fetchBytes.js'
import { selectEntries } from './select.js'
import { checkDelta } from './validate.js'

/** A commit with the delta that leads to it. */
export type CommitProposal = {
  commit: StateCommit
  /** `DeltaV1`, encoded. */
  delta: Uint8Array
  deltaHash: Hex
  /** Where the delta was published. */
  locators: readonly DaLocator[]
}

/** Publishes an encoded delta and says where it is. */
export type PublishDelta = (
  delta: { bytes: Uint8Array; hash: Hex },
  options?: IoOptions,
) => Promise<readonly DaLocator[]>

/** What a commit is made with. */
export type ProposalParameters = {
  /** Unix seconds, a multiple of the window. */
  timestamp: bigint
  /** `keccak256(PCR0)` of the build that is to sign. Never zero. */
  pcr0Commitment: Hex
  /** Commit version. Default 2. */
  version?: 1 | 2 | undefined
  /** Default: the delta is not published. */
  publish?: PublishDelta | undefined
} & FetchLimits

/**
 * Proposes the commit of a window, or nothing where none is due.
 *
 * @throws {CutoffNotFinalError} when this operator cannot know the cutoff yet.
 */
export async function proposeCommit(
  pipeline: CommitPipeline,
  parameters: ProposalParameters,
  io: IoOptions = {},
): Promise<CommitProposal | undefined> {
  const window = await pipeline.prepare(parameters.timestamp, io)
  if (!pipeline.isDue(window)) return undefined
  const { included, omitted } = await selectEntries(pipeline, window, {
    signal: io.signal,
    fetchTimeout: parameters.fetchTimeout,
    fetchBudget: parameters.fetchBudget,
    fetchConcurrency: parameters.fetchConcurrency,
  })
  const { state, quarantined } = applySelection(window.state, { included, omitted })
  const head = pipeline.head()
  const delta: Delta = {
    chainId: pipeline.chainId,
    sequenceNo: head.sequenceNo + 1n,
    prevDeltaHash: head.deltaHash,
    cutoffBlock: window.cutoff.number,
    cutoffBlockHash: window.cutoff.hash,
    queueHash: computeQueueHash(state),
    included,
    omitted,
    quarantined,
    deleted: window.deletions,
    foreign: window.foreign,
  }
  const bytes = encodeDelta(delta)
  const deltaHash = computeDeltaHash(bytes)
  const locators = (await parameters.publish?.({ bytes, hash: deltaHash }, io)) ?? []
  const version = parameters.version ?? 2
  const commit: StateCommit = Object.freeze({
    version,
    sequenceNo: delta.sequenceNo,
    prevStateRoot: head.root,
    newStateRoot: previewRoot(pipeline.tree, deltaWrites(delta)),
    timestamp: parameters.timestamp,
    daCertHash: computeCommitDaHash({ version, deltaHash, locators }),
    pcr0Commitment: parameters.pcr0Commitment,
  })
  return { commit, delta: bytes, deltaHash, locators }
}

/**
 * `daCertHash` of a commit. Version 2 binds the delta's hash and its locators; version 1 has the
 * keccak-256 of the EigenDA commitment without its version byte, or the delta's hash.
 */
export function computeCommitDaHash(parameters: {
  version: 1 | 2
  deltaHash: Hex
  locators: readonly DaLocator[]
}): Hex {
  const { version, deltaHash, locators } = parameters
  if (version === 2) return computeDaCertHash(deltaHash, locators)
  for (const locator of locators) {
    const commitment = locator.kind === 'eigenDa' ? locator.commitments[0] : undefined
    if (commitment !== undefined) return toHex(keccak(fromHex(commitment).slice(1)))
  }
  return deltaHash
}

/** Outcome of a validation. `abstain`: this operator cannot judge, and accuses nobody. */
export type ProposalVerdict =
  | { status: 'valid'; window: PreparedWindow; delta: Delta; next: QueueState; root: Hex }
  | { status: 'refuse'; reason: RefusalReason; detail: string }
  | { status: 'abstain'; reason: 'CUTOFF_NOT_FINAL' | 'OTHER_BUILD'; detail: string }

/**
 * Re-derives a proposal and says whether to sign it. Never throws for what the proposal holds.
 *
 * @param parameters.pcr0Commitment - This operator's own build; without it, any is accepted.
 */
export async function validateProposal(
  pipeline: CommitPipeline,
  parameters: { proposal: CommitProposal; pcr0Commitment?: Hex | undefined },
  io: IoOptions = {},
): Promise<ProposalVerdict> {
  const { proposal } = parameters
  const refuse = (reason: RefusalReason, detail: string): ProposalVerdict => ({
    status: 'refuse',
    reason,
    detail,
  })
  const malformed = shapeFault(proposal)
  if (malformed !== undefined) return { status: 'refuse', ...malformed }
  const own = parameters.pcr0Commitment?.toLowerCase()
  if (own !== undefined && own !== proposal.commit.pcr0Commitment.toLowerCase()) {
    const detail = `it names ${proposal.commit.pcr0Commitment}`
    return { status: 'abstain', reason: 'OTHER_BUILD', detail }
  }
  let delta: Delta
  try {
    delta = decodeDelta(proposal.delta)
  } catch (error) {
    return refuse(
      'MALFORMED_DELTA',
      isPolicySdkError(error) ? error.shortMessage : 'it is no delta',
    )
  }
  if (toHex(defaultHasher().hash(proposal.delta)) !== proposal.deltaHash) {
    return refuse('DELTA_HASH_MISMATCH', `the delta does not hash to ${proposal.deltaHash}`)
  }
  let window: PreparedWindow
  try {
    window = await pipeline.prepare(proposal.commit.timestamp, io)
  } catch (error) {
    if (error instanceof CutoffNotFinalError) {
      return { status: 'abstain', reason: 'CUTOFF_NOT_FINAL', detail: error.shortMessage }
    }
    if (error instanceof InvalidInputError) return refuse('WRONG_COMMIT', error.shortMessage)
    throw error
  }
  const verdict = checkDelta(pipeline, window, delta)
  if (verdict.status === 'invalid') return { status: 'refuse', ...verdict.fault }
  const fault = checkCommit(pipeline, { proposal, root: verdict.root })
  if (fault !== undefined) return { status: 'refuse', ...fault }
  return { status: 'valid', window, delta, next: verdict.next, root: verdict.root }
}

// What comes from a peer is of any type.
function shapeFault(proposal: unknown): { reason: RefusalReason; detail: string } | undefined {
  if (typeof proposal !== 'object' || proposal === null)
    return { reason: 'WRONG_COMMIT', detail: 'it is no proposal' }
  const { commit, delta, deltaHash, locators } = proposal as Partial<CommitProposal>
  try {
    assertStateCommit(commit as StateCommit)
  } catch (error) {
    const detail = isPolicySdkError(error) ? error.shortMessage : 'it has no commit'
    return { reason: 'WRONG_COMMIT', detail }
  }
  if (!(delta instanceof Uint8Array))
    return { reason: 'MALFORMED_DELTA', detail: 'its delta is no bytes' }
  if (typeof deltaHash !== 'string')
    return { reason: 'DELTA_HASH_MISMATCH', detail: 'its deltaHash is no hash' }
  if (!Array.isArray(locators))
    return { reason: 'WRONG_COMMIT', detail: 'its locators are no list' }
  return undefined
}

function checkCommit(
  pipeline: CommitPipeline,
  { proposal, root }: { proposal: CommitProposal; root: Hex },
): { reason: RefusalReason; detail: string } | undefined {
  const { commit, deltaHash, locators } = proposal
  const head = pipeline.head()
  if (commit.sequenceNo !== head.sequenceNo + 1n || commit.prevStateRoot !== head.root) {
    return {
      reason: 'DOES_NOT_EXTEND',
      detail: `commit ${commit.sequenceNo} on ${commit.prevStateRoot}`,
    }
  }
  if (commit.newStateRoot !== root) {
    return {
      reason: 'WRONG_ROOT',
      detail: `newStateRoot is ${commit.newStateRoot}, expected ${root}`,
    }
  }
  let daCertHash: Hex | undefined
  try {
    daCertHash = computeCommitDaHash({ version: commit.version, deltaHash, locators })
  } catch {
    daCertHash = undefined
  }
  return commit.daCertHash === daCertHash
    ? undefined
    : {
        reason: 'WRONG_COMMIT',
        detail: `daCertHash is ${commit.daCertHash}, expected ${daCertHash}`,
      }
}

/** Signs 32-byte digests; a `BlsSigner` is one. */
export type CommitSigner = Pick<BlsSigner, 'sign'>

/** Where and under which table a commit is signed. */
export type CommitContext = {
  /** Required for version 2. */
  domain?: StateCommitDomain | undefined
  /** That of the operator table in force at the cutoff block. */
  referenceTimestamp: number
}

/** The digest that operators sign for a commit. */
export function computeCommitDigest(commit: StateCommit, context: CommitContext): Hex {
  const messageHash = computeStateCommitHash(commit, context.domain)
  return computeSignableDigest({ referenceTimestamp: context.referenceTimestamp, messageHash })
}

/**
 * Signs a proposal that {@link validateProposal} found valid.
 *
 * @throws {ProposalRefusedError} for any other verdict: nothing unchecked is ever signed.
 */
export async function signCommit(
  parameters: {
    proposal: CommitProposal
    verdict: ProposalVerdict
    operator: Address
    signer: CommitSigner
  },
  context: CommitContext,
  options: IoOptions = {},
): Promise<SignatureShare> {
  const { proposal, verdict, operator, signer } = parameters
  if (verdict.status !== 'valid' || verdict.root !== proposal.commit.newStateRoot) {
    const reason = verdict.status === 'refuse' ? verdict.reason : 'WRONG_COMMIT'
    const detail =
      verdict.status === 'valid' ? 'the verdict is of another proposal' : verdict.detail
    throw new ProposalRefusedError({ reason, detail })
  }
  const digest = computeCommitDigest(proposal.commit, context)
  return { operator, signature: await signWith(signer, digest, options) }
}

/**
 * Joins the operators' signatures on a commit to a certificate.
 *
 * @returns The certificate of all good shares, and the others with why they were left out. Whether the
 * rest is enough is for the caller to decide.
 * @throws {CertificateBuildError} where no share is good.
 */
export async function aggregateCommit(
  parameters: {
    commit: StateCommit
    table: OperatorTable
    shares: readonly SignatureShare[]
    backend?: Bn254Backend | undefined
  },
  context: CommitContext,
  options: IoOptions = {},
): Promise<Aggregation> {
  const { commit, table, shares, backend } = parameters
  const { referenceTimestamp, domain } = context
  const messageHash = computeStateCommitHash(commit, domain)
  return buildCertificate({ table, referenceTimestamp, messageHash, shares, backend }, options)
}

/** Lands a commit on chain, then announces where its delta is. */
export async function submitCommit(
  sink: CommitSink,
  parameters: { proposal: CommitProposal; certificate: Certificate },
  io: IoOptions = {},
): Promise<{ commit: Hex; announcement: Hex | undefined }> {
  const { proposal, certificate } = parameters
  const landed = await sink.commitStateRoot({ commit: proposal.commit, certificate }, io)
  const { deltaHash, locators } = proposal
  const { sequenceNo } = proposal.commit
  const announced = await sink.announceCommit({ sequenceNo, deltaHash, locators }, io)
  return { commit: landed.transactionHash, announcement: announced.transactionHash }
}

/**
 * Stores a commit that landed: the tree moves to its version, and queue and head with it.
 *
 * @throws {ProposalRefusedError} when the commit is not what this operator derives.
 */
export async function applyCommit(
  pipeline: CommitPipeline,
  proposal: CommitProposal,
  io: IoOptions = {},
): Promise<Hex> {
  const verdict = await validateProposal(pipeline, { proposal }, io)
  if (verdict.status === 'abstain') {
    throw new CutoffNotFinalError({ timestamp: proposal.commit.timestamp, finalized: -1n })
  }
  if (verdict.status === 'refuse') throw new ProposalRefusedError(verdict)
  const { window, delta, next } = verdict
  const head = await pipeline.apply(window, { delta, deltaHash: proposal.deltaHash, next })
  return head.root
}

/** Index of the operator that proposes a window, in the table at the cutoff block. */
export function proposerIndex(parameters: {
  timestamp: bigint
  window: bigint
  operators: number
}): number {
  return Number((parameters.timestamp / parameters.window) % BigInt(parameters.operators))
}
