/** What a control plane works with, and what it tells of its work. */
import type { Hex } from 'viem'
import type { ClaimSink, ProvenanceEvents } from '../../core/interfaces/provenance.js'
import type { BuildInfo } from '../build/buildInfo.js'
import type { BuildCandidates } from '../build/candidates.js'
import type { VerificationEvidence } from '../claims/evidence.js'
import type { ProvenanceIndex } from '../index/provenanceIndex.js'
import type { JobQueue } from '../queue/jobQueue.js'

/** Keeps evidence documents where the world finds them. */
export interface EvidenceStore {
  /** Keeps a document; the URI ends in its SHA-256. */
  put(bytes: Uint8Array, hash: Hex): Promise<string>
  get(hash: Hex): Promise<Uint8Array | undefined>
}

/** What a control plane did. */
export type ControlEvent =
  | { type: 'control.queued'; wasmHash: Hex; buildInfoHash: Hex }
  | { type: 'control.unreadable'; wasmHash: Hex; error: unknown }
  /** The queue takes no more, of this requester or at all: what is left is put later. */
  | { type: 'control.full'; of: 'requester' | 'queue'; requester?: string | undefined }
  /** A build that nobody had named came to something else. It is no claim: nobody said otherwise. */
  | {
      type: 'control.guessed'
      wasmHash: Hex
      buildInfoHash: Hex
      result: 'no_match' | 'did_not_run'
    }
  /**
   * Nobody says how this plugin was built, or its metadata is malformed, and none of the `tried` builds that
   * could be guessed gave it. That is its end, until somebody says.
   */
  | { type: 'control.undescribed'; wasmHash: Hex; tried: number; fault?: string | undefined }
  | { type: 'control.refused'; jobId: string; worker: string; reason: string }
  | {
      type: 'control.claimed'
      evidence: VerificationEvidence
      evidenceUri: string
      transactionHash?: Hex | undefined
    }
  | { type: 'control.gave_up'; jobId: string; state: string; reason: string }
  | { type: 'control.failed'; step: 'follow' | 'claim'; error: unknown }

/** What {@link createControlPlane} works with. */
export type ControlPlaneParameters = {
  events: ProvenanceEvents
  /** Block to begin at. */
  fromBlock: bigint
  index: ProvenanceIndex
  queue: JobQueue
  claims: ClaimSink
  evidence: EvidenceStore
  /** Reads a plugin by its hash; what comes is checked against it. */
  readPlugin: (wasmHash: Hex, options: { signal?: AbortSignal | undefined }) => Promise<Uint8Array>
  /** What to try where nobody says how a plugin was built, 64 builds at most. @default nothing */
  candidates?: BuildCandidates | undefined
  /** Told of each claim before it is settled: where ledger events and statements are made. */
  onClaim?: ((claim: RecordedClaim) => Promise<void>) | undefined
  /** Milliseconds of a lease. @default 60000 */
  leaseMs?: number | undefined
  /**
   * Workers that have to agree before a claim is made, at most 3. One worker's word is that of whoever
   * holds its token.
   * @default 1
   */
  confirmations?: number | undefined
  now?: (() => number) | undefined
  onEvent?: ((event: ControlEvent) => void) | undefined
}

/** A claim that was recorded, with what it rests on. */
export type RecordedClaim = {
  evidence: VerificationEvidence
  evidenceUri: string
  buildInfo: BuildInfo
  /** Whether nobody had named the build: readers know of it once a manager has submitted it. */
  guessed?: boolean | undefined
  transactionHash: Hex | undefined
}
