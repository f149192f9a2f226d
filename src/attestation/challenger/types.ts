/** What a challenger is made of, does and says. */
import type { Hex } from 'viem'
import type { Json } from '../../core/canonicalJson.js'
import type { DocumentPublicValues, ResultPublicValues } from '../../core/challengeProofs.js'
import type {
  AcceptedResponse,
  AcceptedResponses,
  OperatorTrees,
} from '../../core/interfaces/responses.js'
import type { ChallengeSink } from '../../core/interfaces/sinks.js'
import type { ReadSize } from '../../core/readSize.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import type { Task } from '../../core/task.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { AttestationOutcome } from '../verify/outcome.js'
import type { AttestationReader } from '../verify/reader.js'
import type { VerifyTaskAttestationParameters } from '../verify/verify.js'
import type { ChallengeKind, ChallengerState, ChallengerStore, OutboxEntry } from './state.js'

/** What travels with a response, where a challenger can get it. */
export type ResponseAttachments = Pick<
  VerifyTaskAttestationParameters,
  'preimage' | 'inputs' | 'transcript' | 'document' | 'signedDocuments'
>

/** What a proof of a re-run is made from. */
export type ResultStatement = {
  values: ResultPublicValues
  task: Task
  response: PolicyTaskResponse
  outputs: Readonly<Record<Hex, Json>>
  secrets: Readonly<Record<Hex, Hex>>
}

/** What a proof about a document is made from. */
export type DocumentStatement = {
  values: DocumentPublicValues
  response: PolicyTaskResponse
  document: Uint8Array
}

/** Makes the proofs that the injected verifiers take. May take hours: it is asked again after a restart. */
export interface ChallengeProver {
  /** Left out: false results are told, and not challenged. */
  proveResult?(statement: ResultStatement, options?: IoOptions): Promise<Hex>
  /** Left out: false documents are told, and not challenged. */
  proveDocument?(statement: DocumentStatement, options?: IoOptions): Promise<Hex>
}

/** What a challenger tells its hook. */
export type ChallengerEvent =
  | { type: 'verified'; messageHash: Hex; outcome: AttestationOutcome }
  /** The contract accepted it, a verification refuses it: the node lags or is wrong. */
  | {
      type: 'contradicted'
      messageHash: Hex
      outcome: Extract<AttestationOutcome, { status: 'reject' }>
    }
  /** A proof for a challenge is there. */
  | { type: 'proven'; messageHash: Hex; kind: ChallengeKind }
  /** One batch of signers was slashed. */
  | { type: 'filed'; messageHash: Hex; kind: ChallengeKind; transactionHash: Hex }
  /** A transaction is about to leave. */
  | { type: 'sending'; messageHash: Hex; kind: ChallengeKind; transactionHash: Hex }
  /** Somebody else has challenged it; or its window is over. `kind` where it was in the outbox. */
  | { type: 'settled' | 'expired'; messageHash: Hex; kind?: ChallengeKind | undefined }
  /** The signers are slashed in a block that stays. */
  | { type: 'final'; messageHash: Hex; kind: ChallengeKind; block: bigint }
  /** What was filed or settled is not on the chain (any more), and is filed again. */
  | { type: 'reopened'; messageHash: Hex; kind: ChallengeKind }
  | { type: 'refused' | 'retry'; messageHash: Hex; kind: ChallengeKind; error: unknown }
  | { type: 'reorganized'; from: bigint; to: bigint }
  | { type: 'unreadable'; acceptedAt: bigint; error: unknown }
  | { type: 'error'; error: unknown }

/** Parameters of {@link createChallenger}. */
export type ChallengerParameters = {
  reader: AttestationReader
  responses: AcceptedResponses
  operators: OperatorTrees
  sink: ChallengeSink
  /** Proves false results and documents, which are challenged then. Needs level `result`. */
  prover?: ChallengeProver | undefined
  /** @default memoryChallengerStore() */
  store?: ChallengerStore | undefined
  /** @default 'quorum' */
  level?: 'quorum' | 'result' | undefined
  /** First block to read. @default 0n */
  startBlock?: bigint | undefined
  /** Blocks a challenge stays open, the contract's `challengeWindow`. Entries past it are dropped. */
  challengeWindow: bigint
  /** Blocks to stay behind the newest one. @default 2 */
  confirmations?: number | undefined
  /**
   * Blocks on top of one in which all signers were seen slashed, after which a challenge ends. Until
   * then it is looked at again, and filed again where a reorganization took it.
   * @default 64n
   */
  finalityDepth?: bigint | undefined
  /** Most blocks read in one poll; fewer after failures that may be of size. @default 2000n */
  maxBlocks?: bigint | undefined
  /** Most signers of one transaction. @default 32 */
  signersPerChallenge?: number | undefined
  /** Fetches what travels with a response. */
  attachments?:
    | ((accepted: AcceptedResponse, options: IoOptions) => Promise<ResponseAttachments>)
    | undefined
  /** Milliseconds to wait after the n-th failure. @default 1 s doubling to 10 min */
  backoff?: ((attempts: number) => number) | undefined
  now?: (() => number) | undefined
  onEvent?: ((event: ChallengerEvent) => void) | undefined
}

/** What one poll did. */
export type PollReport = {
  /** Last block read, `null` before the first one. */
  cursor: bigint | null
  /** Whether the newest block was reached. */
  caughtUp: boolean
  verified: number
  /** Challenges whose last signer was reached. */
  filed: number
  /** Responses to verify again and challenges still to file. */
  waiting: number
}

/** Watches, verifies and files. */
export type Challenger = {
  /** Reads the next blocks, verifies, saves, files. Calls made meanwhile share its outcome. */
  poll(options?: IoOptions): Promise<PollReport>
  /** Polls until `signal` fires. Failures go to `onEvent` and are tried again. */
  run(options: { signal: AbortSignal; interval?: number | undefined }): Promise<void>
  /** The challenges filed and to be filed. */
  outbox(): Promise<readonly OutboxEntry[]>
}

/** One challenger's parts, its store settled, and the size of its reads. Internal. */
export type ChallengerRun = ChallengerParameters & { store: ChallengerStore; size: ReadSize }

/** One pass over its state. Internal. */
export type ChallengerPass = { state: ChallengerState; options: IoOptions }
