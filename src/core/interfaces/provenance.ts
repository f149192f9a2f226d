import type { Address, Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { SendingOptions } from './sinks.js'

/** What a verifier claims of a rebuild; the contract's `NONE` is no result and has no name here. */
export type VerificationResult = 'match' | 'no_match' | 'did_not_run'

/** An event of the provenance contracts, decoded. */
export type ProvenanceEvent = {
  blockNumber: bigint
  logIndex: number
  transactionHash: Hex
  /** Unix seconds of the block. */
  timestamp: bigint
} & (
  | {
      type: 'BuildInfoSubmitted'
      wasmHash: Hex
      buildInfoHash: Hex
      submitter: Address
      xdr: Hex
    }
  | {
      type: 'ClaimSubmitted'
      wasmHash: Hex
      verifier: Address
      result: VerificationResult
      buildInfoHash: Hex
      evidenceUri: string
    }
  | {
      type: 'PluginRegistered'
      wasmHash: Hex
      templateId: Hex
      /** Who registered it, and paid for it. */
      author?: Address | undefined
    }
)

/** Reads what the chain says of plugins, in chain order. */
export interface ProvenanceEvents {
  /** All events of blocks `fromBlock` to `toBlock`, both included. Fewer are an error. */
  getEvents(
    parameters: { fromBlock: bigint; toBlock: bigint },
    options?: IoOptions,
  ): Promise<readonly ProvenanceEvent[]>
  /** The newest block that will not be reorganized. */
  getFinalizedBlock(options?: IoOptions): Promise<bigint>
}

/** A claim as the contract takes it. */
export type ProvenanceClaim = {
  wasmHash: Hex
  buildInfoHash: Hex
  result: VerificationResult
  evidenceUri: string
}

/** Records claims on chain, as the account it holds. */
export interface ClaimSink {
  readonly verifier: Address
  /**
   * Records a claim. A result that is on chain already is not sent again, but to `replace` what stands
   * behind it.
   */
  submitClaim(
    claim: ProvenanceClaim,
    options?: SendingOptions & { replace?: boolean | undefined },
  ): Promise<{ transactionHash: Hex | undefined }>
}

/** How far a build environment is trusted: `unknown` where a reader's policy does not name it. */
export type ImageTrust = 'trusted' | 'auditable' | 'arbitrary' | 'unknown'

/** What a reader's policy makes of the claims about one plugin. */
export type ProvenanceVerdict = {
  wasmHash: Hex
  /**
   * `verified`: enough verifiers that the reader believes rebuilt every byte from one source.
   * `disputed`: that, and one of them says that this build gives other bytes, or that one does and none gives
   * these. `mismatched`: one says so and not enough agree. `unverified`: none of these.
   */
  status: 'verified' | 'disputed' | 'mismatched' | 'unverified'
  /** Trust in the environment that the plugin was rebuilt in. */
  image: ImageTrust
  /** The build that was followed, where there is one. */
  buildInfoHash?: Hex | undefined
  sourceSha256?: Hex | undefined
  sourceUri?: string | undefined
  /** Believed verifiers that say it is that build, and those that say it is not. */
  agreeing: readonly Address[]
  disagreeing: readonly Address[]
  /** Why it is not `verified`, for a person. */
  reason?: string | undefined
}

/** Says where plugins come from, as a reader with a trust policy sees it. */
export interface PluginProvenance {
  getProvenance(wasmHash: Hex, options?: IoOptions): Promise<ProvenanceVerdict>
}
