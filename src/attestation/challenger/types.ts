/** What a challenger is made of, does and says. */
import type { Hex } from 'viem'
import type {
  AcceptedResponse,
  AcceptedResponses,
  OperatorTrees,
} from '../../core/interfaces/responses.js'
import type { ChallengeSink } from '../../core/interfaces/sinks.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { AttestationOutcome } from '../verify/outcome.js'
import type { AttestationReader } from '../verify/reader.js'
import type { VerifyTaskAttestationParameters } from '../verify/verify.js'
import type { ChallengerState, ChallengerStore, OutboxEntry } from './state.js'

/** What travels with a response, where a challenger can get it. */
export type ResponseAttachments = Pick<
  VerifyTaskAttestationParameters,
  'preimage' | 'inputs' | 'transcript' | 'document'
>

/** What a challenger tells its hook. */
export type ChallengerEvent =
  | { type: 'verified'; messageHash: Hex; outcome: AttestationOutcome }
  /** The contract accepted it, a verification refuses it: the node lags or is wrong. */
  | {
      type: 'contradicted'
      messageHash: Hex
      outcome: Extract<AttestationOutcome, { status: 'reject' }>
    }
  /** One batch of signers was slashed. */
  | { type: 'filed'; messageHash: Hex; transactionHash: Hex }
  /** A transaction is about to leave. */
  | { type: 'sending'; messageHash: Hex; transactionHash: Hex }
  | { type: 'settled' | 'expired'; messageHash: Hex }
  /** The signers are slashed in a block that stays. */
  | { type: 'final'; messageHash: Hex; block: bigint }
  /** What was filed or settled is not on the chain (any more), and is filed again. */
  | { type: 'reopened'; messageHash: Hex }
  | { type: 'refused' | 'retry'; messageHash: Hex; error: unknown }
  | { type: 'reorganized'; from: bigint; to: bigint }
  | { type: 'unreadable'; acceptedAt: bigint; error: unknown }
  | { type: 'error'; error: unknown }

/** Parameters of {@link createChallenger}. */
export type ChallengerParameters = {
  reader: AttestationReader
  responses: AcceptedResponses
  operators: OperatorTrees
  sink: ChallengeSink
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
  /** Most blocks read in one poll. @default 2000n */
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

/** One challenger's parts, its store settled. Internal. */
export type ChallengerRun = ChallengerParameters & { store: ChallengerStore }

/** One pass over its state. Internal. */
export type ChallengerPass = { state: ChallengerState; options: IoOptions }
